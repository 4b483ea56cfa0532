# SPDX-License-Identifier: Apache-2.0
"""Pushes and push certificates by API and pomonactl, with nobody behind the address of APNs."""

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import termios
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import PrivateFormat

from harness.device import TOPIC, UserChannel
from harness.pushcert import PushCert, rsa_key
from harness.server import BIN

CERTS = "/api/v1/pushcerts"
OTHER = "com.apple.mgmt.External.00000000-0000-4000-8000-00000000000f"
DAY_S = 86400
PASSWORD = "correct horse battery staple"


@pytest.fixture
def closed_port():
    """A port that is bound, so that nobody else gets it, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def server(make_server, authority, closed_port):
    server = make_server({"push.server": f"127.0.0.1:{closed_port}"}).start()
    server.trust(authority)
    return server


def put(server, body, status=200):
    reply = server.api("PUT", CERTS, body)
    assert reply.status == status, reply
    return reply.json()


def stored(server):
    return [(row["topic"], row["sha256"], row["stored_at"]) for row in server.get(CERTS)["pushcerts"]]


def refused(server, body, field, text, status=400):
    """The problem names field and rule, and nothing was changed."""
    before = stored(server)
    problem = put(server, body, status)
    assert problem["field"] == field, problem
    assert re.search(text, problem["detail"]), problem
    assert stored(server) == before
    return problem


def push(server, body, status=200):
    reply = server.api("POST", "/api/v1/push", body)
    assert reply.status == status, reply
    return reply.json()


# --- certificates


def test_a_certificate_is_put_listed_replaced_and_removed(server):
    assert server.get(CERTS) == {"pushcerts": [], "topics_without": []}
    first, second = PushCert(TOPIC, ends_days=40), PushCert(TOPIC, ends_days=200)
    row = put(server, first.body())
    assert (row["topic"], row["sha256"]) == (TOPIC, first.sha256)
    assert row["days_left"] in (39, 40)
    assert row["not_after"] == first.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    server.wait_log(f"event=admin_change .*what=set_push_certificate id={TOPIC}")
    put(server, second.body())
    rows = server.get(CERTS)["pushcerts"]
    assert [row["sha256"] for row in rows] == [second.sha256]
    shown = [row for row in server.get("/api/v1/status")["certificates"] if row["what"] == "push"]
    assert [row["sha256"] for row in shown] == [second.sha256]
    reply = server.api("DELETE", f"{CERTS}/{TOPIC}")
    assert (reply.status, reply.body) == (204, b"")
    assert server.get(CERTS)["pushcerts"] == []
    assert server.api("DELETE", f"{CERTS}/{TOPIC}").status == 404


def test_several_topics_stand_side_by_side(server):
    put(server, PushCert(TOPIC).body())
    put(server, PushCert(OTHER).body())
    assert {row["topic"] for row in server.get(CERTS)["pushcerts"]} == {TOPIC, OTHER}


@pytest.mark.parametrize("make_key", [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa_key(2048)],
                         ids=["P-384", "RSA-2048"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_keys_come_in_each_form(server, make_key, form, password):
    cert = PushCert(TOPIC, key=make_key())
    body = {"certificate": cert.pem + cert.key_pem(form, password)}
    if password is not None:
        refused(server, body, "password", "^password: ")
        refused(server, {**body, "password": "wrong"}, "password", "^password: ")
        body["password"] = password
    assert put(server, body)["sha256"] == cert.sha256


def test_what_is_no_push_certificate_is_refused_by_field_and_rule(server):
    good, other = PushCert(TOPIC), PushCert(TOPIC)
    put(server, good.body())
    refused(server, {"certificate": "nothing"}, "certificate", "certificate: ")
    refused(server, {"certificate": good.pem}, "key", "^key: ")
    refused(server, {"certificate": good.pem, "key": other.key_pem()}, "key", "^key: ")
    refused(server, {"certificate": good.pem, "key": "nothing"}, "key", "^key: ")
    for uids in (["com.example.topic"], [], [TOPIC, OTHER], ["com.apple.mgmt."], [TOPIC + "\u00e9"]):
        refused(server, PushCert(TOPIC, uids=uids).body(), "certificate", "^certificate: .*UID")
    weak = PushCert(TOPIC, key=rsa_key(1024))
    assert server.api("PUT", CERTS, weak.body()).status == 400
    assert [row["sha256"] for row in server.get(CERTS)["pushcerts"]] == [good.sha256]


@pytest.mark.parametrize("force", [False, True])
def test_only_a_certificate_that_is_valid_now_is_taken(server, force):
    refused(server, PushCert(TOPIC, -30, -1).body(force=force), "certificate", "expired")
    refused(server, PushCert(TOPIC, 1, 30).body(force=force), "certificate", "not valid before")


def test_bodies_that_are_no_request_are_refused(server):
    cert = PushCert(TOPIC)
    assert put(server, {"key": cert.key_pem()}, 400)["detail"].startswith('"certificate"')
    assert "surprise" in put(server, cert.body(surprise=1), 400)["detail"]
    assert "force" in put(server, cert.body(force="yes"), 400)["detail"]
    assert "line 1" in put(server, b"{", 400)["detail"]
    assert server.api("PUT", CERTS, b"x", {"Content-Type": "text/plain"}).status == 415


def test_another_topic_than_the_devices_use_is_refused_unless_forced(server, make_device):
    for _ in range(2):
        make_device().enroll()
    make_device().enroll(Topic=OTHER)
    listed = server.get(CERTS)
    assert listed["topics_without"] == [{"topic": TOPIC, "enrollments": 2}, {"topic": OTHER, "enrollments": 1}]
    new = PushCert("com.apple.mgmt.External.new")
    problem = refused(server, new.body(), "certificate", "3 enrollments", 409)
    assert f"2 use the topic {TOPIC}" in problem["detail"]
    assert put(server, new.body(force=True))["enrollments"] == 0
    assert put(server, PushCert(TOPIC).body())["enrollments"] == 2
    assert server.get(CERTS)["topics_without"] == [{"topic": OTHER, "enrollments": 1}]


def test_certificates_outlive_a_restart(server):
    cert = PushCert(TOPIC)
    put(server, cert.body())
    server.stop()
    server.start()
    assert [row["sha256"] for row in server.get(CERTS)["pushcerts"]] == [cert.sha256]


def secret_lines(pem):
    return [line for line in pem.splitlines() if not line.startswith("-") and len(line) > 40]


def test_no_secret_is_logged_answered_or_stored_in_the_clear(server):
    cert, other = PushCert(TOPIC), PushCert(TOPIC)
    key = cert.key_pem(password=PASSWORD)
    replies = [server.api("PUT", CERTS, body) for body in (
        {"certificate": cert.pem, "key": key, "password": PASSWORD},
        {"certificate": other.pem, "key": key, "password": PASSWORD},
        {"certificate": cert.pem, "key": key, "password": PASSWORD + "!"},
        {"certificate": key, "key": cert.pem, "password": PASSWORD},
        {"certificate": cert.pem, "key": key, "password": PASSWORD, "surprise": 1})]
    assert [reply.status for reply in replies] == [200, 400, 400, 400, 400]
    replies += [server.api("GET", CERTS), server.api("GET", "/api/v1/status")]
    server.stop()
    secrets = [PASSWORD, *secret_lines(key), *secret_lines(cert.key_pem())]
    assert len(secrets) >= 3
    kept = "\n".join([*server.log, *(reply.body.decode() for reply in replies)])
    stored = b"".join(path.read_bytes() for path in server.folder.glob("**/*") if path.is_file())
    for secret in secrets:
        assert secret not in kept
        assert secret.encode() not in stored
    assert cert.pem.encode() in stored  # where it is not the secret, it would be found


# --- pushes


def test_a_push_without_a_certificate_says_so_and_what_to_do(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    user.token_update()
    channel = f"{device.udid}:U"
    results = push(server, {"ids": [device.udid, "nobody", channel, device.udid]})["results"]
    assert [(row["id"], row["answer"]) for row in results] == [
        (device.udid, "no_certificate"), ("nobody", "unknown"), (channel, "no_certificate")]
    assert "pushcert set" in results[0]["advice"]
    assert results[0]["status"] is None
    server.wait_log('event=admin_change .*what=push id="2 enrollments"')
    tried = server.api("POST", f"{CERTS}/test", {"id": device.udid}).json()
    assert (tried["id"], tried["answer"]) == (device.udid, "no_certificate")
    assert server.api("POST", f"{CERTS}/test", {"id": "nobody"}).status == 404


def test_a_channel_without_a_token_cannot_be_pushed_to(server, make_device):
    device = make_device()
    device.authenticate()
    gone = make_device().enroll()
    gone.check_out()
    put(server, PushCert(TOPIC).body())
    results = push(server, {"ids": [device.udid, gone.udid]})["results"]
    assert [row["answer"] for row in results] == ["no_token", "no_token"]
    assert all(row["advice"] for row in results)


def test_apns_that_cannot_be_reached_is_told(server, make_device):
    device = make_device().enroll()
    put(server, PushCert(TOPIC).body())
    tried = server.api("POST", f"{CERTS}/test", {"id": device.udid}).json()
    assert tried["answer"] in ("unreachable", "waiting")
    assert tried["advice"]
    assert server.device(device.udid)["push"]["last_push_at"] is None


def test_who_is_meant_is_chosen_by_ids_all_or_filter(server, make_device):
    first, second = make_device().enroll(), make_device().enroll()
    UserChannel(first, UserID="U", UserShortName="ada", UserLongName="Ada").token_update()
    gone = make_device().enroll()
    gone.check_out()

    def ids_of(body):
        return sorted(row["id"] for row in push(server, body)["results"])

    both = sorted([first.udid, second.udid])
    assert ids_of({"all": True}) == both
    assert ids_of({"filter": {"kind": "device"}, "urgent": True}) == both
    assert ids_of({"filter": {"kind": "user"}}) == [f"{first.udid}:U"]
    assert ids_of({"filter": {"state": "checked_out"}}) == [gone.udid]
    assert ids_of({"filter": {"serial_number": "C0" + second.udid[:8]}}) == [second.udid]
    assert ids_of({"filter": {"activity": "active", "kind": "device"}}) == both
    assert ids_of({"filter": {"activity": "inactive"}}) == []
    assert push(server, {"filter": {"activity": "lazy"}}, 400)["field"] == "activity"
    assert push(server, {"filter": {}}, 400)["field"] == "filter"
    assert push(server, {"all": True, "ids": [first.udid]}, 400)["field"] == "ids"
    assert push(server, {}, 400)["field"] == "ids"
    assert push(server, {"ids": []}, 400)["field"] == "ids"


def test_many_unknown_ids_are_answered(server, make_device):
    device = make_device().enroll()
    ids = [f"nobody-{number}" for number in range(3000)]
    results = push(server, {"ids": [*ids, device.udid]})["results"]
    assert [row["id"] for row in results] == [*ids, device.udid]
    assert {row["answer"] for row in results[:-1]} == {"unknown"}
    assert results[-1]["answer"] == "no_certificate"


def test_a_push_under_way_does_not_hinder_the_end(server, make_device):
    device = make_device().enroll()
    put(server, PushCert(TOPIC).body())
    push(server, {"ids": [device.udid]})
    server.stop()


# --- devices and status


def test_devices_and_status_show_how_waking_stands(server, make_device):
    device = make_device().enroll()
    shown = server.device(device.udid)
    assert shown["push"] == {"last_push_at": None, "last_outcome_at": None, "status": None, "reason": None,
                             "apns_id": None, "tries": 0, "token_dead_at": None, "advice": None}
    assert (shown["inactive_at"], shown["token_dead_at"]) == (None, None)
    row = server.get("/api/v1/devices?activity=active")["devices"][0]
    assert (row["id"], row["inactive_at"], row["token_dead_at"]) == (device.udid, None, None)
    assert server.get("/api/v1/devices?activity=inactive")["devices"] == []
    assert server.api("GET", "/api/v1/devices?activity=lazy").json()["field"] == "activity"
    status = server.get("/api/v1/status")
    assert (status["inactive"], status["dead_tokens"]) == (0, 0)
    assert set(status["push"]["ready"]) == {"urgent", "normal", "probe"}


# --- pomonactl


@pytest.fixture
def files(tmp_path):
    """A certificate and its key in files of every kind."""

    class Files:
        cert = PushCert(TOPIC)
        one, certificate, key = tmp_path / "one.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
        encrypted, password = tmp_path / "encrypted.pem", tmp_path / "password"

    Files.one.write_text(Files.cert.pem + Files.cert.key_pem())
    Files.certificate.write_text(Files.cert.pem)
    Files.key.write_text(Files.cert.key_pem())
    Files.encrypted.write_text(Files.cert.key_pem(password=PASSWORD))
    Files.password.write_text(PASSWORD + "\n")
    return Files


def test_ctl_sets_lists_and_removes_a_certificate(server, files, make_device):
    make_device().enroll()
    text = server.ctl("pushcert", "list").stdout
    assert "pushcert set" in text and f"{TOPIC} (1 enrollments)" in text
    text = server.ctl("pushcert", "set", files.one).stdout
    assert TOPIC in text and "pushcert test" in text
    server.ctl("pushcert", "set", files.certificate, files.key)
    assert server.ctl_json("pushcert", "set", files.one)["sha256"] == files.cert.sha256
    text = server.ctl("pushcert", "list").stdout
    assert TOPIC in text and files.cert.sha256 in text
    assert "push" in server.ctl("status").stdout
    result = server.ctl("pushcert", "remove", TOPIC, check=False)
    assert result.returncode == 1 and "1 enrollments need it" in result.stderr and "--yes" in result.stderr
    assert len(server.get(CERTS)["pushcerts"]) == 1
    server.ctl("pushcert", "remove", TOPIC, "--yes")
    result = server.ctl("pushcert", "remove", TOPIC, check=False)
    assert result.returncode == 1 and "(404)" in result.stderr


def answer_on_a_terminal(server, text, *words):
    """Runs pomonactl with a terminal as its standard input, on which `text` is typed; gives (status, stderr)."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, text)
        result = server.ctl(*words, check=False, stdin_fd=theirs)
    finally:
        os.close(theirs)
        os.close(ours)
    return result.returncode, result.stderr


