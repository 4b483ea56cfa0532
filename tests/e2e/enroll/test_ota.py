# SPDX-License-Identifier: Apache-2.0
"""Enrollment over the air (Profile Service), phases 1 to 3: what a device does that Apple made, and what those get who
pose as one. The profiles are read by Python and verified by openssl."""

import http.client
import plistlib
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.apple import CONTENT_TYPE, AppleChain, machine_info
from harness.device import TOPIC, Device
from harness.scep import Client, make_key
from harness.server import Reply
from harness.signing import sign_der

from test_profile import opened, payload, set_push_cert
from test_scep import issued

PATH = "/api/v1/enroll/ota"
SERIAL = "TESTSERIAL01"


@pytest.fixture(scope="module")
def apple():
    return AppleChain()


@pytest.fixture(scope="module")
def factory(apple):
    """The identity that a device was made with."""
    return apple.device()


@pytest.fixture
def server(make_server, apple):
    server = make_server({"enroll.organization": "Orchard"}).start()
    set_push_cert(server)
    apple.import_into(server)
    return server


def post(server, body, path="/enroll/ota", content_type=CONTENT_TYPE):
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context(),
                                             timeout=60)
    connection.request("POST", path, body=body, headers={"Content-Type": content_type})
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


class Walk:
    """One device on its way in."""

    def __init__(self, server, apple, factory, folder, **order):
        self.server, self.apple, self.factory, self.folder = server, apple, factory, folder
        self.udid = str(uuid.uuid4()).upper()
        reply = server.api("POST", PATH, order)
        assert reply.status == 201, reply
        assert reply.headers["Content-Type"] == "application/x-apple-aspen-config"
        assert reply.headers["Cache-Control"] == "no-store"
        self.service = opened(server, reply.body, folder)
        self.challenge = self.service["PayloadContent"]["Challenge"]

    def info(self, **more):
        return {**machine_info(self.udid, SERIAL), "CHALLENGE": self.challenge, **more}

    def given(self, reply):
        assert reply.status == 200, reply
        assert reply.headers["Content-Type"] == "application/x-apple-aspen-config"
        assert reply.headers["Cache-Control"] == "no-store"
        return opened(self.server, reply.body, self.folder)

    def phase_2(self, **more):
        return post(self.server, self.apple.sign(self.factory, self.info(**more)))

    def identity_by(self, profile):
        content = payload(profile, "com.apple.security.scep")["PayloadContent"]
        assert content["URL"] == f"https://localhost:{self.server.device_port}/scep"
        return Client(self.server, self.folder).enroll(content["Challenge"])

    def phase_3(self, identity, **more):
        return post(self.server, sign_der(identity, plistlib.dumps(self.info(**more)), "-nodetach"))

    def to_identity(self):
        return self.identity_by(self.given(self.phase_2()))


@pytest.fixture
def walk(server, apple, factory, tmp_path):
    return Walk(server, apple, factory, tmp_path)


def refused(server, reply, reason, status=403):
    assert reply.status == status, (reason, reply)
    assert "WWW-Authenticate" not in reply.headers
    server.wait_log(f"event=ota_refused .*reason={reason} ")


def to_first_answer(server, udid, identity, mdm):
    device = Device(server, identity, udid)
    assert device.authenticate(Topic=mdm["Topic"]).status == 200
    assert device.token_update(Topic=mdm["Topic"]).status == 200
    sent = server.enqueue([udid], {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command, QueryResponses={"OSVersion": "18.1"}) is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]["state"] == "done"
    device.close()


