# SPDX-License-Identifier: Apache-2.0
"""Automated Device Enrollment: devices in Setup Assistant come to the configuration URL. They sign with `openssl cms`
under a chain like Apple's, log in with curl, and what they get is read by Python and verified by openssl."""

import base64
import concurrent.futures
import hashlib
import html.parser
import http.client
import os
import plistlib
import re
import sqlite3
import subprocess
import urllib.parse
import uuid

import pytest
from harness.apple import AppleChain, CONTENT_TYPE, machine_info
from harness.device import Device
from harness.process import end
from harness.server import Reply, run, wait_until
from harness.signing import sign_der

from test_profile import opened, payload, set_push_cert
from test_scep import Client

PATH = "/enroll/ade"
PASSWORD = "corréct horse"
UUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")


@pytest.fixture(scope="module")
def apple():
    return AppleChain()


@pytest.fixture(scope="module")
def factory(apple):
    """What the device signs with."""
    return apple.device()


@pytest.fixture
def make(make_server, apple):
    """A server that knows Apple's devices."""
    def make(conf=None, devices="all", is_imported=True):
        server = make_server({"enroll.ade_devices": devices, **(conf or {})}).start()
        set_push_cert(server)
        if is_imported:
            apple.import_into(server)
        return server
    return make


@pytest.fixture
def server(make):
    return make()


def new_info(**more):
    return machine_info(str(uuid.uuid4()).upper(), serial="C02" + os.urandom(4).hex().upper(), **more)


def call(server, method, body=None, headers=None, port=None, path=PATH):
    if port is None:
        connection = http.client.HTTPSConnection("localhost", server.device_port, timeout=60,
                                                 context=server.client_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def post(server, message, headers=None, **more):
    return call(server, "POST", message, {"Content-Type": CONTENT_TYPE, **(headers or {})}, **more)


def get(server, message, headers=None, **more):
    return call(server, "GET", None, {"x-apple-aspen-deviceinfo": base64.b64encode(message).decode(),
                                      **(headers or {})}, **more)


def profile_of(server, reply, folder):
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "application/x-apple-aspen-config"
    assert reply.headers["Cache-Control"] == "no-store"
    return opened(server, reply.body, folder)


def challenge_of(profile):
    return payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]


def identity_by(server, profile, folder):
    return Client(server, folder).enroll(challenge_of(profile))


def to_first_answer(server, profile, udid, folder):
    """From the profile to the first answered command."""
    mdm = payload(profile, "com.apple.mdm")
    device = Device(server, identity_by(server, profile, folder), udid)
    assert device.authenticate(Topic=mdm["Topic"]).status == 200
    assert device.token_update(Topic=mdm["Topic"]).status == 200
    sent = server.enqueue([udid], {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command, QueryResponses={"OSVersion": "18.1"}) is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]["state"] == "done"
    device.close()


def change(server, **conf):
    server.conf.update({f"enroll.{key}": value for key, value in conf.items()})
    server.write_conf()
    mark = len(server.log)
    server.reload()
    server.wait_log("event=reloaded ", after=mark)


def refused(server, reason, after=0):
    return server.wait_log(f"event=ade_refused .*reason={reason} ", after=after)


# --- from machine information to the first answered command


@pytest.mark.parametrize("ask", [post, get])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_device_gets_from_machine_information_to_its_first_answered_command(server, apple, tmp_path, ask, kind):
    factory = apple.device() if kind == "rsa" else apple.ec_device()
    info = new_info()
    profile = profile_of(server, ask(server, apple.sign(factory, info)), tmp_path)
    base = f"https://localhost:{server.device_port}"
    assert payload(profile, "com.apple.mdm")["ServerURL"] == base + "/mdm"
    assert payload(profile, "com.apple.security.scep")["PayloadContent"]["Subject"][-1] == [["CN", info["UDID"]]]
    to_first_answer(server, profile, info["UDID"], tmp_path)
    line = server.wait_log("event=ade_profile_given")
    assert f"device={info['UDID']}" in line and f"serial={info['SERIAL']}" in line
    assert server.get("/api/v1/status")["ade"] == {"given": 1, "refused": 0}
    assert not any(challenge_of(profile) in line for line in server.log), "a secret in the log"


