# SPDX-License-Identifier: Apache-2.0
"""SCEP: what foreign clients get, and what those get who send what no client should."""

import base64
import http.client
import os
import re
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import scep
from harness.authority import Identity, datetime
from harness.device import Device
from harness.forwarder import Forwarder
from harness.panel import Panel
from harness.scep import Client, request
from harness.server import wait_until

BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_TIME, BAD_CERT_ID = "01234"


def mint(server, **more):
    reply = server.api("POST", "/api/v1/enroll/challenges", more)
    assert reply.status == 201, reply
    return reply.json()["challenge"]


def counts(server):
    return server.get("/api/v1/status")["scep"]


def issued(server):
    """How many certificates of ours the server knows."""
    return len([row for row in server.get("/api/v1/identities?limit=1000")["identities"] if row["is_ours"]])


@pytest.fixture
def client(server, tmp_path):
    return Client(server, tmp_path)


def to_first_answer(server, identity, udid=None):
    """From an identity to the first answered command."""
    device = Device(server, identity, udid).enroll()
    sent = server.enqueue([device.udid], {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command, QueryResponses={"OSVersion": "18.1"}) is None
    row = server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]
    assert row["state"] == "done", row
    device.close()
    return device


# --- foreign clients


def pki(*words, **options):
    return subprocess.run(["pki", *map(str, words)], capture_output=True, timeout=60, **options)


def pem_identity(key_path, pem):
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    return Identity(key, x509.load_pem_x509_certificate(pem))


class StrongSwan:
    def __init__(self, forwarder, client):
        self.forwarder, self.folder = forwarder, client.folder
        self.ca = self.folder / "scep-ca.der"
        self.ca.write_bytes(client.ca_der)
        self.made = 0

    def new_key(self):
        self.made += 1
        path = self.folder / f"key{self.made}.pem"
        path.write_bytes(scep.make_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
        return path

    def run(self, key, *words):
        done = pki("--scep", "--url", self.forwarder.url + "/scep", "--in", key, "--dn", "C=CH, O=Orchard, CN=swan",
                   "--cacert-enc", self.ca, "--cacert-sig", self.ca, "--outform", "pem", *words)
        assert done.returncode == 0, done.stderr.decode()
        return pem_identity(key, done.stdout)


@pytest.mark.parametrize("as_get", [False, True], ids=["POST", "GET"])
def test_strongswan_enrolls_and_renews_with_each_digest_and_cipher(server, client, as_get):
    with Forwarder(server, as_get=as_get) as forwarder:
        swan = StrongSwan(forwarder, client)
        for cipher in ("aes", "des3"):
            for digest in ("sha1", "sha256", "sha384", "sha512"):
                identity = swan.run(swan.new_key(), "--cipher", cipher, "--digest", digest, "--password", mint(server))
                assert scep.common_name(identity.certificate) == "swan"
        old_key, old = identity, swan.folder / "old.pem"
        device = to_first_answer(server, identity)
        old.write_bytes(identity.certificate_pem())
        key = swan.folder / f"key{swan.made}.pem"
        renewed = swan.run(swan.new_key(), "--cert", old, "--key", key)
        same_key = swan.run(key, "--cert", old, "--key", key)
    assert len({old_key.sha256, renewed.sha256, same_key.sha256}) == 3
    to_first_answer(server, renewed, device.udid)
    assert counts(server) == {"issued": 10, "repeated": 0, "refused": 0}


def getcert(environment, *words, check=True):
    done = subprocess.run(["getcert", *map(str, words)], capture_output=True, text=True, timeout=120, env=environment)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def certmonger(tmp_path):
    """The environment of a certmonger of our own on a bus of our own."""
    home = tmp_path / "home"
    for folder in (".config/certmonger/requests", ".config/certmonger/cas", ".config/certmonger/local", "tmp"):
        (home / folder).mkdir(parents=True)
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "tmp"),
            "XDG_RUNTIME_DIR": str(home / "tmp")}
    script = 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec "$0" "$@"'
    session = subprocess.Popen(
        ["dbus-run-session", "--", "sh", "-c", script, "/usr/lib/certmonger/certmonger-session", "-n", "-d", "3"],
        stdout=subprocess.PIPE, stderr=(home / "log").open("w"), text=True, env=base)
    address = session.stdout.readline().strip()
    yield {**base, "DBUS_SESSION_BUS_ADDRESS": address}
    session.terminate()
    session.wait(60)