def test_from_phase_1_to_the_first_answered_command(server, walk):
    service = walk.service
    assert service["PayloadType"] == "Profile Service" and service["PayloadOrganization"] == "Orchard"
    assert service["PayloadContent"]["URL"] == f"https://localhost:{server.device_port}/enroll/ota"
    assert service["PayloadContent"]["DeviceAttributes"] == ["UDID", "SERIAL", "PRODUCT", "VERSION"]
    first = walk.given(walk.phase_2())
    assert [one["PayloadType"] for one in first["PayloadContent"]] == ["com.apple.security.scep"]
    assert payload(first, "com.apple.security.scep")["PayloadContent"]["Subject"][-1] == [["CN", walk.udid]]
    identity = walk.identity_by(first)
    last = walk.given(walk.phase_3(identity))
    assert last["PayloadIdentifier"] == "localhost.pomona" != first["PayloadIdentifier"]
    mdm = payload(last, "com.apple.mdm")
    assert mdm["Topic"] == TOPIC and mdm["ServerURL"] == f"https://localhost:{server.device_port}/mdm"
    to_first_answer(server, walk.udid, walk.identity_by(last), mdm)
    assert server.get("/api/v1/status")["ota"] == {"begun": 1, "finished": 1, "refused": 0}
    server.wait_log(f"event=ota_begun .*device={walk.udid} ")
    server.wait_log(f"event=ota_finished .*device={walk.udid} ")
    assert not any(walk.challenge in line for line in server.log), "a secret in the log"


def test_newer_devices_sign_with_an_ec_key_and_some_bring_no_chain(server, apple, tmp_path):
    walk = Walk(server, apple, apple.ec_device(), tmp_path)
    reply = post(server, sign_der(walk.factory, plistlib.dumps(walk.info()), "-nodetach", "-md", "sha256"))
    assert "com.apple.security.scep" in str(walk.given(reply))


def test_pomonactl_makes_the_profile_and_it_is_for_one_device(server, apple, factory, tmp_path):
    udid, path = str(uuid.uuid4()).upper(), tmp_path / "ota.mobileconfig"
    server.ctl("enroll", "ota", "--device", udid, "--serial", SERIAL, "--expires", "1h", "--out", path)
    assert path.stat().st_mode & 0o777 == 0o600
    server.wait_log("event=admin_change .*what=create_ota ")
    challenge = opened(server, path.read_bytes(), tmp_path)["PayloadContent"]["Challenge"]
    walk = Walk(server, apple, factory, tmp_path)
    refused(server, walk.phase_2(CHALLENGE=challenge), "wrong_device")
    walk.udid = udid
    refused(server, walk.phase_2(CHALLENGE=challenge, SERIAL="ANOTHER"), "wrong_device")
    assert walk.phase_2(CHALLENGE=challenge).status == 200
    assert server.ctl("enroll", "ota", check=False).returncode == 64


def test_phase_3_is_answered_once_and_its_identity_is_of_no_use_then(server, walk):
    identity = walk.to_identity()
    message = sign_der(identity, plistlib.dumps(walk.info()), "-nodetach")
    assert post(server, message).status == 200
    refused(server, post(server, message), "replayed")
    refused(server, walk.phase_2(), "used_challenge")
    device = Device(server, identity, walk.udid)
    assert device.authenticate().status == 403
    device.close()
    assert issued(server) == 1


def test_the_identity_between_the_visits_is_for_the_second_alone(server, walk, tmp_path):
    identity = walk.to_identity()
    device = Device(server, identity, walk.udid)
    assert device.authenticate().status == 403
    device.close()
    assert server.refusals()[0]["reason"] == "interim_identity"
    assert Client(server, tmp_path, identity=identity).ask(csr_key=make_key(), kind="17").status == "2"
    server.wait_log("event=scep_refused .*reason=stranger ")
    assert walk.phase_3(identity).status == 200
    assert issued(server) == 1


def test_a_file_is_for_one_device_and_a_repeat_voids_what_was_given_before(server, walk):
    identity = walk.to_identity()
    refused(server, walk.phase_2(UDID="ANOTHER"), "used_challenge")
    refused(server, walk.phase_2(SERIAL="ANOTHER"), "used_challenge")
    second = walk.to_identity()
    refused(server, walk.phase_3(identity), "not_ota")
    assert walk.phase_3(second).status == 200


