# SPDX-License-Identifier: Apache-2.0
"""A foreign HTTP/2 server: nghttpd answers 200 where a file is named by the token, else 404."""

import os
import shutil
import socket
import subprocess
import time

import pytest

from harness.ports import free_port
from harness.server import run
from harness.woken import Woken, push_conf

TRIES = 5


class Nghttpd:
    """Has the face of Apns that Woken needs, and the certificates that the simulator's CA makes."""

    def __init__(self, folder):
        self.folder = folder
        run("pomona-sim", "ca", "--dir", folder)
        apple = folder / "apple"
        self.ca_pem, self.push_pem = apple / "ca.pem", apple / "push.pem"
        self.topic = (apple / "topic").read_text().strip()
        self.tokens = folder / "www" / "3" / "device"
        self.tokens.mkdir(parents=True)
        self.start(apple)

    def start(self, apple):
        program = shutil.which("nghttpd", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "nghttpd is not installed (Debian's nghttp2-server)"
        for _ in range(TRIES):  # somebody else may have taken the port that was free
            self.port = free_port()
            with open(self.folder / "nghttpd.log", "w") as log:
                self.process = subprocess.Popen(
                    [program, "-v", "--verify-client", "-d", str(self.folder / "www"), str(self.port),
                     str(apple / "server.key"), str(apple / "server.pem")], stdout=log, stderr=subprocess.STDOUT)
            self.wait(lambda: self.process.poll() is not None or self.listens())
            if self.process.poll() is None:
                return
        raise AssertionError(self.text())

    def listens(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def wait(self, look, what="what was expected", seconds=30):
        deadline = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < deadline, f"no {what} in {seconds} s"
            time.sleep(0.02)

    def text(self):
        return (self.folder / "nghttpd.log").read_text()

    def stop(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def nghttpd(tmp_path):
    server = Nghttpd(tmp_path / "nghttpd")
    yield server
    server.stop()


def test_nghttpd_takes_our_pushes(make_server, authority, nghttpd):
    server = make_server(push_conf(nghttpd)).start()
    server.trust(authority)
    server.ctl("pushcert", "set", nghttpd.push_pem)
    woken = Woken(server, nghttpd, authority)
    devices = [woken.device() for _ in range(20)]
    for device in devices[1:]:
        (nghttpd.tokens / device.token.hex()).write_text("")
    woken.order(*devices)
    for device in devices[1:]:
        woken.wait_push(device, status=200)
    woken.wait_push(devices[0], status=404)
    seen = nghttpd.text()
    assert f":path: /3/device/{devices[1].token.hex()}" in seen
    assert ":method: POST" in seen
    assert f"apns-topic: {nghttpd.topic}" in seen
    assert "apns-push-type: mdm" in seen
    woken.close()
