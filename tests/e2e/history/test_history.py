# SPDX-License-Identifier: Apache-2.0
"""What is finished goes by its age, while devices work. Time passes in the database of a stopped server."""

import sqlite3
import time

import pytest

from harness.server import wait_until

DAY = 86400
KEEP = {f"history.{name}_days": 30 for name in ("done", "failed", "cancelled", "expired", "messages", "pending")}
TIMES = {"queue": ["finished_at", "sent_at", "notnow_at"], "result": ["received_at"], "batch": ["created_at"],
         "command": ["created_at"], "checkin_message": ["received_at"], "pending_enrollment": ["received_at"]}


@pytest.fixture
def server(make_server, authority):
    server = make_server(KEEP).start()
    server.trust(authority)
    return server


def change(server, *statements):
    """Changes the database while nobody has it."""
    server.stop()
    with sqlite3.connect(server.folder / "pomona.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def pass_days(server, days):
    """As if so much time had passed since, all of it before the eyes of the server."""
    change(server, *[f"UPDATE {table} SET " + ", ".join(
        f"{name} = CASE {name} WHEN 0 THEN 0 ELSE {name} - {days * DAY} END" for name in names)
        for table, names in TIMES.items()])
    server.start()


def dropped(server):
    return server.get("/api/v1/status")["history"]["dropped"]


def finish(server, device, request_type="ProfileList", **more):
    sent = server.enqueue([device.udid], {"RequestType": request_type, **more})
    assert device.answer(device.poll(), Big="x" * 2000) is None
    return sent["uuid"]


def is_there(server, uuid):
    status = server.api("GET", f"/api/v1/commands/{uuid}").status
    assert status in (200, 404)
    return status == 200


def test_what_is_old_goes_and_what_is_open_stays(server, make_device):
    device, other = make_device().enroll(), make_device().enroll()
    old = [finish(server, device) for _ in range(20)]
    still_open = server.enqueue([device.udid, other.udid], {"RequestType": "DeviceLock"})["uuid"]
    assert device.answer(device.poll()) is None
    cancelled = server.enqueue([device.udid], {"RequestType": "RestartDevice"})["uuid"]
    server.api("POST", f"/api/v1/commands/{cancelled}/cancel", {})
    device.close(), other.close()
    pass_days(server, 31)
    wait_until(lambda: dropped(server)["cancelled"] == 1 and dropped(server)["done"] == 21, "history")
    wait_until(lambda: server.get("/api/v1/status")["history"]["bodies_dropped"] == 21, "their bodies")
    assert not any(is_there(server, uuid) for uuid in old + [cancelled])
    assert is_there(server, still_open)
    assert server.api("GET", f"/api/v1/commands/{still_open}/results/{device.udid}").status == 404
    assert other.poll()["Command"]["RequestType"] == "DeviceLock"
    status = server.get("/api/v1/status")
    assert status["queue"]["by_state"]["done"] == status["queue"]["by_state"]["cancelled"] == 0
    server.wait_log(r"event=history_dropped .*rows=2[2-9]")
    assert "commands of devices" in server.ctl("status").stdout


def keep_done(server, days):
    server.conf["history.done_days"] = days
    server.write_conf()


def test_devices_work_while_history_goes(server, make_device):
    """Open work that comes and is answered beside the slices is untouched."""
    device = make_device().enroll()
    finish(server, device)
    device.close()
    keep_done(server, 155)
    rows = ", ".join(f"({i}, 'old-{i}', 'InstallProfile', 1, 0, 1, 1)" for i in range(1000, 13000))
    change(server,
           "INSERT INTO command (id, uuid, request_type, priority, is_never_notnow, created_at, is_published)"
           f" VALUES {rows}",
           "INSERT INTO command_body SELECT id, zeroblob(300) FROM command WHERE id >= 1000",
           "INSERT INTO batch (id, command_id, seq, not_after, created_at) SELECT id, id, id, 0, 1 FROM command"
           " WHERE id >= 1000",
           "INSERT INTO result (id, received_at, sealed) SELECT id, 1000, zeroblob(900) FROM command WHERE id >= 1000",
           "INSERT INTO queue (enrollment_id, command_id, batch_id, state, priority, is_never_notnow, finished_at,"
           " result_id) SELECT (SELECT min(id) FROM enrollment), id, id, 4, 1, 0,"
           f" {int(time.time())} - {DAY} * (150 - (id - 1000) / 1000 * 10), id FROM command WHERE id >= 1000",
           "UPDATE counter SET value = value + 12000 WHERE name = 'queue.done'",
           "UPDATE counter SET value = 20000 WHERE name = 'batch.seq'")
    server.start()
    sent = []
    for step in range(12):  # a thousand rows are due after each, so that history is never done before the devices are
        keep_done(server, 145 - 10 * step)
        server.reload()
        wait_until(lambda: sum("event=reloaded" in line for line in server.log) > step, "the reload")
        sent.append(finish(server, device))
        while dropped(server)["done"] < 1000 * (step + 1):
            sent.append(finish(server, device))
        assert dropped(server)["done"] == 1000 * (step + 1)
    assert all(is_there(server, uuid) for uuid in sent)
    status = server.get("/api/v1/status")
    assert status["queue"]["by_state"]["done"] == len(sent) + 1
    assert status["history"]["free_bytes"] > 0
    wait_until(lambda: server.get("/api/v1/status")["history"]["bodies_dropped"] == 12000, "bodies")
    assert server.get("/api/v1/integrity")["is_intact"]


def test_a_late_answer_counts_while_its_row_is_kept_and_is_nothing_after(server, make_device):
    device = make_device().enroll()
    sent = []
    for _ in range(2):
        sent.append(server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": {"$data": "AA=="}})["uuid"])
        assert device.poll()["CommandUUID"] == sent[-1]
        server.api("POST", f"/api/v1/commands/{sent[-1]}/cancel", {})
    device.close()
    pass_days(server, 20)
    device.report("Acknowledged", sent[0])
    shown = server.get(f"/api/v1/commands/{sent[0]}/results/{device.udid}")
    assert (shown["state"], shown["is_late"]) == ("done", True)
    device.close()
    pass_days(server, 11)
    wait_until(lambda: dropped(server)["cancelled"] == 1, "history")
    assert is_there(server, sent[0]) and not is_there(server, sent[1])
    reply = device.report("Acknowledged", sent[1])
    assert (reply.status, reply.body) == (200, b"")
    server.wait_log(r"event=result_unknown")
    assert not is_there(server, sent[1])


def test_a_uuid_that_is_gone_may_be_used_again(server, make_device):
    device = make_device().enroll()
    uuid = finish(server, device)
    again = server.api("POST", "/api/v1/commands", {"ids": [device.udid], "uuid": uuid,
                                                    "command": {"RequestType": "SecurityInfo"}})
    assert again.status == 409
    device.close()
    pass_days(server, 31)
    wait_until(lambda: dropped(server)["done"] == 1, "history")
    again = server.api("POST", "/api/v1/commands", {"ids": [device.udid], "uuid": uuid,
                                                    "command": {"RequestType": "SecurityInfo"}})
    assert again.status == 200
    assert device.poll()["Command"]["RequestType"] == "SecurityInfo"


def test_a_clock_that_jumps_ahead_drops_nothing_and_is_told(server, make_device):
    """The same as a clock a year ahead: what history saw last is a year ago."""
    device = make_device().enroll()
    uuid = finish(server, device)
    device.close()
    change(server, f"UPDATE counter SET value = {int(time.time()) - 365 * DAY} WHERE name = 'history.time'",
           f"UPDATE queue SET finished_at = finished_at - {365 * DAY}")
    server.start()
    server.wait_log("event=clock_ahead .*days=36")
    alarms = server.get("/api/v1/alarms")["alarms"]
    assert [alarm["kind"] for alarm in alarms] == ["clock_ahead"]
    assert is_there(server, uuid)
    change(server, f"UPDATE counter SET value = {int(time.time()) - 60} WHERE name = 'history.time'")
    server.start()
    wait_until(lambda: dropped(server)["done"] == 1, "history")
    wait_until(lambda: not server.get("/api/v1/alarms")["alarms"], "the alarm's end")


def test_ages_are_taken_over_by_a_reload(server, make_device):
    device = make_device().enroll()
    uuid = finish(server, device)
    device.close()
    pass_days(server, 20)
    assert is_there(server, uuid)
    keep_done(server, 10)
    server.reload()
    server.wait_log("event=reloaded")
    assert not [line for line in server.log if "change_needs_restart" in line]
    wait_until(lambda: dropped(server)["done"] == 1, "history")