def test_certmonger_enrolls_and_renews(server, client, certmonger):
    key, cert, ca = (client.folder / name for name in ("cm.key", "cm.pem", "cm-ca.pem"))
    ca.write_bytes(client.ca.public_bytes(serialization.Encoding.PEM))
    tracked = ("-s", "-f", cert)

    def wait_monitoring(than=None):
        deadline = time.monotonic() + 90
        while True:
            told = getcert(certmonger, "list", *tracked, check=False)
            if "status: MONITORING" in told and cert.exists() and cert.read_bytes() != than:
                return cert.read_bytes()
            assert time.monotonic() < deadline, told
            time.sleep(0.2)

    with Forwarder(server) as forwarder:
        # Without -N it looks for a certificate that issued the one that the CA itself answers with.
        getcert(certmonger, "add-scep-ca", "-s", "-c", "pomona", "-u", forwarder.url + "/scep", "-N", ca)
        getcert(certmonger, "request", *tracked, "-k", key, "-c", "pomona", "-N", "CN=monger", "-L", mint(server))
        first = wait_monitoring()
        identity = pem_identity(key, first)
        device = to_first_answer(server, identity)
        getcert(certmonger, "resubmit", *tracked)
        second = wait_monitoring(first)
        getcert(certmonger, "rekey", *tracked)
        third = wait_monitoring(second)
        assert set(forwarder.seen) == {"GET"}  # it does so whatever a CA can
    renewed = pem_identity(key, third)
    assert renewed.certificate.public_key() != identity.certificate.public_key()
    to_first_answer(server, renewed, device.udid)
    assert counts(server)["refused"] == 0
    assert counts(server)["issued"] == 3


# --- what is issued


def test_what_is_issued_and_the_certificate_of_the_ca(server, client):
    assert request(server, "GET", "operation=GetCACert").headers["Content-Type"] == "application/x-x509-ca-cert"
    caps = request(server, "GET", "operation=GetCACaps&message=any")
    assert caps.headers["Content-Type"].startswith("text/plain")
    assert {"POSTPKIOperation", "SHA-1", "SHA-256", "SHA-512", "AES", "DES3", "Renewal",
            "SCEPStandard"} <= set(caps.body.decode().splitlines())
    assert request(server, "GET", "operation=GetNextCACert").status == 404
    before = datetime.datetime.utcnow()
    certificate = client.enroll(mint(server)).certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert abs((before - certificate.not_valid_before).total_seconds() - 600) < 60
    assert (certificate.not_valid_after - before).days in (364, 365)
    assert certificate.serial_number.bit_length() > 64
    row = next(row for row in server.get("/api/v1/identities")["identities"] if row["is_ours"])
    assert row["sha256"] == Identity(client.key, certificate).sha256


def test_an_identity_for_a_device_is_that_devices_alone(server, client):
    identity = client.enroll(mint(server, device_id="UDID-OF-ONE"))
    assert Device(server, identity, "UDID-OF-ANOTHER").authenticate().status == 403
    to_first_answer(server, identity, "UDID-OF-ONE")


@pytest.mark.parametrize("cipher", ["AES128", "AES256", "DES3", "DES"])
@pytest.mark.parametrize("digest", ["SHA1", "SHA256", "SHA384", "SHA512"])
def test_every_digest_and_cipher_and_replies_in_the_cipher_if_it_is_strong(server, client, cipher, digest):
    answer = client.ask(mint(server), cipher=cipher, digest=digest)
    assert answer.status == "0"
    wanted = scep.CIPHERS["AES128" if cipher == "DES" else cipher][0]
    assert scep.oid(wanted) in answer.envelope


