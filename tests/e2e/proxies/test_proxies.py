# SPDX-License-Identifier: Apache-2.0
"""nginx and HAProxy in front of pomonad, by the very examples that the documentation gives."""

import base64
import plistlib
import socket
import ssl
import subprocess
import urllib.parse

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from harness.authority import Authority
from harness.device import CHECKIN, TOPIC, Device
from harness.ports import free_port
from harness.process import end
from harness.server import BIN, SOURCE, run, wait_until
from harness.signing import sign

EXAMPLES = SOURCE / "conf" / "proxy"
PLAIN = {"device.listen_plain": "127.0.0.1:0", "device.proxies": "127.0.0.1"}


class Proxy:
    """An example, with the addresses and files of this test put in; each must stand in it."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.device_port = free_port()
        tls = server.folder / "tls"
        (folder / "mdm.pem").write_bytes((tls / "server.pem").read_bytes() + (tls / "server.key").read_bytes())
        self.process = None

    def example(self, name, replace):
        text = (EXAMPLES / name).read_text()
        for old, new in replace.items():
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, str(new))
        return text

    def start(self, *words):
        self.log = (self.folder / "log").open("w+")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=subprocess.STDOUT, cwd=self.folder)
        wait_until(self.answers, f"{words[0]} answers:\n{(self.folder / 'log').read_text()}")
        return self

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.device_port), timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self):
        end(self.process)
        self.log.close()

    def client_context(self, identity=None):
        return self.server.client_context(identity)


class Nginx(Proxy):
    is_expiry_its_own = True  # it answers 400 itself to a certificate that is out of date

    def run(self):
        tls = self.server.folder / "tls"
        example = self.example("nginx.conf", {
            "server 127.0.0.1:8444": f"server 127.0.0.1:{self.server.plain_port}",
            "listen 443": f"listen 127.0.0.1:{self.device_port}",
            "server_name mdm.example.com": "server_name localhost",
            "/etc/pomona/tls.crt": tls / "server.pem",
            "/etc/pomona/tls.key": tls / "server.key"})
        temps = "".join(f"{kind}_temp_path {self.folder}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.folder / "nginx.conf"
        path.write_text(f"daemon off;\nmaster_process off;\npid {self.folder}/pid;\nerror_log stderr;\n"
                        f"events {{}}\nhttp {{\naccess_log off;\n{temps}{example}\n}}\n")
        return self.start("/usr/sbin/nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(path))


class Haproxy(Proxy):
    is_expiry_its_own = False

    def run(self):
        (self.folder / "ca.pem").write_bytes(Authority("Of nobody").certificate_pem())
        example = self.example("haproxy.cfg", {
            "server pomonad 127.0.0.1:8444": f"server pomonad 127.0.0.1:{self.server.plain_port}",
            "bind :443": f"bind 127.0.0.1:{self.device_port}",
            "maxconn 20000": "maxconn 200",
            "/etc/haproxy/mdm.pem": self.folder / "mdm.pem",
            "/etc/haproxy/device-ca.pem": self.folder / "ca.pem"})
        path = self.folder / "haproxy.cfg"
        path.write_text(example)
        return self.start("/usr/sbin/haproxy", "-db", "-f", str(path))


@pytest.fixture
def behind(make_server, authority):
    """pomonad with a plain listener that believes 127.0.0.1."""
    server = make_server(PLAIN).start()
    server.trust(authority)
    return server


@pytest.fixture(params=[Nginx, Haproxy], ids=["nginx", "haproxy"])
def proxy(request, behind, tmp_path):
    folder = tmp_path / "proxy"
    folder.mkdir()
    proxy = request.param(behind, folder).run()
    yield proxy
    proxy.stop()


def latest(server, device):
    return next(entry for entry in server.refusals() if entry["claimed_id"] == device.udid)


def enrolled_devices(server):
    rows = server.get("/api/v1/devices?state=enrolled")["devices"]
    return [row["id"] for row in rows if row["kind"] in ("device", "byod_device")]


def rfc_9440(identity):
    return f":{base64.b64encode(identity.certificate.public_bytes(Encoding.DER)).decode()}:"


def escaped_pem(identity):
    return urllib.parse.quote(identity.certificate_pem().decode(), safe="")


def test_the_documentation_shows_these_examples():
    page = (SOURCE / "docs" / "proxies.md").read_text()
    for name in ("nginx.conf", "haproxy.cfg"):
        assert f"conf/proxy/{name}" in page
        assert (EXAMPLES / name).read_text().strip() in page, f"docs/proxies.md shows another {name}"


def test_a_device_enrolls_through_a_proxy_and_takes_a_command(behind, proxy, authority):
    first, second = (Device(proxy, authority.issue(f"device {n}")).enroll() for n in range(2))
    behind.enqueue([first.udid], {"RequestType": "ProfileList"})
    assert second.poll() is None
    command = first.poll()
    assert command["Command"]["RequestType"] == "ProfileList"
    assert first.answer(command, ProfileList=[]) is None
    assert behind.device(first.udid)["identity"]["sha256"] == first.identity.sha256
    assert behind.device(second.udid)["identity"]["sha256"] == second.identity.sha256


def test_a_resumed_session_is_still_the_devices(behind, proxy, authority):
    device = Device(proxy, authority.issue("device")).enroll()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = proxy.client_context(device.identity)
        context.minimum_version = context.maximum_version = version
        session = None
        for _ in range(2):
            plain = socket.create_connection(("127.0.0.1", proxy.device_port), timeout=60)
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                body = plistlib.dumps({"Status": "Idle", "UDID": device.udid})
                tls.sendall(b"PUT /mdm HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            b"Content-Type: application/x-apple-aspen-mdm\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                head = tls.recv(65536)
                assert head.startswith(b"HTTP/1.1 200"), head
                reused, session = tls.session_reused, tls.session
        assert reused, version


def test_a_large_result_goes_through(behind, proxy, authority):
    device = Device(proxy, authority.issue("device")).enroll()
    behind.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    assert device.answer(command, Padding="x" * 3_000_000) is None
    stranger = Device(proxy, Authority("A stranger's").issue("device"), device.udid)
    try:
        assert stranger.report("Acknowledged", "x", Padding="x" * 200_000).status in (403, 502)
    except OSError:
        pass  # pomonad had closed before all was sent, and its answer was lost on the way
    assert "65536" in behind.refusals()[0]["text"]


def test_a_foreign_certificate_is_refused(behind, proxy, authority):
    device = Device(proxy, Authority("A stranger's").issue("device"))
    assert device.authenticate().status == 403
    entry = latest(behind, device)
    assert entry["reason"] == "not_chained"
    assert entry["peer"].startswith("127.0.0.1 via 127.0.0.1:")
    none = Device(proxy, None)
    assert none.authenticate().status == 403
    assert latest(behind, none)["reason"] == "no_certificate"
    old = Device(proxy, authority.issue("device", -30, -1))
    assert old.authenticate().status == (400 if proxy.is_expiry_its_own else 403)
    if not proxy.is_expiry_its_own:
        assert latest(behind, old)["reason"] == "expired"
    assert behind.get("/api/v1/devices")["devices"] == []


def test_another_devices_certificate_is_refused(behind, proxy, authority):
    device = Device(proxy, authority.issue("device")).enroll()
    thief = Device(proxy, authority.issue("thief"), device.udid)
    assert thief.idle().status == 403
    assert latest(behind, thief)["reason"] == "not_pinned"


def test_a_header_that_a_client_sends_does_not_pass_the_proxy(behind, proxy, authority):
    device = Device(proxy, authority.issue("device")).enroll()
    for value in (rfc_9440(device.identity), escaped_pem(device.identity)):
        for own in (None, Authority("A stranger's").issue("device")):
            thief = Device(proxy, own, device.udid)
            reply = thief.put("/mdm", plistlib.dumps({"Status": "Idle", "UDID": device.udid}),
                              "application/x-apple-aspen-mdm",
                              {"Client-Cert": value, "client-cert": value, "X-Forwarded-For": "192.0.2.1"})
            assert reply.status == 403, reply
            entry = latest(behind, thief)
            assert entry["reason"] == ("no_certificate" if own is None else "not_chained")
            assert entry["peer"].startswith("127.0.0.1 via ")


def test_simulated_devices_that_sign_enroll_through_a_proxy(behind, proxy, tmp_path):
    run("pomona-sim", "ca", "--dir", tmp_path / "sim")
    behind.ctl("ca", "add", tmp_path / "sim" / "ca.pem")
    log = (tmp_path / "sim.log").open("w+")
    sim = subprocess.Popen([str(BIN / "pomona-sim"), "run", "--dir", str(tmp_path / "sim"), "--url",
                            f"https://localhost:{proxy.device_port}", "--ca", str(behind.root_pem), "--devices", "5",
                            "--interval", "0.1", "--seed", "7", "--sign"], stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: len(enrolled_devices(behind)) == 5, "5 devices to enroll")
        ids = enrolled_devices(behind)
        uuid = behind.enqueue(ids, {"RequestType": "DeviceInformation", "Queries": ["UDID"]})["uuid"]
        wait_until(lambda: behind.get(f"/api/v1/commands/{uuid}")["by_state"]["done"] == len(ids), "their answers")
    finally:
        end(sim)
        log.close()
    assert {entry["reason"] for entry in behind.refusals()} <= {"user_not_managed"}


def test_a_signed_message_needs_no_certificate_in_tls(behind, proxy, authority):
    identity = authority.issue("device")
    device = Device(proxy, None)
    for message in ({"MessageType": "Authenticate", "Topic": TOPIC},
                    {"MessageType": "TokenUpdate", "Topic": TOPIC, "Token": b"t" * 32, "PushMagic": "m"}):
        body = plistlib.dumps({**message, "UDID": device.udid})
        reply = device.put("/checkin", body, CHECKIN, {"Mdm-Signature": sign(identity, body)})
        assert reply.status == 200, reply
    assert behind.device(device.udid)["identity"]["sha256"] == identity.sha256
