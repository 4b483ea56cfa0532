# SPDX-License-Identifier: Apache-2.0
"""Certificates in headers and signatures, told to the listeners by Python in the place of a proxy."""

import base64
import http.client
import plistlib
import urllib.parse

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from harness.authority import Authority, Identity
from harness.device import CHECKIN, COMMAND, TOPIC, Device
from harness.raw import RawConnection, head
from harness.server import Reply
from harness.signing import sign, sign_der

PROXY, ELSEWHERE = "127.0.0.1", "127.0.0.2"
CONF = {"device.listen_plain": "127.0.0.1:0", "device.proxies": PROXY}


@pytest.fixture
def server(make_server, authority):
    server = make_server(CONF).start()
    server.trust(authority)
    return server


class ProxiedDevice(Device):
    """Its certificate is told in a header, over the plain listener; `show` makes the headers of it and the body."""

    def __init__(self, server, identity, show, udid=None, source=PROXY):
        super().__init__(server, None, udid)
        self.identity = identity
        self.show = show
        self.source = source

    def put(self, path, body, content_type, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.plain_port, timeout=60,
                                                source_address=(self.source, 0))
        headers = {"Content-Type": content_type, **self.show(self.identity, body), **(headers or {})}
        try:
            connection.request("PUT", path, body=body, headers=headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()


def der(identity):
    return identity.certificate.public_bytes(Encoding.DER)


def rfc_9440(identity, _body=None):
    return {"Client-Cert": f":{base64.b64encode(der(identity)).decode()}:"}


def escaped_pem(identity, _body=None):
    return {"Client-Cert": urllib.parse.quote(identity.certificate_pem().decode(), safe="-._~")}


def pem_with_plus(identity, _body=None):
    """As proxies that escape line ends and spaces alone."""
    return {"Client-Cert": identity.certificate_pem().decode().replace(" ", "%20").replace("\n", "%0A")}


def bare(identity, _body=None):
    return {"Client-Cert": base64.b64encode(der(identity)).decode()}


def signature(identity, body):
    return {"Mdm-Signature": sign(identity, body)}


def old_signature(identity, body):
    """SHA-1 and no signed attributes."""
    return {"Mdm-Signature": sign(identity, body, "-md", "sha1", "-noattr")}


def nothing(_identity, _body=None):
    return {}


def latest(server, device):
    return next(entry for entry in server.refusals() if entry["claimed_id"] == device.udid)


@pytest.mark.parametrize("show", [rfc_9440, escaped_pem, pem_with_plus, bare, signature, old_signature])
def test_a_device_enrolls_by_each_form_and_takes_a_command(server, authority, show):
    device = ProxiedDevice(server, authority.issue("device"), show).enroll()
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    assert command["Command"]["RequestType"] == "ProfileList"
    assert device.answer(command) is None
    assert server.device(device.udid)["identity"]["sha256"] == device.identity.sha256
    thief = ProxiedDevice(server, authority.issue("thief"), show, device.udid)
    assert thief.idle().status == 403
    assert latest(server, thief)["reason"] == "not_pinned"


@pytest.mark.parametrize("show", [rfc_9440, escaped_pem, signature])
@pytest.mark.parametrize("make, reason", [
    (lambda authority: Authority("A stranger's").issue("device"), "not_chained"),
    (lambda authority: authority.issue("device", -30, -1), "expired"),
    (lambda authority: authority.issue("device", 1, 30), "not_yet_valid"),
])
def test_one_function_judges_certificates_however_they_come(server, authority, show, make, reason):
    device = ProxiedDevice(server, make(authority), show)
    assert device.authenticate().status == 403
    entry = latest(server, device)
    assert entry["reason"] == reason
    assert entry["certificate"]["sha256"] == device.identity.sha256
    assert entry["remedy"]


def test_a_revoked_certificate_is_refused_in_a_header_and_as_signer(server, authority):
    device = ProxiedDevice(server, authority.issue("device"), rfc_9440).enroll()
    server.ctl("identity", "revoke", device.identity.sha256)
    for show in (rfc_9440, signature):
        device.show = show
        assert device.idle().status == 403
        assert latest(server, device)["reason"] == "revoked"


def test_a_header_from_elsewhere_is_ignored(server, authority):
    device = ProxiedDevice(server, authority.issue("device"), rfc_9440).enroll()
    idle = plistlib.dumps({"Status": "Idle", "UDID": device.udid})
    # over TLS, without a certificate or with one's own
    for own in (None, Authority("A stranger's").issue("device")):
        context = server.client_context(own)
        connection = http.client.HTTPSConnection("localhost", server.device_port, context=context, timeout=60,
                                                 source_address=(ELSEWHERE, 0))
        connection.request("PUT", "/mdm", body=idle, headers={"Content-Type": COMMAND, **rfc_9440(device.identity)})
        assert Reply(connection.getresponse()).status == 403
        connection.close()
        entry = latest(server, device)
        assert entry["reason"] == ("no_certificate" if own is None else "not_chained")
        assert ("proxies" in entry["text"]) == (own is None)
        assert entry["peer"].startswith(ELSEWHERE + ":")
    # a proxy may come over TLS too
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context(), timeout=60)
    connection.request("PUT", "/mdm", body=idle, headers={"Content-Type": COMMAND, **rfc_9440(device.identity)})
    assert Reply(connection.getresponse()).status == 200
    connection.close()


