# SPDX-License-Identifier: Apache-2.0
"""`pomona-sim` with the MDM server of fake_mdm.py."""

import signal
import subprocess

from fake_mdm import WAIT_SECONDS
from harness.server import BIN


def sim(*words, **options):
    return subprocess.run([str(BIN / "pomona-sim"), *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=WAIT_SECONDS * 2, **options)


class Run:
    """A `pomona-sim run` in the background."""

    def __init__(self, mdm, folder, ca, *words):
        self.process = subprocess.Popen(
            [str(BIN / "pomona-sim"), "run", "--dir", str(folder), "--url", mdm.url, "--ca", str(ca), "--seed", "7",
             *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self):
        """Ends it as Ctrl-C does and gives its exit status, output and errors."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        try:
            out, errors = self.process.communicate(timeout=WAIT_SECONDS * 2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out, errors


def device_of(mdm, product):
    """The channel of the first device of that product family that is enrolled as a device."""
    return next(m.channel for m in mdm.of_type("Authenticate")
                if m.plist["ProductName"].startswith(product) and "UDID" in m.plist)