def test_the_identity_is_for_the_device_that_asked_and_no_other(server, apple, factory, tmp_path):
    profile = profile_of(server, post(server, apple.sign(factory, new_info())), tmp_path)
    other = Device(server, identity_by(server, profile, tmp_path), "SOMEBODY-ELSE")
    assert other.authenticate().status == 403
    other.close()


def test_a_device_that_asks_again_is_served_again_and_its_former_profile_works_too(server, apple, factory, tmp_path):
    info = new_info()
    message = apple.sign(factory, info)
    profiles = [profile_of(server, post(server, message), tmp_path) for _ in range(10)]
    assert len({challenge_of(one) for one in profiles}) == len(profiles)
    for profile in profiles[-8:]:
        identity_by(server, profile, tmp_path)
    for profile in profiles[:2]:  # of many that nobody used the oldest go
        assert Client(server, tmp_path).ask(challenge_of(profile)).status == "2"
    again = profile_of(server, post(server, message), tmp_path)
    to_first_answer(server, again, info["UDID"], tmp_path)


def test_a_profile_is_encrypted_to_its_signer_by_conf(make, apple, factory, tmp_path):
    server = make({"enroll.ade_encrypt": "yes"})
    info = new_info()
    profile = profile_of(server, post(server, apple.sign(factory, info)), tmp_path)
    assert "PayloadContent" not in profile
    (tmp_path / "sealed.der").write_bytes(profile["EncryptedPayloadContent"])
    factory.write(tmp_path / "factory.pem")
    done = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", tmp_path / "sealed.der", "-recip",
                           tmp_path / "factory.pem", "-binary"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    profile["PayloadContent"] = plistlib.loads(done.stdout)
    to_first_answer(server, profile, info["UDID"], tmp_path)


# --- who may


def test_a_device_that_no_admin_named_is_told_that_it_is_not_known(make, apple, factory, tmp_path):
    server = make(devices="listed")
    info, other, third = new_info(), new_info(), new_info()
    message = apple.sign(factory, info)
    reply = post(server, message)
    assert reply.status == 403 and reply.headers["Content-Type"] == "application/json"
    assert reply.json()["code"] == "com.apple.unrecognized.device"
    assert "ade_devices" in refused(server, "not_listed")
    server.ctl("enroll", "challenge", "--serial", info["SERIAL"], "--expires", "1h")
    server.ctl("enroll", "profile", "--device", third["UDID"], "--out", tmp_path / "third.mobileconfig")
    for _ in range(2):  # it is named until that ends, used or not
        profile = profile_of(server, post(server, message), tmp_path)
        to_first_answer(server, profile, info["UDID"], tmp_path)
    assert post(server, apple.sign(factory, third)).status == 200
    assert post(server, apple.sign(factory, other)).status == 403


def test_a_challenge_that_a_device_got_by_itself_lists_nobody(make, apple, factory):
    server = make()
    message = apple.sign(factory, new_info())
    assert post(server, message).status == 200
    change(server, ade_devices="listed")
    assert post(server, message).status == 403
    change(server, ade_devices="none")
    assert post(server, message).status == 404


# --- what is refused


def test_without_apples_certificates_it_is_said_what_to_import(make, apple, factory):
    server = make(is_imported=False)
    reply = post(server, apple.sign(factory, new_info()))
    assert reply.status == 403 and b"com.apple" not in reply.body
    assert "apple-ca import" in refused(server, "no_apple_ca")
    apple.import_into(server)
    assert post(server, apple.sign(factory, new_info())).status == 200


