# SPDX-License-Identifier: Apache-2.0
"""Simulated devices that enroll over the air."""

import re
import subprocess

from harness.sim import answered, import_factory, wait_enrolled

DEVICES = 4


def test_over_the_air_leads_through_three_phases_to_the_first_answered_command(make_sim, tmp_path):
    sim = make_sim()
    import_factory(sim)
    for index in range(DEVICES):
        sim.server.ctl("enroll", "ota", "--out", tmp_path / f"{index}.mobileconfig")
    sim.start(DEVICES, "--enroll", f"ota={tmp_path}/{{index}}.mobileconfig", url=False)
    ids = wait_enrolled(sim, DEVICES)
    assert answered(sim, ids)["done"] == DEVICES
    assert sim.server.get("/api/v1/status")["ota"] == {"begun": DEVICES, "finished": DEVICES, "refused": 0}


def test_the_factory_is_as_apples_is(make_sim):
    sim = make_sim()
    shown = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", sim.folder / "apple" / "devices.pem"],
                           capture_output=True, text=True, timeout=60).stdout
    assert "1024 bit" in shown and re.search(r"Not After : Apr 16 22:54:46 2014", shown)