def test_ber_of_indefinite_length_is_read(server, client):
    inner = scep.indefinite(scep.envelope(client.ca, scep.make_csr(client.key, mint(server))))
    whole = scep.sign(inner, client.me, transaction=client.transaction)
    certificate = client.me.certificate.public_bytes(serialization.Encoding.DER)
    assert client.answer(client.post(scep.indefinite(whole, certificate))).status == "0"


def test_a_get_with_spaces_or_line_breaks_and_a_message_repeated_in_the_url(server, client):
    """All these are the same transaction of the same key."""
    message = client.message(mint(server))
    while b"+" not in base64.b64encode(message):
        message = client.message(mint(server))
    text = base64.b64encode(message).decode()
    lines = re.sub("(.{64})", "\\1\n", text)
    first = client.answer(client.post(message)).certificate
    for method, query, body in (
            ("GET", "operation=PKIOperation&message=" + urllib.parse.quote(text, safe=""), None),
            ("GET", "operation=PKIOperation&message=" + urllib.parse.quote(lines, safe=""), None),
            ("GET", "operation=PKIOperation&message=" + urllib.parse.quote(text, safe="").replace("%2B", "+"), None),
            ("GET", "operation=PKIOperation&message=" + urllib.parse.quote(text.replace("+", " ")), None),
            ("POST", "operation=PKIOperation&message=" + urllib.parse.quote(text, safe=""), message),
            ("POST", "operation=PKIOperation&message=" + urllib.parse.quote(message), message),
            ("POST", "operation=PKIOperation&message=" + urllib.parse.quote(text, safe=""), b"")):
        answer = client.answer(request(server, method, query, body))
        assert answer.certificate == first, (method, query)
    assert issued(server) == 1


def test_the_default_path_of_clients_that_were_given_a_host_alone(server, client):
    reply = request(server, "POST", "operation=PKIOperation", client.message(mint(server)),
                    path="/cgi-bin/pkiclient.exe")
    assert client.answer(reply).status == "0"


def test_get_cert_get_crl_and_cert_poll(server, client):
    identity = client.enroll(mint(server))
    found = client.ask(kind="21", content=scep.issuer_and_serial(identity.certificate), transaction="find")
    assert found.certificate == identity.certificate
    missing = client.ask(kind="21", content=scep.issuer_and_serial(identity.certificate, 4711), transaction="miss")
    assert (missing.status, missing.fail_info) == ("2", BAD_CERT_ID)
    names = scep.sequence(client.ca.subject.public_bytes(), identity.certificate.subject.public_bytes())
    assert client.ask(kind="20", content=names).certificate == identity.certificate
    never = client.ask(kind="20", content=names, transaction="never")
    assert (never.status, never.fail_info) == ("2", BAD_CERT_ID)
    what = scep.issuer_and_serial(identity.certificate)
    assert client.ask(kind="22", content=what, transaction="crl").crl.is_signature_valid(client.ca.public_key())
    server.ctl("identity", "revoke", identity.sha256)
    for crl in (client.ask(kind="22", content=what, transaction="crl2").crl,
                x509.load_der_x509_crl(request(server, "GET", "", path="/crl").body)):
        assert crl.get_revoked_certificate_by_serial_number(identity.certificate.serial_number) is not None
    assert Device(server, identity).authenticate().status == 403


def test_the_list_of_the_revoked_is_signed_again_only_when_it_has_changed(server, client):
    def crl():
        return x509.load_der_x509_crl(request(server, "GET", "", path="/crl").body)

    identity = client.enroll(mint(server))
    first = crl()
    made_s = time.time()
    wait_until(lambda: time.time() > made_s + 1.1, "a second to pass, which a new list would tell")
    assert crl() == first
    server.ctl("identity", "revoke", identity.sha256)
    assert crl().get_revoked_certificate_by_serial_number(identity.certificate.serial_number) is not None