def test_ctl_asks_before_it_removes_what_devices_need(server, files, make_device):
    make_device().enroll()
    server.ctl("pushcert", "set", files.one)
    status, said = answer_on_a_terminal(server, b"n\n", "pushcert", "remove", TOPIC)
    assert status == 1 and "1 enrollments need this certificate" in said and "[y/N]" in said
    assert len(server.get(CERTS)["pushcerts"]) == 1
    assert answer_on_a_terminal(server, b"y\n", "pushcert", "remove", TOPIC)[0] == 0
    assert server.get(CERTS)["pushcerts"] == []
    nobodys = PushCert(OTHER)
    files.one.write_text(nobodys.pem + nobodys.key_pem())
    server.ctl("pushcert", "set", files.one, "--force")
    assert server.ctl("pushcert", "remove", OTHER).returncode == 0, "nobody needs it: nothing is asked"


def test_ctl_reads_the_password_from_a_file(server, files):
    server.ctl("pushcert", "set", files.certificate, files.encrypted, "--password-file", files.password)
    files.password.write_text("wrong\n")
    result = server.ctl("pushcert", "set", files.certificate, files.encrypted, "--password-file", files.password,
                        check=False)
    assert result.returncode == 1 and "password" in result.stderr and "wrong" not in result.stderr