def test_without_tls_only_a_proxy_sends_messages(server, authority):
    stranger = ProxiedDevice(server, authority.issue("device"), signature, source=ELSEWHERE)
    assert stranger.authenticate().status == 403
    assert server.refusals()[0]["reason"] == "plain"
    assert server.refusals()[0]["peer"].startswith(ELSEWHERE + ":")
    assert ProxiedDevice(server, stranger.identity, signature).authenticate().status == 200


def test_scep_and_the_list_of_revoked_ones_are_for_all_without_tls(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60, source_address=(ELSEWHERE, 0))
    for path in ("/crl", "/scep?operation=GetCACaps"):
        connection.request("GET", path)
        assert Reply(connection.getresponse()).status == 200, path
    connection.close()


def test_x_forwarded_for_tells_who_is_behind_a_proxy_and_of_nobody_else(server, authority):
    device = ProxiedDevice(server, None, nothing)
    assert device.put("/mdm", b"x", COMMAND, {"X-Forwarded-For": "192.0.2.1, 198.51.100.7, 127.0.0.1"}).status == 400
    assert server.refusals()[0]["peer"].startswith("198.51.100.7 via 127.0.0.1:")
    assert "198.51.100.7 via 127.0.0.1:" in server.ctl("refusals").stdout
    device.source = ELSEWHERE
    assert device.put("/mdm", b"x", COMMAND, {"X-Forwarded-For": "192.0.2.1"}).status == 403
    assert server.refusals()[0]["peer"].startswith(ELSEWHERE + ":")


def test_refusals_in_a_row_do_not_end_the_connection_of_a_proxy(server):
    """Each of them may be another device's."""
    with RawConnection(server, None) as raw:
        raw.send((head("/mdm", COMMAND, "Content-Length: 1") + b"x") * 30)
        assert [raw.status() for _ in range(30)] == [400] * 30
        raw.send(head("/nothing", COMMAND, "Content-Length: 0") * 30)
        assert [raw.status() for _ in range(30)] == [404] * 30


def test_proxies_are_not_held_by_the_limits_for_each_address(make_server, authority):
    server = make_server({**CONF, "device.connections_per_address": 2, "device.handshakes_per_address_per_s": 2}).start()
    server.trust(authority)
    kept = []
    for _ in range(10):
        connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60)
        connection.request("GET", "/nothing")
        assert Reply(connection.getresponse()).status == 404
        kept.append(connection)
    with pytest.raises((http.client.HTTPException, OSError)):
        for _ in range(4):
            connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60,
                                                    source_address=(ELSEWHERE, 0))
            kept.append(connection)
            connection.request("GET", "/nothing")
            Reply(connection.getresponse())
    for connection in kept:
        connection.close()