# --- challenges


def test_a_challenge_works_once_and_again_for_its_key(server, client, tmp_path):
    challenge = mint(server)
    identity = client.enroll(challenge)
    assert client.enroll(challenge, transaction="retry").sha256 == identity.sha256
    other = Client(server, tmp_path)
    answer = other.ask(challenge)
    assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST)
    assert "used" in answer.fail_text
    line = server.wait_log("event=scep_refused")
    assert "reason=used_challenge" in line and other.transaction in line
    assert counts(server) == {"issued": 1, "repeated": 1, "refused": 1}
    assert not [line for line in server.log if challenge in line]


def test_a_challenge_that_ended_and_one_that_is_foreign(make_server, tmp_path):
    panel = Panel(tmp_path / "panel")
    server = make_server(program="pomonad-faultvfs", environment=panel.environment).start()
    client = Client(server, tmp_path)
    soon = datetime.datetime.utcnow() + datetime.timedelta(hours=1)
    ended = mint(server, expires_at=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    foreign = "0" * 40
    for challenge, reason in ((foreign, "wrong_challenge"), (None, "no_challenge"), ("x" * 255, "wrong_challenge")):
        answer = client.ask(challenge)
        assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST)
        server.wait_log(f"event=scep_refused .*reason={reason}")
    panel.shift_clock(2 * 3600)
    assert client.ask(ended).fail_info == BAD_REQUEST
    server.wait_log("event=scep_refused .*reason=expired_challenge")
    assert issued(server) == 0
    assert not [line for line in server.log if foreign in line or ended in line]


def test_a_static_challenge_of_the_conf_and_scep_that_is_switched_off(make_server, tmp_path):
    path = tmp_path / "challenge"
    path.write_text("for everybody\n")
    server = make_server({"enroll.scep_challenge_file": str(path)}).start()
    for _ in range(2):
        Client(server, tmp_path).enroll("for everybody")
    assert Client(server, tmp_path).ask("for everybod").status == "2"
    assert not [line for line in server.log if "for everybody" in line]
    server.conf["enroll.scep"] = "off"
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded")
    assert request(server, "GET", "operation=GetCACaps").status == 404


def test_a_replay_gets_the_same_certificate_or_nothing(server, client, tmp_path):
    message = client.message(mint(server))
    first = client.answer(client.post(message)).certificate
    assert client.answer(client.post(message)).certificate == first
    server.ctl("identity", "revoke", Identity(client.key, first).sha256)
    assert client.answer(client.post(message)).status == "2"
    assert issued(server) == 1


def test_many_at_once_with_one_challenge_get_one_certificate(server, client, tmp_path):
    challenge = mint(server)
    clients = [Client(server, tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: one.ask(challenge), clients * 2))
    given = {answer.certificate.serial_number for answer in answers if answer.status == "0"}
    assert len(given) == 1 and issued(server) == 1


@pytest.mark.timeout(300)
def test_a_storm_is_capped_and_whoever_comes_again_is_served(make_server, tmp_path):
    server = make_server({"server.signing_queue_max": 1, "server.signing_percent": 5}).start()
    clients = [Client(server, tmp_path) for _ in range(8)]
    messages = [client.message(mint(server)) for client in clients]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(Client.post, clients * 4, messages * 4))
        busy = [reply for reply in replies if reply.status == 503]
        assert busy and all(int(reply.headers["Retry-After"]) > 0 for reply in busy)
        assert {reply.status for reply in replies} == {200, 503}
    for client, message in zip(clients, messages):
        wait_until(lambda: client.post(message).status == 200, "it is its turn")
    assert issued(server) == len(clients)


# --- renewals


