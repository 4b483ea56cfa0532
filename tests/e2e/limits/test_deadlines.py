# SPDX-License-Identifier: Apache-2.0
"""Clients that come on a byte at a time, so that no silence ends their connections."""

import base64
import http.client
import plistlib
import select
import socket
import ssl

import pytest

from harness.device import CHECKIN, COMMAND, TOPIC, Device
from harness.raw import RawConnection, head
from harness.server import wait_until

PACE_SECONDS = 0.05  # far below the idle timeout
PIECES = 800  # more than go out in the time that the server gives
TRIES = 5
LONG = {f"device.{name}_timeout_s": 300 for name in ("header", "body", "idle")}


@pytest.fixture
def make_strict(make_server, authority):
    """A server with one timeout of so many seconds; no other one is met."""
    def make(**seconds):
        server = make_server({**LONG, **{f"device.{name}_timeout_s": n for name, n in seconds.items()}}).start()
        server.trust(authority)
        return server
    return make


def turned_away(server, listener="device"):
    return server.get("/api/v1/status")["listeners"][listener]["turned_away"]


def is_cut_off(sock, pieces):
    """Sends piece by piece and watches for the end of the stream."""
    for piece in pieces:
        try:
            sock.sendall(piece)
            if select.select([sock], [], [], PACE_SECONDS)[0] and sock.recv(65536) == b"":
                return True
        except ssl.SSLWantReadError:
            continue
        except OSError:
            return True
    return False


def bytes_of(data):
    return [data[at:at + 1] for at in range(len(data))]


