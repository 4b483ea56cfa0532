# SPDX-License-Identifier: Apache-2.0
"""Whoever changes something through the API is named in the log, whichever route it was."""

import re
import socket
import uuid

import pytest
import yaml

from harness.apple import AppleChain
from harness.authority import Authority, make_csr
from harness.device import TOPIC, UserChannel
from harness.pushcert import PushCert
from harness.server import SOURCE, wait_until

SPEC = yaml.safe_load((SOURCE / "docs" / "api" / "openapi.yaml").read_text())
V1 = "/api/v1"
# Changes nothing, but tells secrets.
READING = {("get", "/backup")}


def changing():
    return {(method, path.removeprefix(V1)) for path, item in SPEC["paths"].items() for method in item
            if method not in ("parameters", "get")}


class Auditor:
    """An administrator by token whose every call must be in the audit under its name."""

    def __init__(self, server):
        self.server = server
        self.token = server.ctl_json("token", "add", "auditor", "--role", "admin")["token"]
        self.seen = set()

    def call(self, method, route, what, body=None, **params):
        """A call of `route`, whose audit line must say `what`. Gives the answer."""
        path = V1 + route
        for name, value in params.items():
            path = path.replace("{" + name + "}", value)
        before = len(self.server.log)
        reply = self.server.api(method.upper(), path, body, token=self.token)
        assert 200 <= reply.status < 300, (method, route, reply)
        line = self.server.wait_log("event=admin_change", after=before)
        assert line.startswith("level=audit event=admin_change who=token:auditor "), line
        assert f" what={what} " in line and " request=" in line and " peer=127.0.0.1:" in line, line
        assert self.token not in line
        self.seen.add((method, route))
        return reply.json() if "json" in (reply.headers["Content-Type"] or "") else None


@pytest.fixture
def auditor(make_server, authority):
    with socket.socket() as bound:  # where nobody listens
        bound.bind(("127.0.0.1", 0))
        server = make_server({"push.server": f"127.0.0.1:{bound.getsockname()[1]}"}).start()
        server.trust(authority)
        yield Auditor(server)


@pytest.fixture
def server(auditor):
    return auditor.server


def test_every_route_that_changes_something_is_in_the_audit_with_its_author(auditor, authority, make_device):
    devices = [make_device().enroll() for _ in range(3)]
    first = devices[0].udid
    push_certs(auditor, first)
    uuid = auditor.call("post", "/commands", "send_command",
                        {"ids": [first], "command": {"RequestType": "ProfileList"}})["uuid"]
    auditor.call("post", "/commands/{uuid}/cancel", "cancel_command", uuid=uuid)
    auditor.call("post", "/devices/{id}/unenroll", "unenroll_device", id=first)
    auditor.call("delete", "/devices/{id}/unenroll", "keep_device", id=first)
    for clone in [make_device(first, authority.issue(f"clone {i}")) for i in range(2)]:
        clone.authenticate()
    auditor.call("delete", "/alarms/{kind}/{subject}", "clear_alarm", kind="identity_conflict", subject=first)
    for method, route, device in (("post", "/devices/{id}/forget", devices[1]),
                                  ("delete", "/devices/{id}", devices[2])):
        assert device.check_out().status == 200
        auditor.call(method, route, "forget_device", id=device.udid)
    auditor.call("post", "/tokens", "create_token", {"name": "made", "role": "viewer"})
    auditor.call("delete", "/tokens/{name}", "revoke_token", name="made")
    issued = auditor.call("post", "/identities", "issue_identity", {"csr": make_csr("somebody")[1].decode()})
    auditor.call("post", "/identities/{sha256}/revoke", "revoke_identity", sha256=issued["sha256"])
    auditor.call("post", "/enroll/challenges", "create_challenge", {"device_id": first})
    auditor.call("post", "/enroll/renewals", "renew_identities", {"ids": [first]})
    auditor.call("post", "/accounts/logout", "logout_user", {"user": "somebody"})
    link = auditor.call("post", "/enroll/invitations", "create_invitation", {"note": "for one"})
    auditor.call("delete", "/enroll/invitations/{id}", "revoke_invitation", id=str(link["id"]))
    trusted = Authority("Another CA")
    auditor.call("post", "/cas", "add_ca", {"pem": trusted.certificate_pem().decode()})
    auditor.call("delete", "/cas/{sha256}", "remove_ca", sha256=trusted.sha256)
    apple = AppleChain()
    auditor.call("post", "/apple-cas", "import_apple_ca", {
        "pem": apple.root.certificate_pem().decode(), "fingerprints": [apple.root.sha256]})
    auditor.call("delete", "/apple-cas/{sha256}", "remove_apple_ca", sha256=apple.root.sha256)
    keys(auditor)
    for method, route in READING:
        reply = auditor.server.api(method.upper(), V1 + route, token=auditor.token)
        assert reply.status == 200
        auditor.server.wait_log(f"event=admin_change who=token:auditor what={route.strip('/')} ")
    assert changing() - auditor.seen == set(), "these have no audit line that this test has seen"


def targets_of(server, ids):
    before = len(server.log)
    reply = server.api("POST", V1 + "/commands", {"ids": ids, "command": {"RequestType": "ProfileList"}})
    assert 200 <= reply.status < 300, reply
    line = server.wait_log("what=send_command", after=before)
    return re.search(r'targets="([^"]*)"', line).group(1).split(" ")


def test_ids_in_the_audit_are_whole_and_it_says_where_there_are_more(server, make_device):
    device = make_device().enroll()
    users = []
    for number in range(9):
        user = UserChannel(device, UserID=str(uuid.uuid4()).upper(), UserShortName=f"user{number}")
        assert user.token_update().status == 200
        users.append(f"{device.udid}:{user.user_keys['UserID']}")
    assert targets_of(server, users[:2]) == users[:2]
    named = targets_of(server, users[:8])  # 591 bytes; a value has 512
    assert named[-1] == "..." and named[:-1] == users[:len(named) - 1] and len(named) > 6
    assert targets_of(server, [device.udid, *users])[-1] == "..."


def keys(auditor):
    def is_settled():
        return auditor.server.api("GET", V1 + "/keys", token=auditor.token).json()["state"] == "settled"

    auditor.call("post", "/keys/rotate", "rotate_key")
    wait_until(is_settled, "all blobs are counted and re-sealed")
    auditor.call("post", "/keys/count", "count_keys")
    wait_until(is_settled, "all blobs are counted and re-sealed")
    auditor.call("post", "/keys/prune", "remove_key")


def push_certs(auditor, device_id):
    auditor.call("put", "/pushcerts", "set_push_certificate", PushCert(TOPIC).body())
    auditor.call("post", "/push", "push", {"ids": [device_id]})
    auditor.call("post", "/pushcerts/test", "test_push_certificate", {"id": device_id})
    auditor.call("post", "/enroll/profiles", "create_profile", {"device_id": device_id})
    auditor.call("post", "/enroll/ota", "create_ota", {"device_id": device_id})
    auditor.call("delete", "/pushcerts/{topic}", "remove_push_certificate", topic=TOPIC)