def test_by_conf_any_signature_counts_if_it_holds(make, apple, factory):
    server = make({"enroll.ade_signature": "any"}, is_imported=False)
    server.wait_log("event=ade_signature_any")
    message = apple.sign(factory, new_info())
    assert post(server, message).status == 200
    content = plistlib.dumps(new_info())
    signed = apple.sign(factory, content)
    reply = post(server, signed.replace(content[200:220], content[200:220][::-1]))
    assert reply.status == 400
    refused(server, "bad_signature")


def hostile(apple, factory):
    stranger = AppleChain("Other")
    content = plistlib.dumps(new_info())
    signed = apple.sign(factory, content)
    serial = content.index(b"C02")
    return {
        "another root": (stranger.sign(stranger.device(), new_info()), 403, "not_apple"),
        "a CA's own": (sign_der(apple.middle, content, "-nodetach"), 403, "not_apple"),
        "other bytes": (signed.replace(content[serial:serial + 8], b"C02XXXXX"), 400, "bad_signature"),
        "no CMS": (b"<plist/>", 400, "garbled"),
        "zeros": (bytes(4096), 400, "garbled"),
        "cut off": (signed[:-40], 400, "garbled"),
        "empty": (b"", 400, "no_info"),
        "no property list": (apple.sign(factory, b"hello"), 400, "bad_info"),
        "an array": (apple.sign(factory, plistlib.dumps(["UDID"])), 400, "bad_info"),
        "no UDID": (apple.sign(factory, {"SERIAL": "C02"}), 400, "bad_info"),
        "no SERIAL": (apple.sign(factory, {"UDID": "U-1"}), 400, "bad_info"),
        "a long UDID": (apple.sign(factory, {**new_info(), "UDID": "x" * 257}), 400, "bad_info"),
        "entities": (apple.sign(factory, b'<!DOCTYPE plist [<!ENTITY a "b">]><plist><dict/></plist>'), 400, "bad_info"),
    }


def test_hostile_messages_are_refused_with_a_reason_and_issue_nothing(server, apple, factory):
    cases = hostile(apple, factory)
    for name, (message, status, reason) in cases.items():
        for ask in (post, get):
            mark = len(server.log)
            reply = ask(server, message)
            assert reply.status == status, (name, ask, reply)
            refused(server, reason, mark)
    assert server.get("/api/v1/status")["ade"] == {"given": 0, "refused": 2 * len(cases)}
    assert call(server, "GET").status == 400
    assert call(server, "GET", None, {"x-apple-aspen-deviceinfo": "!!"}).status == 400
    assert post(server, apple.sign(factory, new_info())).status == 200


def test_a_body_has_its_bound(server, apple, factory):
    info = new_info(LANGUAGE="en")
    size = 65536 - len(apple.sign(factory, info)) - 64
    padded = plistlib.dumps(info) + b" " * size
    message = apple.sign(factory, padded)
    assert 65000 < len(message) <= 65536
    assert post(server, message).status == 200
    connection = http.client.HTTPSConnection("localhost", server.device_port, timeout=60,
                                             context=server.client_context())
    connection.putrequest("POST", PATH)  # what is declared is judged before it comes
    connection.putheader("Content-Length", "65537")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_without_tls_only_a_proxy_may_ask(make, apple, factory):
    server = make({"device.listen_plain": "127.0.0.1:0"})
    message = apple.sign(factory, new_info())
    assert post(server, message, port=server.plain_port).status == 403
    refused(server, "plain")
    behind = make({"device.listen_plain": "127.0.0.1:0", "device.proxies": "127.0.0.1"})
    assert post(behind, message, {"X-Forwarded-For": "192.0.2.7"}, port=behind.plain_port).status == 200
    assert "peer=192.0.2.7" in behind.wait_log("event=ade_profile_given")


