# SPDX-License-Identifier: Apache-2.0
"""The master key: another one while devices come, a daemon that dies in the middle, keys that are taken out, keys
that systemd gives, and keys of another database. Python's sqlite3 is the witness of what each blob is under."""

import http.client
import os
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness.device import Device
from harness.panel import Panel
from harness.server import BIN, wait_until

# Columns that hold blobs of ours; a unit test holds the server's own list against the schema.
SEALED = ["pending_enrollment", "checkin_message", "command_body", "result", "escrow", "vault", "push_cert"]
MANY = 4000
SYNC_MS = 250  # with which so many take seconds
DIED = (OSError, http.client.HTTPException)


def key_file(server):
    return server.folder / "master.key"


def key_ids(server):
    return [line.split()[0] for line in key_file(server).read_text().splitlines()]


def blobs_by_key(server):
    """Of a server that is stopped: how many blobs are under each key."""
    database = sqlite3.connect(server.folder / "pomona.db")
    counts = {}
    for table in SEALED:
        for key, count in database.execute(f"SELECT hex(substr(sealed, 2, 4)), count(*) FROM {table} GROUP BY 1"):
            counts[key.lower()] = counts.get(key.lower(), 0) + count
    database.close()
    return counts


def keys(server):
    return server.get("/api/v1/keys")


def settle(server):
    wait_until(lambda: keys(server)["state"] == "settled", "all blobs are counted and re-sealed", 120)
    return keys(server)


def master_keys(server):
    return {bytes.fromhex(line.split()[0]): AESGCM(bytes.fromhex(line.split()[1]))
            for line in key_file(server).read_text().splitlines()}


def fill(server, count=MANY):
    """Puts secrets into the database of a server that is stopped, sealed by a foreign hand."""
    (key_id, key), = master_keys(server).items()
    database = sqlite3.connect(server.folder / "pomona.db")
    with database:
        for number in range(count):
            nonce = os.urandom(12)
            name = f"filler-{number}"
            sealed = key.encrypt(nonce, name.encode() * 20, b"\x01" + key_id + f"vault/{name}".encode())
            database.execute("INSERT INTO vault (name, stored_at, sealed) VALUES (?, 0, ?)",
                             (name, b"\x01" + key_id + nonce + sealed))
    database.close()


def assert_fillers(server, count=MANY):
    """They open by the newest key, in their places, and hold what they held."""
    key_id, key = list(master_keys(server).items())[-1]
    database = sqlite3.connect(server.folder / "pomona.db")
    rows = dict(database.execute("SELECT name, sealed FROM vault WHERE name LIKE 'filler-%'"))
    database.close()
    assert len(rows) == count
    for name, blob in rows.items():
        assert blob[:5] == b"\x01" + key_id
        assert key.decrypt(blob[5:17], blob[17:], blob[:5] + f"vault/{name}".encode()) == name.encode() * 20


class Fleet:
    """Devices that are sent commands and answer them until they are told to stop."""

    def __init__(self, server, authority, count=6):
        self.server = server
        self.devices = [Device(server, authority.issue(f"device {i}")).enroll(UnlockToken=b"u" * 99)
                        for i in range(count)]
        self.acked = {device.udid: set() for device in self.devices}
        self.faults = []
        self._stop = threading.Event()
        self._answered = threading.Condition()

    def _live(self, device):
        while not self._stop.is_set():
            try:
                self.server.enqueue([device.udid], {"RequestType": "ProfileList"})
                command = device.poll()
                while command is not None:
                    uuid = command["CommandUUID"]
                    command = device.answer(command, Note=f"SECRET-{uuid}")
                    self.acked[device.udid].add(uuid)
                    with self._answered:
                        self._answered.notify_all()
            except DIED:
                return  # it was killed
            except AssertionError as error:
                self.faults.append(str(error))
                return

    def start(self):
        self._stop.clear()
        self._threads = [threading.Thread(target=self._live, args=(device,)) for device in self.devices]
        for thread in self._threads:
            thread.start()

    def total(self):
        return sum(map(len, self.acked.values()))

    def wait_for(self, more):
        with self._answered:
            wanted = self.total() + more
            assert self._answered.wait_for(lambda: self.total() >= wanted or self.faults, 60), "devices stopped"

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for device in self.devices:
            device.close()
        assert self.faults == []

    def assert_all_there(self):
        """Every answer that was told 200 is served again, in full."""
        for udid, uuids in self.acked.items():
            for uuid in uuids:
                result = self.server.get(f"/api/v1/commands/{uuid}/results/{udid}")
                assert f"SECRET-{uuid}" in str(result)


