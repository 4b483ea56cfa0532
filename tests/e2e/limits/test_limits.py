# SPDX-License-Identifier: Apache-2.0
import os
import plistlib
import socket
import ssl
import threading
import time

import pytest

from harness.device import CHECKIN, COMMAND, TOPIC, Device
from harness.raw import RawConnection, chunked, head

CHECKIN_MAX = 100_000
RESULT_MAX = 300_000
HELD = {"device.header_timeout_s": 3600, "device.idle_timeout_s": 3600}  # connections stay for the whole of a test


@pytest.fixture
def small(make_server, authority):
    server = make_server({"device.checkin_bytes_max": CHECKIN_MAX, "device.result_bytes_max": RESULT_MAX}).start()
    server.trust(authority)
    return server


def padded(message, size):
    """The message as a plist of exactly `size` bytes."""
    empty = len(plistlib.dumps({**message, "Padding": ""}))
    return plistlib.dumps({**message, "Padding": "x" * (size - empty)})


def messages(device):
    return [
        ("/checkin", CHECKIN, {"MessageType": "Authenticate", "Topic": TOPIC, "UDID": device.udid}, CHECKIN_MAX),
        ("/mdm", CHECKIN, {"MessageType": "TokenUpdate", "Topic": TOPIC, "UDID": device.udid, "Token": b"t",
                           "PushMagic": "m"}, CHECKIN_MAX),
        ("/mdm", COMMAND, {"Status": "Acknowledged", "CommandUUID": "x", "UDID": device.udid}, RESULT_MAX),
    ]


def test_a_body_at_its_limit_is_taken_and_one_past_it_gets_413(small, authority):
    device = Device(small, authority.issue("device"))
    for path, content_type, message, limit in messages(device):
        assert device.put(path, padded(message, limit), content_type).status == 200
        body = padded(message, limit + 1)
        with RawConnection(small, device.identity) as raw:
            raw.send(head(path, content_type, f"Content-Length: {len(body)}"))
            assert raw.status() == 413, "at once, before the body"


def test_a_chunked_body_at_its_limit_is_taken_and_one_past_it_gets_413(small, authority):
    device = Device(small, authority.issue("device"))
    for path, content_type, message, limit in messages(device):
        for size, status in ((limit, 200), (limit + 1, 413)):
            with RawConnection(small, device.identity) as raw:
                raw.send(head(path, content_type, "Transfer-Encoding: chunked"))
                raw.send(chunked(padded(message, size), 5000))
                assert raw.status() == status