def test_a_renewal_keeps_the_enrollment_and_a_revoked_one_is_refused(server, client, tmp_path):
    identity = client.enroll(mint(server))
    device = Device(server, identity).enroll()
    waiting = server.enqueue([device.udid], {"RequestType": "ProfileList"})["uuid"]
    for kind in ("17", "18", "19"):
        renewing = Client(server, tmp_path, identity=identity)
        renewed = renewing.enroll(csr_key=scep.make_key(), kind=kind)
        assert renewed.sha256 != identity.sha256
    assert Device(server, identity, device.udid).poll()["CommandUUID"] == waiting  # good until the new one has spoken
    new = Device(server, renewed, device.udid)
    new.enroll()
    assert new.poll()["CommandUUID"] == waiting
    former = Client(server, tmp_path, identity=identity).ask(csr_key=scep.make_key(), kind="17")
    assert (former.status, former.fail_info) == ("2", BAD_REQUEST)
    server.wait_log("event=scep_refused .*reason=former")
    server.ctl("identity", "revoke", renewed.sha256)
    revoked = Client(server, tmp_path, identity=renewed).ask(csr_key=scep.make_key(), kind="17")
    assert (revoked.status, revoked.fail_info) == ("2", BAD_REQUEST)
    server.wait_log("event=scep_refused .*reason=revoked")


def test_with_a_certificate_goes_what_came_of_it_and_nothing_that_its_device_had_is_given_out(server, client, tmp_path):
    identity = client.enroll(mint(server))
    device = Device(server, identity, "STOLEN").enroll(UnlockToken=b"u" * 64)
    device.checkin("SetBootstrapToken", BootstrapToken=b"secret")
    spare = Client(server, tmp_path, identity=identity).enroll(csr_key=scep.make_key(), kind="17")
    another = Client(server, tmp_path, identity=spare).enroll(csr_key=scep.make_key(), kind="17")
    reply = server.api("POST", f"/api/v1/identities/{identity.sha256}/revoke").json()
    assert (reply["others_revoked"], reply["renewed_by"]) == (2, None)
    for thiefs in (identity, spare, another):
        thief = Device(server, thiefs, "STOLEN")
        assert [thief.authenticate().status, thief.token_update().status, thief.idle().status] == [403] * 3
        assert Client(server, tmp_path, identity=thiefs).ask(csr_key=scep.make_key(), kind="17").fail_info == BAD_REQUEST
        thief.close()
    assert server.device("STOLEN")["has_unlock_token"] is True
    device.close()


def test_a_device_goes_on_with_its_pin_when_a_former_one_is_revoked(server, client, tmp_path):
    identity = client.enroll(mint(server))
    device = Device(server, identity, "RENEWED").enroll()
    spare = Client(server, tmp_path, identity=identity).enroll(csr_key=scep.make_key(), kind="17")
    device.use(Client(server, tmp_path, identity=identity).enroll(csr_key=scep.make_key(), kind="17"))
    device.enroll()
    server.wait_log("event=renewed .*device=RENEWED")
    told = server.ctl("identity", "revoke", identity.sha256).stdout
    assert device.identity.sha256 in told and "goes on" in told
    assert device.idle().status == 200
    assert Device(server, spare, "RENEWED").authenticate().status == 403
    device.close()


def test_a_spare_of_before_a_renewal_takes_over_nothing_that_the_device_has(server, client, tmp_path):
    identity = client.enroll(mint(server))
    device = Device(server, identity, "SPARED").enroll(UnlockToken=b"u" * 64)
    spare = Client(server, tmp_path, identity=identity).enroll(csr_key=scep.make_key(), kind="17")
    device.use(Client(server, tmp_path, identity=identity).enroll(csr_key=scep.make_key(), kind="17"))
    device.enroll()
    assert server.device("SPARED")["has_unlock_token"] is True
    Device(server, spare, "SPARED").enroll()
    server.wait_log("event=re_enrolled .*device=SPARED")
    assert server.device("SPARED")["has_unlock_token"] is False
    assert device.idle().status == 403
    assert [alarm["kind"] for alarm in server.get("/api/v1/alarms")["alarms"]] == ["identity_conflict"]
    device.close()


