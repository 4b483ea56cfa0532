# SPDX-License-Identifier: Apache-2.0
import re
import socket
import ssl
import subprocess

import pytest

from harness.authority import Authority
from harness.device import Device


def s_client(server, *words, text=b"Q\n"):
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.device_port}", "-servername", "localhost",
         "-CAfile", str(server.root_pem), *words],
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return result.stdout.decode(errors="replace")


def is_shaken(output):
    return "Cipher is (NONE)" not in output and re.search(r"Cipher is \S+", output) is not None


@pytest.mark.parametrize("words", [
    ("-tls1_3",), ("-tls1_2",),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"),
])
def test_what_app_transport_security_allows_is_spoken(server, words):
    output = s_client(server, *words)
    assert is_shaken(output), output
    assert "Verify return code: 0 (ok)" in output


@pytest.mark.parametrize("words", [
    ("-tls1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
    ("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"),
])
def test_everything_else_is_refused(server, words):
    assert not is_shaken(s_client(server, *words))


def test_extended_master_secret_and_a_p256_key_are_used(server):
    output = s_client(server, "-tls1_2")
    assert re.search(r"Extended master secret: yes", output)
    assert re.search(r"Peer signature type: ECDSA", output)


def test_a_client_certificate_is_requested_without_a_list_of_names(server):
    output = s_client(server)
    assert "No client certificate CA names sent" in output
    assert "Requested Signature Algorithms" in output


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_and_the_client_stays_who_it_is(server, authority, version):
    device = Device(server, authority.issue("device")).enroll()
    context = device._context
    context.minimum_version = context.maximum_version = version
    session = None
    for turn in range(2):
        sock = context.wrap_socket(socket.create_connection(("127.0.0.1", server.device_port), timeout=60),
                                   server_hostname="localhost", session=session)
        body = b'<?xml version="1.0"?><plist version="1.0"><dict><key>Status</key><string>Idle</string>' \
            b"<key>UDID</key><string>" + device.udid.encode() + b"</string></dict></plist>"
        sock.sendall(b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-apple-aspen-mdm\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert sock.session_reused == (turn == 1)
        session = sock.session
        sock.close()


def test_a_new_certificate_is_taken_over_by_sighup_without_a_dropped_connection(server, authority):
    device = Device(server, authority.issue("device")).enroll()
    other = Authority("Another root")
    leaf = other.issue("localhost", usage=None)
    (server.folder / "tls" / "server.pem").write_bytes(leaf.certificate_pem())
    (server.folder / "tls" / "server.key").write_bytes(leaf.key_pem())
    server.reload()
    server.wait_log("event=reloaded")
    assert device.poll() is None, "on the old connection"
    output = s_client(server)
    assert "Another root" in output


def test_a_broken_certificate_is_not_taken_over(server):
    before = len(server.log)
    (server.folder / "tls" / "server.pem").write_text("no certificate")
    server.reload()
    server.wait_log("level=error", after=before)
    assert is_shaken(s_client(server))
    assert "Verify return code: 0 (ok)" in s_client(server)


def test_curl_enrolls_as_well_as_python(server, authority, tmp_path):
    import plistlib
    import uuid

    identity = authority.issue("curl's device")
    pem = identity.write(tmp_path / "identity.pem")
    udid = str(uuid.uuid4()).upper()
    for message in ({"MessageType": "Authenticate", "Topic": "t"},
                    {"MessageType": "TokenUpdate", "Topic": "t", "Token": b"x" * 32, "PushMagic": "m"}):
        path = tmp_path / "message.plist"
        path.write_bytes(plistlib.dumps({**message, "UDID": udid}))
        result = subprocess.run(
            ["curl", "-sS", "--fail", "--cacert", str(server.root_pem), "--cert", str(pem), "-T", str(path),
             "-H", "Content-Type: application/x-apple-aspen-mdm-checkin",
             "-w", "%{http_code}", f"https://localhost:{server.device_port}/checkin"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert result.stdout == "200", result
    assert server.device(udid)["state"] == "enrolled"
