# SPDX-License-Identifier: Apache-2.0
"""Simulated devices that poll a server by themselves, in a folder of their own."""

import json
import re
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .server import BIN, run, wait_until


class Sim:
    """`pomona-sim run` against a server of its own."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.process = None
        run("pomona-sim", "ca", "--dir", folder)

    def start(self, devices, *words, url=True):
        self.log = (self.folder / "sim.log").open("w+")
        where = ["--url", f"https://localhost:{self.server.device_port}"] if url else []
        self.process = subprocess.Popen(
            [str(BIN / "pomona-sim"), "run", "--dir", str(self.folder), *where, "--ca", str(self.server.root_pem),
             "--devices", str(devices), "--interval", "0.1", "--seed", "7", *map(str, words)],
            stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def state(self, index=0):
        return json.loads((self.folder / "devices" / f"{index:06}.json").read_text())

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None
            self.log.close()


def enrolled(server):
    rows = server.get("/api/v1/devices?state=enrolled&limit=1000")["devices"]
    return sorted(row["id"] for row in rows if ":" not in row["id"])


def wait_enrolled(sim, count):
    wait_until(lambda: len(enrolled(sim.server)) == count or sim.process.poll() is not None, f"{count} devices")
    assert len(enrolled(sim.server)) == count, sim.said()
    return enrolled(sim.server)


def answered(sim, ids, command=None):
    """The command is answered by all; gives how many are in which state."""
    uuid = sim.server.enqueue(ids, command or {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})["uuid"]

    def by_state():
        return sim.server.get(f"/api/v1/commands/{uuid}")["by_state"]

    wait_until(lambda: by_state()["done"] + by_state()["failed"] == len(ids), f"answers: {by_state()}")
    return by_state()


def fingerprints(pem):
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    return [x509.load_pem_x509_certificate(block).fingerprint(hashes.SHA256()).hex() for block in blocks]


def import_factory(sim):
    """The server knows the devices by their certificates."""
    chain = sim.folder / "apple" / "devices.pem"
    words = [word for one in fingerprints(chain.read_bytes()) for word in ("--fingerprint", one)]
    sim.server.ctl("apple-ca", "import", chain, *words)
