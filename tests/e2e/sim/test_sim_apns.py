# SPDX-License-Identifier: Apache-2.0
"""APNs as the simulator plays it, judged by curl and by an HTTP/2 client of python3-h2 and Python's ssl."""

import json
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import time
import uuid

import h2.errors
import h2.settings
import pytest

from h2_client import H2Client, context_for
from harness.apns import Apns
from harness.server import run

TOKEN = b"\xab" * 32
STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apns") / "sim"
    run("pomona-sim", "ca", "--dir", folder)
    return folder


@pytest.fixture
def make_apns(folder):
    made = []

    def make(*words, **faults):
        made.append(Apns(folder, *words))
        return made[-1].start(**faults)

    yield make
    for apns in made:
        apns.stop()


@pytest.fixture
def apns(make_apns):
    return make_apns("--seed", "5")


@pytest.fixture
def client(apns):
    with H2Client(apns) as client:
        yield client


def curl(apns, *words, path="/3/device/" + TOKEN.hex(), cert=True):
    """Gives status, headers by lower-case name, and body."""
    own = ["--cert", str(apns.push_pem)] if cert else []
    result = subprocess.run(
        ["curl", "-sS", "-i", "--http2", "--cacert", str(apns.ca_pem), *own, *words,
         f"https://localhost:{apns.port}{path}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    head, _, body = result.stdout.replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    assert lines[0].startswith("HTTP/2 ")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


# The plain case

def test_curl_pushes_and_the_push_is_told_afterwards(apns):
    before = time.time()
    status, headers, body = curl(apns, "-d", '{"mdm":"0A1B"}', "-H", f"apns-topic: {apns.topic}", "-H",
                                 "apns-push-type: mdm", "-H", "apns-priority: 5", "-H", "apns-expiration: 1800000000")
    assert (status, body) == (200, "")
    assert uuid.UUID(headers["apns-id"]).version == 4
    push, = apns.pushes()
    at_ms = push.pop("at_ms")
    assert before * 1000 - 1 <= at_ms <= time.time() * 1000 + 1
    assert push == {"seq": 1, "token": TOKEN.hex(), "topic": apns.topic, "magic": "0A1B", "priority": 5,
                    "expiration": 1800000000, "push_type": "mdm", "status": 200, "reason": "",
                    "apns_id": headers["apns-id"].upper(), "connection": 1, "woken": False}
    assert apns.stats()["accepted"] == 1


def test_an_apns_id_is_echoed_as_it_was_sent(client):
    sent = "123e4567-e89b-12d3-a456-426614174abc"
    assert client.push(apns_id=sent).headers["apns-id"] == sent


def test_many_pushes_share_a_connection_and_only_the_latest_are_kept(make_apns):
    apns = make_apns("--keep", "10")
    with H2Client(apns) as client:
        streams = [client.send(bytes([i]) * 32) for i in range(50)]
        assert {client.answer(stream).status for stream in streams} == {200}
    pushes = apns.pushes()
    assert [push["seq"] for push in pushes] == list(range(41, 51))
    assert [push["token"] for push in pushes] == [(bytes([i]) * 32).hex() for i in range(40, 50)]
    assert [push["seq"] for push in apns.pushes(after=48)] == [49, 50]
    assert apns.stats()["pushes"] == 50


# TLS

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_server_is_known_by_name_and_by_address(apns, host):
    with H2Client(apns, host=host) as client:
        assert client.push().status == 200


def hand_shake(apns, context):
    """The failure of a handshake, or None. In TLS 1.3 it is told by the first read."""
    with socket.create_connection(("127.0.0.1", apns.port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.settimeout(60)
                return "closed" if tls.recv(1) == b"" else None
        except (ssl.SSLError, ConnectionResetError) as error:
            return str(error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused_and_1_2_and_1_3_are_spoken(apns):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_for(apns, apns.push_pem, minimum_version=version, maximum_version=version)
        assert hand_shake(apns, context) is None
    old = context_for(apns, apns.push_pem, minimum_version=ssl.TLSVersion.TLSv1_1,
                      maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert "PROTOCOL_VERSION" in hand_shake(apns, old)


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_who_does_not_offer_h2_is_refused(apns, protocols):
    context = ssl.create_default_context(cafile=str(apns.ca_pem))
    context.load_cert_chain(str(apns.push_pem))
    if protocols:
        context.set_alpn_protocols(protocols)
    assert hand_shake(apns, context) is not None
    assert apns.stats()["handshakes_failed"] == 1


def test_a_certificate_of_another_ca_is_refused(apns, authority, tmp_path):
    pem = authority.issue("not Apple's").write(tmp_path / "foreign.pem")
    assert "alert" in hand_shake(apns, context_for(apns, pem)).lower()


def test_an_expired_push_certificate_is_refused_by_an_alert(apns):
    pem = apns.make_push_pem("expired.pem", "--expired")
    assert "expired" in hand_shake(apns, context_for(apns, pem)).lower()


def test_without_a_certificate_a_provider_token_is_missed(apns):
    assert curl(apns, "-d", '{"mdm":"x"}', cert=False)[::2] == (403, '{"reason":"MissingProviderToken"}')


def test_for_benches_no_certificate_is_asked_for_and_any_topic_is_taken(make_apns):
    apns = make_apns("--no-client-cert")
    with H2Client(apns, pem=None) as client:
        assert client.push(apns_topic="com.apple.mgmt.any").status == 200
        assert client.push(apns_topic=None).reason == "MissingTopic"


def test_a_push_certificate_for_another_topic_pushes_to_that_topic_only(apns):
    other = "com.apple.mgmt.External.other"
    pem = apns.make_push_pem("other.pem", "--topic", other, "--days", "30")
    with H2Client(apns, pem=pem) as client:
        assert client.push().reason == "TopicDisallowed"
        assert client.push(apns_topic=other).status == 200
        assert client.push(apns_topic=None).status == 200
    assert apns.pushes()[-1]["topic"] == other


# The checks

@pytest.mark.parametrize("changes, status, reason", [
    ({"method": "GET"}, 405, "MethodNotAllowed"),
    ({"path": "/4/device/ab"}, 404, "BadPath"),
    ({"path": "/3/device/"}, 400, "MissingDeviceToken"),
    ({"path": "/3/device/xy"}, 400, "BadDeviceToken"),
    ({"path": "/3/device/" + "AB" * 32}, 400, "BadDeviceToken"),
    ({"apns_id": "123"}, 400, "BadMessageId"),
    ({"apns_expiration": "soon"}, 400, "BadExpirationDate"),
    ({"apns_priority": "7"}, 400, "BadPriority"),
    ({"apns_collapse_id": "x" * 65}, 400, "BadCollapseId"),
    ({"apns_push_type": "alert"}, 400, "InvalidPushType"),
    ({"apns_topic": "no topic"}, 400, "BadTopic"),
    ({"apns_topic": "com.apple.mgmt.Else"}, 400, "TopicDisallowed"),
    ({"body": b""}, 400, "PayloadEmpty"),
    ({"body": b'{"aps":{},"mdm":"x"}'}, 400, "PayloadEmpty"),
    ({"body": b'{"mdm":"' + b"x" * 4087 + b'"}'}, 413, "PayloadTooLarge"),
])
def test_what_apple_would_refuse_is_refused_with_its_words(client, changes, status, reason):
    answer = client.push(**changes)
    assert (answer.status, answer.reason) == (status, reason)
    assert uuid.UUID(answer.headers["apns-id"])
    assert client.push().status == 200


def test_a_field_that_comes_twice_is_refused(client):
    headers = client.headers(TOKEN)
    assert client.push(headers=headers + [("apns-priority", "10")]).reason == "DuplicateHeaders"


def test_what_may_be_left_out_is_not_missed(client):
    assert client.push(apns_topic=None, apns_push_type=None, apns_priority=None, apns_expiration=None).status == 200
    push = client.apns.pushes()[0]
    assert (push["topic"], push["priority"], push["expiration"]) == (client.apns.topic, 10, -1)


def test_a_magic_that_needs_escapes_is_read_as_it_was_meant(client):
    magic = 'a"b\\c\u00e9\U0001f34e/'
    for body in (json.dumps({"mdm": magic}), json.dumps({"mdm": magic}, ensure_ascii=False, indent=1)):
        assert client.push(body=body.encode()).status == 200
    assert [push["magic"] for push in client.apns.pushes()] == [magic, magic]


# Faults

def reasons_of_apple():
    from_the_reference = {
        400: "BadCollapseId BadDeviceToken BadExpirationDate BadMessageId BadPriority BadTopic DeviceTokenNotForTopic "
             "DuplicateHeaders IdleTimeout InvalidPushType MissingDeviceToken MissingTopic PayloadEmpty TopicDisallowed",
        403: "BadCertificate BadCertificateEnvironment ExpiredProviderToken Forbidden InvalidProviderToken "
             "MissingProviderToken UnrelatedKeyIdInToken BadEnvironmentKeyIdInToken BadEnvironmentKeyInToken",
        404: "BadPath", 405: "MethodNotAllowed", 410: "ExpiredToken Unregistered", 413: "PayloadTooLarge",
        429: "TooManyProviderTokenUpdates TooManyRequests", 500: "InternalServerError",
        503: "ServiceUnavailable Shutdown"}
    return [(status, reason) for status, reasons in from_the_reference.items() for reason in reasons.split()]


def test_every_reason_can_be_given_and_has_apples_status(client):
    for status, reason in reasons_of_apple():
        client.apns.set(reason=reason)
        answer = client.push()
        assert (answer.status, answer.reason) == (status, reason)
        assert ("timestamp" in json.loads(answer.body)) == (status == 410)
    client.apns.clear()
    assert client.push().status == 200


def test_a_reason_comes_at_its_rate(client):
    client.apns.set(reason="TooManyRequests", rate_percent=20, retry_after_s=7)
    streams = [client.send() for _ in range(500)]
    refused = [answer for answer in map(client.answer, streams) if answer.status == 429]
    assert 50 < len(refused) < 150  # by the seed; six standard deviations
    assert {answer.headers["retry-after"] for answer in refused} == {"7"}


def test_a_fault_ends_after_its_count(client):
    client.apns.set(status=503, count=2)
    assert [client.push().status for _ in range(4)] == [503, 503, 200, 200]


def test_faults_may_be_there_from_the_start(make_apns):
    apns = make_apns(reason="Unregistered", timestamp_ms=1234567890123)
    with H2Client(apns) as client:
        assert json.loads(client.push().body) == {"reason": "Unregistered", "timestamp": 1234567890123}


def test_one_token_may_have_an_answer_of_its_own(client):
    apns = client.apns
    apns.token(TOKEN, reason="Unregistered", timestamp_ms=99)
    assert json.loads(client.push().body) == {"reason": "Unregistered", "timestamp": 99}
    assert client.push(b"\xcd" * 32).status == 200
    apns.token(TOKEN, 418, reason="Teapot")
    assert (client.push().status, apns.pushes()[-1]["reason"]) == (418, "Teapot")
    assert "retry-after" not in client.push().headers
    apns.token(TOKEN, reason="TooManyRequests", retry_after_s=7)
    assert client.push().headers["retry-after"] == "7"
    apns.token(TOKEN, 200)
    assert client.push().status == 200


def test_goaway_names_the_last_stream_that_was_taken(client):
    client.apns.set(mute=True)
    streams = [client.send() for _ in range(3)]
    client.apns.wait_pushes(3)
    client.apns.goaway("all", reason="Shutdown")
    client.wait("GOAWAY", lambda: client.goaway)
    assert client.goaway.last_stream_id == streams[-1]
    assert client.goaway.error_code == h2.errors.ErrorCodes.NO_ERROR
    assert json.loads(client.goaway.additional_data) == {"reason": "Shutdown"}


def test_goaway_may_say_that_nothing_was_taken(client):
    client.apns.set(mute=True)
    client.send()
    client.apns.wait_pushes(1)
    client.apns.goaway("none")
    client.wait("GOAWAY", lambda: client.goaway)
    assert (client.goaway.last_stream_id, client.goaway.additional_data) == (0, None)
    client.wait_closed()


def test_the_connection_ends_once_all_is_answered_after_goaway(client):
    assert client.push().status == 200
    client.apns.goaway()
    client.wait_closed()
    client.apns.wait(lambda: client.apns.stats()["open"] == 0, "end of the connection")


def test_goaway_every_n_pushes_leaves_the_later_ones_untaken(client):
    client.apns.set(goaway_every=3)
    client.wait("SETTINGS", lambda: client.settings)
    streams = [client.send(is_flushed=False) for _ in range(5)]  # in one write
    client.flush()
    client.wait("GOAWAY", lambda: client.goaway)
    assert client.goaway.last_stream_id == streams[2]
    client.wait_closed()
    assert client.apns.stats()["pushes"] == 3


def test_reset_every_n_pushes_cuts_the_connection_without_an_answer(client):
    client.apns.set(reset_every=2)
    assert client.push().status == 200
    client.send()
    client.wait_closed()
    assert [push["status"] for push in client.apns.pushes()] == [200, 0]
    assert client.apns.stats()["resets"] == 1


def test_reset_cuts_every_connection(apns):
    with H2Client(apns) as one, H2Client(apns) as two:
        assert one.push().status == two.push().status == 200
        apns.reset()
        one.wait_closed()
        two.wait_closed()
    assert apns.stats()["resets"] == 2


def test_refused_streams_are_not_taken(client):
    client.apns.set(refuse_every=2)
    assert client.push().status == 200
    assert client.push().reset_code == h2.errors.ErrorCodes.REFUSED_STREAM
    assert client.push().status == 200
    stats = client.apns.stats()
    assert (stats["pushes"], stats["refused"]) == (2, 1)


def test_muted_pushes_are_never_answered_but_pings_are(client):
    client.apns.set(mute=True)
    stream = client.send()
    assert client.apns.wait_pushes(1)[0]["status"] == 0
    client.ping()
    client.wait("PONG", lambda: client.pongs)
    assert client.answers[stream].headers == {}
    client.apns.clear()
    assert client.push().status == 200
    assert client.answers[stream].headers == {}


def test_in_silence_nothing_is_sent_at_all_and_then_again(client):
    assert client.push().status == 200
    client.apns.set(silence=True)
    client.send()
    client.ping()
    client.apns.wait(lambda: client.apns.stats()["pings"] == 1, "ping")
    assert not client.has_bytes()
    client.apns.clear()
    client.wait("PONG", lambda: client.pongs)
    assert client.push().status == 200


def test_a_stalled_window_takes_no_payload_until_it_opens(apns):
    apns.set(stall_window=True)
    with H2Client(apns) as client:
        client.wait("SETTINGS", lambda: client.settings)
        assert client.settings[WINDOW] == 0
        stream = client.send(body=None)
        assert client.h2.local_flow_control_window(stream) == 0
        apns.clear()
        client.wait("a window", lambda: client.h2.local_flow_control_window(stream) > 0)
        client.h2.send_data(stream, b'{"mdm":"x"}', end_stream=True)
        client.flush()
        assert client.answer(stream).status == 200
        apns.set(stall_window=True)
        client.wait("no window", lambda: client.settings[WINDOW] == 0)


def test_slow_settings_come_after_their_delay(apns):
    apns.set(settings_delay_ms=300)
    started = time.monotonic()
    with H2Client(apns) as client:
        client.wait("SETTINGS", lambda: client.settings)
        assert time.monotonic() - started >= 0.25  # timers may be early by a bit
        assert client.push().status == 200


def test_one_stream_at_a_time_is_what_settings_may_ask_for(apns):
    with H2Client(apns) as client:
        client.wait("SETTINGS", lambda: client.settings)
        assert client.settings[STREAMS] == 1000
        apns.set(max_streams=1)
        client.wait("SETTINGS", lambda: client.settings[STREAMS] == 1)
        assert client.push().status == 200


def test_a_server_that_has_expired_can_be_met(apns):
    apns.set(expired_cert=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        H2Client(apns)
    apns.clear()
    with H2Client(apns) as client:
        assert client.push().status == 200


def test_what_is_no_http2_is_hung_up_on_and_others_do_not_mind(client):
    with context_for(client.apns, client.apns.push_pem).wrap_socket(
            socket.create_connection(("127.0.0.1", client.apns.port), timeout=60), server_hostname="localhost") as bad:
        bad.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        while bad.recv(65536):
            pass
    assert client.push().status == 200


def test_many_small_records_at_once_are_all_read(client):
    apns = client.apns
    assert client.push().status == 200
    apns.process.send_signal(signal.SIGSTOP)
    streams = [client.send() for _ in range(100)]
    apns.process.send_signal(signal.SIGCONT)
    assert {client.answer(stream).status for stream in streams} == {200}


def test_past_its_bound_a_connection_is_closed_at_once(apns):
    connect = [socket.create_connection(("127.0.0.1", apns.port), timeout=60) for _ in range(1025)]
    assert connect[1024].recv(1) == b""
    for each in connect:
        each.close()
    apns.wait(lambda: apns.stats()["open"] == 0)
    with H2Client(apns) as client:
        assert client.push().status == 200


def test_without_descriptors_it_waits_for_some_to_be_free(apns):
    assert apns.stats()["open"] == 0  # the control connection is there
    highest = max(int(name) for name in os.listdir(f"/proc/{apns.process.pid}/fd"))
    resource.prlimit(apns.process.pid, resource.RLIMIT_NOFILE, (highest + 3, highest + 3))
    connect = [socket.create_connection(("127.0.0.1", apns.port), timeout=60) for _ in range(5)]
    apns.wait(lambda: apns.stats()["open"] == 2)
    for each in connect:
        each.close()
    with H2Client(apns) as client:
        assert client.push().status == 200


# Control

def test_people_set_faults_by_words(client):
    def fault(*words, check=True):
        return run("pomona-sim", "fault", "--control", client.apns.socket_path, *words, check=check)

    fault("reason=Shutdown", "count=1")
    assert [client.push().status for _ in range(2)] == [503, 200]
    fault("status=500")
    fault()
    assert client.push().status == 200
    assert json.loads(fault("stats").stdout)["pushes"] == 3
    assert len(json.loads(fault("pushes", "limit=2").stdout)["pushes"]) == 2
    for words, says in ((["speed=9"], '"speed": unknown key'), (["status=99"], "want 400 to 599"), (["dance"], '"do"')):
        outcome = fault(*words, check=False)
        assert outcome.returncode == 1 and says in outcome.stderr
    fault("goaway", "last_stream=none")
    client.wait_closed()


def test_the_control_socket_is_for_its_owner_and_answers_line_by_line(apns):
    assert apns.socket_path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(60)
        plain.connect(str(apns.socket_path))
        plain.sendall(b'{"do":"stats"}\n{"do":"sta')
        plain.sendall(b'ts"}\nnonsense\n')
        answers = [json.loads(line) for _, line in zip(range(3), plain.makefile("rb"))]
    assert answers[0] == answers[1] and answers[0]["pushes"] == 0
    assert "error" in answers[2]


@pytest.mark.parametrize("size, is_answered", [(65535, True), (65536, False)])
def test_a_line_past_the_bound_ends_the_control_connection(apns, size, is_answered):
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(60)
        plain.connect(str(apns.socket_path))
        try:
            plain.sendall(b"x" * size + b"\n")
            answer = plain.makefile("rb").readline()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert (b"error" in answer) == is_answered
    assert apns.stats()["pushes"] == 0


def test_who_asks_and_does_not_read_holds_up_himself_only(make_apns):
    apns = make_apns("--keep", "1000")
    with H2Client(apns) as client:
        for stream in [client.send() for _ in range(1000)]:
            client.answer(stream)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(apns.socket_path))
        plain.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                plain.sendall(b'{"do":"pushes"}\n')
        assert apns.stats()["pushes"] == 1000


def test_so_many_may_ask_at_a_time_and_the_next_has_to_wait(apns):
    def connect():
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(60)
        plain.connect(str(apns.socket_path))
        plain.sendall(b'{"do":"stats"}\n')
        return plain

    served = []
    for _ in range(32):
        served.append(connect())
        assert b"pushes" in served[-1].recv(65536)
    waiting = connect()
    for _ in range(3):  # he has had his turn
        served[0].sendall(b'{"do":"stats"}\n')
        assert b"pushes" in served[0].recv(65536)
    assert not select.select([waiting], [], [], 0)[0]
    served.pop().close()
    assert b"pushes" in waiting.recv(65536)
    for each in (*served, waiting):
        each.close()


def test_a_second_simulator_does_not_take_the_socket_of_the_first(apns):
    outcome = run("pomona-sim", "apns", "--dir", apns.folder, "--listen", "127.0.0.1:0", "--control", apns.socket_path,
                  check=False)
    assert outcome.returncode == 1 and "another simulator" in outcome.stderr
    assert apns.stats()["pushes"] == 0


def test_after_a_crash_the_socket_and_the_port_are_taken_again(apns):
    port = apns.port
    apns.kill()
    assert apns.socket_path.exists()
    apns.start()
    assert apns.port == port and apns.stats()["pushes"] == 0


def test_a_signal_ends_it_with_pushes_under_way(folder):
    apns = Apns(folder).start(mute=True)
    with H2Client(apns) as client:
        client.send()
        apns.wait_pushes(1)
        apns.process.send_signal(signal.SIGINT)
        assert apns.process.wait(60) == 0
    apns.kill()
    assert not apns.socket_path.exists()


def test_a_folder_without_apple_is_told_what_to_do(tmp_path):
    outcome = run("pomona-sim", "apns", "--dir", tmp_path, "--listen", "127.0.0.1:0", check=False)
    assert outcome.returncode == 1 and "pomona-sim ca" in outcome.stderr
