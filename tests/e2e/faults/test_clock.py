# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps while the daemon runs. Devices are at most turned away with 403 while it is wrong; nobody is
unenrolled, nothing is deleted, no connection is cut off, and all is well again when the clock is."""

import time

import pytest

from harness.device import Device
from harness.server import wait_until

YEAR_S = 365 * 86400


def last_seen(server, udid):
    told = server.device(udid)["last_seen_at"]
    return time.mktime(time.strptime(told, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


@pytest.mark.parametrize("shift", [YEAR_S, -YEAR_S, -int(time.time()) + 1000, 40 * YEAR_S],
                         ids=["a-year-on", "a-year-back", "1970", "40-years-on"])
def test_a_clock_that_jumps_harms_nobody(faulty, authority, panel, shift):
    device = Device(faulty, authority.issue("clock")).enroll(UnlockToken=b"u" * 100)
    waiting = faulty.enqueue([device.udid], {"RequestType": "ProfileList"})["uuid"]
    ends = faulty.enqueue([device.udid], {"RequestType": "SecurityInfo"},
                          not_after=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400)))["uuid"]
    token = faulty.api("POST", "/api/v1/tokens", {"name": "robot", "role": "viewer", "expires_at": time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))}).json()["token"]
    before = faulty.get("/api/v1/status")["listeners"]["device"]["connections_total"]

    panel.shift_clock(shift)
    for reply in (device.token_update(), device.idle(), device.idle()):
        assert reply.status in (200, 403), reply
        assert reply.status == 200 or reply.body in (b"expired\n", b"not_yet_valid\n"), reply
    stranger = Device(faulty, authority.issue("a stranger"))
    assert stranger.idle().status == 403, "an unknown device is not unenrolled either"
    reply = Device(faulty, authority.issue("new")).authenticate()
    assert reply.status in (200, 403), reply
    assert faulty.api("GET", "/api/v1/status", token=token).status == (200 if shift < 0 else 401)
    assert faulty.device(device.udid)["state"] == "enrolled"
    panel.shift_clock(0)

    assert device.token_update().status == 200
    after = faulty.get("/api/v1/status")["listeners"]["device"]["connections_total"]
    assert after == before + 2, "the first device's connection outlived it; the others made theirs"
    given = []
    command = device.poll()
    while command is not None:
        given.append(command["CommandUUID"])
        command = device.answer(command)
    assert waiting in given
    assert given == [waiting, ends] or shift > 0, "expired only where the clock had passed its end"
    assert faulty.api("GET", "/api/v1/status", token=token).status == 200
    assert faulty.device(device.udid)["has_unlock_token"] is True
    assert faulty.device(device.udid)["state"] == "enrolled"
    wait_until(lambda: device.idle().status == 200 and abs(last_seen(faulty, device.udid) - time.time()) < 60,
               "the time of last contact to be of today", 30)
    assert not any("writer_does_not_answer" in line or "unenrolled" in line for line in faulty.log)
    device.close()
    stranger.close()
