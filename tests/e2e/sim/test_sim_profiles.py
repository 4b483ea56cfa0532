# SPDX-License-Identifier: Apache-2.0
"""Profiles that simulated devices install, keep and list, made and signed by Python."""

import datetime
import json
import plistlib
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from harness.server import wait_until

# Every fleet has the same kinds of device in turns of ten, and four users: of two Macs, and two of a Shared iPad.
FLEET, CHANNELS = 10, 14


def payload(kind, **keys):
    return {"PayloadType": kind, "PayloadVersion": 1, "PayloadIdentifier": f"com.example.{uuid.uuid4()}",
            "PayloadUUID": str(uuid.uuid4()).upper(), **keys}


def profile(identifier, *payloads, **keys):
    return plistlib.dumps({**payload("Configuration"), "PayloadIdentifier": identifier,
                           "PayloadContent": list(payloads), **keys})


def issue(name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    certificate = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(
        key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(
        now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return certificate, key


def der_of(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def signed(content, certificate, key):
    return pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256()).sign(
        serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


class Asker:
    def __init__(self, mdm, channel):
        self.mdm, self.channel = mdm, channel

    def ask(self, kind, **keys):
        return self.mdm.result(self.mdm.send(self.channel, {"RequestType": kind, **keys})).plist

    def install(self, content):
        return self.ask("InstallProfile", Payload=content)

    def list(self):
        return {entry["PayloadIdentifier"]: entry for entry in self.ask("ProfileList")["ProfileList"]}

    def certificates(self):
        return {entry["CommonName"]: entry for entry in self.ask("CertificateList")["CertificateList"]}


@pytest.fixture
def device(mdm, start):
    start("--devices", 1, "--interval", "0.1")
    mdm.wait_for_polls(1)
    return Asker(mdm, mdm.messages[0].channel)


def test_what_profile_list_says_follows_installing_replacing_and_removing(device):
    before = device.list()
    assert len(before) == 1 and next(iter(before.values()))["PayloadContent"][0]["PayloadType"] == "com.apple.mdm"
    wifi = payload("com.apple.wifi.managed", SSID_STR="orchard", Password="not to be told")
    assert device.install(profile("com.example.wifi", wifi, PayloadDisplayName="Old"))["Status"] == "Acknowledged"
    assert device.install(profile("com.example.wifi", wifi, PayloadDisplayName="New"))["Status"] == "Acknowledged"
    assert device.install(profile("com.example.other"))["Status"] == "Acknowledged"
    listed = device.list()
    assert set(listed) == {*before, "com.example.wifi", "com.example.other"}
    entry = listed["com.example.wifi"]
    assert entry["PayloadDisplayName"] == "New" and entry["IsManaged"] is True
    assert entry["PayloadContent"] == [{key: wifi[key] for key in wifi if key.startswith("Payload")}]
    assert device.ask("RemoveProfile", Identifier="com.example.wifi")["Status"] == "Acknowledged"
    assert set(device.list()) == {*before, "com.example.other"}
    gone = device.ask("RemoveProfile", Identifier="com.example.wifi")
    assert gone["Status"] == "Error" and gone["ErrorChain"][0]["ErrorCode"] == 12013


def test_a_restart_of_the_simulator_keeps_profiles_and_their_certificates(mdm, start):
    run = start("--devices", FLEET, "--interval", "0.1")
    mdm.wait_for_polls(CHANNELS)
    mac = next(m.channel for m in mdm.messages if ":" in m.channel and "@" not in m.channel)
    device, user = Asker(mdm, mac.split(":")[0]), Asker(mdm, mac)
    certificate, _ = issue("Orchard Root")
    root = payload("com.apple.security.root", PayloadContent=der_of(certificate))
    device.install(profile("com.example.device", root))
    user.install(profile("com.example.user"))
    assert run.stop()[0] == 0
    start("--devices", FLEET, "--interval", "0.1")
    assert set(device.list()) > {"com.example.device"} and "com.example.user" not in device.list()
    assert set(user.list()) == {"com.example.user"}
    assert device.certificates()["Orchard Root"]["Data"] == der_of(certificate)
    device.ask("RemoveProfile", Identifier="com.example.device")
    assert "Orchard Root" not in device.certificates()


def test_a_killed_simulator_has_kept_a_profile_that_its_file_tells_of(mdm, start, folder):
    run = start("--devices", 1, "--interval", "0.1")
    mdm.wait_for_polls(1)
    device = Asker(mdm, mdm.messages[0].channel)

    def state():
        return json.loads((folder / "devices" / "000000.json").read_text())["channels"][0]

    wait_until(lambda: state()["enrolled"], "the file to tell of the enrollment")
    device.install(profile("com.example.kept"))
    wait_until(lambda: state()["profiles"], "the file to tell of the profile")
    run.process.kill()
    run.wait()
    start("--devices", 1, "--interval", "0.1")
    assert "com.example.kept" in device.list()


def test_the_certificates_of_a_profile_are_listed_as_der_whatever_they_came_as(device):
    root, _ = issue("Der")
    pem, _ = issue("Pem")
    person, key = issue("Identity")
    bag = pkcs12.serialize_key_and_certificates(
        b"x", key, person, None, serialization.BestAvailableEncryption(b"secret"))
    payloads = [payload("com.apple.security.root", PayloadContent=der_of(root)),
                payload("com.apple.security.pem", PayloadContent=pem.public_bytes(serialization.Encoding.PEM)),
                payload("com.apple.security.pkcs12", PayloadContent=bag, Password="secret")]
    assert device.install(profile("com.example.certificates", *payloads))["Status"] == "Acknowledged"
    listed = device.certificates()
    for certificate, name, is_identity in ((root, "Der", False), (pem, "Pem", False), (person, "Identity", True)):
        assert listed[name]["Data"] == der_of(certificate) and listed[name]["IsIdentity"] is is_identity
    assert sum(entry["IsIdentity"] for entry in listed.values()) == 2  # and the device's own
    payloads[2]["Password"] = "wrong"
    refused = device.install(profile("com.example.wrong", *payloads))
    assert refused["Status"] == "Error" and refused["ErrorChain"][1]["ErrorDomain"] == "MCCertificateErrorDomain"


def test_a_signed_profile_tells_its_signer_and_a_broken_signature_is_refused(device):
    certificate, key = issue("Signer")
    content = signed(profile("com.example.signed", PayloadOrganization="Orchard"), certificate, key)
    assert device.install(content)["Status"] == "Acknowledged"
    entry = device.list()["com.example.signed"]
    assert entry["SignerCertificates"] == [der_of(certificate)] and entry["PayloadOrganization"] == "Orchard"
    forged = device.install(content.replace(b"com.example.signed", b"com.example.forged"))
    assert forged["Status"] == "Error"
    assert [(link["ErrorDomain"], link["ErrorCode"]) for link in forged["ErrorChain"]] == [
        ("MCProfileErrorDomain", 1004)]
    assert "com.example.forged" not in device.list()


@pytest.mark.parametrize("content, chain", [
    (b"no profile", [("MCProfileErrorDomain", 1000)]),
    (b"", [("MCProfileErrorDomain", 1000)]),
    (plistlib.dumps(["x"]), [("MCProfileErrorDomain", 1000)]),
    (profile("com.example.bad", {"PayloadType": "x"}),
     [("MCInstallationErrorDomain", 4001), ("MCPayloadErrorDomain", 2002)]),
    (profile("com.example.bad", PayloadVersion=2),
     [("MCInstallationErrorDomain", 4001), ("MCProfileErrorDomain", 1001)]),
], ids=["text", "empty", "array", "payload without keys", "version 2"])
def test_a_malformed_profile_is_an_error_with_its_chain_and_is_not_listed(device, content, chain):
    refused = device.install(content)
    assert refused["Status"] == "Error"
    assert [(link["ErrorDomain"], link["ErrorCode"]) for link in refused["ErrorChain"]] == chain
    assert len(device.list()) == 1


def test_an_erase_takes_the_profiles_along(device):
    device.install(profile("com.example.a"))
    device.ask("EraseDevice")
    device.mdm.wait("it to enroll again", lambda: len(device.mdm.of_type("TokenUpdate")) == 2)
    assert "com.example.a" not in device.list()
