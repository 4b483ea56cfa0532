# SPDX-License-Identifier: Apache-2.0
"""Apple's push service as pomona-sim plays it, alone or with devices, started in a folder of its own."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from .ports import free_port
from .server import BIN, START_SECONDS, run

PAGE = 1000


class Apns:
    """`words` are further words of the command line. The folder gets its CA, if it has none yet."""

    def __init__(self, folder, *words):
        self.folder = pathlib.Path(folder)
        self.words = [str(word) for word in words]
        self.socket_path = self.folder / "control.sock"
        self.port = free_port()  # a restart takes it again
        self.process = None
        self.log = []
        self._control = None
        if not (self.folder / "apple" / "push.pem").exists():
            run("pomona-sim", "ca", "--dir", self.folder)

    @property
    def ca_pem(self):
        return self.folder / "apple" / "ca.pem"

    @property
    def push_pem(self):
        """A push certificate and its key."""
        return self.folder / "apple" / "push.pem"

    @property
    def topic(self):
        return (self.folder / "apple" / "topic").read_text().strip()

    def make_push_pem(self, name, *words):
        """Another push certificate: `--topic T`, `--days N`, `--expired`."""
        path = self.folder / name
        run("pomona-sim", "pushcert", "--dir", self.folder, "--out", path, *words)
        return path

    # --- life

    def start(self, **faults):
        """Starts with these faults and returns when it listens."""
        words = [word for key, value in faults.items() for word in ("--fault", f"{key}={_text(value)}")]
        self.log = []
        self._said = threading.Event()  # that it listens, or all that it had to say
        self._is_listening = False
        with (self.folder / "report.log").open("w") as report:
            self.process = subprocess.Popen(
                [str(BIN / "pomona-sim"), *self._verb(), "--dir", str(self.folder), "--control", str(self.socket_path),
                 *self.words, *words],
                stdout=report, stderr=subprocess.PIPE, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read_log, args=(self.process,), daemon=True)
        self._reader.start()
        self._said.wait(START_SECONDS)
        if not self._is_listening:
            self.kill()
            raise AssertionError("pomona-sim did not start:\n" + "\n".join(self.log))
        return self

    def _verb(self):
        return ["apns", "--listen", f"127.0.0.1:{self.port}"]

    def _read_log(self, process):
        for line in process.stderr:
            self.log.append(line.rstrip("\n"))
            found = re.search(r'event=listening name=apns address="?[^"\s]*:(\d+)', line)
            if found:
                self.port = int(found.group(1))
                self._is_listening = True
                self._said.set()
        self._said.set()

    def stop(self):
        """SIGTERM; the exit status is checked, so that a sanitizer's report fails the test."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("pomona-sim did not stop:\n" + "\n".join(self.log[-50:])) from None
        self._forget()
        if status != 0:
            raise AssertionError(f"pomona-sim ended with {status}:\n" + "\n".join(self.log[-200:]))

    def kill(self):
        """As a crash would; start() then takes the same port."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._forget()

    def _forget(self):
        self._reader.join(10)
        self.process = None
        if self._control is not None:
            self._control.close()
            self._control = None

    # --- control

    def control(self, question):
        """One question, as src/sim/control.h has them; gives the answer."""
        if self._control is None:
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(60)
            plain.connect(str(self.socket_path))
            self._control = plain.makefile("rwb")
            plain.close()
        self._control.write(json.dumps(question).encode() + b"\n")
        self._control.flush()
        answer = json.loads(self._control.readline())
        if "error" in answer:
            raise AssertionError(f"{question}: {answer['error']}")
        return answer

    def stats(self):
        return self.control({"do": "stats"})

    def pushes(self, after=0):
        """All that are kept, with a seq above `after`."""
        pushes = []
        while True:
            page = self.control({"do": "pushes", "after": after, "limit": PAGE})["pushes"]
            pushes += page
            if len(page) < PAGE:
                return pushes
            after = page[-1]["seq"]

    def wait_pushes(self, count, seconds=60, after=0):
        """Waits until `count` pushes with a seq above `after` were taken; gives all of these."""
        def look():
            got = self.pushes(after)
            return got if len(got) >= count else None

        return self.wait(look, f"{count} pushes", seconds)

    def wait(self, look, what="what was expected", seconds=60):
        """Waits until `look()` gives something; gives that."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} in {seconds} s; APNs has {self.stats()}")
            time.sleep(0.02)

    def set(self, **faults):
        """These faults and no others, see src/sim/apns_fault.h."""
        self.control({"do": "set", "faults": faults})

    def clear(self):
        self.set()

    def set_faults(self, faults):
        self.set(**faults)

    def goaway(self, last_stream="all", reason=""):
        self.control({"do": "goaway", "last_stream": last_stream, "reason": reason})

    def reset(self):
        """Cuts all connections."""
        self.control({"do": "reset"})

    def token(self, token, status=None, **more):
        """A token's own answer, `token` in bytes or hex: status, reason, timestamp_ms, retry_after_s.

        Status 200 takes it back."""
        rule = {"do": "token", "token": token if isinstance(token, str) else token.hex(), **more}
        if status is not None:
            rule["status"] = status
        self.control(rule)


class Fleet(Apns):
    """Devices and APNs in one process: after enrolling at the server of `url`, devices come only when woken."""

    def __init__(self, folder, url, server_ca, devices, *words):
        super().__init__(folder, *words)
        self.url = url
        self.server_ca = server_ca
        self.devices = devices

    def _verb(self):
        return ["run", "--apns", f"127.0.0.1:{self.port}", "--url", self.url, "--ca", str(self.server_ca),
                "--devices", str(self.devices), "--json"]

    def reports(self):
        """The lines of the report so far."""
        text = (self.folder / "report.log").read_text()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
