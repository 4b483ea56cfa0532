# SPDX-License-Identifier: Apache-2.0
"""Enrollment profiles: read by a foreign parser, verified by openssl, and enough to get a device managed."""

import datetime
import hashlib
import plistlib
import re
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import scep
from harness.authority import Authority, Identity
from harness.certificate import put_foreign
from harness.device import Device, TOPIC
from harness.pushcert import PushCert
from harness.scep import Client
from harness.server import run

from test_scep import to_first_answer

PATH = "/api/v1/enroll/profiles"


def set_push_cert(server, topic=TOPIC):
    assert server.api("PUT", "/api/v1/pushcerts", PushCert(topic).body()).status in (200, 201)


@pytest.fixture
def server(make_server):
    server = make_server({"enroll.organization": "Orchard & Söhne"}).start()
    set_push_cert(server)
    return server


def make(server, **body):
    reply = server.api("POST", PATH, body)
    assert reply.status == 201, reply
    assert reply.headers["Content-Type"] == "application/x-apple-aspen-config"
    assert reply.headers["Cache-Control"] == "no-store"
    return reply.body


def opened(server, signed, folder, root=None):
    """The profile in the signed bytes, whose signature openssl verifies against the server's root."""
    (folder / "signed.der").write_bytes(signed)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-inform", "DER", "-in", folder / "signed.der", "-CAfile",
         root or server.root_pem, "-purpose", "any", "-binary", "-signer", folder / "signer.pem"],
        capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return plistlib.loads(done.stdout)


def payload(profile, kind):
    found = [one for one in profile["PayloadContent"] if one["PayloadType"] == kind]
    assert len(found) == 1, profile
    return found[0]


def test_the_profile_says_all_that_a_device_must_know(server, tmp_path):
    profile = opened(server, make(server), tmp_path)
    scep, mdm = payload(profile, "com.apple.security.scep"), payload(profile, "com.apple.mdm")
    base = f"https://localhost:{server.device_port}"
    assert profile["PayloadType"] == "Configuration" and profile["PayloadScope"] == "System"
    assert profile["PayloadOrganization"] == "Orchard & Söhne"
    assert profile["PayloadIdentifier"] == "localhost.pomona"
    assert mdm["IdentityCertificateUUID"] == scep["PayloadUUID"]
    assert (mdm["ServerURL"], mdm["CheckInURL"], mdm["Topic"]) == (base + "/mdm", base + "/checkin", TOPIC)
    assert (mdm["AccessRights"], mdm["CheckOutWhenRemoved"], mdm["SignMessage"]) == (8191, True, False)
    assert mdm["ServerCapabilities"] == ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken"]
    content = scep["PayloadContent"]
    assert content["URL"] == base + "/scep" and (content["Key Type"], content["Key Usage"]) == ("RSA", 5)
    assert content["Subject"] == [[["O", "Orchard & Söhne"]], [["CN", "Pomona device identity"]]]
    ca = Client(server, tmp_path).ca_der
    assert content["CAFingerprint"] == hashlib.sha1(ca).digest()
    root = x509.load_pem_x509_certificate(server.root_pem.read_bytes())
    assert payload(profile, "com.apple.security.root")["PayloadContent"] == root.public_bytes(
        serialization.Encoding.DER)
    for one in [profile, *profile["PayloadContent"]]:
        assert one["PayloadVersion"] == 1 and one["PayloadIdentifier"].startswith("localhost.pomona")
    assert len({one["PayloadUUID"] for one in [profile, *profile["PayloadContent"]]}) == 4


def test_a_new_profile_has_another_challenge_and_else_is_the_same(server, tmp_path):
    first, second = (opened(server, make(server), tmp_path) for _ in range(2))
    challenges = [payload(one, "com.apple.security.scep")["PayloadContent"].pop("Challenge") for one in (first, second)]
    assert challenges[0] != challenges[1]
    assert first == second