def test_of_several_messages_of_phase_3_at_once_one_is_answered(server, walk):
    message = sign_der(walk.to_identity(), plistlib.dumps(walk.info()), "-nodetach")
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(reply.status for reply in pool.map(lambda _: post(server, message), range(8)))
    assert statuses == [200] + 7 * [403]


def test_phase_3_belongs_to_its_phase_2(server, apple, factory, walk, tmp_path):
    (tmp_path / "other").mkdir()
    other = Walk(server, apple, factory, tmp_path / "other")
    identity, others = walk.to_identity(), other.to_identity()
    refused(server, walk.phase_3(others), "wrong_challenge")
    refused(server, walk.phase_3(identity, UDID=other.udid), "wrong_device")
    refused(server, walk.phase_3(identity, SERIAL="ANOTHER"), "wrong_device")
    minted = server.api("POST", "/api/v1/enroll/challenges", {"device_id": walk.udid}).json()["challenge"]
    refused(server, walk.phase_3(Client(server, tmp_path).enroll(minted)), "not_ota")
    assert walk.phase_3(identity).status == 200 == other.phase_3(others).status


def test_the_challenge_of_phase_1_gets_no_identity_by_scep(server, walk, tmp_path):
    answer = Client(server, tmp_path).ask(walk.challenge)
    assert answer.status == "2"
    server.wait_log("event=scep_refused .*reason=wrong_challenge ")
    assert issued(server) == 0


def test_a_device_that_lost_the_answer_asks_again_and_another_may_not(server, apple, walk):
    first = walk.given(walk.phase_2())
    refused(server, post(server, apple.sign(apple.device(), walk.info())), "used_challenge")
    again = walk.given(walk.phase_2())
    lost = payload(first, "com.apple.security.scep")["PayloadContent"]["Challenge"]
    assert Client(server, walk.folder).ask(lost).status == "2"
    assert walk.phase_3(walk.identity_by(again)).status == 200


def test_who_poses_as_a_device_of_apples_gets_nothing(server, apple, factory, walk):
    stranger = AppleChain()
    body = plistlib.dumps(walk.info())
    refused(server, post(server, stranger.sign(stranger.device(), walk.info())), "not_apple")
    refused(server, post(server, sign_der(stranger.device(), body, "-nodetach", "-certfile", _chain(walk, apple))),
            "not_apple")
    signed = apple.sign(factory, walk.info())
    refused(server, post(server, signed.replace(walk.udid.encode(), str(uuid.uuid4()).upper().encode())),
            "not_signed", 400)
    refused(server, post(server, apple.sign(apple.device(key=_rsa(512)), walk.info(), "-md", "sha1")), "weak")
    refused(server, walk.phase_2(CHALLENGE="0" * 40), "wrong_challenge")
    without = walk.info()
    del without["CHALLENGE"]
    refused(server, post(server, apple.sign(factory, without)), "no_challenge")
    assert issued(server) == 0 and server.get("/api/v1/status")["ota"]["begun"] == 0
    assert walk.phase_2().status == 200  # and it has spoilt nothing


def _chain(walk, apple):
    path = walk.folder / "chain.pem"
    path.write_bytes(apple.pem())
    return str(path)


def _rsa(bits):
    from cryptography.hazmat.primitives.asymmetric import rsa
    return rsa.generate_private_key(65537, bits)


