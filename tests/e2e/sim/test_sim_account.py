# SPDX-License-Identifier: Apache-2.0
"""Simulated devices that enroll with an account of their user, and go on when the login has ended."""

import pytest

from harness.panel import Panel
from harness.server import wait_until
from harness.sim import answered, enrolled, import_factory, wait_enrolled

DEVICES = 3
ADA, PASSWORD = "ada@example.org", "corréct horse"
DAY_S = 86400


@pytest.fixture
def start(make_sim, tmp_path):
    """A server that knows Ada and the devices' factory."""
    def start(conf=None, **more):
        sim = make_sim({"enroll.account_byod": "on", "enroll.account_adde": "on", **(conf or {})}, **more)
        import_factory(sim)
        (tmp_path / "password").write_text(PASSWORD + "\n")
        sim.server.ctl("user", "add", "ada", "--password-file", tmp_path / "password")
        sim.server.wait_log("users_read count=1", seconds=60)
        return sim

    return start


@pytest.mark.parametrize("way", ["byod", "adde"])
def test_an_account_leads_to_the_first_answered_command(start, tmp_path, way):
    sim = start()
    sim.start(DEVICES, "--enroll", f"{way}={ADA}", "--password-file", tmp_path / "password")
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
    assert {sim.server.device(id)["kind"] for id in ids} == {"byod_device" if way == "byod" else "device"}
    assert not any(PASSWORD in line for line in sim.server.log) and PASSWORD not in sim.said()


def test_a_wrong_password_enrolls_nobody_and_is_told(start, tmp_path):
    sim = start()
    (tmp_path / "wrong").write_text("guess")
    sim.start(1, "--enroll", f"adde={ADA}", "--password-file", tmp_path / "wrong", "--once")
    assert sim.process.wait(60) == 1
    assert "the login was refused" in sim.said() and not enrolled(sim.server)


def test_a_login_that_has_ended_is_done_again_and_the_device_stays(start, tmp_path):
    panel = Panel(tmp_path / "panel")
    sim = start({"enroll.access_token_days": 30}, program="pomonad-faultvfs", environment=panel.environment)
    sim.start(DEVICES, "--enroll", f"byod={ADA}", "--password-file", tmp_path / "password")
    ids = wait_enrolled(sim, DEVICES)
    panel.shift_clock(31 * DAY_S)
    assert answered(sim, ids)["done"] == DEVICES
    assert enrolled(sim.server) == ids
    wait_until(lambda: sim.said().count("event=logged_in_again") == DEVICES, "them to log in")