def test_what_cannot_be_made_is_not_the_devices_fault(make_server, apple, factory):
    server = make_server({"enroll.ade_devices": "all"}).start()  # no push certificate
    apple.import_into(server)
    reply = post(server, apple.sign(factory, new_info()))
    assert reply.status == 503 and reply.headers["Retry-After"]
    assert "pushcert set" in server.wait_log("event=enrolling_failed")


# --- typed refusals


MAC = {"PRODUCT": "Mac14,2", "OS_VERSION": "14.4", "MDM_CAN_REQUEST_PSSO_CONFIG": True}
SSO = {"enroll.sso_profile_url": "https://sso.example/p", "enroll.sso_auth_url": "https://sso.example/a",
       "enroll.sso_manifest_url": "https://sso.example/m"}


@pytest.mark.parametrize("conf, more, code, details", [
    ({"enroll.minimum_os_ios": "17.5"}, {"OS_VERSION": "17.4.1", "MDM_CAN_REQUEST_SOFTWARE_UPDATE": True},
     "com.apple.softwareupdate.required", {"OSVersion": "17.5"}),
    (SSO, MAC, "com.apple.psso.required",
     {"ProfileURL": "https://sso.example/p", "AuthURL": "https://sso.example/a",
      "Package": {"ManifestURL": "https://sso.example/m"}}),
    ({}, {"PRODUCT": "Watch6,1"}, "com.apple.watch.pairing.token.missing", {"security-token": UUID}),
    ({"enroll.ade_devices": "listed"}, {}, "com.apple.unrecognized.device", None),
])
def test_a_typed_refusal_says_what_to_do_in_json_or_xml(make, apple, factory, conf, more, code, details):
    server = make(conf, devices=conf.get("enroll.ade_devices", "all"))
    message = apple.sign(factory, new_info(**more))
    json_reply = post(server, message)
    xml_reply = post(server, message, {"Accept": "application/xml"})
    assert (json_reply.status, xml_reply.status) == (403, 403)
    assert json_reply.headers["Content-Type"] == "application/json"
    assert xml_reply.headers["Content-Type"] == "application/xml"
    for said in (json_reply.json(), plistlib.loads(xml_reply.body)):
        assert said["code"] == code and said["description"] and said["message"]
        if details is not None and "security-token" in details:
            assert UUID.fullmatch(said["details"].pop("security-token"))
            assert said["details"] == {}
        else:
            assert said.get("details") == details
    page = get(server, message)  # a person looks at it
    assert page.status == 403 and page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_who_cannot_be_told_to_update_or_is_new_enough_is_let_in(make, apple, factory):
    server = make({"enroll.minimum_os_ios": "17.5", **SSO})
    for more in ({"OS_VERSION": "17.4"}, {"OS_VERSION": "17.10", "MDM_CAN_REQUEST_SOFTWARE_UPDATE": True},
                 {"PRODUCT": "iPad13,1", "OS_VERSION": "15.0", "MDM_CAN_REQUEST_SOFTWARE_UPDATE": True},
                 {**MAC, "MDM_CAN_REQUEST_PSSO_CONFIG": False}, {"PRODUCT": "Watch6,1", "PAIRING_TOKEN": b"token"}):
        reply = post(server, apple.sign(factory, new_info(**more)))
        assert reply.status == 200, (more, reply)


@pytest.mark.parametrize("conf, word", [
    ({"enroll.minimum_os_ios": "17.x"}, "minimum_os_ios"), ({"enroll.minimum_os_macos": "1.2.3.4.5"}, "minimum_os_macos"),
    ({"enroll.sso_auth_url": "https://sso.example"}, "all three"),
    ({**SSO, "enroll.sso_auth_url": "http://sso.example"}, "sso_auth_url")])
def test_a_conf_that_cannot_be_meant_is_refused(make_server, conf, word):
    server = make_server(conf)
    done = run("pomonad", "-t", "-c", server.conf_path, check=False)
    assert done.returncode != 0 and "[enroll]" in done.stdout + done.stderr and word in done.stdout + done.stderr