def test_one_challenge_is_one_device(server, client, tmp_path):
    """A certificate for no device in particular is not renewed before a device has enrolled with it."""
    identity = client.enroll(mint(server))
    again = Client(server, tmp_path, identity=identity)
    assert again.ask(csr_key=scep.make_key(), kind="17").fail_info == BAD_REQUEST
    server.wait_log("event=scep_refused .*reason=not_enrolled")
    device = Device(server, identity, "THE-ONE")
    device.authenticate()
    assert again.ask(csr_key=scep.make_key(), kind="17").fail_info == BAD_REQUEST, "it is not enrolled yet"
    device.token_update()
    device.use(again.enroll(csr_key=scep.make_key(), kind="17"))
    device.enroll()
    server.wait_log("event=renewed .*device=THE-ONE")
    assert Device(server, device.identity, "ANOTHER").authenticate().status == 403
    device.close()


def test_a_renewal_by_a_stranger_is_refused(server, client):
    for kind in ("17", "18"):
        answer = client.ask(kind=kind, csr_key=scep.make_key(), transaction=kind)
        assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST)
    # Whoever signs with a key that is not the request's proves nothing, whatever challenge he knows.
    challenge = mint(server)
    assert client.ask(challenge, csr_key=scep.make_key()).status == "2"
    server.wait_log("event=scep_refused .*reason=stranger")
    assert issued(server) == 0
    client.enroll(challenge, transaction="honest")


# --- what cannot be used


def test_each_fail_info_of_messages_that_cannot_be_used(server, client, tmp_path):
    challenge = mint(server)
    stranger = scep.self_signed(scep.make_key(), "not the CA")
    content = scep.envelope(client.ca, scep.make_csr(client.key, challenge))
    damaged = bytearray(scep.sign(content, client.me, transaction=client.transaction))
    damaged[damaged.index(content[-32:]) + 8] ^= 1  # in the envelope, which is signed
    weak = Client(server, tmp_path, key=scep.make_key(512))
    wrong_csr = bytearray(scep.make_csr(client.key, challenge))
    wrong_csr[-1] ^= 1  # its signature
    long_nonce = client.message(challenge, nonce=b"n" * 65)
    for what, who, message, fail_info in (
            ("damaged", client, bytes(damaged), BAD_MESSAGE_CHECK),
            ("for another CA", client, client.message(challenge, ca=stranger.certificate), BAD_MESSAGE_CHECK),
            ("MD5", client, client.message(challenge, digest="MD5"), BAD_ALG),
            ("RC2", client, client.message(challenge, cipher="RC2"), BAD_ALG),
            ("no messageType", client, client.message(challenge, without=("messageType",)), BAD_REQUEST),
            ("no senderNonce", client, client.message(challenge, without=("senderNonce",)), BAD_REQUEST),
            ("a long nonce", client, long_nonce, BAD_REQUEST),
            ("messageType 3", client, client.message(challenge, kind="3"), BAD_REQUEST),
            ("no CSR", client, client.message(content=b"no CSR"), BAD_REQUEST),
            ("not signed by its key", client, client.message(content=bytes(wrong_csr)), None),
            ("a long challenge", client, client.message("x" * 256), BAD_REQUEST),
            ("512 bits", client, client.message(challenge, csr_key=weak.key), None)):
        answer = who.answer(who.post(message))
        assert answer.status == "2", what
        assert fail_info is None or answer.fail_info == fail_info, (what, answer.fail_info, answer.fail_text)
        assert answer.fail_info in (BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST), what
        assert answer.fail_text, what
    assert issued(server) == 0
    assert "reason=garbled" in server.wait_log("event=scep_refused")
    assert not [line for line in server.log if challenge in line]
    client.enroll(challenge)  # none of these took it


