# SPDX-License-Identifier: Apache-2.0
"""TLS keys and trusted CAs change while devices are connected, and nobody loses the connection."""

import threading

import pytest

from harness.authority import Authority
from harness.certificate import pem_of, put_foreign, shown
from harness.device import Device

DEVICES = 100
THREADS = 8
TURNS = 4


def reload(server, event="reloaded"):
    before = len(server.log)
    server.reload()
    return server.wait_log(f"event={event} ", after=before)


class Fleet:
    """Devices that poll without pause, each on the connection that it has."""

    def __init__(self, devices):
        self.devices = devices
        self.sockets = [device._connection.sock for device in devices]
        self.polls = [0] * len(devices)
        self.faults = []
        self._until = threading.Event()
        self._threads = [threading.Thread(target=self._poll, args=(which,)) for which in range(THREADS)]

    def _poll(self, which):
        try:
            while not self._until.is_set():
                for i in range(which, len(self.devices), THREADS):
                    assert self.devices[i].poll() is None
                    self.polls[i] += 1
        except Exception as error:  # whatever it is, the test has to hear of it
            self.faults.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._until.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for_polls(self):
        """Until each device has polled once more at least."""
        before, pause = list(self.polls), threading.Event()
        while not self.faults and any(now <= then for now, then in zip(self.polls, before)):
            pause.wait(0.01)
        assert self.faults == []


def test_many_connections_go_on_while_keys_and_cas_change(server, authority):
    other = Authority("A CA that comes and goes")
    ca_file = server.folder / "other.pem"
    ca_file.write_bytes(other.certificate_pem())
    fleet = Fleet([Device(server, authority.issue("device")).enroll() for _ in range(DEVICES)])
    roots = [Authority(f"Root {turn}") for turn in range(TURNS)]
    with fleet:
        for root in roots:
            leaf = put_foreign(server, 300, root)
            reload(server)
            assert shown(server) == leaf.certificate, "on a new connection"
            server.ctl("ca", "add", ca_file)
            fleet.wait_for_polls()
            server.ctl("ca", "remove", other.sha256)
            fleet.wait_for_polls()
    assert [device._connection.sock for device in fleet.devices] == fleet.sockets, "the same connections"
    listener = server.get("/api/v1/status")["listeners"]["device"]
    assert listener["connections"] >= DEVICES
    assert listener["replies"]["4xx"] == 0 and listener["replies"]["5xx"] == 0


def test_the_devices_of_a_ca_that_is_removed_are_refused_at_once(server, authority):
    going = Authority("Going CA")
    server.trust(going, "going.pem")
    device = Device(server, going.issue("device")).enroll()
    other = Device(server, authority.issue("device")).enroll()
    connection = device._connection.sock
    for _ in range(2):
        assert device.poll() is None, "it is judged on this connection, and known by its pin"
    server.ctl("ca", "remove", going.sha256)
    for message in (device.idle, device.token_update, lambda: device.report("Acknowledged", "X")):
        assert message().status == 403
    assert device._connection.sock is connection
    assert [row["reason"] for row in server.refusals() if row["claimed_id"] == device.udid] == ["not_chained"] * 3
    again = Device(server, device.identity, device.udid)
    assert again.idle().status == 403, "on a new connection, and by its pin"
    assert Device(server, going.issue("stranger")).authenticate().status == 403
    assert other.poll() is None
    assert server.device(device.udid)["state"] == "enrolled", "it is not unenrolled by it"
    server.trust(going, "going.pem")
    assert device.poll() is None and device._connection.sock is connection
    assert server.ctl("ca", "remove", "00" * 32, check=False).returncode != 0


def put_foreign_key(server):
    put_foreign(server, 300)
    (server.folder / "tls" / "server.key").write_bytes(Authority().key_pem())


def put_ended(server):
    put_foreign(server, -1)


def put_too_early(server):
    put_foreign(server, 300, starts_days=2)


def put_nothing(server):
    pem_of(server).unlink()


def put_no_key(server):
    (server.folder / "tls" / "server.key").write_text("no key")


@pytest.mark.parametrize("put, why", [
    (put_foreign_key, "is not that of the first certificate"), (put_ended, "ended on 2"),
    (put_too_early, "begins on 2"), (put_nothing, "no such file"), (put_no_key, "key")])
def test_a_pair_that_cannot_serve_is_refused_and_the_old_one_stays(server, authority, put, why):
    device = Device(server, authority.issue("device")).enroll()
    connection = device._connection.sock
    old = shown(server)
    kept = {path: path.read_bytes() for path in (server.folder / "tls").iterdir()}
    put(server)
    line = reload(server, "reload_failed")
    assert why in line and "[device] tls_" in line
    assert shown(server) == old
    assert device.poll() is None and device._connection.sock is connection
    for path, content in kept.items():
        path.write_bytes(content)
    reload(server)
    assert device.poll() is None and device._connection.sock is connection


def test_a_certificate_that_ended_while_in_force_does_not_stand_in_the_way_of_a_reload(make_server):
    server = make_server()
    put_foreign(server, -1)
    server.start()
    server.conf["server.log_level"] = "debug"
    server.write_conf()
    reload(server)
