# SPDX-License-Identifier: Apache-2.0
"""Honest devices beside hostile clients: all of them get their answers, and when the attack is over nothing of it is
left. What it does to latencies is measured by `./dev bench attack`."""

import http.client
import json
import os
import plistlib
import subprocess
import threading
import time

import pytest

from harness.device import Device
from harness.server import BIN, wait_until

DEVICES = 4
ROUNDS = 5  # of each device, during each attack
TRIES_MAX = 200  # of one message: who is turned away comes again
AGAIN_SECONDS = 0.05
MANY = 20  # addresses

# Mode of bench-attack, addresses, connections, new ones a second, connections that it must hold or have opened.
ATTACKS = [
    ("slow-handshake", MANY, 300, 1000, 300),
    ("slow-head", MANY, 200, 500, 200),
    ("slow-body", MANY, 200, 500, 200),
    ("idle", MANY, 400, 1000, 400),
    ("never-read", MANY, 50, 500, 50),
    ("flood-hello", 1, 64, 2000, 200),
    ("flood-hello", MANY, 64, 2000, 200),
    ("flood-complete", MANY, 64, 1000, 100),
    ("flood-broken", MANY, 64, 2000, 200),
    ("flood-body", MANY, 32, 200, 50),
    ("flood-small", MANY, 16, 200, 16),
]


class Attacker:
    def __init__(self, server, words):
        self.process = subprocess.Popen(["nice", "-n", "19", str(BIN / "bench-attack"), words[0],
                                         str(server.device_port), *map(str, words[1:])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def end(self):
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()


def listener(server):
    return server.get("/api/v1/status")["listeners"]["device"]


def seen(server):
    """Connections that came so far, let in or not."""
    now = listener(server)
    return now["connections_total"] + sum(now["turned_away"].values())


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def until_answered(ask):
    """A device whose connection is refused or cut off comes again."""
    for _ in range(TRIES_MAX):
        try:
            return ask()
        except (http.client.HTTPException, OSError):
            time.sleep(AGAIN_SECONDS)
    raise AssertionError("an honest device got no answer")


class Honest(threading.Thread):
    """Takes its commands and answers them, on a connection that is kept or a new one each time."""

    def __init__(self, device, is_kept):
        super().__init__()
        self.device, self.is_kept = device, is_kept
        self.answered = 0
        self.fault = None

    def run(self):
        try:
            for _ in range(ROUNDS):
                command = until_answered(self.device.poll)
                while command is not None:
                    command = until_answered(lambda c=command: self.device.answer(c))
                    self.answered += 1
                if not self.is_kept:
                    self.device.close()
        except (AssertionError, OSError, plistlib.InvalidFileException) as error:
            self.fault = error


def serve_all(server, devices):
    server.enqueue([device.udid for device in devices], {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
    honest = [Honest(device, i % 2 == 0) for i, device in enumerate(devices)]
    for thread in honest:
        thread.start()
    for thread in honest:
        thread.join(150)
        assert not thread.is_alive() and thread.fault is None, thread.fault
    return sum(thread.answered for thread in honest)


@pytest.fixture
def attacked(make_server, authority):
    """Less time for who is slow, so that what an attack leaves is seen to go."""
    server = make_server({"device.header_timeout_s": 20, "device.idle_timeout_s": 20}).start()
    server.trust(authority)
    return server


@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{row[0]} from {row[1]}" for row in ATTACKS])
def test_honest_devices_are_served_during_an_attack_and_nothing_of_it_is_left(attacked, authority, attack):
    *words, wanted = attack
    devices = [Device(attacked, authority.issue("device")).enroll() for _ in range(DEVICES)]
    assert serve_all(attacked, devices) == DEVICES
    for device in devices:
        device.close()
    wait_until(lambda: listener(attacked)["connections"] == 0, "the devices to be gone")
    before, came = descriptors(attacked), seen(attacked)
    with Attacker(attacked, words) as attacker:
        wait_until(lambda: seen(attacked) - came >= wanted, "the attack to be under way")
        attacked.reload()
        assert serve_all(attacked, devices) == DEVICES
        assert attacker.end()["opened"] >= wanted
    for device in devices:
        device.close()
    wait_until(lambda: listener(attacked)["connections"] == 0, "all of it to be gone")
    wait_until(lambda: descriptors(attacked) <= before + 1, "its descriptors to be closed")
    assert serve_all(attacked, devices) == DEVICES
    for device in devices:
        assert attacked.device(device.udid)["state"] == "enrolled"