def test_ctl_bounds_the_files_that_it_reads(server, files):
    text = files.one.read_bytes()
    for size, status in ((65536, 0), (65537, 66)):
        files.one.write_bytes(text + b"\n" * (size - len(text)))
        assert server.ctl("pushcert", "set", files.one, check=False).returncode == status
    text, key = files.certificate.read_bytes(), files.key.read_bytes()
    for size, status in ((65536, 0), (65537, 65), (131072, 65)):
        key_size = min(size - len(text), 65536)
        files.key.write_bytes(key.ljust(key_size, b"\n"))
        files.certificate.write_bytes(text.ljust(size - key_size, b"\n"))
        result = server.ctl("pushcert", "set", files.certificate, files.key, check=False)
        assert result.returncode == status and (status == 0 or "together" in result.stderr), result
    files.certificate.write_bytes(text)
    words = ["pushcert", "set", files.certificate, files.encrypted, "--password-file", files.password]
    for size, status in ((4096, 1), (4097, 66)):  # the server wants at most 1024
        files.password.write_bytes(b"x" * size)
        assert server.ctl(*words, check=False).returncode == status
    files.password.write_bytes(b"\nsecond line\n")
    result = server.ctl(*words, check=False)
    assert result.returncode == 66 and "empty" in result.stderr