def test_a_key_that_is_too_short_or_too_long(server, client, tmp_path):
    challenge = mint(server)
    short, long = scep.make_key(512), scep.LongKey()
    for key, csr, identity in ((short, scep.make_csr(short, challenge), scep.self_signed(short)),
                               (long, long.csr(challenge), long.self_signed())):
        one = Client(server, tmp_path, key=key, identity=identity)
        for who, fail_info in ((one, BAD_ALG), (client, BAD_REQUEST)):
            answer = who.answer(who.post(who.message(content=csr, transaction="key")))
            assert (answer.status, answer.fail_info) == ("2", fail_info), answer.fail_text
            assert "2048" in answer.fail_text
    assert issued(server) == 0
    client.enroll(challenge)


def hostile(good):
    """What nobody should write where an ASN.1 value is wanted, well signed and encrypted."""
    return {
        "nothing": b"",
        "deep, indefinite": b"\x30\x80" * 30000,
        "deep, definite": nested(3000),
        "strings in strings": b"\x24\x80" * 20000,
        "longer than it is": b"\x30\x84\x7f\xff\xff\xff" + good,
        "of a length of many bytes": b"\x30\xff" + good * 2,
        "of no length": b"\x30",
        "cut": good[:-1],
        "followed": good + b"\0",
        "another type": b"\x31" + good[1:],
        "a large number": scep.sequence(scep.tlv(0x02, b"\x7f" * 30000)),
        "many values": scep.sequence(b"\x05\x00" * 15000),
        "no values": scep.sequence(),
    }


def nested(depth):
    der = b""
    for _ in range(depth):
        der = scep.sequence(der)
    return der


def test_hostile_asn1_in_the_envelope_and_in_place_of_it(server, client):
    challenge = mint(server)
    csr = scep.make_csr(client.key, challenge)
    for what, inside in hostile(csr).items():
        answer = client.ask(content=inside)
        assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST), (what, answer.fail_text)
        assert answer.fail_text
    for what, content in hostile(scep.envelope(client.ca, csr)).items():
        reply = client.post(scep.sign(content, client.me, transaction=client.transaction))
        answer = client.answer(reply)
        assert answer.status == "2" and answer.fail_info in (BAD_MESSAGE_CHECK, BAD_REQUEST), (what, answer.fail_info)
    issuer = scep.issuer_and_serial(client.ca)
    for kind in ("20", "21", "22"):
        for what, inside in hostile(issuer).items():
            answer = client.ask(kind=kind, content=inside)
            assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST), (kind, what, answer.fail_text)
    assert issued(server) == 0
    client.enroll(challenge)


def test_a_csr_with_hostile_attributes_and_names(server, client):
    """A CSR that its key signed, but of parts that are not as they should be."""
    challenge = mint(server)

    def csr(name=None, attributes=b"", key=None):
        name = scep.self_signed(client.key).certificate.subject.public_bytes() if name is None else name
        spki = client.key.public_key().public_bytes(serialization.Encoding.DER,
                                                    serialization.PublicFormat.SubjectPublicKeyInfo)
        what = scep.sequence(scep.integer(0), name, spki if key is None else key, scep.tlv(0xA0, attributes))
        signature = client.key.sign(what, padding.PKCS1v15(), hashes.SHA256())
        return scep.sequence(what, scep.algorithm("1.2.840.113549.1.1.11"), scep.tlv(0x03, b"\0" + signature))

    def attribute(*values):
        return scep.sequence(scep.oid("1.2.840.113549.1.9.7"), scep.tlv(0x31, *values))

    def rdn(value):
        return scep.sequence(scep.tlv(0x31, scep.sequence(scep.oid("2.5.4.3"), value)))

    text = scep.tlv(0x0C, challenge.encode())
    no_modulus = scep.sequence(scep.algorithm(scep.RSA), scep.tlv(0x03, b"\0", scep.sequence()))
    for what, content in (
            ("two challenges", csr(attributes=attribute(text, text))),
            ("a challenge twice", csr(attributes=attribute(text) * 2)),
            ("a challenge without a value", csr(attributes=attribute())),
            ("a challenge that is a number", csr(attributes=attribute(scep.integer(7)))),
            ("a challenge of half characters", csr(attributes=attribute(scep.tlv(0x1E, b"abc")))),
            ("a challenge that is no UTF-8", csr(attributes=attribute(scep.tlv(0x0C, b"\xff\xfe")))),
            ("no attribute", csr(attributes=b"\x05\x00")),
            ("a name that is no UTF-8", csr(name=rdn(scep.tlv(0x0C, b"\xff")), attributes=attribute(text))),
            ("a name that is a number", csr(name=scep.integer(1), attributes=attribute(text))),
            ("no name", csr(name=scep.sequence(), attributes=attribute(text))),
            ("a key without numbers", csr(key=no_modulus, attributes=attribute(text))),
            ("a key of another kind", csr(key=scep.sequence(scep.algorithm("1.2.3.4"), scep.tlv(0x03, b"\0")),
                                          attributes=attribute(text)))):
        answer = client.ask(content=content)
        assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST), (what, answer.fail_info, answer.fail_text)
    assert issued(server) == 0
    assert scep.common_name(client.enroll(content=csr(name=rdn(scep.tlv(0x0C, b"C")),
                                                      attributes=attribute(text))).certificate) == "C"