def bad_signatures(identity, authority, body):
    """name: (header, what the refusal says)"""
    other = authority.issue("other")
    message = sign_der(identity, body)
    return {
        "empty": ("", "no CMS message"),
        "no base64": ("!!!!", "base64"),
        "cut": (base64.b64encode(message[:-9]).decode(), "no CMS message"),
        "with bytes behind": (base64.b64encode(message + b"\0").decode(), "bytes follow"),
        "of other bytes": (sign(identity, body + b" "), "not the signature of this body"),
        "of other bytes, without attributes": (sign(identity, b"", "-noattr"), "not the signature of this body"),
        "by two signers": (sign(identity, body, more=[other]), "2 signers"),
        "without a certificate": (sign(identity, body, "-nocerts"), "certificate is not in it"),
        "with content": (sign(identity, body, "-nodetach"), "content of its own"),
        "with a changed byte": (base64.b64encode(message[:-1] + bytes([message[-1] ^ 1])).decode(),
                                "not the signature of this body"),
        "with another's certificate": (
            sign(Identity(other.key, other.certificate), body + b"x"), "not the signature of this body"),
        "a certificate": (base64.b64encode(der(identity)).decode(), "no CMS message"),
    }


def test_a_signature_that_does_not_hold_is_400_and_recorded(server, authority):
    identity = authority.issue("device")
    device = ProxiedDevice(server, identity, signature).enroll()
    body = plistlib.dumps({"Status": "Idle", "UDID": device.udid})
    for name, (value, text) in bad_signatures(identity, authority, body).items():
        device.show = lambda _identity, _body, value=value: {"Mdm-Signature": value}
        reply = device.put("/mdm", body, COMMAND)
        assert reply.status == 400, (name, reply)
        entry = latest(server, device)
        assert entry["reason"] == "bad_signature", name
        assert text in entry["text"], (name, entry)
        assert entry["remedy"]
    device.show = signature
    assert device.poll() is None


def test_a_header_that_holds_no_certificate_is_403_and_recorded(server, authority):
    identity = authority.issue("device")
    pem = escaped_pem(identity)["Client-Cert"]
    rows = {
        ":": "byte sequence",
        "::": "empty",
        ":AAAA": "byte sequence",
        ":AAA:": "base64",
        rfc_9440(identity)["Client-Cert"] + ";x=1": "byte sequence",
        "(null)": "base64",
        pem + pem: "more than one certificate",
        pem.split("-----END")[0]: "PEM",
        pem.replace("%0A", "%00"): "escape",
        pem + "%0": "escape",
        "A" * 20_000: "",
        base64.b64encode(der(identity) + b"\0").decode(): "",
        base64.b64encode(b"x" * 100).decode(): "",
    }
    for value, text in rows.items():
        device = ProxiedDevice(server, identity, lambda *_, value=value: {"Client-Cert": value})
        reply = device.authenticate()
        assert reply.status == 403, (value, reply)
        entry = latest(server, device)
        assert entry["reason"] == "certificate_garbled", value
        assert text in entry["text"], (value, entry)
    assert server.get("/api/v1/devices")["devices"] == []


def raw_status(server, identity, *lines, body=b"x"):
    with RawConnection(server, identity) as raw:
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}", *lines) + body)
        return raw.status()


def test_a_header_that_comes_twice_is_refused(server, authority):
    device = ProxiedDevice(server, authority.issue("device"), rfc_9440).enroll()
    body = plistlib.dumps({"MessageType": "CheckOut", "Topic": TOPIC, "UDID": device.udid})
    forged = rfc_9440(device.identity)["Client-Cert"]
    own = rfc_9440(authority.issue("own"))["Client-Cert"]
    for first, second in ((forged, own), (own, forged)):
        assert raw_status(server, None, f"Client-Cert: {first}", f"client-cert: {second}", body=body) == 403
        assert latest(server, device)["text"] == "header Client-Cert: sent more than once"
    value = sign(device.identity, body)
    assert raw_status(server, None, f"Mdm-Signature: {value}", f"Mdm-Signature: {value}", body=body) == 400
    assert server.device(device.udid)["state"] == "enrolled"


