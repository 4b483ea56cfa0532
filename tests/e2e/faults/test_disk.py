# SPDX-License-Identifier: Apache-2.0
"""The disk is full, fails or is slow for a while, under devices that enroll, poll and answer. Who was told 200 is
in the database; all others are told 503 with Retry-After, come again and succeed; the daemon goes on by itself."""

import itertools

import pytest

from harness.device import Device
from harness.fleet import Fleet
from harness.panel import CANTOPEN, FULL, IOERR_READ, IOERR_SYNC, IOERR_WRITE
from harness.server import wait_until

SYNC_MS = 500


def trouble(server):
    return server.get("/api/v1/status")["writer"]["trouble"]


def alarm(server):
    found = [row for row in server.get("/api/v1/alarms")["alarms"] if row["kind"] == "store_failed"]
    return found[0] if found else None


@pytest.mark.parametrize("rc, ops, files, text", [
    (FULL, ["write"], ["database", "log", "other"], "disk full"),
    (FULL, ["write"], ["log"], "disk full"),
    (IOERR_WRITE, ["write"], ["log", "other"], "disk I/O error"),
    (IOERR_SYNC, ["sync"], ["database", "log"], "disk I/O error"),
], ids=["all-full", "log-full", "write-fails", "sync-fails"])
def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(faulty, authority, panel, rc, ops, files, text):
    with Fleet(faulty, authority) as fleet:
        fleet.wait_taken()
        assert trouble(faulty) is None
        panel.fail(rc, ops, files)
        fleet.wait_turned_away(40)
        taken = fleet.taken
        fleet.wait_turned_away(40)
        assert fleet.taken - taken <= len(fleet.devices), "an answer of 200 while nothing can be kept"
        told = trouble(faulty)
        assert told["jobs"] > 0 and text in told["text"]
        assert text in faulty.ctl("status").stdout
        assert faulty.api("GET", "/healthz").status == 200
        panel.heal()
        fleet.wait_taken(60)
        wait_until(lambda: trouble(faulty) is None, "the trouble to be over")
    assert text in alarm(faulty)["text"]
    assert fleet.broken == 0, "a connection was closed"
    lines = [line for line in faulty.log if "event=commit_failed" in line]
    assert 1 <= len(lines) <= 12, "one line in ten seconds"
    assert any("event=commit_works_again" in line for line in faulty.log)
    assert all(faulty.device(udid)["state"] == "enrolled" for udid in fleet.enrolled)
    faulty.stop()
    fleet.check()


def test_a_fault_that_comes_and_goes_loses_nothing(faulty, authority, panel):
    with Fleet(faulty, authority) as fleet:
        for rc, op in [(FULL, "write"), (IOERR_SYNC, "sync"), (IOERR_WRITE, "write")] * 6:
            fleet.wait_taken(5)
            panel.fail(rc, [op], ["log"])
            panel.wait_hit(op)
            panel.heal()
        fleet.wait_taken(60)
    faulty.stop()
    fleet.check()


def test_reads_that_fail_are_503_and_pass(faulty, authority, panel):
    with Fleet(faulty, authority) as fleet:
        fleet.wait_taken()
        panel.fail(IOERR_READ, ["read"])
        fleet.wait_turned_away()
        panel.wait_hit("read")
        panel.heal()
        fleet.wait_taken(60)
    faulty.stop()
    fleet.check()


def test_syncs_of_half_a_second_are_waited_for(faulty, authority, panel):
    with Fleet(faulty, authority) as fleet:
        fleet.wait_taken()
        panel.slow_sync(SYNC_MS)
        wait_until(lambda: panel.slow_syncs() >= 2, "slow syncs")
        before, syncs = fleet.taken, panel.slow_syncs()
        fleet.wait_taken(20)
        # A device has one message under way: a 200 that did not wait for a sync would be one too many.
        most = (panel.slow_syncs() - syncs + 2) * 2 * len(fleet.devices)
        assert 0 < fleet.taken - before <= most
        assert faulty.get("/api/v1/status")["writer"]["commit_us_max"] >= SYNC_MS * 1000
        assert fleet.turned_away == 0
        panel.heal()
        fleet.wait_taken(60)
    faulty.stop()
    fleet.check()


def test_a_log_that_cannot_be_moved_into_the_database_grows_and_is_moved_later(faulty, authority, panel):
    """Commits only append to the log; the checkpoint that fails costs nobody anything."""
    device = Device(faulty, authority.issue("checkpoint")).enroll()
    database = faulty.folder / "pomona.db"
    panel.fail(FULL, ["write"], ["database"])
    size = database.stat().st_size

    def put_until(condition):
        sizes = itertools.chain([600_000] * 100, itertools.repeat(0))  # 16 MiB of log are a checkpoint's beginning

        def is_so():
            return condition() or device.token_update(Padding=b"p" * next(sizes)).status != 200

        wait_until(is_so, "a checkpoint")
        assert condition()

    put_until(lambda: panel.hits("write", ["database"]) > 0)
    assert database.stat().st_size == size
    faulty.wait_log("event=checkpoint_failed")
    wait_until(lambda: faulty.get("/api/v1/status")["writer"]["checkpoints_failed"] > 0, "its count")
    assert trouble(faulty) is None, "changes are kept all the same"
    panel.heal()
    put_until(lambda: database.stat().st_size > size)
    assert device.poll() is None
    device.close()
    faulty.stop()


def test_a_backup_that_finds_no_room_or_descriptor_is_told_so_and_works_later(faulty, panel, tmp_path):
    for rc, op in [(FULL, "write"), (CANTOPEN, "open"), (IOERR_READ, "read")]:
        panel.fail(rc, [op])
        reply = faulty.api("GET", "/api/v1/backup")
        assert reply.status == 503, (op, reply)
        assert reply.headers["Content-Type"] == "application/problem+json"
        panel.heal()
        assert faulty.api("GET", "/api/v1/backup").status == 200
    faulty.ctl("backup", tmp_path / "copy")
    assert not list(faulty.folder.glob("*.backup"))
