# SPDX-License-Identifier: Apache-2.0
import http.client
import os
import plistlib
import re
import stat
import subprocess

import pytest

from harness.device import Device, UserChannel
from harness.server import BIN, UnixConnection, Reply, run


def tcp(server, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    connection.request(method, path, headers=headers or {})
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


def test_health_needs_no_token(server):
    assert tcp(server, "GET", "/healthz").status == 200
    assert tcp(server, "GET", "/readyz").status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic cG9tOg=="},
                                     {"Authorization": "Bearer "}, {"Authorization": "x" * 5000}])
def test_tcp_without_a_good_token_gets_401_with_a_challenge(server, headers):
    reply = tcp(server, "GET", "/api/v1/status", headers)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert reply.headers["Content-Type"].startswith("application/problem+json")


def test_what_an_administrator_changes_is_logged_with_who_did_it(server):
    server.ctl("token", "add", "robot", "--role", "viewer")
    line = server.wait_log("event=admin_change .*robot")
    assert f"who=unix:{os.geteuid()}" in line


def test_tokens_are_shown_once_listed_used_and_revoked(server):
    token = re.search(r"\bpom_\S+", server.ctl("token", "add", "robot", "--role", "viewer").stdout).group(0)
    assert server.api("GET", "/api/v1/status", token=token).status == 200
    listed = server.ctl("token", "list").stdout
    assert "robot" in listed and token not in listed
    assert server.ctl("token", "add", "robot", "--role", "viewer", check=False).returncode == 1
    server.ctl("token", "revoke", "robot")
    assert server.api("GET", "/api/v1/status", token=token).status == 401


def test_the_socket_is_for_root_and_its_group(server):
    path = server.folder / "admin.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert server.api("GET", "/api/v1/status").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_peer_outside_the_group_is_asked_for_a_token(make_server, authority, tmp_path):
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as open_folder:
        os.chmod(open_folder, 0o755)
        path = f"{open_folder}/admin.sock"
        server = make_server({"admin.socket": path, "admin.socket_group": "nogroup"}).start()
        os.chmod(path, 0o666)
        script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                  "s.sendall(b'GET /api/v1/status HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(4096).split()[1].decode())")

        def status_as(**who):
            return subprocess.run(["/usr/bin/python3", "-c", script, path], stdout=subprocess.PIPE, text=True,
                                  check=True, timeout=60, **who).stdout.strip()

        assert status_as() == "200"
        nogroup = __import__("grp").getgrnam("nogroup").gr_gid
        assert status_as(user=65534, group=1, extra_groups=[]) == "401"
        assert status_as(user=65534, group=nogroup, extra_groups=[]) == "200"
        assert status_as(user=65534, group=1, extra_groups=[nogroup]) == "200"
        server.stop()


def test_status_tells_what_an_administrator_asks_first(server, make_device):
    device = make_device().enroll()
    UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada").token_update()
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    status = server.get("/api/v1/status")
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["version"])
    assert status["uptime_s"] >= 0
    assert status["database_bytes"] > 0
    counts = {(row["kind"], row["state"]): row["count"] for row in status["enrollments"]}
    assert counts == {("device", "enrolled"): 1, ("user", "enrolled"): 1}
    assert status["queue"]["by_state"]["queued"] == 1
    assert status["queue"]["oldest_queued_at"]
    assert status["writer"]["commits_total"] > 0
    whats = {row["what"] for row in status["certificates"]}
    assert {"tls", "device_ca"} <= whats
    assert "0.1" in server.ctl("status").stdout


