# SPDX-License-Identifier: Apache-2.0
import base64
import json
import plistlib
import subprocess

import pytest

from harness.apns import Apns, Fleet
from harness.server import BIN, run, wait_until
from harness.woken import push_conf

DEVICES = 12
DEVICE_KINDS = ("device", "byod_device")
WIFI = plistlib.dumps({
    "PayloadType": "Configuration", "PayloadVersion": 1, "PayloadIdentifier": "com.example.wifi", "PayloadUUID": "U",
    "PayloadContent": [{"PayloadType": "com.apple.wifi.managed", "PayloadVersion": 1, "PayloadIdentifier": "w",
                        "PayloadUUID": "V", "SSID_STR": "orchard"}]})


@pytest.fixture
def start_sim(make_server, tmp_path):
    """A server that trusts simulated devices which come by themselves: gives both."""
    sims = []

    def start(devices, *words):
        server = make_server().start()
        run("pomona-sim", "ca", "--dir", tmp_path / "sim")
        server.ctl("ca", "add", tmp_path / "sim" / "ca.pem")
        log = (tmp_path / "sim.log").open("w+")
        sim = subprocess.Popen(
            [str(BIN / "pomona-sim"), "run", "--dir", str(tmp_path / "sim"), "--url",
             f"https://localhost:{server.device_port}", "--ca", str(server.root_pem), "--devices", str(devices),
             "--interval", "0.1", "--seed", "7", *map(str, words)],
            stdout=log, stderr=subprocess.STDOUT)
        sims.append((sim, log))
        return server, sim, log

    yield start
    for sim, log in sims:
        sim.kill()
        sim.wait()
        log.close()


def enrolled(server):
    rows = server.get("/api/v1/devices?state=enrolled")["devices"]
    return [row["id"] for row in rows if row["kind"] in DEVICE_KINDS]


def wait_enrolled(server, count):
    wait_until(lambda: len(enrolled(server)) == count, f"{count} devices to enroll")
    return enrolled(server)


def finish(server, ids, command):
    """Sends a command to these devices and waits for their answers; gives how many are in which state."""
    uuid = server.enqueue(ids, command)["uuid"]

    def by_state():
        return server.get(f"/api/v1/commands/{uuid}")["by_state"]

    wait_until(lambda: by_state()["done"] + by_state()["failed"] == len(ids), f"{command['RequestType']} to be answered")
    return by_state()


def test_each_simulated_device_answers_in_the_end_whatever_it_says_at_first(start_sim):
    server, sim, log = start_sim(DEVICES, "--notnow", "30", "--error", "10", "--once")
    ids = []
    while len(ids) < DEVICES and sim.poll() is None:
        ids = enrolled(server)
    assert len(ids) == DEVICES, (log.seek(0), log.read())
    sent = server.enqueue(ids, {"RequestType": "ProfileList"})
    assert sent["counts"]["queued"] == DEVICES
    assert sim.wait(120) == 0, (log.seek(0), log.read())
    by_state = server.get(f"/api/v1/commands/{sent['uuid']}")["by_state"]
    assert by_state["done"] + by_state["failed"] == DEVICES, by_state


def test_what_a_kind_of_device_does_not_know_fails_and_the_rest_is_done(start_sim):
    server, _, _ = start_sim(10)
    ids = wait_enrolled(server, 10)
    for name, done in (("SecurityInfo", 10), ("ProfileList", 10), ("InstalledApplicationList", 10),
                       ("CertificateList", 10), ("ManagedApplicationList", 10), ("UserList", 4), ("Restrictions", 6)):
        by_state = finish(server, ids, {"RequestType": name})
        assert (by_state["done"], by_state["failed"]) == (done, 10 - done), name


def test_profiles_are_installed_and_removed_and_a_malformed_one_fails(start_sim):
    server, _, _ = start_sim(3)
    ids = wait_enrolled(server, 3)

    def install(content):
        return {"RequestType": "InstallProfile", "Payload": {"$data": base64.b64encode(content).decode()}}

    remove = {"RequestType": "RemoveProfile", "Identifier": "com.example.wifi"}
    assert finish(server, ids, install(WIFI))["done"] == 3
    assert finish(server, ids, remove)["done"] == 3
    assert finish(server, ids, remove)["failed"] == 3
    assert finish(server, ids, install(b"no profile"))["failed"] == 3


def test_a_clone_is_kept_out_and_the_original_goes_on(start_sim, tmp_path):
    server, _, _ = start_sim(2, "--clones", 1)
    ids = wait_enrolled(server, 1)
    clone = json.loads((tmp_path / "sim" / "devices" / "000001.json").read_text())["udid"]
    wait_until(lambda: clone in [entry["claimed_id"] for entry in server.refusals()], "the clone to be refused")
    assert finish(server, ids, {"RequestType": "ProfileList"})["done"] == 1
    assert enrolled(server) == ids


def test_an_erased_device_enrolls_again_with_another_identity_and_takes_commands(start_sim):
    server, _, _ = start_sim(2, "--away", "0.5")
    ids = wait_enrolled(server, 2)
    before = {device: server.device(device)["identity"]["sha256"] for device in ids}
    assert finish(server, ids, {"RequestType": "EraseDevice"})["done"] == 2
    wait_until(lambda: all(server.device(device)["identity"]["sha256"] != before[device] for device in ids),
               "them to come back")
    assert finish(server, ids, {"RequestType": "ProfileList"})["done"] == 2


def test_restores_dead_tokens_and_logins_cost_no_command(make_server, tmp_path):
    """Devices come only when woken; a push to a token that a device has given up is a 410."""
    apns = Apns(tmp_path / "sim").start()
    server = make_server(push_conf(apns)).start()
    server.ctl("ca", "add", tmp_path / "sim" / "ca.pem")
    server.ctl("pushcert", "set", apns.push_pem)
    apns.stop()
    fleet = Fleet(tmp_path / "sim", f"https://localhost:{server.device_port}", server.root_pem, 10, "--seed", "7",
                  "--interval", "0.5", "--away", "0.3", "--restore", "20", "--token-change", "50", "--logout", "50")
    fleet.port = apns.port
    fleet.start()
    try:
        ids = wait_enrolled(server, 10)
        identities = {device: server.device(device)["identity"] for device in ids}
        for _ in range(5):
            assert finish(server, ids, {"RequestType": "ProfileList"})["done"] == 10
        users = [row["id"] for row in server.get("/api/v1/devices?state=enrolled")["devices"] if ":" in row["id"]]
        assert finish(server, users, {"RequestType": "ProfileList"})["done"] == len(users) >= 2
        assert {device: server.device(device)["identity"] for device in ids} == identities
        said = "\n".join(fleet.log)
        assert all(f"event={event}" in said for event in ("restored", "token_changed", "logged_out", "logged_in"))
    finally:
        fleet.stop()


def test_devices_in_setup_assistant_are_all_let_go(start_sim, tmp_path):
    def is_held(path):
        return json.loads(path.read_text())["in_setup"]

    server, _, _ = start_sim(DEVICES, "--setup", "--notnow", 30)
    ids = [id for id in wait_enrolled(server, DEVICES) if server.device(id)["kind"] == "device"]
    assert ids
    wait_until(lambda: not any(server.device(id)["is_awaiting_configuration"] for id in ids), "all to be let go")
    for id in ids:
        done = [row for row in server.get(f"/api/v1/devices/{id}/commands")["commands"] if row["state"] == "done"]
        assert [row["request_type"] for row in done] == ["DeviceConfigured"], id
    wait_until(lambda: not any(map(is_held, (tmp_path / "sim").glob("**/*[0-9].json"))), "them to know it")
