# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every route with every role, tokens that end, and the socket's group."""

import contextlib
import http.client
import json
import os
import re
import sqlite3
import subprocess
import tempfile
import time

import pytest
import yaml

from harness.server import SOURCE, UnixConnection, Reply, wait_until

SPEC = yaml.safe_load((SOURCE / "docs" / "api" / "openapi.yaml").read_text())
ROLES = ["viewer", "operator", "admin"]
# What the document says, once more by hand: a route that is moved to another role must be moved here too.
OPERATOR = """post /devices/{id}/unenroll, delete /devices/{id}/unenroll, post /commands, get /commands/{uuid}/plist,
post /commands/{uuid}/cancel, get /commands/{uuid}/results/{id}, get /commands/{uuid}/results/{id}/plist, post /push,
post /pushcerts/test, post /enroll/renewals, post /accounts/logout, delete /alarms/{kind}/{subject}"""
ADMIN = """delete /devices/{id}, post /devices/{id}/forget, get /tokens, post /tokens, delete /tokens/{name},
post /identities, post /enroll/challenges, post /enroll/profiles, post /enroll/ota, post /enroll/invitations,
delete /enroll/invitations/{id}, post /identities/{sha256}/revoke, post /cas, delete /cas/{sha256}, put /pushcerts,
post /apple-cas, delete /apple-cas/{sha256},
delete /pushcerts/{topic}, post /keys/count, post /keys/rotate, post /keys/prune, get /backup, get /integrity"""


def operations():
    return [(path, method, item[method]["security"]) for path, item in SPEC["paths"].items()
            for method in item if method != "parameters"]


def needed(path, method):
    name = f"{method} {path.removeprefix('/api/v1')}"
    for role, names in (("operator", OPERATOR), ("admin", ADMIN)):
        if name in [text.strip() for text in names.replace("\n", " ").split(",")]:
            return role
    return "viewer" if path.startswith("/api/v1/") else None


def make_token(server, name, role, **more):
    reply = server.api("POST", "/api/v1/tokens", {"name": name, "role": role, **more})
    assert reply.status == 201, reply
    return reply.json()["token"]


def listed(server, name):
    return next(row for row in server.get("/api/v1/tokens")["tokens"] if row["name"] == name)