def test_what_is_no_such_message_is_refused_with_400(server, apple, factory, walk):
    info = walk.info()
    nameless = {key: value for key, value in info.items() if key != "UDID"}
    many = b"".join(AppleChain(str(i)).pem() for i in range(6))  # 18 certificates
    (walk.folder / "many.pem").write_bytes(many)
    bodies = [b"", b"junk", plistlib.dumps(info), apple.sign(factory, info)[:-7], apple.sign(factory, b"no list"),
              apple.sign(factory, nameless), apple.sign(factory, {**info, "UDID": 7}), apple.sign(factory, {**info, "UDID": ""}),
              apple.sign(factory, {**info, "UDID": "x" * 257}), apple.sign(factory, {**info, "CHALLENGE": "x" * 257}),
              sign_der(factory, plistlib.dumps(info)),  # apart
              sign_der(factory, plistlib.dumps(info), "-nodetach", more=[apple.device()]),
              sign_der(factory, plistlib.dumps(info), "-nodetach", "-certfile", str(walk.folder / "many.pem"))]
    for number, body in enumerate(bodies):
        reply = post(server, body)
        assert reply.status == 400, (number, reply)
    server.wait_log("event=ota_refused .*reason=garbled ")
    assert server.get("/api/v1/status")["ota"]["refused"] == len(bodies)
    assert post(server, b"x" * 65536).status == 400
    connection = http.client.HTTPSConnection("localhost", server.device_port, context=server.client_context(),
                                             timeout=60)
    connection.putrequest("POST", "/enroll/ota")
    connection.putheader("Content-Length", "65537")
    connection.endheaders()
    assert connection.getresponse().status == 413  # at once: none of the body was sent
    connection.close()


def test_without_an_import_nobody_is_let_in_and_an_import_counts_at_once(make_server, apple, factory, tmp_path):
    server = make_server().start()
    set_push_cert(server)
    walk = Walk(server, apple, factory, tmp_path)
    refused(server, walk.phase_2(), "no_apple_ca")
    apple.import_into(server)
    assert walk.phase_2().status == 200
    assert server.api("DELETE", "/api/v1/apple-cas/" + apple.device_ca.sha256).status == 204
    refused(server, walk.phase_2(), "not_apple")


def test_an_intermediate_that_is_not_imported_is_no_help(make_server, apple, factory, tmp_path):
    server = make_server().start()
    set_push_cert(server)
    body = {"pem": (apple.root.certificate_pem() + apple.middle.certificate_pem()).decode(),
            "fingerprints": [apple.root.sha256, apple.middle.sha256]}
    assert server.api("POST", "/api/v1/apple-cas", body).status == 201
    refused(server, Walk(server, apple, factory, tmp_path).phase_2(), "not_apple")


def test_without_tls_only_a_proxy_may_bring_it(make_server, apple, factory, tmp_path):
    for number, (conf, status) in enumerate((({}, 403), ({"device.proxies": "127.0.0.1"}, 200))):
        server = make_server({"device.listen_plain": "127.0.0.1:0", **conf}).start()
        set_push_cert(server)
        apple.import_into(server)
        (tmp_path / str(number)).mkdir()
        walk = Walk(server, apple, factory, tmp_path / str(number))
        connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60)
        connection.request("POST", "/enroll/ota", apple.sign(factory, walk.info()),
                           {"Content-Type": CONTENT_TYPE, "X-Forwarded-For": "192.0.2.7"})
        reply = Reply(connection.getresponse())
        connection.close()
        assert reply.status == status, reply
        if status == 403:
            refused(server, reply, "plain")


def test_the_last_profile_can_be_for_the_eyes_of_its_device_alone(server, walk):
    server.conf["enroll.ota_encrypt"] = "yes"
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    identity = walk.to_identity()
    last = walk.given(walk.phase_3(identity))
    assert last["IsEncrypted"] is True and "PayloadContent" not in last
    (walk.folder / "sealed.der").write_bytes(last["EncryptedPayloadContent"])
    identity.write(walk.folder / "me.pem")
    done = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", walk.folder / "sealed.der", "-recip",
                           walk.folder / "me.pem", "-binary"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    profile = {"PayloadContent": plistlib.loads(done.stdout)}
    to_first_answer(server, walk.udid, walk.identity_by(profile), payload(profile, "com.apple.mdm"))


def test_what_cannot_be_made_is_refused_with_what_to_do(make_server):
    server = make_server({"enroll.scep": "off"}).start()
    reply = server.api("POST", PATH, {})
    assert reply.status == 409 and "[enroll] scep" in reply.json()["detail"]
    for body, field in (({"expires_at": "x"}, "expires_at"), ({"device_id": "x" * 257}, "device_id")):
        reply = server.api("POST", PATH, body)
        assert reply.status == 400 and field in reply.json()["detail"], reply
