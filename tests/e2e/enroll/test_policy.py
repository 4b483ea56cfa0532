# SPDX-License-Identifier: Apache-2.0
"""The administrator's policy service, which may refuse a CSR of SCEP."""

import base64
import hashlib
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import scep
from harness.authority import Authority
from harness.device import Device
from harness.policy import PolicyService, allow, deny
from harness.scep import Client
from harness.server import run, wait_until

BAD_REQUEST = "2"
CALLS_MAX = 8  # POLICY_CALLS_MAX


def mint(server, **more):
    reply = server.api("POST", "/api/v1/enroll/challenges", more)
    assert reply.status == 201, reply
    return reply.json()["challenge"]


def counts(server):
    return server.get("/api/v1/status")["scep"]


@pytest.fixture(params=["unix", "https"])
def service(request, tmp_path):
    if request.param == "unix":
        made = PolicyService(unix_path=tmp_path / "policy.sock")
        made.conf = {}
    else:
        authority = Authority("Policy CA")
        identity = authority.issue("localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH, names=("localhost",))
        ca = tmp_path / "policy-ca.pem"
        ca.write_bytes(authority.certificate_pem())
        made = PolicyService(identity=identity.write(tmp_path / "policy.pem"))
        made.conf = {"enroll.policy_ca_file": ca}
    with made:
        yield made


@pytest.fixture
def make(make_server, service, tmp_path):
    """(server, client) with the service's conf."""
    def start(**more):
        server = make_server({"enroll.policy_url": service.url, **service.conf,
                              **{f"enroll.{key}": value for key, value in more.items()}}).start()
        return server, Client(server, tmp_path)
    return start


@pytest.fixture
def on_socket(make_server, tmp_path):
    """The same by a socket alone, for what does not differ."""
    with PolicyService(unix_path=tmp_path / "policy.sock") as service:
        def start(conf=None, **more):
            server = make_server({"enroll.policy_url": service.url, **(conf or {}),
                                  **{f"enroll.{key}": value for key, value in more.items()}}).start()
            return service, server, Client(server, tmp_path)
        yield start


def is_refused(answer):
    assert (answer.status, answer.fail_info) == ("2", BAD_REQUEST), answer.attributes
    return True


def test_it_is_asked_with_all_that_is_known_and_allows(service, make):
    server, client = make()
    challenge = mint(server, device_id="UDID-7", serial_number="C02XYZ")
    csr = scep.make_csr(client.key, challenge)
    identity = client.enroll(content=csr)
    (question,), (headers,) = service.questions, service.headers
    spki = client.key.public_key().public_bytes(serialization.Encoding.DER,
                                                serialization.PublicFormat.SubjectPublicKeyInfo)
    assert question == {
        "version": 1, "message": "PKCSReq", "transaction": client.transaction, "renewal": False,
        "subject": "CN=scep client", "key_sha256": hashlib.sha256(spki).hexdigest(), "way": "challenge",
        "device": "UDID-7", "serial_number": "C02XYZ", "user": None, "peer": question["peer"], "renews": None,
        "csr": base64.b64encode(csr).decode()}
    assert question["peer"] in ("127.0.0.1", "[::1]")
    assert headers["Content-Type"] == "application/json"
    assert headers["path"] == ("/" if service.url.startswith("unix:") else "/ask/scep")
    device = Device(server, identity, "UDID-7").enroll()
    # The same once more is no new certificate: nobody is asked.
    assert client.enroll(content=csr).sha256 == identity.sha256
    assert len(service.questions) == 1
    renewing = Client(server, client.folder, identity=identity)
    renewing.enroll(csr_key=scep.make_key(), kind="17")
    question = service.questions[1]
    assert (question["message"], question["renewal"], question["device"]) == ("RenewalReq", True, device.udid)
    assert question["renews"] == {"sha256": identity.sha256, "subject": "CN=scep client",
                                  "serial": f"{identity.certificate.serial_number:032x}"}
    assert question["way"] is None
    assert counts(server) == {"issued": 2, "repeated": 1, "refused": 0}


def test_it_denies_with_a_reason_and_nothing_is_used_up(service, make):
    server, client = make()
    challenge = mint(server)
    for answer, text in ((deny("not on the list: é"), "not on the list: é"), (deny(), "the policy service refuses it"),
                         (deny("x" * 300), "x" * 255), (deny("a\nb"), "a b")):
        service.answer = answer
        refused = client.ask(challenge)
        assert is_refused(refused) and refused.fail_text == text
    line = server.wait_log("event=scep_refused")
    assert "reason=policy" in line and "not on the list" in line and client.transaction in line
    assert challenge not in "".join(server.log)
    assert counts(server) == {"issued": 0, "repeated": 0, "refused": 4}
    service.answer = allow
    client.enroll(challenge)


def test_without_an_answer_the_client_comes_again_or_is_let_through(service, make):
    server, client = make(policy_timeout_s=8)  # for each of the answers but the last, which is late
    message = client.message(mint(server))
    gate = threading.Event()
    answers = [
        lambda question: (200, b"no JSON"),
        lambda question: (200, b""),
        lambda question: (200, b'{"decision":"maybe"}'),
        lambda question: (500, b'{"decision":"allow"}'),
        lambda question: (302, b'{"decision":"allow"}'),
        lambda question: (200, b'{"decision":"allow"}' + b" " * 20000),  # huge
        lambda question: (200, b"[" * 16000),
        lambda question: gate.wait(60) and allow(question),  # slow
    ]
    for answer in answers:
        service.answer = answer
        reply = client.post(message)
        assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0, reply
    gate.set()
    for text in ("no JSON", "decision", "HTTP status 500", "HTTP status 302", "larger than", "no answer within 8000 ms"):
        server.wait_log(f"event=policy_service_silent .*{text}")
    assert counts(server) == {"issued": 0, "repeated": 0, "refused": 0}
    service.answer = allow
    assert client.answer(client.post(message)).status == "0"


def test_when_it_is_gone_and_back(make_server, tmp_path):
    path = tmp_path / "policy.sock"
    server = make_server({"enroll.policy_url": f"unix:{path}"}).start()
    client = Client(server, tmp_path)
    for name in ("first", "second"):  # the second finds a kept connection that has ended
        message = client.message(mint(server), transaction=name)
        assert client.post(message).status == 503
        with PolicyService(unix_path=path):
            assert client.answer(client.post(message)).status == "0"
        path.unlink()
    assert counts(server) == {"issued": 2, "repeated": 0, "refused": 0}


def test_silence_is_allowed_where_the_conf_says_so_and_a_refusal_still_refuses(on_socket):
    service, server, client = on_socket(policy_when_silent="allow", policy_timeout_s=60)
    service.answer = lambda question: (200, b"nonsense")
    client.enroll(mint(server))
    server.wait_log("event=policy_service_silent")
    service.answer = deny("no")
    assert is_refused(client.ask(mint(server), transaction="other"))


def test_a_service_that_is_not_whom_the_conf_trusts_is_not_heard(make_server, tmp_path):
    identity = Authority("Other CA").issue("localhost", usage=ExtendedKeyUsageOID.SERVER_AUTH, names=("localhost",))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Authority("Policy CA").certificate_pem())
    with PolicyService(identity=identity.write(tmp_path / "policy.pem")) as service:
        for conf in ({"enroll.policy_ca_file": ca}, {}):  # without, it is the system's CAs
            server = make_server({"enroll.policy_url": service.url, **conf}).start()
            client = Client(server, tmp_path)
            assert client.post(client.message(mint(server))).status == 503
            server.wait_log("event=policy_service_silent")
            assert service.questions == []