def test_a_profile_gets_a_device_to_its_first_answered_command_and_no_second_one(server, tmp_path):
    udid = "5E1F0000-0000-4000-8000-00000000BEEF"
    profile = opened(server, make(server, device_id=udid), tmp_path)
    content, mdm = payload(profile, "com.apple.security.scep")["PayloadContent"], payload(profile, "com.apple.mdm")
    assert content["Subject"][-1] == [["CN", udid]]
    client = Client(server, tmp_path)
    identity = client.enroll(content["Challenge"])
    device = Device(server, identity, udid)
    assert device.authenticate(Topic=mdm["Topic"]).status == 200
    assert device.token_update(Topic=mdm["Topic"]).status == 200
    sent = server.enqueue([udid], {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command, QueryResponses={"OSVersion": "18.1"}) is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]["state"] == "done"
    other = Client(server, tmp_path).ask(content["Challenge"])  # another key
    assert other.status == "2", other.attributes
    device.close()


def test_a_device_other_than_the_one_it_was_made_for_is_refused(server, tmp_path):
    profile = opened(server, make(server, device_id="MEANT-FOR-ME"), tmp_path)
    identity = Client(server, tmp_path).enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"])
    device = Device(server, identity, "SOMEBODY-ELSE")
    assert device.authenticate().status == 403
    device.close()


def test_the_settings_of_the_conf_are_in_it_after_a_reload(server, tmp_path):
    server.conf.update({"enroll.url": "https://mdm.example.org/pomona/", "enroll.access_rights": "3",
                        "enroll.check_out_when_removed": "no", "enroll.sign_message": "yes",
                        "enroll.profile_identifier": "org.example.mdm", "enroll.topic": "com.apple.mgmt.External.x"})
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    profile = opened(server, make(server), tmp_path)
    mdm = payload(profile, "com.apple.mdm")
    assert profile["PayloadIdentifier"] == "org.example.mdm"
    assert mdm["ServerURL"] == "https://mdm.example.org/pomona/mdm"
    assert mdm["Topic"] == "com.apple.mgmt.External.x"
    assert (mdm["AccessRights"], mdm["CheckOutWhenRemoved"], mdm["SignMessage"]) == (3, False, True)
    assert payload(profile, "com.apple.security.scep")["PayloadContent"]["URL"] == "https://mdm.example.org/pomona/scep"


def test_another_certificate_of_the_server_signs_from_the_reload_on_and_needs_no_root_of_ours(server, tmp_path):
    root = Authority("Another root")
    leaf = put_foreign(server, 300, root)
    opened(server, make(server), tmp_path)  # not before
    server.reload()
    server.wait_log("event=reloaded ")
    (tmp_path / "root.pem").write_bytes(root.certificate_pem())
    profile = opened(server, make(server), tmp_path, tmp_path / "root.pem")
    assert x509.load_pem_x509_certificate((tmp_path / "signer.pem").read_bytes()) == leaf.certificate
    assert [one["PayloadType"] for one in profile["PayloadContent"]] == ["com.apple.security.scep", "com.apple.mdm"]


def test_what_cannot_be_made_is_refused_with_what_to_do(make_server):
    server = make_server().start()
    reply = server.api("POST", PATH, {})
    assert reply.status == 409 and "pushcert set" in reply.json()["detail"]
    for i in range(2):
        set_push_cert(server, f"com.apple.mgmt.External.{i}")
    reply = server.api("POST", PATH, {})
    assert reply.status == 409 and "[enroll] topic" in reply.json()["detail"]
    past = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for body, field in (({"expires_at": past}, "expires_at"), ({"device_id": "x" * 257}, "device_id"),
                        ({"nonsense": 1}, "nonsense")):
        reply = server.api("POST", PATH, body)
        assert reply.status == 400 and field in reply.json()["detail"], reply


@pytest.mark.parametrize("key, value, rule", [
    ("access_rights", "2", "2, which needs 1"), ("access_rights", "128", "128, which needs 64"),
    ("url", "http://mdm.example.org", "https://"), ("topic", "org.example", "com.apple.mgmt."),
    ("profile_identifier", "a b", "letters, digits"), ("organization", "x" * 257, "256 bytes")])
