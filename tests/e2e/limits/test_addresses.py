# SPDX-License-Identifier: Apache-2.0
"""How many connections one address may have, and make in a second."""

import socket
import ssl
import subprocess
import time

import pytest

from harness.device import Device
from harness.raw import RawConnection
from harness.server import BIN, wait_until

ANOTHER = "127.0.0.2"  # all of 127.0.0.0/8 is this host
FLOOD = 300
HELD = {"device.header_timeout_s": 3600, "device.idle_timeout_s": 3600}  # connections stay for the whole of a test


def turned_away(server):
    return server.get("/api/v1/status")["listeners"]["device"]["turned_away"]


def is_let_in(server, source="127.0.0.1"):
    """Does a handshake come to its end?"""
    try:
        plain = socket.create_connection(("127.0.0.1", server.device_port), 60, (source, 0))
        with plain, server.client_context().wrap_socket(plain, server_hostname="localhost"):
            return True
    except (ssl.SSLError, OSError):
        return False


def test_an_address_has_as_many_connections_as_the_limit_and_no_more(make_server, authority):
    limit = 5
    server = make_server({**HELD, "device.connections_per_address": limit}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    server.enqueue([device.udid], {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
    device.close()
    wait_until(lambda: server.get("/api/v1/status")["listeners"]["device"]["connections"] == 0, "the device to be gone")
    held = [RawConnection(server) for _ in range(limit)]
    before = turned_away(server)["connections_per_address"]
    with pytest.raises(OSError):
        device.poll()
    assert turned_away(server)["connections_per_address"] == before + 1
    server.wait_log("event=turned_away listener=device reason=connections_per_address peer=127.0.0.1:")
    assert is_let_in(server, ANOTHER), "others are not concerned"
    assert server.device(device.udid)["state"] == "enrolled"
    held.pop().close()
    wait_until(lambda: polls(device), "the place to be free")
    assert device.poll()["Command"]["RequestType"] == "DeviceInformation"
    for raw in held:
        raw.close()


def polls(device):
    try:
        device.poll()
        return True
    except OSError:
        return False


def test_without_a_limit_there_is_none(make_server):
    server = make_server({**HELD, "device.connections_per_address": 0, "device.handshakes_per_s": 0,
                          "device.handshakes_per_address_per_s": 0}).start()
    held = [RawConnection(server) for _ in range(50)]
    assert not any(turned_away(server).values())
    for raw in held:
        raw.close()


def flood(server):
    """So many connections at once; gives how many seconds it took at most."""
    began = time.monotonic()
    for _ in range(FLOOD):
        socket.create_connection(("127.0.0.1", server.device_port), 60).close()
    # Those that the kernel took are taken or turned away by now, or will be before a later one is.
    wait_until(lambda: seen(server) >= FLOOD, "all to be taken or turned away")
    return time.monotonic() - began


def seen(server):
    listener = server.get("/api/v1/status")["listeners"]["device"]
    return listener["connections_total"] + sum(listener["turned_away"].values())


@pytest.mark.parametrize("key", ["handshakes_per_address_per_s", "handshakes_per_s"])
def test_connections_past_the_rate_are_turned_away(make_server, authority, key):
    rate = 5
    server = make_server({f"device.{key}": rate}).start()
    server.trust(authority)
    seconds = flood(server)
    refused = turned_away(server)
    assert refused[key] >= FLOOD - rate * (seconds + 2), f"{refused} in {seconds} s"
    assert sum(refused.values()) == refused[key]
    server.wait_log(f"event=turned_away listener=device reason={key} peer=127.0.0.1:")
    lines = [line for line in server.log if "event=turned_away" in line]
    assert len(lines) <= 1 + seconds / 10, "they do not fill the log"
    if key == "handshakes_per_address_per_s":
        assert is_let_in(server, ANOTHER), "others are not concerned"
    device = Device(server, authority.issue("device"))
    wait_until(lambda: enrolls(device), "an honest device to get through")
    assert server.device(device.udid)["state"] == "enrolled"


def test_a_flood_leaves_other_addresses_their_share(make_server):
    rate = 20
    server = make_server({"device.handshakes_per_s": rate}).start()
    words = ["flood-broken", server.device_port, 3, 64, 500]  # of 127.0.0.2 to 127.0.0.4
    with subprocess.Popen([BIN / "bench-attack", *map(str, words)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as attacker:
        try:
            wait_until(lambda: turned_away(server)["handshakes_per_s"] > 10 * rate, "more to come than may")
            for _ in range(rate // 2 // 4):
                assert is_let_in(server)
        finally:
            attacker.stdin.close()


def test_a_flood_from_everywhere_does_not_shut_out_the_address_of_a_device(make_server, authority):
    """From more addresses than there are shares: a newcomer has none, and where a device is known it comes in."""
    rate = 20
    server = make_server({"device.handshakes_per_s": rate}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    device.poll()
    device.close()
    words = ["flood-broken", server.device_port, 100, 128, 500]  # of 127.0.0.2 to 127.0.0.101
    with subprocess.Popen([BIN / "bench-attack", *map(str, words)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as attacker:
        try:
            wait_until(lambda: turned_away(server)["handshakes_per_s"] > 10 * rate, "more to come than may")
            wait_until(lambda: not is_let_in(server, "127.0.1.1"), "a stranger among a hundred to be turned away")
            for _ in range(rate // 4):
                assert device.poll() is None
                device.close()
        finally:
            attacker.stdin.close()


def enrolls(device):
    try:
        device.enroll()
        return True
    except OSError:
        return False