def test_what_is_no_pki_message_gets_400(server, client):
    challenge = mint(server)
    message = client.message(challenge)
    for query, body in (
            ("operation=PKIOperation", b"nonsense"),
            ("operation=PKIOperation", message[:-1]),
            ("operation=PKIOperation", message + b"\0"),
            ("operation=PKIOperation", client.message(challenge, without=("transactionID",))),
            ("operation=PKIOperation", client.message(challenge, transaction="t" * 257)),
            ("operation=PKIOperation", b"\x30\x80" * 60000),
            ("operation=PKIOperation", b"\x30\x84\xff\xff\xff\xff" + message),
            ("operation=PKIOperation&message=%21%21", b""),
            ("operation=PKIOperation&message=", b""),
            ("operation=PKIOperation", b""),
            ("operation=Unknown", message),
            ("", message)):
        reply = request(server, "POST", query, body)
        assert reply.status == 400, (query, reply)
        assert reply.headers["Content-Type"].startswith("text/plain")
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context())
    connection.putrequest("POST", "/scep?operation=PKIOperation")
    connection.putheader("Content-Length", "131073")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert request(server, "POST", "operation=PKIOperation", b"x" * 131072).status == 400
    assert issued(server) == 0
    assert not [line for line in server.log if challenge in line]
    client.enroll(challenge)


def test_a_challenge_tells_the_url_of_the_conf(make_server):
    server = make_server({"enroll.url": "https://mdm.example.org:4443/"}).start()
    assert server.api("POST", "/api/v1/enroll/challenges", {}).json()["url"] == "https://mdm.example.org:4443/scep"


def test_challenges_are_minted_with_bounds(server):
    for body, field in (({"expires_at": "yesterday"}, "expires_at"), ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
                        ({"expires_at": "2126-01-01T00:00:00Z"}, "expires_at"), ({"device_id": "x" * 257}, "device_id"),
                        ({"serial_number": "x" * 257}, "serial_number"), ({"unknown": 1}, "unknown")):
        reply = server.api("POST", "/api/v1/enroll/challenges", body)
        assert reply.status == 400 and field in reply.body.decode(), reply
    made = server.api("POST", "/api/v1/enroll/challenges", {"device_id": "x" * 256}).json()
    assert re.fullmatch("[0-9a-f]{40}", made["challenge"])
    assert made["url"] == f"https://localhost:{server.device_port}/scep"
    told = server.ctl("enroll", "challenge", "--device", "UDID-1", "--expires", "1h").stdout
    assert re.search("challenge +[0-9a-f]{40}", told) and "/scep" in told
