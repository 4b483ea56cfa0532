# SPDX-License-Identifier: Apache-2.0
"""Simulated devices that come by an invitation, as people do."""

import pytest

from harness.sim import answered, wait_enrolled

DEVICES = 6
PASSWORD = "corréct horse"


@pytest.mark.parametrize("login", [False, True])
def test_an_invitation_leads_to_the_first_answered_command(make_sim, tmp_path, login):
    sim = make_sim()
    (tmp_path / "password").write_text(PASSWORD + "\n")
    sim.server.ctl("user", "add", "ada", "--password-file", tmp_path / "password")
    sim.server.wait_log("users_read count=1", seconds=60)
    reply = sim.server.api("POST", "/api/v1/enroll/invitations", {"uses_max": DEVICES, "needs_login": login})
    assert reply.status == 201, reply
    words = ["--user", "ada", "--password-file", tmp_path / "password"] if login else []
    sim.start(DEVICES, "--enroll", f"link={reply.json()['url']}", *words, url=False)
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
