# SPDX-License-Identifier: Apache-2.0
"""The real pomonad, started in a folder of its own on ports that the kernel chooses."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from .process import end, threads_of

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("POMONA_BUILD", SOURCE / "build" / "dev"))
BIN = BUILD / "bin"
START_SECONDS = 60  # bounds, not waits: sanitizers are slow
STOP_SECONDS = 60
RUN_SECONDS = 120
READER_SECONDS = 10
CONFINED = ["/usr/bin/python3", str(SOURCE / "tests/e2e/harness/confine.py"), str(BUILD / "conf/pomonad.service")]
SHARED = SOURCE.parent / "shared"


def run(program, *words, check=True, **options):
    """Runs one of our programs to its end and gives its CompletedProcess with text output."""
    given, stdin = options.pop("input", None), options.pop("stdin_fd", subprocess.DEVNULL)
    process = subprocess.Popen(
        [str(BIN / program), *map(str, words)], stdin=stdin if given is None else subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        stdout, stderr = process.communicate(given, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{program} {words} did not end:\n{threads_of(process.pid)}") from None
    finally:
        end(process)
    if check and process.returncode != 0:
        raise AssertionError(f"{program} {words} gave {process.returncode}\n{stdout}\n{stderr}")
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def wait_until(condition, what, seconds=60):
    """Asks until it is so; what no event tells."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def make_template(folder):
    """A state directory as `pomonactl init` makes it, for tests to copy."""
    run("pomonactl", "init", "--dir", folder, "--hostname", "localhost")
    return folder


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Server:
    """`program` is pomonad or a test build of it; `conf` are keys of the conf file, {"section.name": value}."""

    def __init__(self, template, folder, conf=None, program="pomonad", environment=None):
        self.folder = pathlib.Path(folder)
        if template is not None:
            shutil.copytree(template, self.folder, symlinks=True)
        self.program = program
        self.environment = environment or {}
        self.wrapper = CONFINED if os.environ.get("POMONA_CONFINED") else []  # words before the program
        self.who = {}  # user, group and extra_groups of another user, as subprocess has them; see give_to()
        self.process = None
        self.log = []
        self.conf_path = self.folder / "pomona.conf"
        self.conf = {
            "server.hostname": "localhost",
            "server.state_dir": str(self.folder),
            "device.listen": "127.0.0.1:0",
            "device.tls_certificate": str(self.folder / "tls" / "server.pem"),
            "device.tls_key": str(self.folder / "tls" / "server.key"),
            "device.idle_timeout_s": 600,  # a device's connection outlives all that a slow machine does meanwhile
            "admin.listen": "127.0.0.1:0",
            "admin.socket": str(self.folder / "admin.sock"),
        }
        self.conf.update(conf or {})
        self.write_conf()

    # --- life

    def write_conf(self):
        sections = {}
        for key, value in self.conf.items():
            section, name = key.split(".")
            sections.setdefault(section, []).append(f"{name} = {value}")
        text = "".join(f"[{section}]\n" + "\n".join(rows) + "\n\n" for section, rows in sections.items())
        self.conf_path.write_text(text)

    def give_to(self, user, group, extra_groups=()):
        """From now on it runs as somebody else, who owns its folder; as root only."""
        self.who = {"user": user, "group": group, "extra_groups": list(extra_groups)}
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, user, group)

    def start(self):
        """Starts and returns when it is ready."""
        self.log = []
        self._listening = {}
        self._ready = threading.Event()
        self._over = threading.Event()
        environment = {**os.environ, **self.environment}
        environment.pop("JOURNAL_STREAM", None)
        environment.pop("NOTIFY_SOCKET", None)
        self.process = subprocess.Popen(
            [*self.wrapper, str(BIN / self.program), "-c", str(self.conf_path)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, errors="replace", env=environment, **self.who)
        self._reader = threading.Thread(target=self._read_log, args=(self.process,), daemon=True)
        self._reader.start()
        self._ready.wait(START_SECONDS)
        if not self._ready.is_set() or self._over.is_set():
            self._give_up("did not become ready")
        return self

    def _give_up(self, what):
        """Fails with what is known of it, and leaves no process behind."""
        known = "\n".join([f"pomonad {what}:", *self.log[-200:], threads_of(self.process.pid)])
        self.kill()
        raise AssertionError(known) from None

    def _read_log(self, process):
        for line in process.stderr:
            line = line.rstrip("\n")
            self.log.append(line)
            found = re.search(r"event=listening name=(\S+) address=\"?([^\s\"]+)\"?", line)
            if found:
                self._listening[found.group(1)] = found.group(2)
            if re.search(r"event=ready\b", line):
                self._ready.set()
        self._over.set()
        self._ready.set()

    def stop(self, expect=0, is_told=False):
        """SIGTERM, unless it was sent already: a second one hurries. The exit status is checked, so that a sanitizer's
        report fails the test."""
        if self.process is None:
            return
        if not is_told:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._give_up("did not stop")
        self._reader.join(READER_SECONDS)
        self.process = None
        if status != expect:
            raise AssertionError(f"pomonad ended with {status}:\n" + "\n".join(self.log[-200:]))

    def kill(self):
        if self.process is not None:
            process, self.process = self.process, None
            end(process)
            self._reader.join(READER_SECONDS)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def wait_log(self, pattern, seconds=60, after=0):
        """Waits for a log line that matches; gives it."""
        done = threading.Event()
        deadline = threading.Timer(seconds, done.set)
        deadline.start()
        try:
            while True:
                for line in self.log[after:]:
                    if re.search(pattern, line):
                        return line
                if done.wait(0.02):
                    raise AssertionError(f"no log line {pattern!r} in:\n" + "\n".join(self.log[-50:]))
        finally:
            deadline.cancel()

    # --- addresses

    @property
    def device_port(self):
        return int(self._listening["device"].rsplit(":", 1)[1])

    @property
    def plain_port(self):
        return int(self._listening["device_plain"].rsplit(":", 1)[1])

    @property
    def admin_port(self):
        return int(self._listening["admin"].rsplit(":", 1)[1])

    @property
    def root_pem(self):
        return self.folder / "tls" / "root.pem"

    # --- administration

    def ctl(self, *words, check=True, **options):
        return run("pomonactl", "-c", self.conf_path, *words, check=check, **options)

    def ctl_json(self, *words):
        return json.loads(self.ctl("--json", *words).stdout)

    def api(self, method, path, body=None, headers=None, token=None):
        """A call over the Unix socket, or with `token` over TCP. `body`: an object, or bytes as they are."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if token is None:
            connection = UnixConnection(self.folder / "admin.sock")
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=60)
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body=body, headers=headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        reply = self.api("GET", path)
        assert reply.status == 200, reply
        return reply.json()

    def device(self, ext_id):
        return self.get("/api/v1/devices/" + urllib.parse.quote(ext_id, safe=""))

    def trust(self, authority, name="ca.pem"):
        """Makes the daemon trust a CA for device certificates."""
        path = self.folder / name
        path.write_bytes(authority.certificate_pem())
        self.ctl("ca", "add", path)

    def enqueue(self, ids, command, **more):
        reply = self.api("POST", "/api/v1/commands", {"ids": ids, "command": command, **more})
        assert reply.status == 200, reply
        return reply.json()

    def signer(self):
        """Its counts, once it has done the daemon's own job, which comes soon after the start: the look at which
        identities must be renewed. The next one is minutes away."""
        def has_looked():
            status = self.get("/api/v1/status")
            return status["renewals"]["walks"] > 0 and status["signer"]["jobs_total"] > 0

        wait_until(has_looked, "the first look at renewals")
        return self.get("/api/v1/status")["signer"]

    def refusals(self):
        return self.get("/api/v1/refusals")["refusals"]

    def client_context(self, identity=None):
        """TLS towards the device listener: our root is trusted, `identity` is shown."""
        context = ssl.create_default_context(cafile=str(self.root_pem))
        if identity is not None:
            path = identity.write(self.folder / f"{identity.sha256}.pem")
            context.load_cert_chain(str(path))
        return context
