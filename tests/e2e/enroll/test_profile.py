# SPDX-License-Identifier: Apache-2.0
"""Enrollment profiles: read by a foreign parser, verified by openssl, and enough to get a device managed."""

import datetime
import hashlib
import plistlib
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.authority import Authority
from harness.certificate import put_foreign
from harness.device import Device, TOPIC
from harness.pushcert import PushCert
from harness.scep import Client
from harness.server import run

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