def test_a_storm_makes_so_many_calls_at_once_and_the_same_question_one(on_socket):
    service, server, client = on_socket(policy_timeout_s=60)
    gate = threading.Event()
    service.answer = lambda question: gate.wait(60) and allow(question)
    clients = [Client(server, client.folder, key=client.key) for _ in range(3 * CALLS_MAX)]
    messages = [one.message(mint(server)) for one in clients]
    same = clients[0].message(mint(server))
    with ThreadPoolExecutor(64) as pool:
        twins = [pool.submit(clients[0].post, same) for _ in range(5)]
        wait_until(lambda: service.now == 1, "the first question")
        others = [pool.submit(one.post, message) for one, message in zip(clients[1:], messages[1:])]
        wait_until(lambda: service.now == CALLS_MAX, "as many as may be")
        # Polls are not in the way, nor they in theirs.
        device = Device(server, None)
        assert server.get("/api/v1/status")["scep"]["issued"] == 0
        device.close()
        gate.set()
        assert {one.result(120).status for one in twins + others} == {200}
    assert service.most == CALLS_MAX
    asked = [question["transaction"] for question in service.questions]
    assert asked.count(clients[0].transaction) == 1
    assert len({clients[0].answer(one.result()).certificate for one in twins}) == 1
    assert len(asked) == len(set(asked)) == len(clients)
    assert counts(server)["issued"] == len(clients)


