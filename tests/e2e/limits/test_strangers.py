# SPDX-License-Identifier: Apache-2.0
"""Who sends is judged before much of a body is taken."""

import json
import plistlib
import socket

import pytest

from harness.authority import Authority
from harness.device import CHECKIN, COMMAND, Device
from harness.raw import RawConnection, chunked, head

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
