# SPDX-License-Identifier: Apache-2.0
"""Listening sockets that the service manager holds: systemd's own tool passes them, or this test as systemd would."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from harness.ports import free_port
from harness.process import end
from harness.raw import UnderWay
from harness.server import BIN, START_SECONDS, STOP_SECONDS, SOURCE, UnixConnection, Reply, run, wait_until

FIRST_FD = 3  # sd_listen_fds(3)
needs_systemd = pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="no systemd here")


def listening(family, address):
    """A socket as a .socket unit makes it: it listens, and blocks."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind(address)
    made.listen(64)
    return made


class Passed:
    """pomonad with sockets from outside, [(name, socket)], which stay open when it ends."""

    def __init__(self, server, sockets):
        self.server = server
        self.sockets = sockets
        self.process = None
        self.log = []

    def start(self):
        fds = [each.fileno() for _, each in self.sockets]
        # The numbers 3, 4, ... may be taken by what is to be moved there: first far away, then back.
        moves = [f"exec {100 + i}<&{fd}" for i, fd in enumerate(fds)]
        moves += [f"exec {FIRST_FD + i}<&{100 + i} {100 + i}<&-" for i in range(len(fds))]
        script = "; ".join(moves) + '; LISTEN_PID=$$ exec "$@"'
        environment = {**os.environ, "LISTEN_FDS": str(len(fds)),
                       "LISTEN_FDNAMES": ":".join(name for name, _ in self.sockets)}
        self.process = subprocess.Popen(
            ["bash", "-c", script, "sh", str(BIN / "pomonad"), "-c", str(self.server.conf_path)], pass_fds=fds,
            stderr=subprocess.PIPE, text=True, env=environment)
        return self

    def read(self):
        """Reads its log until it is ready, or over."""
        self.log = []
        guard = threading.Timer(START_SECONDS, self.process.kill)
        guard.start()
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if "event=ready" in line:
                break
        guard.cancel()
        return self

    def is_ready(self):
        return any("event=ready" in line for line in self.log)

    def stop(self, is_told=False):
        if not is_told:
            self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate(timeout=STOP_SECONDS)[1]
        assert self.process.returncode == 0, rest
        self.log += rest.splitlines()


@pytest.fixture
def passing(make_server):
    """Makes a Passed of a conf; what was started ends with the test."""
    made = []

    def make(sockets, **conf):
        server = make_server({key.replace("__", "."): value for key, value in conf.items()})
        made.append(Passed(server, sockets))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None:
            end(each.process)
            each.process.stderr.close()
        for _, opened in each.sockets:
            opened.close()