def test_a_new_key_is_taken_under_load_and_nothing_is_left_under_the_old_one(server, authority):
    old, = key_ids(server)
    secret = key_file(server).read_text().split()[1]
    os.chmod(key_file(server), 0o400)
    fleet = Fleet(server, authority)
    fleet.start()
    try:
        fleet.wait_for(30)
        said = server.ctl("key", "rotate").stdout
        assert "Backups that were made before need the older keys" in said
        fleet.wait_for(30)
        status = settle(server)
        fleet.wait_for(30)
    finally:
        fleet.stop()
    assert key_ids(server)[0] == old and len(key_ids(server)) == 2
    assert os.stat(key_file(server)).st_mode & 0o7777 == 0o400
    new = key_ids(server)[1]
    assert status["left"] == 0 and status["fault"] is None
    assert [(row["id"], row["is_sealing"], row["is_there"]) for row in status["keys"]] == \
        [(old, False, True), (new, True, True)]
    assert status["keys"][0]["blobs"] == 0 and status["keys"][1]["blobs"] > 100
    assert re.search(r"rotating +no", server.ctl("key", "status").stdout)
    assert server.get("/api/v1/status")["keys"]["state"] == "settled"
    fleet.assert_all_there()
    assert old in server.ctl("key", "prune").stdout
    assert key_ids(server) == [new]
    fleet.assert_all_there()
    server.stop()
    assert set(blobs_by_key(server)) == {new}
    for line in server.log:
        assert secret not in line and key_file(server).read_text().split()[1] not in line
    server.start()
    fleet.assert_all_there()
    assert keys(server)["state"] == "uncounted"


@pytest.fixture
def panel(tmp_path):
    return Panel(tmp_path / "panel")


def rotate_to_the_middle(server, panel):
    """Returns when some of fill() have been re-sealed; others have not, and will not be for seconds."""
    panel.slow_sync(SYNC_MS)
    assert server.api("POST", "/api/v1/keys/rotate").status == 200

    def is_there():
        status = keys(server)
        assert status["state"] != "settled", "it was too quick"
        return status["state"] == "resealing" and 0 < status["left"] < MANY

    wait_until(is_there, "it re-seals")


def test_a_daemon_that_is_killed_in_the_middle_goes_on_where_it_was(make_server, authority, panel):
    server = make_server(program="pomonad-faultvfs", environment=panel.environment)
    fill(server)
    server.start()
    server.trust(authority)
    fleet = Fleet(server, authority)
    fleet.start()
    fleet.wait_for(30)
    old, = key_ids(server)
    rotate_to_the_middle(server, panel)
    halves = 0
    for _ in range(6):
        wait_until(lambda: keys(server)["state"] in ("resealing", "settled"), "it re-seals")
        server.kill()
        fleet.stop()
        counts = blobs_by_key(server)
        halves += 0 < counts.get(old, 0) < sum(counts.values())
        server.start()
        fleet.start()
    panel.heal()
    fleet.stop()
    assert halves > 0, "it was never killed in the middle"
    assert settle(server)["left"] == 0
    fleet.assert_all_there()
    server.stop()
    assert set(blobs_by_key(server)) == {key_ids(server)[1]}
    assert_fillers(server)


def test_a_power_cut_in_the_middle_loses_nothing(make_server, authority, panel, tmp_path):
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    server = make_server(program="pomonad-faultvfs", environment={**panel.environment,
                                                                   "POMONA_TEST_SHADOW_DIR": str(shadow)})
    fill(server)
    shutil.copy(server.folder / "pomona.db", shadow / "pomona.db")
    server.start()
    server.trust(authority)
    fleet = Fleet(server, authority)
    fleet.start()
    fleet.wait_for(30)
    rotate_to_the_middle(server, panel)
    server.kill()
    fleet.stop()
    panel.heal()
    for path in server.folder.glob("pomona.db*"):
        path.unlink()
    for path in shadow.glob("pomona.db*"):
        if path.stat().st_size > 0:
            shutil.copy(path, server.folder / path.name)
    server.start()
    assert settle(server)["left"] == 0
    fleet.assert_all_there()
    server.stop()
    assert_fillers(server)