def on_terminal(server, words, answer=b"", columns=0):
    """Runs pomonactl on a terminal of its own, types `answer` when it asks; its exit status and all that was shown."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(BIN / "pomonactl", ["pomonactl", "-c", str(server.conf_path), *map(str, words)])
    shown, is_asked = b"", False
    while select.select([terminal], [], [], 60)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
        if b"password" in shown and not is_asked:
            is_asked = True
            os.write(terminal, answer)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_ctl_asks_for_the_password_without_showing_it(server, files):
    words = ["pushcert", "set", files.certificate, files.encrypted]
    status, shown = on_terminal(server, words, PASSWORD.encode() + b"\n")
    assert status == 0, shown
    assert TOPIC in shown and PASSWORD not in shown
    status, shown = on_terminal(server, words, b"\n")
    assert status == 66 and "no password" in shown
    status, shown = on_terminal(server, words, b"half\x03")
    assert status == -2, shown
    status, shown = on_terminal(server, words, b"x" * 4000 + b"\n")
    assert status == 1, shown


def test_ctl_without_a_terminal_says_how_to_give_the_password(server, files):
    result = server.ctl("pushcert", "set", files.certificate, files.encrypted, check=False, start_new_session=True)
    assert result.returncode == 64 and "--password-file" in result.stderr


def test_ctl_says_what_is_wrong_with_a_file(server, files, tmp_path):
    binary = tmp_path / "push.p12"
    binary.write_bytes(os.urandom(500))
    result = server.ctl("pushcert", "set", binary, check=False)
    assert result.returncode == 65 and "openssl pkcs12" in result.stderr
    assert server.ctl("pushcert", "set", tmp_path / "nowhere", check=False).returncode == 66
    result = server.ctl("pushcert", "set", files.certificate, check=False)
    assert result.returncode == 1 and "second file" in result.stderr
    binary.write_bytes(files.one.read_bytes() + b"\n" * 65536)
    result = server.ctl("pushcert", "set", binary, check=False)
    assert result.returncode == 66 and "65536" in result.stderr
    assert server.ctl("pushcert", "set", check=False).returncode == 64
    assert server.ctl("pushcert", check=False).returncode == 64


def test_ctl_takes_a_certificate_of_another_topic_by_force_only(server, files, make_device):
    make_device().enroll(Topic=OTHER)
    result = server.ctl("pushcert", "set", files.one, check=False)
    assert result.returncode == 1
    assert f"1 use the topic {OTHER}" in result.stderr and "--force" in result.stderr
    server.ctl("pushcert", "set", files.one, "--force")


def test_ctl_pushes_and_says_what_became_of_it(server, make_device):
    device = make_device().enroll()
    result = server.ctl("push", device.udid, "nobody", check=False)
    assert result.returncode == 1
    assert re.search(device.udid + r"\s+no_certificate", result.stdout)
    assert re.search(r"nobody\s+unknown", result.stdout)
    assert "pushcert set" in result.stdout and "2 were not pushed" in result.stderr
    answer = json.loads(server.ctl("--json", "push", "--all", "--urgent", check=False).stdout)
    assert [row["id"] for row in answer["results"]] == [device.udid]
    result = server.ctl("push", "--filter", "kind=user", check=False)
    assert result.returncode == 1 and "nobody fits" in result.stderr
    assert server.ctl("push", check=False).returncode == 64
    assert server.ctl("push", "--filter", "colour=red", check=False).returncode == 64
    result = server.ctl("pushcert", "test", device.udid, check=False)
    assert result.returncode == 1 and "no_certificate" in result.stdout and "pushcert set" in result.stdout


def test_ctl_shows_how_waking_stands(server, make_device):
    device = make_device().enroll()
    assert re.search(device.udid + r".*\bok\b", server.ctl("devices", "--activity", "active").stdout)
    assert device.udid not in server.ctl("devices", "--activity", "inactive").stdout
    text = server.ctl("status").stdout
    assert "no device is woken" in text and "0 inactive, 0 with a dead push token" in text


def test_ctl_tells_a_certificate_that_ended_from_one_that_ends_soon(make_woken, panel, files):
    woken = make_woken(panel=panel)
    panel.shift_clock(-2 * DAY_S)  # else it would not take one that has ended
    topic = r"^push .*" + re.escape(TOPIC)
    for days, says in ((365, "ok"), (20, "renew it soon"), (-1, "has ended: renew it")):
        cert = PushCert(TOPIC, starts_days=-3, ends_days=days)
        files.one.write_text(cert.pem + cert.key_pem())
        woken.server.ctl("pushcert", "set", files.one, "--force")
        woken.apns.wait(lambda says=says: re.search(topic + f".*  {says}$", woken.server.ctl("status").stdout,
                                                    re.MULTILINE), says)


def test_ctl_fits_its_tables_into_a_narrow_terminal(server, files):
    server.ctl("pushcert", "set", files.one)
    status, shown = on_terminal(server, ["pushcert", "list"], columns=300)
    assert status == 0 and re.search(r"^TOPIC +ENDS +ENROLLMENTS .* SHA-256\r$", shown, re.MULTILINE), shown
    status, shown = on_terminal(server, ["pushcert", "list"], columns=100)
    assert status == 0 and re.search(rf"^TOPIC +{TOPIC}\r$", shown, re.MULTILINE), shown
    assert max(map(len, shown.splitlines())) <= 100


def test_ctl_tells_what_each_verb_wants(server):
    for words in (["pushcert", "--help"], ["pushcert", "-h"], ["help", "pushcert"]):
        result = server.ctl(*words)
        assert re.findall(r"pushcert (\w+)", result.stdout) == ["set", "list", "remove", "test"] and not result.stderr
    assert "--filter KEY=VALUE" in server.ctl("help", "push").stdout
    result = server.ctl("help", "nothing", check=False)
    assert result.returncode == 64 and "nothing" in result.stderr


def test_ctl_shows_alarms_until_they_are_struck_out(woken):
    assert "no alarms" in woken.server.ctl("alarms").stdout
    device = woken.device()
    woken.apns.set(reason="BadCertificate")
    result = woken.server.ctl("pushcert", "test", device.udid, check=False)
    assert result.returncode == 1 and "BadCertificate" in result.stdout and "what it means" in result.stdout
    woken.apns.wait(lambda: woken.server.get("/api/v1/alarms")["alarms"], "an alarm")
    alarm, = woken.server.get("/api/v1/alarms")["alarms"]
    text = woken.server.ctl("alarms").stdout
    assert alarm["kind"] in text and alarm["subject"] in text and alarm["text"] in text
    assert woken.server.ctl("alarm", "clear", alarm["kind"], "another", check=False).returncode == 1
    woken.server.ctl("alarm", "clear", alarm["kind"], alarm["subject"])
    assert "no alarms" in woken.server.ctl("alarms").stdout


def test_ctl_shows_what_became_of_the_last_push(woken):
    device = woken.device()
    woken.apns.set(reason="Unregistered", timestamp_ms=int(time.time() * 1000) + 3_600_000)
    result = woken.server.ctl("push", device.udid, check=False)
    assert result.returncode == 1 and re.search(r"410\s+Unregistered", result.stdout)
    woken.apns.wait(lambda: woken.push_of(device)["token_dead_at"] is not None)
    text = woken.server.ctl("device", "show", device.udid).stdout
    assert re.search(r"^APNs status +410$", text, re.MULTILINE), text
    for label in ("last push outcome", "push token dead", "APNs reason", "what it means"):
        assert re.search(rf"^{label} ", text, re.MULTILINE), text
    assert device.push_magic not in text


def test_a_device_is_woken_once_to_learn_of_its_removal(woken):
    device = woken.device()
    woken.server.ctl("device", "unenroll", device.udid)
    woken.wait_pushes_to(device, 1)
    woken.server.ctl("device", "unenroll", device.udid)
    assert device.idle().status == 401
    assert len(woken.pushes_to(device)) == 1