def test_a_chunked_body_without_end_is_cut_off(small, authority):
    device = Device(small, authority.issue("device")).enroll()
    with RawConnection(small, device.identity) as raw:
        raw.send(head("/checkin", CHECKIN, "Transfer-Encoding: chunked"))
        raw.send_while_open(b"10000\r\n" + b"x" * 65536 + b"\r\n", 65544)
        for _ in range(200):
            raw.send_while_open(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert raw.status() in (None, 413)
    assert device.poll() is None


def test_expect_continue_is_honoured(small, authority):
    device = Device(small, authority.issue("device"))
    path, content_type, message, limit = messages(device)[0]
    body = plistlib.dumps(message)
    with RawConnection(small, device.identity) as raw:
        raw.send(head(path, content_type, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert raw.status() == 100
        raw.send(body)
        assert raw.status() == 200
    with RawConnection(small, device.identity) as raw:
        raw.send(head(path, content_type, f"Content-Length: {limit + 1}", "Expect: 100-continue"))
        assert raw.status() == 413


def test_headers_past_24_kib_get_431(small, authority):
    device = Device(small, authority.issue("device"))
    body = plistlib.dumps({"MessageType": "Authenticate", "Topic": TOPIC, "UDID": device.udid})

    def status_with(filler):
        with RawConnection(small, device.identity) as raw:
            raw.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}", "X-Filler: " + "f" * filler) + body)
            return raw.status()

    assert status_with(24_000) == 200
    assert status_with(25_000) == 431


def test_a_client_that_stops_in_the_middle_is_let_go_and_delays_nobody(make_server, authority):
    server = make_server({"device.idle_timeout_s": 10}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    device.close()
    stuck = []
    for number in range(20):
        stuck.append(RawConnection(server, device.identity))
        if number < 10:
            stuck[-1].send(head("/checkin", CHECKIN, "Content-Length: 5000") + b"half")
        else:
            stuck[-1].send(b"PUT /checkin HTTP/1.1\r\nHost: local")
    assert device.poll() is None
    for raw in stuck:
        assert raw.status() in (None, 408)
        raw.close()


def client_hello():
    """The first flight of a TLS client."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def received(plain):
    """More from the server, which must not have closed."""
    data = plain.recv(65536)
    assert data, "the connection is closed"
    return data


def stalled(server, data):
    plain = socket.create_connection(("127.0.0.1", server.device_port), timeout=60)
    plain.sendall(data)
    return plain


def see_every_thread_asleep(pid):
    """A thread that spins is never seen asleep; one that waits soon is."""
    awake = set(os.listdir(f"/proc/{pid}/task"))
    deadline = time.monotonic() + 30
    while awake and time.monotonic() < deadline:
        for task in list(awake):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "S":
                    awake.discard(task)
    return not awake


@pytest.mark.parametrize("part", [0.3, 1.0], ids=["half a hello", "a hello and no more"])
def test_a_handshake_that_stops_half_way_keeps_no_core_busy(make_server, authority, part):
    server = make_server(HELD).start()
    server.trust(authority)
    hello = client_hello()
    device = Device(server, authority.issue("device")).enroll()
    held = [stalled(server, hello[:int(len(hello) * part)]) for _ in range(10)]
    assert device.poll() is None
    assert see_every_thread_asleep(server.process.pid)
    for plain in held:
        plain.close()


def test_a_handshake_that_stops_half_way_is_let_go_when_its_time_is_up(make_server):
    server = make_server({"device.header_timeout_s": 3}).start()
    held = [stalled(server, client_hello()[:100]) for _ in range(10)]
    for plain in held:
        while plain.recv(65536):
            pass
        plain.close()


def test_a_handshake_in_pieces_is_taken(small, authority):
    identity = authority.issue("device")
    context = small.client_context(identity)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    plain = socket.create_connection(("127.0.0.1", small.device_port), timeout=60)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            for byte in outgoing.read():
                plain.sendall(bytes([byte]))
            incoming.write(received(plain))
    session.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
    plain.sendall(outgoing.read())
    answer = b""
    while b"404" not in answer:
        incoming.write(received(plain))
        try:
            answer += session.read()
        except ssl.SSLWantReadError:
            pass
    plain.close()


def test_a_stop_does_not_wait_for_handshakes(small):
    held = [stalled(small, client_hello()[:100]) for _ in range(10)]
    small.stop()
    for plain in held:
        plain.close()


def test_a_connection_over_the_limit_waits_until_there_is_room(make_server, authority):
    server = make_server({**HELD, "device.connections_max": 8, "device.threads": 1}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    held = [RawConnection(server) for _ in range(7)]
    came_in = threading.Event()

    def come_late():
        late = RawConnection(server)
        came_in.set()
        late.close()

    late = threading.Thread(target=come_late)
    late.start()
    for _ in range(50):
        assert device.poll() is None, "those who are in are served"
    assert not came_in.is_set()
    held.pop().close()
    late.join(60)
    assert came_in.is_set()
    for raw in held:
        raw.close()


def test_ids_are_bounded(small, authority):
    assert Device(small, authority.issue("a"), "U" * 256).enroll()
    assert Device(small, authority.issue("b"), "U" * 257).authenticate().status == 400


def test_unknown_routes_and_methods_say_so(small):
    with RawConnection(small) as raw:
        raw.send(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.status() == 404
    with RawConnection(small) as raw:
        raw.send(b"GET /mdm HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.status() == 405