def test_a_key_that_is_needed_is_not_taken_out(server):
    reply = server.api("POST", "/api/v1/keys/prune")
    assert reply.status == 409 and "one key only" in reply.json()["detail"]
    assert server.ctl("key", "prune", check=False).returncode == 1
    assert server.api("POST", "/api/v1/keys/rotate").status == 200
    settle(server)
    server.stop()
    # A blob that nobody can open stays under the old key, which is kept for it.
    database = sqlite3.connect(server.folder / "pomona.db")
    old, new = key_ids(server)
    with database:
        database.execute("INSERT INTO vault (name, stored_at, sealed) VALUES ('odd', 0, ?)",
                         (b"\x01" + bytes.fromhex(old) + b"x" * 60,))
    database.close()
    server.start()
    assert settle(server)["left"] == 1
    server.wait_log("event=blobs_not_resealed")
    reply = server.api("POST", "/api/v1/keys/prune")
    assert reply.status == 409 and old in reply.json()["detail"] and "1 blobs" in reply.json()["detail"]
    assert key_ids(server) == [old, new]


def test_rotating_again_waits_for_the_end_of_the_former(server):
    assert server.api("POST", "/api/v1/keys/rotate").status == 200
    settle(server)
    for count in range(3, 17):
        assert server.api("POST", "/api/v1/keys/rotate").status == 200
        settle(server)
        assert len(key_ids(server)) == count
    reply = server.api("POST", "/api/v1/keys/rotate")
    assert reply.status == 409 and "pomonactl key prune" in reply.json()["detail"]
    assert len(server.ctl_json("key", "prune")["removed"]) == 15
    assert server.ctl("key", "count").returncode == 0
    assert settle(server)["keys"][0]["blobs"] > 0


def test_a_key_that_an_administrator_added_is_taken_by_rotate_and_by_a_reload(server):
    for take in ("rotate", "reload"):
        known = len(key_ids(server))
        said = server.ctl("key", "new", key_file(server)).stdout
        assert key_ids(server)[-1] in said and len(key_ids(server)) == known + 1
        if take == "rotate":
            server.ctl("key", "rotate")
        else:
            server.reload()
            wait_until(lambda: len(keys(server)["keys"]) == known + 1, "it takes the key")
        status = settle(server)
        assert len(key_ids(server)) == known + 1
        assert status["keys"][-1]["is_sealing"] and status["keys"][-1]["id"] == key_ids(server)[-1]
        assert status["left"] == 0


def test_a_reload_does_not_take_a_file_that_lacks_a_key(server):
    good = key_file(server).read_text()
    key_file(server).write_text("0badc0de " + "ab" * 32 + "\n")
    server.reload()
    line = server.wait_log("event=master_key_not_taken")
    assert good.split()[0] in line and "ab" * 32 not in line
    assert server.api("POST", "/api/v1/keys/rotate").status == 409
    key_file(server).write_text(good)
    assert server.api("POST", "/api/v1/keys/rotate").status == 200


# --- the key of another database

def start_fails(server):
    process = subprocess.run([BIN / "pomonad", "-c", server.conf_path], capture_output=True, text=True, timeout=60,
                             env={**os.environ, **server.environment})
    return process.returncode, process.stderr


@pytest.mark.parametrize("replace", [
    lambda line: "0badc0de " + "ab" * 32,
    lambda line: line.split()[0] + " " + "ab" * 32,
], ids=["another key", "another key of that name"])
def test_a_key_of_another_database_ends_with_78_and_names_file_and_keys(server, replace):
    server.stop()
    good = key_file(server).read_text()
    key_file(server).write_text(replace(good) + "\n")
    before = (server.folder / "pomona.db").read_bytes()
    status, log = start_fails(server)
    assert status == 78, log
    assert str(key_file(server)) in log and good.split()[0] in log and "advice=" in log
    assert "ab" * 32 not in log
    assert blobs_by_key(server) and (server.folder / "pomona.db").read_bytes() == before
    key_file(server).write_text(good)
    server.start()