def test_devices_are_listed_in_pages(server, authority):
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(7)]
    seen, cursor = [], None
    for _ in range(10):
        page = server.get("/api/v1/devices?limit=3" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["devices"]) <= 3
        seen += [row["id"] for row in page["devices"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(device.udid for device in devices)
    assert server.api("GET", "/api/v1/devices?cursor=nonsense").status == 400
    assert server.api("GET", "/api/v1/devices?limit=0").status == 400
    assert server.api("GET", "/api/v1/devices?limit=1001").status == 400
    found = server.get("/api/v1/devices?serial=" + "C0" + devices[3].udid[:8])["devices"]
    assert [row["id"] for row in found] == [devices[3].udid]


def test_an_id_with_strange_characters_is_found_by_its_encoding(server, authority):
    device = Device(server, authority.issue("device"), "a/b c%d?e#f+g").enroll()
    assert server.device(device.udid)["id"] == device.udid


def test_what_is_not_there_gets_a_problem_that_says_so(server):
    for path in ("/api/v1/devices/nobody", "/api/v1/commands/nothing", "/api/v1/nowhere"):
        reply = server.api("GET", path)
        assert reply.status == 404
        assert reply.headers["Content-Type"].startswith("application/problem+json")
        assert reply.json()["status"] == 404
    assert server.api("PUT", "/api/v1/status").status == 405


def test_bad_json_names_line_and_column(server):
    reply = server.api("POST", "/api/v1/commands", b'{"ids": [,]}', {"Content-Type": "application/json"})
    assert reply.status == 400
    assert re.search(r"line 1", reply.json()["detail"])


def test_refusals_tell_certificate_claim_reason_and_remedy(server, make_device, authority):
    device = make_device()
    device.idle()
    entry = server.refusals()[0]
    assert entry["claimed_id"] == device.udid
    assert entry["reason"] == "unknown_device"
    assert entry["certificate"]["sha256"] == device.identity.sha256
    assert entry["message"] == "Idle"
    assert device.udid in server.ctl("refusals").stdout


def test_ctl_sends_a_command_and_shows_its_result(server, make_device):
    device = make_device().enroll()
    sent = server.ctl_json("send", "DeviceInformation", device.udid)
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert "SerialNumber" in command["Command"]["Queries"]
    # A binary list can carry what XML cannot.
    device.answer(command, QueryResponses={"DeviceName": "Evil \x1b[31mname"}, fmt=plistlib.FMT_BINARY)
    text = server.ctl("command", sent["uuid"]).stdout
    assert device.udid in text and "done" in text
    assert "\x1b" not in text
    assert device.udid in server.ctl("devices").stdout
    assert sent["uuid"] in server.ctl("commands", device.udid).stdout


def test_ctl_without_a_daemon_says_what_to_do(template, tmp_path):
    from harness.server import Server

    server = Server(template, tmp_path / "server")
    result = server.ctl("status", check=False)
    assert result.returncode == 69
    assert "pomonad" in result.stderr


def test_ctl_usage_errors_are_64():
    for words in (["nonsense"], ["send"], ["--nonsense"], ["init", "--dir"]):
        assert run("pomonactl", *words, check=False).returncode == 64, words


def test_ctl_says_what_can_be_done_next(server):
    assert "pomonactl refusals" in server.ctl("devices").stdout
    assert "removal_ordered" in server.ctl("devices", "--state", "foo", check=False).stderr
    result = server.ctl("send", "ProfileList", "nobody", check=False)
    assert result.returncode == 1 and "pomonactl devices" in result.stderr
    result = server.ctl("device", "nobody", check=False)
    assert result.returncode == 64 and "device show ID" in result.stderr


def test_a_pkcs12_identity_can_be_issued_and_used(server, tmp_path):
    from cryptography.hazmat.primitives.serialization import pkcs12

    from harness.authority import Identity

    password = tmp_path / "password"
    password.write_text("sesame\n")
    server.ctl("identity", "issue", "--p12", tmp_path / "a.p12", "--password-file", password, "--cn", "iPad 7")
    key, certificate, _ = pkcs12.load_key_and_certificates((tmp_path / "a.p12").read_bytes(), b"sesame")
    Device(server, Identity(key, certificate)).enroll()
    subprocess.run(["openssl", "pkcs12", "-in", tmp_path / "a.p12", "-passin", "pass:sesame", "-noout"],
                   check=True, stderr=subprocess.DEVNULL)


def test_a_csr_is_signed_for_a_device(server, tmp_path):
    from harness.authority import Identity, load_certificate, make_csr

    key, csr = make_csr("whoever")
    (tmp_path / "a.csr").write_bytes(csr)
    server.ctl("identity", "issue", "--csr", tmp_path / "a.csr", "--device", "UDID-1", "--out", tmp_path / "a.pem")
    identity = Identity(key, load_certificate((tmp_path / "a.pem").read_bytes()))
    Device(server, identity, "UDID-1").enroll()
    assert Device(server, identity, "UDID-2").idle().status == 403


def test_a_big_send_is_staged_and_reaches_everyone(server, authority):
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(3)]
    ids = [device.udid for device in devices] + [f"nobody-{i}" for i in range(2000)]
    reply = server.api("POST", "/api/v1/commands", {"ids": ids, "command": {"RequestType": "ProfileList"}})
    assert reply.status == 200
    outcomes = reply.json()["outcomes"]
    assert len(outcomes) == len(ids)
    for device in devices:
        assert outcomes[device.udid] == "queued"
        assert device.poll()["CommandUUID"] == reply.json()["uuid"]


def test_sigterm_ends_cleanly_while_devices_are_connected(server, make_device):
    devices = [make_device().enroll() for _ in range(5)]
    assert all(device.poll() is None for device in devices)
    server.stop()


def test_systemd_is_told_of_readiness_and_stopping(make_server, tmp_path):
    import socket

    path = tmp_path / "notify"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(path))
    notify.settimeout(60)
    server = make_server()
    import subprocess as sp

    process = sp.Popen([str(BIN / "pomonad"), "-c", str(server.conf_path)], stderr=sp.DEVNULL,
                       env={**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"})
    try:
        seen = b""
        while b"READY=1" not in seen:
            seen += notify.recv(4096)
        while b"WATCHDOG=1" not in seen:
            seen += notify.recv(4096)
        process.terminate()
        while b"STOPPING=1" not in seen:
            seen += notify.recv(4096)
        assert process.wait(60) == 0
    finally:
        process.kill()