def client_hello():
    """The first flight of a TLS client, long enough to be sent slowly."""
    context = ssl.create_default_context()
    context.set_alpn_protocols([f"protocol-{i}" for i in range(60)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    hello = outgoing.read()
    assert len(hello) > PIECES
    return hello


def see_counted(server, reason, before, listener="device"):
    now = turned_away(server, listener)
    assert now == {**before, reason: before[reason] + 1}
    server.wait_log(f"event=turned_away listener={listener} reason={reason} peer=127.0.0.1:")


def see_cut_off(server, reason, attack):
    """A machine that is busy may be too slow for the handshake before the attack, or within it: then once more."""
    for _ in range(TRIES):
        before = turned_away(server)
        try:
            assert attack()
        except (OSError, http.client.HTTPException):
            pass
        now = turned_away(server)
        if reason == "handshake_timeout" or (now != before and now["handshake_timeout"] == before["handshake_timeout"]):
            break
    see_counted(server, reason, before)


def test_a_handshake_that_comes_byte_by_byte_is_cut_off(make_strict):
    server = make_strict(header=2)
    before = turned_away(server)
    with socket.create_connection(("127.0.0.1", server.device_port), timeout=60) as plain:
        assert is_cut_off(plain, bytes_of(client_hello()))
    see_counted(server, "handshake_timeout", before)


def test_a_handshake_with_no_request_after_it_is_cut_off(make_strict, authority):
    server = make_strict(header=2)

    def attack():
        with RawConnection(server, authority.issue("device")) as raw:
            return raw.sock.recv(1) == b""

    see_cut_off(server, "handshake_timeout", attack)


@pytest.mark.parametrize("start, reason", [
    (b"PUT /check", "handshake_timeout"),  # the first request's line ends the handshake
    (b"PUT /checkin HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "header_timeout"),
], ids=["request line", "header"])
def test_a_head_that_comes_byte_by_byte_is_cut_off(make_strict, authority, start, reason):
    server = make_strict(header=2)

    def attack():
        with RawConnection(server, authority.issue("device")) as raw:
            raw.send(start)
            return is_cut_off(raw.sock, [b"x"] * PIECES)

    see_cut_off(server, reason, attack)


def test_a_next_request_line_that_comes_byte_by_byte_is_cut_off(make_strict, authority):
    server = make_strict(header=2, idle=3)  # between two requests they count together
    device = Device(server, authority.issue("device"))
    idle = plistlib.dumps({"Status": "Idle", "UDID": device.udid})

    def attack():
        device.enroll().close()
        with RawConnection(server, device.identity) as raw:
            raw.send(head("/mdm", COMMAND, f"Content-Length: {len(idle)}") + idle)
            assert raw.status() in (200, None)  # None: it has been too slow
            raw.send(b"PUT /")
            return is_cut_off(raw.sock, [b"x"] * PIECES)

    see_cut_off(server, "header_timeout", attack)


@pytest.mark.parametrize("start, piece", [
    (head("/checkin", CHECKIN, "Content-Length: 5000"), b"x"),
    (head("/checkin", CHECKIN, "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    (head("/nothing", CHECKIN, "Content-Length: 5000"), b"x"),
], ids=["declared", "chunked", "of a request that is refused"])
def test_a_body_that_comes_byte_by_byte_is_cut_off(make_strict, authority, start, piece):
    server = make_strict(body=2)
    device = Device(server, authority.issue("device")).enroll()
    before = turned_away(server)
    with RawConnection(server, device.identity) as raw:
        raw.send(start)
        assert is_cut_off(raw.sock, [piece] * PIECES)
    see_counted(server, "body_timeout", before)
    assert device.poll() is None, "others are served, and nobody is unenrolled"


LARGE = 8_000_000  # more than the buffers of two sockets


class SlowReader(RawConnection):
    """Takes as little as a socket can be told to."""

    def __init__(self, server, identity):  # pylint: disable=super-init-not-called
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(60)
        plain.connect(("127.0.0.1", server.device_port))
        self.sock = server.client_context(identity).wrap_socket(plain, server_hostname="localhost")
        self._rest = b""


def ask_for_a_large_command(server, device):
    server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": base64.b64encode(b"p" * LARGE).decode()})
    raw = SlowReader(server, device.identity)
    body = plistlib.dumps({"Status": "Idle", "UDID": device.udid})
    raw.send(head("/mdm", COMMAND, f"Content-Length: {len(body)}") + body)
    return raw


def listener(server):
    return server.get("/api/v1/status")["listeners"]["device"]


def see_it_delivered(device):
    command = device.poll()["Command"]
    assert command["RequestType"] == "InstallProfile" and len(command["Payload"]) > LARGE, "it is not lost"


def test_a_client_that_never_reads_is_let_go(make_server, authority):
    server = make_server({"device.idle_timeout_s": 6}).start()  # in which the device gets its command below
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    device.close()
    before = listener(server)["replies"]["2xx"]
    with ask_for_a_large_command(server, device):
        wait_until(lambda: listener(server)["replies"]["2xx"] == before + 1, "the reply to be on its way")
        wait_until(lambda: listener(server)["connections"] == 0, "it to be let go")
    see_it_delivered(device)


def test_a_reply_that_is_read_byte_by_byte_is_cut_off(make_strict, authority):
    server = make_strict(body=8)  # in which see_it_delivered() gets all of it
    device = Device(server, authority.issue("device")).enroll()
    before = turned_away(server)
    with ask_for_a_large_command(server, device) as raw:
        for _ in range(PIECES):
            try:
                raw.sock.recv(100)  # of records of 16 KiB, so that something moves
            except OSError:
                break
            if turned_away(server) != before:
                break
            select.select([], [], [], PACE_SECONDS)
    see_counted(server, "reply_timeout", before)
    see_it_delivered(device)


def test_a_message_that_comes_slowly_but_in_time_is_taken(make_server, authority):
    server = make_server({"device.header_timeout_s": 30, "device.body_timeout_s": 60}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device"))
    body = plistlib.dumps({"MessageType": "Authenticate", "Topic": TOPIC, "UDID": device.udid})
    with RawConnection(server, device.identity) as raw:
        raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in bytes_of(head("/checkin", CHECKIN, f"Content-Length: {len(body)}") + body):
            raw.send(byte)
        assert raw.status() == 200
    assert not any(turned_away(server).values())


def test_a_device_that_was_cut_off_comes_again_and_has_lost_nothing(make_strict, authority):
    server = make_strict(body=2)
    device = Device(server, authority.issue("device")).enroll()
    server.enqueue([device.udid], {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
    taken = device.poll()
    answer = plistlib.dumps({"Status": "Acknowledged", "CommandUUID": taken["CommandUUID"], "UDID": device.udid})
    with RawConnection(server, device.identity) as raw:
        raw.send(head("/mdm", "application/x-apple-aspen-mdm", f"Content-Length: {len(answer)}") + answer[:-1])
        assert raw.status() is None
    device.close()
    assert server.device(device.udid)["state"] == "enrolled"
    assert device.poll()["CommandUUID"] == taken["CommandUUID"], "it was not answered"
    assert device.answer(taken) is None
