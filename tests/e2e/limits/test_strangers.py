# SPDX-License-Identifier: Apache-2.0
"""Who sends is judged before much of a body is taken."""

import json
import plistlib
import socket

import pytest

from harness.authority import Authority
from harness.device import CHECKIN, COMMAND, Device
from harness.raw import RawConnection, chunked, head
from harness.server import wait_until

SMALL = 65536


def padded(message, size):
    """The message as a plist of exactly `size` bytes."""
    empty = len(plistlib.dumps({**message, "Padding": ""}))
    return plistlib.dumps({**message, "Padding": "x" * (size - empty)})


def result(udid, size):
    return padded({"Status": "Acknowledged", "CommandUUID": "x", "UDID": udid}, size)


@pytest.fixture(params=["no certificate", "a foreign one"])
def stranger(request):
    if request.param == "no certificate":
        return None, "no_certificate"
    return Authority().issue("device"), "not_chained"


def test_a_strangers_body_of_64_kib_is_taken_and_one_past_it_is_refused_before_it_comes(server, make_device, stranger):
    identity, reason = stranger
    device = make_device().enroll()
    with RawConnection(server, identity) as raw:
        body = result(device.udid, SMALL)
        raw.send(head("/mdm", COMMAND, f"Content-Length: {SMALL}"))
        raw.send(body)
        assert raw.status() == 403
        assert server.refusals()[0]["claimed_id"] == device.udid, "it was read"
    with RawConnection(server, identity) as raw:
        raw.send(head("/mdm", COMMAND, f"Content-Length: {SMALL + 1}"))
        assert raw.status() == 403, "at once, before the body"
        assert raw.status() is None, "and closed"
    latest = server.refusals()[0]
    assert latest["reason"] == reason
    assert "65536" in latest["text"]
    assert server.device(device.udid)["state"] == "enrolled"
    assert device.poll() is None


REFUSALS = 16


@pytest.mark.parametrize("path, body, status", [("/mdm", result("U", 1000), 403), ("/mdm", b"x", 400),
                                                ("/nothing", b"", 404)])
def test_a_stranger_who_is_refused_has_to_connect_again(server, stranger, path, body, status):
    with RawConnection(server, stranger[0]) as raw:
        raw.send((head(path, COMMAND, f"Content-Length: {len(body)}") + body) * 4)
        assert [raw.status() for _ in range(2)] == [status, None]


def test_a_stranger_who_asks_for_much_has_to_connect_again(server):
    caps = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with RawConnection(server) as raw:
        raw.send(caps * (REFUSALS + 4))
        assert [raw.status() for _ in range(REFUSALS + 1)] == [200] * REFUSALS + [None]


def test_a_device_that_is_served_may_ask_for_what_is_not_there(server, make_device):
    device = make_device().enroll()
    idle = plistlib.dumps({"Status": "Idle", "UDID": device.udid})
    with RawConnection(server, device.identity) as raw:
        for _ in range(3):
            raw.send(head("/mdm", COMMAND, f"Content-Length: {len(idle)}") + idle)
            assert raw.status() == 200
            raw.send(head("/nothing", COMMAND, "Content-Length: 0") * (REFUSALS - 1))
            assert [raw.status() for _ in range(REFUSALS - 1)] == [404] * (REFUSALS - 1)
        raw.send(head("/nothing", COMMAND, "Content-Length: 0") * 2)
        assert [raw.status() for _ in range(2)] == [404, None]


