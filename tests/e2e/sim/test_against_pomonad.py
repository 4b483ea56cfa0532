# SPDX-License-Identifier: Apache-2.0
import subprocess

from harness.server import BIN, run

DEVICES = 12
DEVICE_KINDS = ("device", "byod_device")


def test_each_simulated_device_answers_in_the_end_whatever_it_says_at_first(make_server, tmp_path):
    server = make_server().start()
    run("pomona-sim", "ca", "--dir", tmp_path / "sim")
    server.ctl("ca", "add", tmp_path / "sim" / "ca.pem")
    log = (tmp_path / "sim.log").open("w+")
    sim = subprocess.Popen(
        [str(BIN / "pomona-sim"), "run", "--dir", str(tmp_path / "sim"), "--url",
         f"https://localhost:{server.device_port}", "--ca", str(server.root_pem), "--devices", str(DEVICES),
         "--interval", "0.1", "--notnow", "30", "--error", "10", "--seed", "7", "--once"],
        stdout=log, stderr=subprocess.STDOUT)
    try:
        ids = []
        while len(ids) < DEVICES and sim.poll() is None:
            rows = server.get("/api/v1/devices?state=enrolled")["devices"]
            ids = [row["id"] for row in rows if row["kind"] in DEVICE_KINDS]
        assert len(ids) == DEVICES, (log.seek(0), log.read())
        sent = server.enqueue(ids, {"RequestType": "ProfileList"})
        assert sent["counts"]["queued"] == DEVICES
        assert sim.wait(120) == 0, (log.seek(0), log.read())
        by_state = server.get(f"/api/v1/commands/{sent['uuid']}")["by_state"]
        assert by_state["done"] + by_state["failed"] == DEVICES, by_state
    finally:
        sim.kill()
        sim.wait()
        log.close()