def curl(server, *words, **options):
    return subprocess.run(["curl", "-sS", "--max-time", "60", "--cacert", str(server.root_pem), *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90, **options)


@needs_systemd
def test_systemds_own_tool_passes_the_listeners_by_name(make_server, tmp_path):
    """curl and Python's ssl come while nobody runs yet: the first of them starts pomonad, and all are answered."""
    server = make_server({"admin.listen": "", "admin.socket": ""})
    device, admin, plain, path = free_port(), free_port(), free_port(), tmp_path / "passed.sock"
    process = subprocess.Popen(
        ["systemd-socket-activate", f"--listen=127.0.0.1:{device}", f"--listen=127.0.0.1:{admin}", f"--listen={path}",
         f"--listen=127.0.0.1:{plain}", "--fdname=device:admin:admin-unix:device-plain", "--", str(BIN / "pomonad"), "-c", str(server.conf_path)],
        stderr=subprocess.PIPE, text=True)
    try:
        wait_until(path.exists, "the tool listens")
        result = curl(server, "-o", os.devnull, "-w", "%{http_code}", f"https://localhost:{device}/mdm",
                      "--resolve", f"localhost:{device}:127.0.0.1")
        assert result.stdout == "405", result.stderr
        context = ssl.create_default_context(cafile=server.root_pem)
        connection = http.client.HTTPSConnection("localhost", device, context=context, timeout=60)
        connection.request("GET", "/mdm")
        assert connection.getresponse().status == 405
        connection.close()
        assert curl(server, f"http://127.0.0.1:{admin}/readyz").returncode == 0
        assert curl(server, f"http://127.0.0.1:{plain}/crl", "-o", os.devnull, "-f").returncode == 0
        over_unix = UnixConnection(path)
        over_unix.request("GET", "/api/v1/status")
        listeners = Reply(over_unix.getresponse()).json()["listeners"]
        over_unix.close()
        assert listeners["device"]["requests"] == 2 and listeners["admin_socket"]["requests"] == 1
        assert run("pomonactl", "--socket", path, "status").returncode == 0
    finally:
        process.terminate()
        log = process.communicate(timeout=STOP_SECONDS)[1]
    assert process.returncode == 0, log
    assert f"event=listening name=device address=127.0.0.1:{device} socket=passed" in log
    assert f"event=listening name=admin address=127.0.0.1:{admin} socket=passed" in log
    assert f"event=listening name=admin_socket address={path} socket=passed" in log
    assert path.exists(), "it is not ours to remove"


def test_who_connects_while_the_daemon_is_down_is_answered_when_it_is_back(passing, tmp_path):
    """The queue of the socket survives: no client is refused or cut off, and each has waited for its answer."""
    device = listening(socket.AF_INET, ("127.0.0.1", 0))
    local = listening(socket.AF_UNIX, str(tmp_path / "passed.sock"))
    passed = passing([("admin-unix", local), ("device", device)])
    port = device.getsockname()[1]
    passed.start().read().stop()
    assert passed.is_ready()
    for _ in range(2):
        waiting = subprocess.Popen(
            ["curl", "-sS", "--max-time", "90", "--cacert", str(passed.server.root_pem), "-o", os.devnull,
             "-w", "%{http_code}", "--resolve", f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/mdm"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        over_unix = UnixConnection(tmp_path / "passed.sock")
        over_unix.request("GET", "/healthz")  # it is in the queue, and sent
        wait_until(lambda: queue_of(port) == 1, "curl waits in the queue of the socket")
        passed.start().read()
        assert waiting.communicate(timeout=100)[0] == "405"
        assert over_unix.getresponse().status == 200
        over_unix.close()
        passed.stop()
    assert (tmp_path / "passed.sock").exists()


def test_who_connects_while_it_drains_waits_for_the_next(passing, authority):
    device = listening(socket.AF_INET, ("127.0.0.1", 0))
    admin = listening(socket.AF_INET, ("127.0.0.1", 0))
    passed = passing([("device", device), ("admin", admin)]).start().read()
    with socket.create_connection(admin.getsockname(), timeout=60) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"  # it was taken from the queue
        with UnderWay(passed.server) as request:
            passed.process.send_signal(signal.SIGTERM)
            read_until(passed, "event=draining")
            with socket.create_connection(admin.getsockname(), timeout=60) as late:
                late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                wait_until(lambda: queue_of(admin.getsockname()[1]) == 1, "nobody takes it from the queue")
                assert request.finish() == 400
                passed.stop(is_told=True)
                assert not any("stopped_before_drained" in line for line in passed.log)
                passed.start().read()
                assert late.recv(12) == b"HTTP/1.1 200"
    passed.stop()


def read_until(passed, word):
    for line in passed.process.stderr:
        passed.log.append(line.rstrip())
        if word in line:
            return
    raise AssertionError(f"no {word} in {passed.log}")


def queue_of(port):
    """How many connections wait to be accepted: the receive queue of a listening socket."""
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1:2] and fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
                return int(fields[4].split(":")[1], 16)
    return None


def test_what_is_not_passed_is_opened_as_the_conf_says(passing):
    passed = passing([("device", listening(socket.AF_INET, ("127.0.0.1", 0)))]).start().read()
    assert passed.is_ready(), passed.log
    said = "\n".join(passed.log)
    assert re.search(r"name=device address=\S+ socket=passed", said)
    assert re.search(r"name=admin address=127.0.0.1:\d+$", said, re.M)
    assert re.search(r"name=admin_socket address=\S+/admin.sock$", said, re.M)
    passed.stop()
    assert not (passed.server.folder / "admin.sock").exists(), "this one was its own"


def test_ipv6_is_passed_as_well(passing):
    try:
        made = listening(socket.AF_INET6, ("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    passed = passing([("device", made)]).start().read()
    assert f"name=device address=[::1]:{made.getsockname()[1]} socket=passed" in "\n".join(passed.log)
    passed.stop()


def unix_socket(folder):
    return listening(socket.AF_UNIX, str(folder / "a.sock"))


def tcp_socket(_):
    return listening(socket.AF_INET, ("127.0.0.1", 0))


def deaf_socket(_):
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


def datagram_socket(_):
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def remote_socket(_):
    return listening(socket.AF_INET, ("0.0.0.0", 0))


@pytest.mark.parametrize("sockets, error", [
    ([("device", unix_socket)], "passed socket device: want a TCP socket"),
    ([("admin-unix", tcp_socket)], "passed socket admin-unix: want a Unix socket"),
    ([("device", deaf_socket)], "passed socket device: want one that listens for streams"),
    ([("device", datagram_socket)], "passed socket device: want one that listens for streams"),
    ([("pomonad.socket", tcp_socket)], 'name .*"pomonad.socket.*one of device, '),
    ([("device", tcp_socket), ("device", tcp_socket)], "passed socket device comes twice"),
    ([("admin", remote_socket)], "passed socket admin: 0.0.0.0:[0-9]+ is no loopback address.*allow_remote_plain"),
])
def test_a_socket_that_does_not_do_stops_the_start_and_says_why(passing, tmp_path, sockets, error):
    passed = passing([(name, make(tmp_path)) for name, make in sockets]).start().read()
    assert passed.process.wait(STOP_SECONDS) == 78
    line = next(line for line in passed.log if "event=start_failed" in line)
    assert 'stage="passed sockets"' in line and re.search(error, line) and "FileDescriptorName=" in line, line


def test_a_remote_admin_socket_may_be_passed_where_the_conf_allows_it(passing):
    passed = passing([("admin", remote_socket(None))], admin__allow_remote_plain="yes").start().read()
    assert passed.is_ready(), passed.log
    passed.stop()


def test_the_units_name_their_sockets_as_the_daemon_knows_them():
    names = set()
    for unit in (SOURCE / "conf").glob("*.socket"):
        text = unit.read_text()
        names.add(re.search(r"^FileDescriptorName=(\S+)$", text, re.M)[1])
        assert unit.name == "pomonad.socket" or re.search(r"^Service=pomonad.service$", text, re.M), unit
    assert names == {"device", "admin", "admin-unix"}
