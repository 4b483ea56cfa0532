# SPDX-License-Identifier: Apache-2.0
"""pomonactl backup while pomonad serves, and pomonactl restore while it does not."""

import os
import plistlib
import socket
import sqlite3
import stat
import subprocess
import threading
import uuid

import pytest

from harness.device import Device
from harness.process import end
from harness.server import BIN, wait_until

DEVICES = 6
PING = {"RequestType": "DeviceInformation", "Queries": ["DeviceName"]}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def backup(server, make_device, tmp_path):
    """A backup of a server with one device that has a bootstrap token and two commands, and the device."""
    device = make_device().enroll()
    assert device.checkin("SetBootstrapToken", BootstrapToken=b"bootstrap").status == 200
    uuids = [str(uuid.uuid4()) for _ in range(2)]
    for name in uuids:
        server.enqueue([device.udid], PING, uuid=name)
    path = tmp_path / "out" / "pomona.backup"
    path.parent.mkdir()
    server.ctl("backup", path)
    return path, device, uuids


def test_a_backup_under_load_holds_what_was_answered_before_it_and_restores(make_server, authority, tmp_path):
    server = make_server().start()
    server.trust(authority)
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(DEVICES)]
    path = tmp_path / "pomona.backup"
    is_over, answered, wrong = threading.Event(), {}, []
    enough = threading.Semaphore(0)

    def work(device):
        """Queues a command for itself, then tells its number as bootstrap token: the one follows the other."""
        number = 0
        while not is_over.is_set():
            number += 1
            server.enqueue([device.udid], PING, uuid=f"{device.udid}.{number}")
            reply = device.checkin("SetBootstrapToken", BootstrapToken=str(number).encode())
            if reply.status != 200:
                wrong.append(reply)
                return
            answered[device.udid] = number
            enough.release()

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for _ in range(10 * DEVICES):
        assert enough.acquire(timeout=60)
    wait_until(lambda: len(answered) == DEVICES or wrong, "an answer to each device")
    before = dict(answered)
    result = server.ctl("backup", path)
    is_over.set()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert "master key is NOT in it" in result.stdout and str(server.folder / "master.key") in result.stdout
    server.stop()

    server.ctl("restore", path)
    server.start()
    for device in devices:
        device.use(device.identity)
        kept = int(plistlib.loads(device.checkin("GetBootstrapToken").body)["BootstrapToken"])
        assert kept >= before[device.udid], "what was answered before the backup is in it"
        rows = server.get(f"/api/v1/devices/{device.udid}/commands?limit=1000")["commands"]
        queued = max(int(row["uuid"].rsplit(".", 1)[1]) for row in rows)
        assert queued - kept in (0, 1), "one moment for the queue and the tokens"
        assert len(rows) == queued
        command = device.poll()
        assert command["CommandUUID"] == f"{device.udid}.1", "its queue is served"
        device.close()


def test_the_file_is_an_intact_database_for_its_owner_alone_without_secrets(server, backup):
    path, device, uuids = backup
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path.parent) == [path.name]
    assert b"bootstrap\0" not in path.read_bytes() and b"PRIVATE KEY" not in path.read_bytes()
    assert (server.folder / "master.key").read_text().split()[1].encode() not in path.read_bytes()
    database = sqlite3.connect(f"file:{path}?immutable=1", uri=True)  # another reader of the format
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("SELECT count(*) FROM enrollment WHERE ext_id = ?", [device.udid]).fetchone() == (1,)
    database.close()
    assert not list(server.folder.glob("pomona.db.backup*")), "nothing is left beside the database"
    server.wait_log("event=admin_change .*what=backup")


def test_a_file_that_is_there_is_overwritten_only_when_asked(server, backup):
    path, *_ = backup
    path.write_text("precious")
    result = server.ctl("backup", path, check=False)
    assert result.returncode == 1 and "--force" in result.stderr
    assert path.read_text() == "precious"
    report = server.ctl_json("backup", "--force", path)
    assert report["bytes"] == path.stat().st_size and report["has_master_key"] is False and report["enrolled"] == 1
    assert names(path.parent) == [path.name]


def test_over_tcp_a_token_is_wanted(server, tmp_path):
    url = f"http://127.0.0.1:{server.admin_port}"
    token = server.ctl_json("token", "add", "backup", "--role", "admin")["token"]
    environment = {**os.environ, "POMONA_TOKEN": token}
    server.ctl("--url", url, "backup", tmp_path / "far.backup", env=environment)
    assert (tmp_path / "far.backup").exists()
    result = server.ctl("--url", url, "backup", tmp_path / "other.backup", check=False,
                        env={**environment, "POMONA_TOKEN": "pom_" + "0" * 64})
    assert result.returncode == 1 and "401" in result.stderr
    assert not list(tmp_path.glob("other.backup*"))