# --- the login


def add_user(server, folder, name="ada"):
    path = folder / "password"
    path.write_text(PASSWORD + "\n")
    server.ctl("user", "add", name, "--password-file", path)
    wait_until(lambda: any("users_read count=1" in line for line in server.log), "the file is read again")


@pytest.fixture
def make_login(make, tmp_path):
    def make_login(login="digest", conf=None):
        server = make({"enroll.ade_login": login, **(conf or {})})
        add_user(server, tmp_path)
        return server
    return make_login


def curl(server, folder, message, *words, user="ada", password=PASSWORD):
    """(status, headers, body) of the last answer."""
    (folder / "message").write_bytes(message)
    words = ["curl", "-sS", "--cacert", server.root_pem, "-H", f"Content-Type: {CONTENT_TYPE}", "--data-binary",
             f"@{folder / 'message'}", "-D", folder / "headers", "-o", folder / "body", "-w", "%{http_code}",
             "-u", f"{user}:{password}", *words, f"https://localhost:{server.device_port}{PATH}"]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == 0, err
    return int(out), (folder / "headers").read_text(), (folder / "body").read_bytes()


@pytest.mark.parametrize("login, algorithm", [("digest", "SHA-256"), ("digest_md5", "MD5")])
@pytest.mark.parametrize("how", ["--digest", "--anyauth"])
def test_curl_logs_in_by_digest_and_the_device_enrolls(make_login, apple, factory, tmp_path, login, algorithm, how):
    server = make_login(login)
    info = new_info()
    status, headers, body = curl(server, tmp_path, apple.sign(factory, info), how)
    assert status == 200, body
    assert f"algorithm={algorithm}" in headers
    to_first_answer(server, opened(server, body, tmp_path), info["UDID"], tmp_path)
    assert "user=ada" in server.wait_log("event=ade_profile_given")
    server.stop()
    with sqlite3.connect(server.folder / "pomona.db") as database:
        rows = database.execute("SELECT user_name, serial_number, profile_identifier FROM intent WHERE way = 4").fetchall()
    assert rows == [("ada", info["SERIAL"], "localhost.pomona")]


def test_a_wrong_password_gets_no_profile_and_guessing_is_limited(make_login, apple, factory, tmp_path):
    server = make_login()
    message = apple.sign(factory, new_info())
    for _ in range(10):
        status, headers, body = curl(server, tmp_path, message, "--anyauth", password="guess")
        assert status == 401 and b"wrong" in body, body
    assert "text=wrong" in refused(server, "login_wrong")
    status, headers, body = curl(server, tmp_path, message, "--anyauth")
    assert status == 429 and "Retry-After: 900" in headers, headers
    refused(server, "login_limited")
    assert not any(PASSWORD in line for line in server.log)


def test_an_unknown_name_looks_like_a_wrong_password(make_login, apple, factory, tmp_path):
    server = make_login()
    message = apple.sign(factory, new_info())
    replies = []
    for user in ("ada", "bob"):
        status, headers, body = curl(server, tmp_path, message, "--anyauth", user=user, password="guess")
        replies.append((status, body))
    assert replies[0] == replies[1] and replies[0][0] == 401


def digest(challenge, nc=1, name="ada", password=PASSWORD, uri=PATH, method="POST"):
    """RFC 7616, 3.4, from the challenge's own words."""
    facts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    algorithm = re.search(r"algorithm=([\w-]+)", challenge)[1]
    make_hash = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

    def h(text):
        return make_hash(text.encode()).hexdigest()

    cnonce = os.urandom(8).hex()
    response = h(f"{h(f'{name}:' + facts['realm'] + f':{password}')}:{facts['nonce']}:{nc:08x}:{cnonce}:auth:"
                 f"{h(f'{method}:{uri}')}")
    return (f'Digest username="{name}", realm="{facts["realm"]}", nonce="{facts["nonce"]}", uri="{uri}", '
            f'algorithm={algorithm}, response="{response}", cnonce="{cnonce}", nc={nc:08x}, qop=auth')


