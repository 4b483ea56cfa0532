# SPDX-License-Identifier: Apache-2.0
"""Devices that enroll, poll, answer and come again until they were told 200, on threads of their own."""

import http.client
import random
import sqlite3
import threading
import time
import traceback
import uuid

from .device import Device
from .server import wait_until

THREADS = 6
PATIENCE_S = 60  # of a device that is told 503
PAUSE_S = 0.02  # instead of what Retry-After says


class Fleet:
    """What each device was told 200 for is kept, to be looked for in the database."""

    def __init__(self, server, authority, count=THREADS):
        self.server = server
        self.authority = authority
        self.devices = [Device(server, authority.issue(f"fault {i}")) for i in range(count)]
        for device in self.devices:
            device.enroll()
        self.enrolled = [device.udid for device in self.devices]
        self.answered = []  # (udid, uuid of the command)
        self.taken = self.turned_away = self.broken = 0
        self.violations = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(device,)) for device in self.devices]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S * 2)
        assert not any(thread.is_alive() for thread in self._threads)
        for device in self.devices:
            device.close()

    def _count(self, **more):
        with self._lock:
            for name, n in more.items():
                setattr(self, name, getattr(self, name) + n)

    def _until_taken(self, send, device):
        """Comes again with the same message, as a device does, until it is told 200."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                reply = send()
            except (OSError, http.client.HTTPException):
                device.close()
                self._count(broken=1)
                reply = None
            if reply is not None and reply.status == 200:
                self._count(taken=1)
                return reply
            if reply is not None:
                assert reply.status == 503, reply
                assert int(reply.headers["Retry-After"]) > 0
                self._count(turned_away=1)
            assert time.monotonic() < deadline, f"{device.udid} was turned away for {PATIENCE_S} s: {reply}"
            time.sleep(PAUSE_S * random.random())

    def _enroll_one(self):
        device = Device(self.server, self.authority.issue("fault more"))
        try:
            self._until_taken(device.authenticate, device)
            self._until_taken(device.token_update, device)
        finally:
            device.close()
        self.enrolled.append(device.udid)

    def _poll(self, device):
        command = device.command_of(self._until_taken(device.idle, device))
        while command is not None:
            given = command["CommandUUID"]
            reply = self._until_taken(lambda: device.report("Acknowledged", given), device)
            self.answered.append((device.udid, given))
            command = device.command_of(reply)

    def _enqueue(self, device):
        """An administrator's order; the same one again where it was turned away."""
        order = {"ids": [device.udid], "command": {"RequestType": "ProfileList"}, "uuid": str(uuid.uuid4())}

        def send():
            reply = self.server.api("POST", "/api/v1/commands", order)
            if reply.status == 503:
                assert reply.headers["Content-Type"] == "application/problem+json"
            return reply

        self._until_taken(send, device)

    def _live(self, device):
        turn = 0
        try:
            while not self._stop.is_set():
                self._enqueue(device)
                self._poll(device)
                self._until_taken(device.token_update, device)
                turn += 1
                if turn % 8 == 1:
                    self._enroll_one()
        except Exception as error:  # noqa: BLE001  told by check()
            self.violations.append("".join(traceback.format_exception(error)))

    def wait_taken(self, more=30):
        """The load goes on."""
        before = self.taken
        wait_until(lambda: self.taken >= before + more or self.violations, "devices to be answered 200")

    def wait_turned_away(self, more=10):
        before = self.turned_away
        wait_until(lambda: self.turned_away >= before + more or self.violations, "devices to be answered 503")

    def check(self):
        """All that was told 200 is in the database, as another program reads it, and in the API."""
        assert not self.violations, "\n".join(self.violations)
        with sqlite3.connect(f"file:{self.server.folder / 'pomona.db'}?mode=ro", uri=True) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            enrolled = {row[0] for row in db.execute("SELECT ext_id FROM enrollment WHERE state = 2")}
            done = set(db.execute(DONE_SQL))
        lost = [udid for udid in self.enrolled if udid not in enrolled]
        lost += [pair for pair in self.answered if pair not in done]
        assert not lost, lost


DONE_SQL = """SELECT e.ext_id, c.uuid FROM queue q JOIN enrollment e ON e.id = q.enrollment_id
    JOIN command c ON c.id = q.command_id WHERE q.state = 4"""
