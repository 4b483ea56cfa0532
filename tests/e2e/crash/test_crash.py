# SPDX-License-Identifier: Apache-2.0
"""pomonad dies in the middle of 200 devices answering. What a device was told 200 for is there afterwards, no
command is lost, and none is given again after its final answer.

A kill alone leaves the page cache to the kernel, which writes it out all the same. So the same storm runs on
a build whose SQLite writes through a test VFS, which mirrors only what was synced: after the kill the daemon
starts from the mirror, as after a power cut."""

import collections
import http.client
import random
import shutil
import threading

import pytest

from harness.device import Device
from harness.server import BIN

DEVICES = 200
THREADS = 8
ROUND_COMMANDS = 3
DIED = (OSError, http.client.HTTPException)

pytestmark = pytest.mark.timeout(600)  # many starts and many devices


class Fleet:
    def __init__(self, server, authority):
        self.server = server
        self.devices = [Device(server, authority.issue(f"device {i}")) for i in range(DEVICES)]
        for device in self.devices:
            device.enroll()
        self.sent = collections.defaultdict(set)  # device -> uuids that the API said were queued
        self.acked = collections.defaultdict(set)  # device -> uuids whose result was answered 200
        self._unanswered = {}  # device -> the uuid whose result was sent, but not answered
        self.violations = []
        self._lock = threading.Lock()
        self._count = 0
        self._wanted = 0
        self._reached = threading.Event()

    def enqueue(self, devices):
        sent = self.server.enqueue([device.udid for device in devices], {"RequestType": "ProfileList"})
        for udid, outcome in sent["outcomes"].items():
            assert outcome == "queued"
            self.sent[udid].add(sent["uuid"])

    def _acked(self, device, uuid):
        with self._lock:
            self.acked[device.udid].add(uuid)
            self._count += 1
            if self._count >= self._wanted:
                self._reached.set()

    def _run(self, device):
        uuid = self._unanswered.get(device.udid)
        if uuid is None:
            uuid = self._uuid_of(device, device.poll())
        while uuid is not None:
            self._unanswered[device.udid] = uuid  # a result is kept and sent again until a 200 came
            reply = device.report("Acknowledged", uuid)
            assert reply.status == 200, reply
            self._acked(device, uuid)
            del self._unanswered[device.udid]
            uuid = self._uuid_of(device, device.command_of(reply))

    def _uuid_of(self, device, command):
        if command is None:
            return None
        uuid = command["CommandUUID"]
        assert uuid not in self.acked[device.udid], f"{device.udid} was given {uuid} again after its final answer"
        return uuid

    def _work(self, devices):
        for device in devices:
            try:
                self._run(device)
            except DIED:
                device.close()
            except AssertionError as error:
                self.violations.append(str(error))

    def storm(self, kill_after=None):
        """All devices poll and answer; with `kill_after` the daemon is killed once so many were acknowledged."""
        self._count, self._wanted = 0, kill_after or 1 << 30
        self._reached.clear()
        order = random.sample(self.devices, len(self.devices))
        threads = [threading.Thread(target=self._work, args=(order[at::THREADS],)) for at in range(THREADS)]
        for thread in threads:
            thread.start()
        if kill_after is not None:
            while not self._reached.is_set() and any(thread.is_alive() for thread in threads):
                try:
                    self.enqueue([random.choice(self.devices)])
                except DIED:
                    break
            self.server.kill()
        for thread in threads:
            thread.join()
        for device in self.devices:
            device.close()

    def lost(self):
        """What was acknowledged, to a device or to an administrator, and is not there."""
        missing = []
        states = {}
        for uuid in set().union(*self.sent.values()):
            reply = self.server.api("GET", f"/api/v1/commands/{uuid}/results?limit=1000")
            rows = reply.json()["results"] if reply.status == 200 else []
            states[uuid] = {row["id"]: row["state"] for row in rows}
        for udid, uuids in self.sent.items():
            missing += [f"{uuid} for {udid} is not queued" for uuid in uuids if udid not in states[uuid]]
        for udid, uuids in self.acked.items():
            missing += [f"{uuid} of {udid} is {states[uuid].get(udid)}" for uuid in uuids
                        if states[uuid].get(udid) != "done"]
        return missing


def restart_from(server, shadow):
    """The power cut: what was not synced is gone."""
    if shadow is not None:
        for path in server.folder.glob("pomona.db*"):
            path.unlink()
        for path in shadow.glob("pomona.db*"):
            if path.stat().st_size > 0 or path.name == "pomona.db":
                shutil.copy(path, server.folder / path.name)
    server.start()


def crash_again_and_again(server, authority, rounds, shadow=None):
    """Gives the fleet and what was lost; ends early at the first loss."""
    random.seed(20)
    fleet = Fleet(server, authority)
    for _ in range(rounds):
        for _ in range(ROUND_COMMANDS):
            fleet.enqueue(fleet.devices)
        fleet.storm(kill_after=random.randint(20, DEVICES * ROUND_COMMANDS - 50))
        server.kill()
        restart_from(server, shadow)
        lost = fleet.lost()
        if lost:
            return fleet, lost
    fleet.storm()
    return fleet, fleet.lost()


def check(fleet, lost):
    assert lost == []
    assert fleet.violations == []
    never = {udid: uuids - fleet.acked[udid] for udid, uuids in fleet.sent.items() if uuids - fleet.acked[udid]}
    assert never == {}, "commands that were never given"
    assert all(device.poll() is None for device in fleet.devices)


def test_nothing_is_lost_when_the_daemon_is_killed_20_times(server, authority):
    fleet, lost = crash_again_and_again(server, authority, 20)
    check(fleet, lost)


@pytest.fixture
def make_power_cut_server(make_server, tmp_path):
    if not (BIN / "pomonad-faultvfs").exists():
        pytest.fail("pomonad-faultvfs is not built")

    def make(**environment):
        shadow = tmp_path / "shadow"
        shadow.mkdir()
        server = make_server(program="pomonad-faultvfs",
                             environment={"POMONA_TEST_SHADOW_DIR": str(shadow), **environment})
        shutil.copy(server.folder / "pomona.db", shadow / "pomona.db")
        return server.start(), shadow

    return make


def test_nothing_is_lost_when_the_power_goes(make_power_cut_server, authority):
    server, shadow = make_power_cut_server()
    server.trust(authority)
    fleet, lost = crash_again_and_again(server, authority, 5, shadow)
    check(fleet, lost)


def test_a_writer_that_does_not_sync_is_found_out(make_power_cut_server, authority):
    server, shadow = make_power_cut_server(POMONA_TEST_SYNC_OFF="1")
    server.trust(authority)
    try:
        _, lost = crash_again_and_again(server, authority, 3, shadow)
    except AssertionError:
        return  # the database it left did not even open
    assert lost, "synchronous=OFF lost nothing: this test cannot see a missing sync"