def call(connection, method, path, token=None):
    connection.request(method.upper(), path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    return Reply(connection.getresponse())


def denied(server):
    return server.get("/api/v1/status")["denied"]


def test_every_route_wants_its_role_of_every_caller(server):
    """A path of nonsense changes nothing, and whoever may is told so by 400, 404, 409 or 200."""
    tokens = {None: None, **{role: make_token(server, role, role) for role in ROLES}}
    seen = set()
    for path, method, security in operations():
        least = needed(path, method)
        assert security == ([] if least is None else [{"token": [least]}]), (method, path)
        for role, token in tokens.items():
            connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
            reply = call(connection, method, re.sub(r"\{.*?\}", "x", path), token)
            connection.close()
            where = (method, path, role, reply)
            if least is None:
                assert reply.status == 200, where
            elif role is None:
                assert reply.status == 401, where
            elif ROLES.index(role) >= ROLES.index(least):
                assert reply.status not in (401, 403), where
            else:
                assert reply.status == 403, where
                assert reply.headers["Content-Type"] == "application/problem+json"
                assert reply.json()["needed_role"] == least, where
                assert least in reply.json()["detail"] and f"token:{role}" in reply.json()["detail"]
            seen.add(reply.status)
    assert {200, 400, 401, 403, 404} <= seen
    assert denied(server)["role"] > 0 and denied(server)["no_token"] > 0


def test_one_connection_may_carry_several_roles_one_after_the_other(server):
    tokens = {role: make_token(server, role, role) for role in ROLES}
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    for role, status in (("admin", 200), ("viewer", 403), ("operator", 403), ("admin", 200), (None, 401)):
        assert call(connection, "GET", "/api/v1/tokens", tokens.get(role)).status == status, role
    connection.close()


def test_a_viewer_sees_the_fleet_and_none_of_its_secrets(server, make_device):
    device = make_device().enroll()
    viewer = make_token(server, "viewer", "viewer")
    uuid = server.enqueue([device.udid], {"RequestType": "DeviceLock", "PIN": "918273"})["uuid"]
    device.answer(device.poll(), Secret="vault-4711")
    paths = ["/devices", f"/devices/{device.udid}", f"/devices/{device.udid}/commands", f"/commands/{uuid}",
             f"/commands/{uuid}/results", "/status", "/identities", "/cas", "/apple-cas", "/pushcerts", "/alarms", "/refusals"]
    for path in paths:
        reply = server.api("GET", "/api/v1" + path, token=viewer)
        assert reply.status == 200, reply
        assert b"918273" not in reply.body and b"vault-4711" not in reply.body, path
    operator = make_token(server, "operator", "operator")
    for path, secret in ((f"/commands/{uuid}/plist", b"918273"),
                         (f"/commands/{uuid}/results/{device.udid}", b"vault-4711"),
                         (f"/commands/{uuid}/results/{device.udid}/plist", b"vault-4711")):
        assert server.api("GET", "/api/v1" + path, token=viewer).status == 403
        assert secret in server.api("GET", "/api/v1" + path, token=operator).body


def test_a_token_tells_role_maker_end_and_last_use(server):
    admin = make_token(server, "boss", "admin")
    row = listed(server, "boss")
    assert (row["role"], row["created_by"]) == ("admin", f"unix:{os.geteuid()}")
    assert row["expires_at"] is None and row["used_at"] is None
    assert server.api("GET", "/api/v1/tokens", token=admin).status == 200
    wait_until(lambda: listed(server, "boss")["used_at"] is not None, "the use is written")
    reply = server.api("POST", "/api/v1/tokens", {"name": "made", "role": "viewer", "expires_at": "2999-01-01T00:00:00Z"},
                       token=admin)
    assert reply.status == 201 and reply.json()["expires_at"] == "2999-01-01T00:00:00Z"
    assert listed(server, "made")["created_by"] == "token:boss"
    assert listed(server, "first")["created_by"] == "init" and listed(server, "first")["role"] == "admin"
    text = server.ctl("token", "list").stdout
    for word in ("ROLE", "BY", "ENDS", "LAST USED", "token:boss", "viewer", "admin", "init"):
        assert word in text


def test_ctl_makes_a_token_for_a_while(server):
    made = server.ctl_json("token", "add", "ops", "--role", "operator", "--expires", "90d")
    days = (time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()) / 86400
    assert 89.9 < days < 90.1
    assert made["role"] == "operator" and made["token"].startswith("pom_")
    for words in (["x"], ["x", "--role", "viewer", "--expires", "soon"], ["x", "--expires", "9d"]):
        assert server.ctl("token", "add", *words, check=False).returncode == 64, words
    result = server.ctl("token", "add", "x", "--role", "root", check=False)
    assert result.returncode == 1 and "viewer, operator or admin" in result.stderr
    assert "x" not in [row["name"] for row in server.get("/api/v1/tokens")["tokens"]]


@pytest.mark.parametrize("body, field", [
    ({"name": "x"}, "role"), ({"name": "x", "role": ""}, "role"), ({"name": "x", "role": "none"}, "role"),
    ({"name": "x", "role": "Admin"}, "role"), ({"name": "x", "role": "a" * 17}, "role"), ({"name": "x", "role": 3}, "role"),
    ({"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "x", "role": "viewer", "expires_at": "90d"}, "expires_at"),
    ({"name": "x", "role": "viewer", "expires_at": "2" * 65}, "expires_at")])
def test_a_bad_token_names_its_field_and_makes_nothing(server, body, field):
    reply = server.api("POST", "/api/v1/tokens", body)
    assert reply.status == 400 and field in reply.json()["detail"], reply
    assert [row["name"] for row in server.get("/api/v1/tokens")["tokens"]] == ["first"]


def test_a_token_that_has_ended_gets_401_with_its_reason_and_is_counted(server):
    token = make_token(server, "brief", "admin", expires_at="2999-01-01T00:00:00Z")
    assert server.api("GET", "/api/v1/status", token=token).status == 200
    server.stop()
    end = int(time.time()) - 1
    with contextlib.closing(sqlite3.connect(server.folder / "pomona.db")) as database, database:
        database.execute("UPDATE api_token SET expires_at = ? WHERE name = 'brief'", (end,))
    server.start()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    reply = server.api("GET", "/api/v1/status", token=token)
    assert reply.status == 401
    assert "brief" in reply.json()["detail"] and stamp in reply.json()["detail"]
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert denied(server)["expired_token"] == 1
    line = server.wait_log("event=admin_denied reason=expired_token")
    assert "token=brief" in line and "path=/api/v1/status" in line and token not in line


def test_each_kind_of_denial_is_logged_with_its_reason_and_never_the_token(server):
    viewer = make_token(server, "looker", "viewer")
    assert server.api("GET", "/api/v1/tokens", token=viewer).status == 403
    assert server.api("GET", "/api/v1/tokens", token="pom_guess").status == 401
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    assert call(connection, "GET", "/api/v1/tokens").status == 401
    connection.close()
    line = server.wait_log("level=audit event=admin_denied reason=role")
    assert "who=token:looker" in line and "method=GET path=/api/v1/tokens" in line and "peer=127.0.0.1:" in line
    server.wait_log("event=admin_denied reason=unknown_token")
    server.wait_log("event=admin_denied reason=no_token")
    assert denied(server) == {"no_token": 1, "unknown_token": 1, "expired_token": 0, "role": 1}
    assert not any(viewer in line or "pom_guess" in line for line in server.log)


def test_many_denials_are_one_line_a_second_and_all_are_counted(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    began = time.monotonic()
    for _ in range(200):
        assert call(connection, "GET", "/api/v1/status", "pom_guess").status == 401
    seconds = time.monotonic() - began
    connection.close()
    assert denied(server)["unknown_token"] == 200
    server.wait_log("event=admin_denied reason=unknown_token")
    assert len([line for line in server.log if "admin_denied" in line]) <= seconds + 2


def test_the_audit_names_whom_a_command_was_for(server, make_device):
    devices = [make_device().enroll() for _ in range(10)]
    ids = [device.udid for device in devices]
    uuid = server.enqueue([ids[0], "nobody", ids[0]], {"RequestType": "EraseDevice"})["uuid"]
    line = server.wait_log(f"event=admin_change .*what=send_command id={uuid}")
    assert f"request_type=EraseDevice count=1 targets={ids[0]} " in line and "level=audit" in line
    server.api("POST", f"/api/v1/commands/{uuid}/cancel", {"ids": ids[:2]})
    assert f" count=1 targets={ids[0]} " in server.wait_log(f"what=cancel_command id={uuid}")
    uuid = server.enqueue(ids, {"RequestType": "ProfileList"})["uuid"]
    line = server.wait_log(f"what=send_command id={uuid}")
    assert " count=10 " in line and f'targets="{" ".join(ids[:8])} ..."' in line
    reply = server.api("POST", "/api/v1/commands", {"all": True, "command": {"RequestType": "ProfileList"}})
    assert " count=10 targets=all " in server.wait_log(f"what=send_command id={reply.json()['uuid']}")
    make_token(server, "ops", "operator", expires_at="2999-01-01T00:00:00Z")
    assert 'detail="role operator, ends 2999-01-01T00:00:00Z"' in server.wait_log("what=create_token id=ops")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_members_of_the_sockets_group_have_the_role_of_the_conf(make_server):
    script = ("import http.client,socket,sys\n"
              "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
              "c=http.client.HTTPConnection('localhost'); c.sock=s\n"
              "for path in ('/api/v1/status','/api/v1/commands/x/plist','/api/v1/tokens'):\n"
              "    c.request('GET', path, headers={'Authorization': 'Bearer '+sys.argv[2]} if sys.argv[2] else {})\n"
              "    r=c.getresponse(); r.read(); print(r.status)\n")
    nogroup = __import__("grp").getgrnam("nogroup").gr_gid
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/admin.sock"
        server = make_server({"admin.socket": path, "admin.socket_group": "nogroup", "admin.socket_role": "viewer"}).start()

        def statuses(token="", **who):
            return subprocess.run(["/usr/bin/python3", "-c", script, path, token], stdout=subprocess.PIPE, text=True,
                                  check=True, timeout=60, **who).stdout.split()

        member = {"user": 65534, "group": nogroup, "extra_groups": []}
        assert statuses() == ["200", "404", "200"], "root"
        assert statuses(**member) == ["200", "403", "403"]
        line = server.wait_log("event=admin_denied reason=role")
        assert "who=unix:65534" in line
        for role, expected in (("operator", ["200", "404", "403"]), ("admin", ["200", "404", "200"]),
                               ("viewer", ["200", "403", "403"])):
            before = len(server.log)
            server.conf["admin.socket_role"] = role
            server.write_conf()
            server.reload()
            server.wait_log("event=reloaded", after=before)
            assert statuses(**member) == expected, role
        connection = UnixConnection(path)
        connection.request("POST", "/api/v1/tokens", json.dumps({"name": "ops", "role": "operator"}),
                           {"Content-Type": "application/json"})
        token = Reply(connection.getresponse()).json()["token"]
        connection.close()
        assert statuses(token, **member) == ["200", "404", "403"], "a token that is shown counts"
        assert statuses("pom_wrong", **member) == ["401", "401", "401"]
        assert statuses("pom_wrong") == ["200", "404", "200"], "root is admin, whatever it shows"
        server.stop()