def challenges(reply):
    assert reply.status == 401, reply
    return reply.headers.get_all("WWW-Authenticate")


def test_a_login_counts_once_and_for_this_url_alone(make_login, apple, factory):
    server = make_login()
    message = apple.sign(factory, new_info())
    asked = challenges(post(server, message))
    assert ["SHA-256" in asked[0], "algorithm=MD5" in asked[1], len(asked)] == [True, True, 2]
    assert 'realm="Device management"' in asked[0] and 'qop="auth"' in asked[0]
    for challenge in asked:
        login = digest(challenge)
        assert post(server, message, {"Authorization": login}).status == 200
        again = challenges(post(server, message, {"Authorization": login}))
        assert all("stale=true" in one for one in again)
        assert post(server, message, {"Authorization": digest(challenge, nc=2)}).status == 200
    for nonsense in (digest(asked[0], nc=7, uri="/mdm"), "Digest username=", digest(asked[0], 8).replace("qop=auth", "")):
        mark = len(server.log)
        assert post(server, message, {"Authorization": nonsense}).status == 400
        refused(server, "login_garbled", mark)
    query = PATH + "?from=apple%20box"
    asked = challenges(post(server, message, path=query))
    assert post(server, message, {"Authorization": digest(asked[0], uri=query)}, path=query).status == 200
    challenges(post(server, message, {"Authorization": "Bearer abc"}))


def test_a_nonce_of_before_the_restart_is_stale(make_login, apple, factory):
    server = make_login()
    message = apple.sign(factory, new_info())
    asked = challenges(post(server, message))
    server.stop()
    server.start()
    again = challenges(post(server, message, {"Authorization": digest(asked[0])}))
    assert "stale=true" in again[0]
    assert post(server, message, {"Authorization": digest(again[0])}).status == 200


def test_who_is_refused_is_not_asked_for_a_password(make_login, apple, factory):
    server = make_login(conf={"enroll.minimum_os_ios": "99"})
    stranger = AppleChain("Other")
    assert post(server, stranger.sign(stranger.device(), new_info())).status == 403
    old = new_info(OS_VERSION="17.0", MDM_CAN_REQUEST_SOFTWARE_UPDATE=True)
    assert post(server, apple.sign(factory, old)).json()["code"] == "com.apple.softwareupdate.required"


def form_of(reply, path=PATH):
    """What a browser at `path` would send of the one form: where to, and its fields."""
    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            attributes = dict(attributes)
            if tag == "form":
                assert attributes["method"] == "post"
                self.action = attributes["action"]
            elif tag == "input":
                self.fields[attributes["name"]] = attributes.get("value", "")

    reader = Reader()
    reader.fields = {}
    reader.feed(reply.body.decode())
    return urllib.parse.urljoin(path, reader.action), reader.fields


def send_form(server, action, fields, **more):
    body = urllib.parse.urlencode({**fields, **more})
    return call(server, "POST", body, {"Content-Type": "application/x-www-form-urlencoded"}, path=action)


def test_the_page_has_a_form_to_log_in_which_needs_no_session(make_login, apple, factory, tmp_path):
    server = make_login(conf={"enroll.organization": "Orchard & Söhne", "enroll.ade_encrypt": "yes"})
    info = new_info()
    reply = get(server, apple.sign(factory, info))
    assert reply.status == 200 and "Orchard &amp; Söhne" in reply.body.decode()
    action, fields = form_of(reply)
    assert set(fields) == {"info", "name", "password"}
    wrong = send_form(server, action, fields, name="ada", password="guess")
    assert wrong.status == 403 and b"role=\"alert\"" in wrong.body and b"guess" not in wrong.body
    assert "WWW-Authenticate" not in wrong.headers
    assert "text=wrong" in refused(server, "login_wrong")
    assert form_of(wrong, action) == (action, fields) and action == PATH + "/login"
    profile_of(server, send_form(server, *form_of(wrong, action), name="ada", password=PASSWORD), tmp_path)
    line = server.wait_log("event=ade_profile_given")
    assert f"device={info['UDID']}" in line and "user=ada" in line
    assert not any(PASSWORD in line or "guess" in line for line in server.log)