def test_zero_bytes_and_huge_headers_end_in_a_plain_refusal(server, authority):
    identity = authority.issue("device")
    body = plistlib.dumps({"MessageType": "Authenticate", "Topic": TOPIC, "UDID": "X"})
    value = sign(identity, body)
    for line in (f"Mdm-Signature: {value[:100]}\0{value[100:]}", "Client-Cert: :\0:", "Mdm-Signature: \0"):
        assert raw_status(server, None, line, body=body) in (400, 403, None)
    for name in ("Mdm-Signature", "Client-Cert"):
        assert raw_status(server, None, f"{name}: {'A' * 25_000}", body=body) == 431
        assert raw_status(server, None, f"{name}: {'A' * 20_000}", body=body) in (400, 403)
    assert raw_status(server, None, f"Mdm-Signature: {value}", body=body) == 200


def test_rsa_signs_too_and_with_many_certificates(server, authority):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder()
                   .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RSA")]))
                   .issuer_name(authority.certificate.subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=30)).sign(authority.key, hashes.SHA256()))
    device = ProxiedDevice(server, Identity(key, certificate), signature).enroll()
    assert device.poll() is None


def test_tls_decides_where_a_signature_comes_too(server, authority):
    device = Device(server, authority.issue("device")).enroll()
    reply = device.put("/mdm", plistlib.dumps({"Status": "Idle", "UDID": device.udid}), COMMAND,
                       {"Mdm-Signature": "garbage", "Client-Cert": "garbage"})
    assert reply.status == 200


@pytest.mark.parametrize("off, way", [("identity_tls", None), ("identity_signature", signature), ("identity_header", rfc_9440)])
def test_each_way_can_be_switched_off_while_serving(server, authority, off, way):
    identity = authority.issue("device")
    device = Device(server, identity) if way is None else ProxiedDevice(server, identity, way)
    device.enroll()
    server.conf[f"device.{off}"] = "" if off == "identity_header" else "off"
    server.write_conf()
    seen = len(server.log)
    server.reload()
    server.wait_log("event=reloaded", after=seen)
    assert device.idle().status == 403
    assert latest(server, device)["reason"] == "no_certificate"


def test_the_header_may_have_another_name(make_server, authority):
    server = make_server({**CONF, "device.identity_header": "X-SSL-Cert"}).start()
    server.trust(authority)
    device = ProxiedDevice(server, authority.issue("device"),
                           lambda identity, _body: {"X-SSL-Cert": escaped_pem(identity)["Client-Cert"]}).enroll()
    device.show = escaped_pem
    assert device.idle().status == 403


def test_a_signature_of_long_ago_is_refused_where_the_skew_is_set(make_server, authority):
    server = make_server({**CONF, "device.signing_skew_s": 3600}).start()
    server.trust(authority)
    device = ProxiedDevice(server, authority.issue("device"), signature).enroll()
    device.show = old_signature
    assert device.idle().status == 400
    assert "no time of signing" in latest(server, device)["text"]


def test_large_results_need_a_good_certificate_in_each_way(server, authority):
    for show in (rfc_9440, signature):
        device = ProxiedDevice(server, authority.issue("device"), show).enroll()
        server.enqueue([device.udid], {"RequestType": "ProfileList"})
        command = device.poll()
        assert device.answer(command, Padding="x" * 200_000) is None
        stranger = ProxiedDevice(server, Authority("A stranger's").issue("device"), show, device.udid)
        try:
            assert stranger.report("Acknowledged", "x", Padding="x" * 200_000).status == 403
        except OSError:
            pass  # it had closed before all was sent
        assert server.refusals()[0]["reason"] == "not_chained"
        assert "65536" in server.refusals()[0]["text"]


def test_no_fault_in_a_header_unenrolls_anybody(make_server, authority):
    """Not even where unknown devices are told to go."""
    server = make_server({**CONF, "device.unknown_device": "unenroll"}).start()
    server.trust(authority)
    ProxiedDevice(server, authority.issue("device"), rfc_9440).enroll()
    stranger = Authority("A stranger's").issue("device")
    for show in (nothing, lambda *_: {"Mdm-Signature": "x"}, lambda *_: {"Client-Cert": "x"},
                 lambda *_: rfc_9440(stranger), lambda _identity, body: signature(stranger, body)):
        assert ProxiedDevice(server, None, show).idle().status in (400, 403)