def test_a_strangers_chunked_body_is_held_to_64_kib(server, stranger):
    for size, status in ((SMALL, 403), (SMALL + 1, 413)):
        with RawConnection(server, stranger[0]) as raw:
            raw.send(head("/mdm", COMMAND, "Transfer-Encoding: chunked"))
            raw.send(chunked(result("U", size), 5000))
            assert raw.status() == status
    with RawConnection(server, stranger[0]) as raw:
        raw.send(head("/mdm", COMMAND, "Transfer-Encoding: chunked"))
        raw.send_while_open(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        for _ in range(200):
            raw.send_while_open(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert raw.status() in (None, 413)


def test_a_stranger_does_not_take_the_room_of_devices(make_server, authority):
    """One body of this length is all that may be under way: a stranger who announces it does not get it."""
    limit = 200_000
    server = make_server({"device.checkin_bytes_max": limit, "device.result_bytes_max": limit,
                          "device.body_bytes_total_max": limit}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    with RawConnection(server) as raw:
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {limit}"))
        raw.send_while_open(b"x" * (limit - 1))
        assert raw.status() in (403, None)
        assert device.put("/mdm", result(device.udid, limit), COMMAND).status == 200


SCEP_MESSAGE = 131_072
TOTAL = 8 * SCEP_MESSAGE
STRANGERS = ("127.0.0.2", "127.0.0.3")  # all of 127.0.0.0/8 is this host


def scep_head(length, *more):
    return "\r\n".join(["POST /scep?operation=PKIOperation HTTP/1.1", "Host: localhost",
                        "Content-Type: application/x-pki-message", f"Content-Length: {length}", *more, "", ""]).encode()


def listener(server):
    return server.get("/api/v1/status")["listeners"]["device"]


def status_to_scep_head(server, length, source):
    """Of a body that is announced and never sent, so that asking takes no room: 100 says that it may come."""
    with RawConnection(server, source=source) as raw:
        raw.send(scep_head(length, "Expect: 100-continue"))
        return raw.status()


@pytest.fixture
def narrow(make_server, authority):
    server = make_server({"device.checkin_bytes_max": TOTAL // 2, "device.result_bytes_max": TOTAL // 2,
                          "device.body_bytes_total_max": TOTAL}).start()
    server.trust(authority)
    return server


def hold_all_that_strangers_may(server):
    """Bodies that lack their last byte, from two addresses, more than there is room for."""
    held = []
    for source in STRANGERS * (TOTAL // SCEP_MESSAGE):
        raw = RawConnection(server, source=source)
        raw.send(scep_head(SCEP_MESSAGE))
        raw.send_while_open(b"x" * (SCEP_MESSAGE - 1))
        held.append(raw)
    wait_until(lambda: status_to_scep_head(server, SCEP_MESSAGE, "127.0.0.4") == 503, "their part to be full")
    return held


def test_strangers_who_hold_all_they_may_leave_room_for_devices(narrow, authority):
    device = Device(narrow, authority.issue("device")).enroll()
    before = listener(narrow)["turned_away"]["strangers_bodies"]
    held = hold_all_that_strangers_may(narrow)
    assert device.poll() is None
    assert device.put("/mdm", result(device.udid, TOTAL // 2), COMMAND).status == 200
    with RawConnection(narrow, device.identity, "127.0.0.4") as raw:  # also from where nobody knows it
        body = result(device.udid, SMALL)
        raw.send(head("/mdm", COMMAND, f"Content-Length: {len(body)}") + body)
        assert raw.status() == 200
    with RawConnection(narrow, authority.issue("never seen"), "127.0.0.5") as raw:
        body = padded({"MessageType": "Authenticate", "UDID": "NEW", "Topic": "com.apple.mgmt.External.x"}, SMALL)
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}") + body)
        assert raw.status() == 200, "it chains to a CA of ours"
    assert status_to_scep_head(narrow, SCEP_MESSAGE, "127.0.0.1") == 100, "beside a device there is more room"
    assert listener(narrow)["turned_away"]["strangers_bodies"] > before
    narrow.wait_log("event=turned_away listener=device reason=strangers_bodies peer=127.0.0.")
    for raw in held:
        raw.close()
    wait_until(lambda: status_to_scep_head(narrow, SCEP_MESSAGE, "127.0.0.4") == 100, "the room to come back")


def test_a_stranger_who_is_refused_for_want_of_room_is_told_when_to_come_again(narrow):
    held = hold_all_that_strangers_may(narrow)
    with RawConnection(narrow, source="127.0.0.4") as raw:
        raw.send(scep_head(SCEP_MESSAGE))
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += raw.sock.recv(65536)
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"\r\nRetry-After: 1\r\n" in reply
    for raw in held:
        raw.close()


def test_a_strangers_body_is_cut_off_when_a_devices_may_still_come(make_server, authority):
    server = make_server({"device.header_timeout_s": 3, "device.body_timeout_s": 600}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device"))
    body = padded({"MessageType": "Authenticate", "UDID": device.udid, "Topic": "com.apple.mgmt.External.x"}, 5000)
    with RawConnection(server, device.identity) as first:
        first.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}") + body[:-1])
        with RawConnection(server, source=STRANGERS[0]) as stranger:
            stranger.send(scep_head(SCEP_MESSAGE))
            stranger.send(b"x" * (SCEP_MESSAGE - 1))
            assert stranger.status() is None
        assert listener(server)["turned_away"]["body_timeout"] == 1
        first.send(body[-1:])
        assert first.status() == 200


def test_a_device_with_a_good_certificate_sends_large_bodies(server, make_device, authority):
    device = make_device().enroll()
    for size in (SMALL, SMALL + 1, 3_000_000):
        assert device.put("/mdm", result(device.udid, size), COMMAND).status == 200
        with RawConnection(server, device.identity) as raw:
            raw.send(head("/mdm", COMMAND, "Transfer-Encoding: chunked"))
            raw.send(chunked(result(device.udid, size), 50_000))
            assert raw.status() == 200
    with RawConnection(server, authority.issue("never seen")) as raw:
        body = padded({"MessageType": "Authenticate", "UDID": "NEW", "Topic": "com.apple.mgmt.External.x"}, SMALL + 1)
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}") + body)
        assert raw.status() == 200, "it chains to a CA of ours, and enrolls just now"


# --- the admin listener


class Plain(RawConnection):
    """The same without TLS."""

    def __init__(self, server):  # pylint: disable=super-init-not-called
        self.sock = socket.create_connection(("127.0.0.1", server.admin_port), timeout=60)
        self._rest = b""


def post(length, *more):
    return "\r\n".join(["POST /api/v1/commands HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                        length, *more, "", ""]).encode()


@pytest.mark.parametrize("authorization", [[], ["Authorization: Bearer wrong"]], ids=["no token", "a wrong token"])
def test_a_token_is_judged_before_the_body(server, authorization):
    with Plain(server) as raw:
        raw.send(post("Content-Length: 60000000", *authorization))
        assert raw.status() == 401, "at once, before the body"
        assert raw.status() is None, "and closed"
    with Plain(server) as raw:
        raw.send(post("Content-Length: 60000000", "Expect: 100-continue", *authorization))
        assert raw.status() == 401, "instead of 100"
    with Plain(server) as raw:
        for _ in range(2):
            raw.send(post("Content-Length: 1000", *authorization) + b"x" * 1000)
            assert raw.status() == 401, "a small one goes by, and the connection stays"
    with Plain(server) as raw:
        raw.send(post("Transfer-Encoding: chunked", *authorization))
        raw.send_while_open((b"10000\r\n" + b"x" * 65536 + b"\r\n") * 40)
        assert raw.status() in (None, 401)


def test_with_a_token_a_large_body_is_taken(server):
    token = server.ctl_json("token", "add", "robot", "--role", "operator")["token"]
    body = json.dumps({"ids": ["nobody"], "command": {"RequestType": "ProfileList"}}).encode() + b" " * 200_000
    reply = server.api("POST", "/api/v1/commands", body, {"Content-Type": "application/json"}, token=token)
    assert reply.status == 200, reply