def test_a_failed_backup_leaves_nothing_behind(server, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    server.stop()
    result = server.ctl("backup", folder / "a", check=False)
    assert result.returncode == 69 and "does not answer" in result.stderr
    assert names(folder) == []
    server.start()
    assert server.ctl("backup", folder / "missing" / "a", check=False).returncode == 73
    limited = f"ulimit -f 64; exec {BIN / 'pomonactl'} -c {server.conf_path} backup {folder / 'a'}"
    result = subprocess.run(["sh", "-c", "trap '' XFSZ; " + limited], stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 1 and "cannot be written" in result.stderr
    assert names(folder) == []
    server.ctl("backup", folder / "a")


class Cut:
    """Answers one GET with the first half of a file, and ends."""

    def __init__(self, body, folder):
        self.path = folder / "cut.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, args=(body,), daemon=True)
        self._thread.start()

    def _serve(self, body):
        peer, _ = self._listener.accept()
        with peer:
            while b"\r\n\r\n" not in peer.recv(65536):
                pass
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:len(body) // 2])

    def join(self):
        self._thread.join(30)
        self._listener.close()


def test_a_backup_that_is_cut_off_is_none(server, backup, tmp_path):
    path, *_ = backup
    folder = tmp_path / "cut"
    folder.mkdir()
    cut = Cut(path.read_bytes(), tmp_path)
    result = server.ctl("--socket", cut.path, "backup", folder / "a", check=False)
    cut.join()
    assert result.returncode == 1 and "before it was whole" in result.stderr
    assert names(folder) == []


def test_an_interrupted_backup_leaves_nothing_behind(server, tmp_path):
    """It waits for a server that does not answer, and is told to end."""
    folder = tmp_path / "out"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen(1)
        process = subprocess.Popen([str(BIN / "pomonactl"), "--socket", str(tmp_path / "silent.sock"), "backup",
                                    str(folder / "a")], stderr=subprocess.DEVNULL)
        try:
            peer, _ = silent.accept()
            wait_until(lambda: names(folder) != [], "the file that grows")
            process.terminate()
            assert process.wait(30) == 128 + 15
        finally:
            end(process)
        peer.close()
    assert names(folder) == []


def test_restore_brings_the_devices_of_the_backup_back(server, backup, make_device, tmp_path):
    path, device, uuids = backup
    later = make_device().enroll()
    server.stop()
    for name in names(server.folder):
        if name.startswith("pomona.db"):
            (server.folder / name).unlink()  # the disk is lost
    result = server.ctl("restore", path)
    assert "former" not in result.stdout
    server.start()
    device.use(device.identity)
    assert plistlib.loads(device.checkin("GetBootstrapToken").body)["BootstrapToken"] == b"bootstrap"
    first = device.poll()
    assert first["CommandUUID"] == uuids[0]
    assert device.answer(first)["CommandUUID"] == uuids[1]
    later.use(later.identity)
    assert later.idle().status == 403, "it is unknown, and keeps its management"
    assert stat.S_IMODE((server.folder / "pomona.db").stat().st_mode) == 0o600


def test_restore_refuses_while_pomonad_runs(server, backup):
    path, device, _ = backup
    result = server.ctl("restore", path, check=False)
    assert result.returncode == 1 and "stop pomonad" in result.stderr
    assert device.idle().status == 200


def test_restore_refuses_what_is_no_sound_backup_of_this_key(server, backup, tmp_path):
    path, device, uuids = backup
    server.stop()
    before = names(server.folder)
    key = server.folder / "master.key"
    right = key.read_text()

    def refused(file, words):
        result = server.ctl("restore", file, check=False)
        assert result.returncode == 1 and words in result.stderr, result.stderr
        assert names(server.folder) == before

    key.write_text(right.split()[0] + " " + "ab" * 32 + "\n")
    refused(path, "master key")
    key.write_text("0000beef " + "ab" * 32 + "\n")
    refused(path, "master key")
    key.write_text("nonsense\n")
    refused(path, "64 hex digits")
    key.write_text(right)
    whole = path.read_bytes()
    bad = tmp_path / "bad.backup"
    for size in (0, 100, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        bad.write_bytes(whole[:size])
        refused(bad, "damaged, cut off" if size else "no database of Pomona")
    bad.write_bytes(whole[:8192] + os.urandom(40960) + whole[49152:])
    refused(bad, "damaged, cut off")
    refused(tmp_path / "missing", "no such file")
    server.start()
    device.use(device.identity)
    assert device.poll()["CommandUUID"] == uuids[0], "all is as it was"


def test_a_stop_does_not_wait_for_a_client_that_does_not_read_its_backup(make_server, authority):
    server = make_server({"server.drain_s": 0}).start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lazy:
        lazy.connect(str(server.folder / "admin.sock"))
        lazy.sendall(b"GET /api/v1/backup HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.wait_log("what=backup")
        server.stop()


def test_a_master_key_that_is_elsewhere_is_named(server, backup, tmp_path):
    path, device, uuids = backup
    server.stop()
    key = tmp_path / "safe.key"
    (server.folder / "master.key").rename(key)
    result = server.ctl("restore", path, check=False)
    assert result.returncode == 1 and "--master-key" in result.stderr
    server.ctl("restore", path, "--master-key", key)
    key.rename(server.folder / "master.key")
    server.start()
    device.use(device.identity)
    assert device.poll()["CommandUUID"] == uuids[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root restores for somebody else")
def test_what_root_restores_belongs_to_the_owner_of_the_state_directory(server, backup):
    path, *_ = backup
    server.stop()
    os.chown(server.folder, 12345, 12345)
    (server.folder / "pomona.db.lock").unlink()
    server.ctl("restore", path)
    for name in ("pomona.db", "pomona.db.lock"):
        assert (server.folder / name).stat().st_uid == 12345
    os.chown(server.folder, os.geteuid(), os.getegid())