def test_a_conf_that_makes_no_profile_is_refused_by_its_key(make_server, key, value, rule):
    server = make_server({f"enroll.{key}": value})
    done = run("pomonad", "-t", "-c", server.conf_path, check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0 and f"[enroll] {key}" in text and rule in text, text


def test_pomonactl_writes_it_for_its_owner_alone(server, tmp_path):
    path = tmp_path / "enroll.mobileconfig"
    server.ctl("enroll", "profile", "--device", "AT-THE-DESK", "--expires", "7d", "--out", path)
    assert path.stat().st_mode & 0o777 == 0o600
    profile = opened(server, path.read_bytes(), tmp_path)
    challenge = payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]
    assert not any(challenge in line for line in server.log), "a secret in the log"
    assert server.ctl("enroll", "profile", check=False).returncode == 64


# --- identities that are not SCEP's


def pkcs12_of(profile, folder, password=None):
    """Key and certificate, as openssl reads them; and what it says of how they were sealed."""
    found = payload(profile, "com.apple.security.pkcs12")
    (folder / "identity.p12").write_bytes(found["PayloadContent"])
    secret = password or found["Password"]
    done = subprocess.run(["openssl", "pkcs12", "-in", folder / "identity.p12", "-passin", f"pass:{secret}", "-nodes",
                           "-info", "-legacy"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    key = serialization.load_pem_private_key(
        re.search(rb"-----BEGIN PRIVATE KEY.*?END PRIVATE KEY-----\n", done.stdout, re.DOTALL).group(0), None)
    certificates = [x509.load_pem_x509_certificate(pem) for pem in re.findall(
        rb"-----BEGIN CERTIFICATE.*?END CERTIFICATE-----\n", done.stdout, re.DOTALL)]
    own = [one for one in certificates
           if one.public_key().public_numbers() == key.public_key().public_numbers()]
    assert len(own) == 1 and len(certificates) == 2
    return Identity(key, own[0]), done.stderr.decode()


@pytest.mark.parametrize("is_legacy", [False, True], ids=["today", "legacy"])
def test_a_pkcs12_gets_a_device_to_its_first_answered_command(server, tmp_path, is_legacy):
    udid = "5E1F0000-0000-4000-8000-00000000F00D"
    profile = opened(server, make(server, device_id=udid, identity="pkcs12", pkcs12={"legacy": is_legacy}), tmp_path)
    mdm = payload(profile, "com.apple.mdm")
    assert mdm["IdentityCertificateUUID"] == payload(profile, "com.apple.security.pkcs12")["PayloadUUID"]
    identity, sealed = pkcs12_of(profile, tmp_path)
    assert ("3-KeyTripleDES" in sealed) == is_legacy and ("AES-256-CBC" in sealed) != is_legacy
    assert isinstance(identity.key, rsa.RSAPrivateKey) == is_legacy
    assert identity.certificate.subject.rfc4514_string() == f"CN={udid}"
    to_first_answer(server, identity, udid)
    known = [row for row in server.get("/api/v1/identities")["identities"] if row["issued_for"] == udid]
    assert len(known) == 1 and known[0]["is_ours"]
    device = Device(server, identity, "SOMEBODY-ELSE")
    assert device.authenticate().status == 403
    device.close()


def test_neither_key_nor_password_stays_on_the_server(server, tmp_path):
    profile = opened(server, make(server, identity="pkcs12"), tmp_path)
    identity, _ = pkcs12_of(profile, tmp_path)
    number = identity.key.private_numbers().private_value.to_bytes(32, "big")
    secrets = [number, payload(profile, "com.apple.security.pkcs12")["Password"].encode()]
    server.wait_log("what=create_profile .*identity pkcs12")
    server.stop()
    assert not any(secrets[1].decode() in line for line in server.log)
    stored = b"".join(path.read_bytes() for path in server.folder.glob("pomona.db*"))
    assert not any(secret in stored for secret in secrets)


def test_a_password_that_is_told_to_the_person_is_not_in_the_profile(server, tmp_path):
    (tmp_path / "password").write_text("by phone\n")
    server.ctl("enroll", "profile", "--identity", "pkcs12", "--password-file", tmp_path / "password", "--legacy",
               "--out", tmp_path / "enroll.mobileconfig")
    profile = opened(server, (tmp_path / "enroll.mobileconfig").read_bytes(), tmp_path)
    assert "Password" not in payload(profile, "com.apple.security.pkcs12")
    pkcs12_of(profile, tmp_path, "by phone")


def test_an_acme_server_is_named_where_one_is_configured(server, tmp_path):
    reply = server.api("POST", PATH, {"identity": "acme"})
    assert reply.status == 409 and "acme_directory_url" in reply.json()["detail"]
    server.conf["enroll.acme_directory_url"] = "https://acme.example.org/directory"
    server.conf["enroll.scep"] = "off"
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    server.ctl("enroll", "profile", "--identity", "acme", "--client-identifier", "C02XYZ", "--out",
               tmp_path / "enroll.mobileconfig")
    profile = opened(server, (tmp_path / "enroll.mobileconfig").read_bytes(), tmp_path)
    acme = payload(profile, "com.apple.security.acme")
    assert (acme["DirectoryURL"], acme["ClientIdentifier"]) == ("https://acme.example.org/directory", "C02XYZ")
    assert (acme["KeyType"], acme["KeySize"], acme["HardwareBound"], acme["Attest"]) == (
        "ECSECPrimeRandom", 384, True, True)
    assert payload(profile, "com.apple.mdm")["IdentityCertificateUUID"] == acme["PayloadUUID"]
    names = {payload(opened(server, make(server, identity="acme"), tmp_path),
                     "com.apple.security.acme")["ClientIdentifier"] for _ in range(2)}
    assert len(names) == 2 and all(len(one) == 40 for one in names)


@pytest.mark.parametrize("body, field", [
    ({"identity": "magic"}, "identity"), ({"identity": "pkcs12", "expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
    ({"pkcs12": {}}, "pkcs12"), ({"identity": "pkcs12", "pkcs12": {"password": ""}}, "pkcs12"),
    ({"identity": "pkcs12", "pkcs12": {"password": "x" * 257}}, "password"),
    ({"identity": "pkcs12", "pkcs12": {"nonsense": 1}}, "nonsense"),
    ({"identity": "pkcs12", "client_identifier": "x"}, "client_identifier"),
    ({"identity": "acme", "client_identifier": ""}, "client_identifier"),
    ({"identity": "acme", "client_identifier": "x" * 257}, "client_identifier")])
def test_what_does_not_go_together_is_refused_by_its_field(server, body, field):
    reply = server.api("POST", PATH, body)
    assert reply.status == 400 and field in reply.json()["detail"], reply


# --- profiles that one device alone can read


def test_a_profile_that_is_encrypted_to_a_device_is_opened_by_openssl_with_its_key(server, tmp_path):
    path = Authority().issue("reader", key=scep.make_key()).write(tmp_path / "reader.pem")
    server.ctl("enroll", "profile", "--encrypt-to", path, "--out", tmp_path / "enroll.mobileconfig")
    profile = opened(server, (tmp_path / "enroll.mobileconfig").read_bytes(), tmp_path)
    assert profile["IsEncrypted"] is True and "PayloadContent" not in profile
    (tmp_path / "sealed.der").write_bytes(profile["EncryptedPayloadContent"])
    done = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", tmp_path / "sealed.der",
                           "-recip", path, "-inkey", path], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    profile["PayloadContent"] = plistlib.loads(done.stdout)
    Client(server, tmp_path).enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"])


@pytest.mark.parametrize("pem", ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_gets_no_profile_encrypted_to_it(server, pem):
    reply = server.api("POST", PATH, {"encrypt_to": pem})
    assert reply.status == 400 and "encrypt_to" in reply.json()["detail"], reply