def test_past_the_bound_of_those_who_wait_clients_come_again(on_socket):
    service, server, client = on_socket({"device.threads": 2, "server.signing_percent": 100,
                                         "device.connections_per_address": 0}, policy_timeout_s=60)
    gate = threading.Event()
    service.answer = lambda question: gate.wait(60) and allow(question)
    challenge = mint(server)
    messages = [client.message(challenge, transaction=f"t{i}") for i in range(300)]
    with ThreadPoolExecutor(300) as pool:
        replies = [pool.submit(client.post, message) for message in messages]
        wait_until(lambda: sum(one.done() for one in replies) >= 300 - 256, "those who are too many")
        assert all(one.result().status == 503 for one in replies if one.done())
        gate.set()
        statuses = [one.result(120).status for one in replies]
    assert statuses.count(503) == 300 - 256
    assert service.most == CALLS_MAX


def status_of(reply):
    """None where the connection ended first: the client comes again as well."""
    try:
        return reply.result(60).status
    except (http.client.HTTPException, OSError):
        return None


def test_a_stop_does_not_wait_for_it_and_lets_nobody_through(on_socket):
    service, server, client = on_socket({"server.drain_s": 1}, policy_timeout_s=60, policy_when_silent="allow")
    before = server.signer()["jobs_total"]
    gate = threading.Event()
    service.answer = lambda question: gate.wait(60) and allow(question)
    try:
        with ThreadPoolExecutor(20) as pool:
            replies = [pool.submit(one.post, one.message(mint(server)))
                       for one in (Client(server, client.folder, key=client.key) for _ in range(2 * CALLS_MAX))]
            wait_until(lambda: service.now == CALLS_MAX and
                       server.get("/api/v1/status")["signer"]["jobs_total"] - before == 2 * CALLS_MAX, "all ask or wait")
            server.stop()
            assert {status_of(one) for one in replies} <= {503, None}
    finally:
        gate.set()
    server.start()
    assert counts(server)["issued"] == 0


def test_a_revoked_identity_and_a_wrong_challenge_are_refused_without_asking(on_socket):
    service, server, client = on_socket()
    assert is_refused(client.ask("0" * 40))
    assert client.post(b"nonsense").status == 400
    assert service.questions == []


@pytest.mark.parametrize("conf, text", [
    ({"enroll.policy_url": "http://policy.example/"}, "policy_url"),
    ({"enroll.policy_url": "unix:run/x"}, "policy_url"),
    ({"enroll.policy_url": "https://a@b/"}, "policy_url"),
    ({"enroll.policy_url": "https://a/", "enroll.policy_ca_file": "/dev/null"}, "policy_ca_file"),
    ({"enroll.policy_url": "https://a/", "enroll.policy_ca_file": "/nonexistent"}, "policy_ca_file"),
    ({"enroll.policy_timeout_s": 61}, "policy_timeout_s"),
    ({"enroll.policy_when_silent": "perhaps"}, "policy_when_silent"),
])
def test_a_conf_that_cannot_be_used_names_its_key(make_server, conf, text):
    server = make_server(conf)
    server.write_conf()
    done = run("pomonad", "-c", server.conf_path, "-t", check=False)
    assert done.returncode == 78 and text in done.stdout + done.stderr, (done.stdout, done.stderr)