def test_a_form_that_no_page_of_ours_made_is_refused(make_login, apple, factory):
    server = make_login()
    stranger = AppleChain("Other")
    login = {"name": "ada", "password": PASSWORD}
    path = PATH + "/login"

    def encoded(message):
        return base64.b64encode(message).decode()

    for fields, status, reason in (
            ({"info": encoded(stranger.sign(stranger.device(), new_info())), **login}, 403, "not_apple"),
            ({"info": "!!", **login}, 400, "login_garbled"), (login, 400, "login_garbled"),
            ({"info": "", **login}, 400, "no_info"),
            ({"info": encoded(apple.sign(factory, new_info())), "name": "ada"}, 400, "login_garbled"),
            ({"info": encoded(apple.sign(factory, new_info())), "name": "a" * 256, "password": "x"}, 400,
             "login_garbled")):
        mark = len(server.log)
        assert send_form(server, path, fields).status == status, (fields, reason)
        refused(server, reason, mark)
    good = {"info": encoded(apple.sign(factory, new_info())), **login}
    for i in range(10):
        assert send_form(server, path, good, password="guess").status == 403
    limited = send_form(server, path, good)
    assert limited.status == 429 and limited.headers["Retry-After"] == "900"
    change(server, ade_login="none")
    assert send_form(server, path, good).status == 503


def test_behind_a_proxy_the_client_signs_its_own_url_and_is_counted_by_its_own_address(make_login, apple, factory):
    server = make_login(conf={"device.listen_plain": "127.0.0.1:0", "device.proxies": "127.0.0.1",
                              "enroll.url": "https://mdm.example.org/pomona"})
    message = apple.sign(factory, new_info())

    def ask(authorization=None, address="192.0.2.1"):
        headers = {"X-Forwarded-For": address} | ({"Authorization": authorization} if authorization else {})
        return post(server, message, headers, port=server.plain_port)

    asked = challenges(ask())
    assert ask(digest(asked[0], uri="/pomona" + PATH)).status == 200
    for i in range(50):
        assert ask(digest(asked[0], name=f"user {i}", password="guess", uri="/pomona" + PATH)).status == 401
    assert ask(digest(asked[0], nc=90, uri="/pomona" + PATH)).status == 429
    assert ask(digest(asked[0], nc=91, uri="/pomona" + PATH), "192.0.2.2").status == 200


def test_another_realm_after_a_reload_needs_new_passwords(make_login, apple, factory, tmp_path):
    server = make_login()
    message = apple.sign(factory, new_info())
    server.conf["users.realm"] = "Orchard"
    change(server)
    asked = challenges(post(server, message))
    assert 'realm="Orchard"' in asked[0]
    assert post(server, message, {"Authorization": digest(asked[0])}).status == 401
    assert "text=other_realm" in refused(server, "login_wrong")


def test_a_pallet_of_devices_that_are_switched_on_at_once_is_served(server, apple):
    def ask(factory_and_info):
        reply = post(server, apple.sign(*factory_and_info))
        while reply.status == 503:
            reply = post(server, apple.sign(*factory_and_info))
        return reply.status

    devices = [(apple.ec_device(), new_info()) for _ in range(40)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, devices)) == [200] * len(devices)
    assert server.get("/api/v1/status")["ade"] == {"given": len(devices), "refused": 0}
