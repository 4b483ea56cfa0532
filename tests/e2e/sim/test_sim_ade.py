# SPDX-License-Identifier: Apache-2.0
"""Simulated devices in Setup Assistant, which come to a configuration URL."""

import pytest

from harness.server import wait_until
from harness.sim import answered, import_factory, wait_enrolled

DEVICES = 4
PASSWORD = "corréct horse"


@pytest.fixture
def start(make_sim):
    """Devices whose factory the server knows."""
    def start(conf):
        sim = make_sim(conf)
        import_factory(sim)
        return sim

    return start


def url(sim):
    return f"https://localhost:{sim.server.device_port}/enroll/ade"


@pytest.mark.parametrize("encrypt", ["no", "yes"])
def test_a_configuration_url_leads_to_the_first_answered_command(start, encrypt):
    sim = start({"enroll.ade_devices": "all", "enroll.ade_encrypt": encrypt})
    sim.start(DEVICES, "--enroll", f"ade={url(sim)}", "--setup", url=False)
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
    assert sim.server.get("/api/v1/status")["ade"] == {"given": DEVICES, "refused": 0}
    wait_until(lambda: not any(sim.server.device(id)["is_awaiting_configuration"] for id in ids), "set-up to end")


@pytest.mark.parametrize("login", ["digest", "digest_md5"])
def test_a_person_logs_in_and_a_wrong_password_is_told(start, tmp_path, login):
    sim = start({"enroll.ade_devices": "all", "enroll.ade_login": login})
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "wrong").write_text("guess\n")
    sim.server.ctl("user", "add", "ada", "--password-file", tmp_path / "password")
    sim.server.wait_log("users_read count=1", seconds=60)
    words = ["--enroll", f"ade={url(sim)}", "--user", "ada", "--password-file"]
    sim.start(1, *words, tmp_path / "wrong", "--once", url=False)
    assert sim.process.wait(60) == 1 and "the login was refused" in sim.said()
    sim.stop()
    sim.start(1, *words, tmp_path / "password", url=False)
    ids = wait_enrolled(sim, 1)
    assert answered(sim, ids)["done"] == 1
    assert "user=ada" in sim.server.wait_log("event=ade_profile_given")


def test_a_device_that_is_to_be_updated_first_is_and_comes_again(start):
    sim = start({"enroll.ade_devices": "all", "enroll.minimum_os_ios": "99.1"})
    sim.start(1, "--enroll", f"ade={url(sim)}", url=False)
    ids = wait_enrolled(sim, 1)
    assert answered(sim, ids)["done"] == 1
    assert "event=software_updated" in sim.said()
    sim.stop()
    assert sim.state()["os_version"] == "99.1"


def test_a_device_of_nobody_is_told_so(start):
    sim = start({"enroll.ade_devices": "listed"})
    sim.start(1, "--enroll", f"ade={url(sim)}", "--once", url=False)
    assert sim.process.wait(60) == 1
    assert "refused: com.apple.unrecognized.device" in sim.said()