def test_an_old_key_that_goes_too_early_is_missed_at_the_start(make_server, panel):
    """The device CA's key is re-sealed last."""
    server = make_server(program="pomonad-faultvfs", environment=panel.environment)
    fill(server)
    server.start()
    old, = key_ids(server)
    rotate_to_the_middle(server, panel)
    server.kill()
    panel.heal()
    assert blobs_by_key(server).get(old, 0) > 0
    both = key_file(server).read_text()
    key_file(server).write_text(both.splitlines()[1] + "\n")
    status, log = start_fails(server)
    assert status == 78 and old in log, log
    key_file(server).write_text(both)
    server.start()
    assert settle(server)["left"] == 0


def test_the_unit_does_not_start_it_again_and_again():
    from harness.server import SOURCE
    unit = (SOURCE / "conf" / "pomonad.service.in").read_text()
    statuses = re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE).group(1).split()
    assert "78" in statuses


# --- credentials

def test_a_credential_of_systemd_is_the_key_and_is_not_written(make_server, authority, tmp_path):
    folder = tmp_path / "credentials"
    folder.mkdir()
    server = make_server({"server.master_key": "credential:master.key"},
                         environment={"CREDENTIALS_DIRECTORY": str(folder)})
    source = tmp_path / "source.key"
    shutil.move(key_file(server), source)
    status, log = start_fails(server)
    assert status == 78 and str(folder / "master.key") in log

    def load():
        """As systemd does at each start."""
        shutil.copy(source, folder / "master.key")
        os.chmod(folder / "master.key", 0o400)

    load()
    server.start()
    server.trust(authority)
    Device(server, authority.issue("a")).enroll()
    old = source.read_text().split()[0]
    status = keys(server)
    assert status["is_credential"] is True and status["file"] == str(folder / "master.key")
    result = server.ctl("key", "rotate", check=False)
    assert result.returncode == 1
    assert "pomonactl key new" in result.stderr and "restart" in result.stderr
    assert (folder / "master.key").read_text() == source.read_text(), "it was written"
    server.ctl("key", "new", source)
    server.stop()
    load()
    server.start()
    new = source.read_text().splitlines()[1].split()[0]
    assert [(row["id"], row["blobs"] > 0) for row in settle(server)["keys"]] == [(old, False), (new, True)]
    result = server.ctl("key", "prune", check=False)
    assert result.returncode == 1 and old in result.stderr and "delete the lines" in result.stderr
    server.stop()
    assert set(blobs_by_key(server)) == {new}
    source.write_text(source.read_text().splitlines()[1] + "\n")
    (folder / "master.key").unlink()
    load()
    server.start()
    assert run_test(server) == 0


def run_test(server):
    return subprocess.run([BIN / "pomonad", "-t", "-c", server.conf_path], capture_output=True, timeout=60,
                          env={**os.environ, **server.environment}).returncode


# --- PKCS#12

def algorithms(path):
    """What openssl, a foreign reader, says of a PKCS#12, without its default provider's help."""
    told = subprocess.run(["openssl", "pkcs12", "-info", "-in", path, "-passin", "pass:sesame", "-nodes"],
                          capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "BEGIN PRIVATE KEY" in told.stdout and told.stdout.count("BEGIN CERTIFICATE") == 2
    mac = re.search(r"MAC: (\w+)", told.stderr).group(1)
    return mac, re.findall(r"(?:PKCS7 Encrypted data|Shrouded Keybag): (.*)", told.stderr)


def test_a_pkcs12_is_strong_or_as_older_systems_need_it(server, tmp_path):
    password = tmp_path / "password"
    password.write_text("sesame\n")
    for name, option in (("strong", []), ("legacy", ["--legacy"])):
        server.ctl("identity", "issue", "--p12", tmp_path / name, "--password-file", password, *option)
    mac, ciphers = algorithms(tmp_path / "strong")
    assert mac == "sha256"
    assert len(ciphers) == 2 and all("PBES2" in text and "AES-256-CBC" in text for text in ciphers)
    mac, ciphers = algorithms(tmp_path / "legacy")
    assert mac == "sha1"
    assert len(ciphers) == 2 and all(text.startswith("pbeWithSHA1And3-KeyTripleDES-CBC") for text in ciphers)
    result = server.ctl("identity", "issue", "--csr", password, "--legacy", check=False)
    assert result.returncode == 64 and "--legacy is for --p12" in result.stderr
    reply = server.api("POST", "/api/v1/identities", {"pkcs12": {"password": "x", "legacy": "yes"}})
    assert reply.status == 400 and "legacy" in reply.json()["detail"]
