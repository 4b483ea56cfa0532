# SPDX-License-Identifier: Apache-2.0
"""Account-driven enrollment, from the well-known document to commands, and the access token of each message."""

import http.client
import urllib.parse

import pytest
from harness.account import FORM, Enrollee
from harness.apple import CONTENT_TYPE, AppleChain
from harness.authority import Authority
from harness.device import Device, TOPIC, UserChannel
from harness.panel import Panel
from harness.server import wait_until

from test_profile import opened, payload, set_push_cert
from test_scep import Client

ADA, PASSWORD = "ada@example.org", "corréct horse"
MODES = {"mdm-byod": "BYOD", "mdm-adde": "ADDE"}
QUERY = {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]}


@pytest.fixture(scope="module")
def apple():
    return AppleChain()


def add_user(server, folder, name, password=PASSWORD):
    path = folder / "password"
    path.write_text(password + "\n")
    server.ctl("user", "add", name, "--name", name.title(), "--password-file", path)


@pytest.fixture
def make(make_server, apple, tmp_path):
    def make(options=None, **conf):
        server = make_server({"enroll.account_byod": "on", "enroll.account_adde": "on",
                              "enroll.organization": "Orchard & Söhne",
                              **{f"enroll.{key}": value for key, value in conf.items()}}, **(options or {}))
        for name in ("ada", "eve@example.org"):
            add_user(server, tmp_path, name)
        server.start()
        apple.import_into(server)
        set_push_cert(server)
        return server

    return make


@pytest.fixture
def server(make):
    return make()


@pytest.fixture
def ada(server, apple):
    return Enrollee(server, apple, ADA)


def enroll(enrollee, folder, version="mdm-byod"):
    """The device, enrolled, that sends its token with all that it says."""
    server = enrollee.server
    profile = opened(server, enrollee.profile(version, PASSWORD), folder)
    identity = Client(server, folder).enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"])
    device = Device(server, identity, enrollee.udid, key="EnrollmentID" if version == "mdm-byod" else "UDID")
    device.headers = {"Authorization": f"Bearer {enrollee.token}"}
    keys = {"SerialNumber": None} if version == "mdm-byod" else {}
    assert device.authenticate(**keys).status == 200
    assert device.token_update().status == 200
    return device


def challenge_of(reply):
    assert reply.status == 401, reply
    return reply.headers["WWW-Authenticate"]


def assert_asked(server, reply, text):
    """The device is to ask its user, and keeps its management."""
    assert challenge_of(reply) == f'Bearer method="apple-as-web", url="https://localhost:{server.device_port}/account/login"'
    assert server.refusals()[0]["reason"] == "login_required" and text in server.refusals()[0]["text"]


def to_answer(server, device):
    """One command to the device, and its answer."""
    sent = server.enqueue([device.udid], QUERY)
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command, QueryResponses={"OSVersion": "18.1"}) is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]["state"] == "done"


# --- from nothing to managed


@pytest.mark.parametrize("version", MODES)
def test_from_the_well_known_document_to_the_first_answered_command(server, ada, tmp_path, version):
    device = enroll(ada, tmp_path, version)
    to_answer(server, device)
    user = UserChannel(device, **{"EnrollmentUserID" if version == "mdm-byod" else "UserID": "U-1"})
    assert user.token_update().status == 200 and user.idle().status == 200
    row = server.get("/api/v1/accounts")["accounts"][0]
    assert (row["user"], row["managed_apple_account"], row["mode"]) == ("ada", ADA, version)
    assert row["device_id"] == device.udid and row["is_logged_in"] and row["login_ends_at"] > row["created_at"]
    assert ada.token not in "\n".join(server.log) and PASSWORD not in "\n".join(server.log)


@pytest.mark.parametrize("version", MODES)
def test_the_profile_is_for_this_account_in_this_mode(server, ada, tmp_path, version):
    mdm = payload(opened(server, ada.profile(version, PASSWORD), tmp_path), "com.apple.mdm")
    assert (mdm["EnrollmentMode"], mdm["AssignedManagedAppleID"], mdm["Topic"]) == (MODES[version], ADA, TOPIC)
    assert ("AccessRights" in mdm) == (version == "mdm-adde")


def test_users_may_stand_in_the_file_by_their_whole_account(server, apple, tmp_path):
    eve = Enrollee(server, apple, "eve@example.org", "Mac")
    to_answer(server, enroll(eve, tmp_path, "mdm-adde"))
    assert server.get("/api/v1/accounts")["accounts"][0]["user"] == "eve@example.org"


def test_a_profile_comes_again_until_it_was_used_and_the_one_before_is_void(server, ada, tmp_path):
    url = ada.base_url("mdm-byod")
    first = opened(server, ada.profile("mdm-byod", PASSWORD), tmp_path)
    second = opened(server, ada.ask(url, ada.token).body, tmp_path)
    secrets = [payload(one, "com.apple.security.scep")["PayloadContent"]["Challenge"] for one in (first, second)]
    assert Client(server, tmp_path).ask(secrets[0]).status == "2"
    Client(server, tmp_path).enroll(secrets[1])
    challenge_of(ada.ask(url, ada.token))
    server.wait_log("event=account_refused .*reason=used_token user=ada")


def test_nobody_takes_over_a_device_by_naming_it(server, ada, apple, tmp_path):
    mine = enroll(ada, tmp_path, "mdm-adde")
    eve = Enrollee(server, apple, "eve@example.org")
    profile = opened(server, eve.profile("mdm-adde", PASSWORD), tmp_path)
    challenge = payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]
    thief = Device(server, Client(server, tmp_path).enroll(challenge), mine.udid)
    thief.headers = {"Authorization": f"Bearer {eve.token}"}
    assert thief.authenticate().status == 403
    assert server.refusals()[0]["reason"] == "issued_for_another"
    to_answer(server, mine)


def test_a_device_of_the_organization_is_the_one_that_it_says_it_is(server, apple, tmp_path):
    udid = "5E1F0000-0000-4000-8000-00000000ACC7"
    ada = Enrollee(server, apple, ADA, "Mac", udid)
    profile = opened(server, ada.profile("mdm-adde", PASSWORD), tmp_path)
    challenge = payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]
    identity = Client(server, tmp_path).enroll(challenge)
    other = Device(server, identity, "ANOTHER")
    other.headers = {"Authorization": f"Bearer {ada.token}"}
    assert other.authenticate().status == 403
    assert server.refusals()[0]["reason"] == "issued_for_another"
    other.close()
    enroll(Enrollee(server, apple, ADA, "Mac", udid), tmp_path, "mdm-adde")
    to_answer(server, enroll(Enrollee(server, apple, "eve@example.org", "Mac", udid), tmp_path, "mdm-adde"))


def test_a_device_of_the_organization_says_which_one_it_is(server, apple, tmp_path):
    """A profile for no device in particular would get an identity for any."""
    ada = Enrollee(server, apple, ADA)
    url = ada.base_url("mdm-adde")
    ada.log_in(challenge_of(ada.ask(url)), PASSWORD)
    reply = ada.ask(url, ada.token)
    assert reply.status == 400 and b"UDID" in reply.body
    assert server.get("/api/v1/devices")["devices"] == []


# --- discovery


@pytest.mark.parametrize("conf, versions", [
    ({}, ["mdm-byod", "mdm-adde"]), ({"account_byod": "off"}, ["mdm-adde"]), ({"account_adde": "off"}, ["mdm-byod"])])
def test_what_is_offered_is_what_the_conf_says(make, apple, conf, versions):
    server = make(**conf)
    ada = Enrollee(server, apple, ADA)
    base = f"https://localhost:{server.device_port}/account/"
    servers = ada.discover().json()["Servers"]
    assert servers == [{"Version": version, "BaseURL": base + version.removeprefix("mdm-")} for version in versions]
    for version in MODES:
        assert ada.ask("/account/" + version.removeprefix("mdm-")).status == (401 if version in versions else 404)


def test_where_it_is_switched_off_there_is_nothing(make, apple):
    ada = Enrollee(make(account_byod="off", account_adde="off"), apple, ADA)
    assert ada.discover().status == 404
    assert ada.ask("/account/byod").status == 404
    assert ada.request("GET", "/account/login").status == 404
    assert ada.send_form("/account/login", {"user": ADA, "password": PASSWORD}).status == 404


@pytest.mark.parametrize("query", [
    {"user-identifier": None}, {"user-identifier": "ada"}, {"user-identifier": "@example.org"},
    {"user-identifier": "x" * 250 + "@example.org"}, {"user-identifier": "a\nb@example.org"}, {"model-family": "x" * 65}])
def test_a_question_that_is_none_is_refused_by_its_type(server, ada, query):
    reply = ada.discover(**query)
    assert reply.status == 403 and reply.headers["Content-Type"] == "application/json"
    assert reply.json()["code"] == "com.apple.well-known.failed"
    server.wait_log("event=account_refused .*reason=discovery")


def test_every_family_is_answered(ada):
    for family in ("iPhone", "iPad", "Mac", "AppleTV", "Watch", "RealityDevice", "x" * 64, None):
        assert ada.discover(**{"model-family": family}).status == 200


def test_behind_a_proxy_all_addresses_are_those_of_the_conf(make, apple):
    ada = Enrollee(make(url="https://mdm.example.org/pomona"), apple, ADA)
    assert ada.base_url("mdm-adde") == "https://mdm.example.org/pomona/account/adde"
    assert challenge_of(ada.ask("/account/adde")) == \
        'Bearer method="apple-as-web", url="https://mdm.example.org/pomona/account/login"'


def test_without_tls_nothing_of_this_is_there(make, apple):
    server = make()
    server.stop()
    server.conf["device.listen_plain"] = "127.0.0.1:0"
    server.write_conf()
    server.start()
    for method, path in (("GET", "/.well-known/com.apple.remotemanagement?user-identifier=" + ADA), ("POST", "/account/byod"),
                         ("GET", "/account/login"), ("POST", "/account/login")):
        connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=60)
        connection.request(method, path)
        assert connection.getresponse().status == 403, path
        connection.close()


# --- machine information


def test_only_what_apple_made_gets_a_profile(server, ada, apple):
    url = ada.base_url("mdm-byod")
    ada.log_in(challenge_of(ada.ask(url)), PASSWORD)
    other = AppleChain("Other")
    assert ada.ask(url, ada.token, other.sign(other.device(), ada.machine_info())).status == 403
    server.wait_log("event=account_refused .*reason=machine_information user=ada")
    assert ada.ask(url, ada.token, b"garbage").status == 400
    assert ada.ask(url, ada.token, apple.sign(ada.factory, b"no property list")).status == 400
    assert ada.declare("/account/byod", 65537, CONTENT_TYPE).status == 413
    assert ada.ask(url, ada.token, b"x" * 65536).status == 400
    assert ada.ask(url, ada.token).status == 200, "nothing of this uses the token up"


# --- logging in


def test_a_wrong_password_shows_the_page_again_and_gives_no_token(server, ada):
    url, fields = ada.login_page(challenge_of(ada.ask("/account/byod")))
    for changed in ({"password": "wrong"}, {"user": "ada", "password": ""}):
        reply = ada.send_form(url, {**fields, **changed})
        assert reply.status == 403 and "Location" not in reply.headers
        assert "The account or the password is wrong." in reply.body.decode() and f'value="{ADA}"' in reply.body.decode()
        assert "form-action 'self' apple-remotemanagement-user-login:" in reply.headers["Content-Security-Policy"]
    server.wait_log("event=account_refused .*reason=login user=ada@example.org")
    assert PASSWORD not in "\n".join(server.log)


def test_who_guesses_learns_no_names_and_is_stopped(server, apple):
    nobody = Enrollee(server, apple, "nobody@example.org")
    url, fields = nobody.login_page(challenge_of(nobody.ask("/account/byod")))
    for _ in range(10):
        reply = nobody.send_form(url, {**fields, "password": "guess"})
        assert reply.status == 403 and "The account or the password is wrong." in reply.body.decode()
    reply = nobody.send_form(url, {**fields, "password": "guess"})
    assert reply.status == 429 and "Too many wrong passwords" in reply.body.decode()


@pytest.mark.parametrize("fields, text", [
    ({"user-identifier": ADA, "user": "eve@example.org", "password": PASSWORD}, "another account"),
    ({"user": "ada", "password": PASSWORD}, "in full"),
    ({"user-identifier": "ada", "user": "ada", "password": PASSWORD}, "in full"),
    ({"user": ADA}, "Start again"), ({"password": PASSWORD}, "Start again"), ({}, "Start again"),
    ({"user": ADA, "password": "x" * 1025}, "Start again"), ({"user": "x" * 256, "password": "x"}, "Start again")])
def test_a_form_that_is_not_ours_is_refused_before_any_password_is_looked_at(ada, fields, text):
    reply = ada.send_form("/account/login", fields)
    assert reply.status == 400 and text in reply.body.decode(), reply


def test_another_sites_form_and_another_kind_of_body_are_refused(ada):
    fields = {"user": ADA, "password": PASSWORD}
    for site, status in (("cross-site", 400), ("same-site", 400), ("same-origin", 308), ("none", 308)):
        assert ada.send_form("/account/login", fields, {"Sec-Fetch-Site": site}).status == status, site
    assert ada.send_form("/account/login", fields, {"Content-Type": "text/plain"}).status == 400
    assert ada.declare("/account/login", 8193, FORM).status == 413
    assert ada.request("POST", "/account/login", "x" * 8192, {"Content-Type": FORM}).status == 400


def test_what_the_address_says_is_text_and_no_html(ada):
    page = ada.request("GET", "/account/login?" + urllib.parse.urlencode({"user-identifier": '"><b>@x.org'}))
    assert page.status == 200 and b"<b>" not in page.body and b"&quot;&gt;&lt;b&gt;@x.org" in page.body
    page = ada.request("GET", "/account/login?user-identifier=unsound")
    assert page.status == 200 and b"unsound" not in page.body.split(b"<form")[1]


# --- the token


def test_a_message_without_the_token_is_answered_with_the_challenge_and_nothing_is_lost(server, ada, tmp_path):
    device = enroll(ada, tmp_path)
    sent = server.enqueue([device.udid], QUERY)
    command = device.poll()
    token = device.headers.pop("Authorization")
    answer = {"QueryResponses": {"OSVersion": "18.1"}}
    for reply in (device.report("Acknowledged", command["CommandUUID"], **answer), device.token_update(), device.idle(),
                  UserChannel(device, EnrollmentUserID="U").token_update()):
        assert_asked(server, reply, "no access token came")
    device.headers["Authorization"] = token
    assert device.answer(command, **answer) is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}/results")["results"][0]["state"] == "done"
    assert server.device(device.udid)["state"] == "enrolled"


def test_a_token_that_an_administrator_ends_asks_for_a_login_and_that_one_replaces_it(server, ada, tmp_path):
    device = enroll(ada, tmp_path)
    assert server.ctl_json("user", "logout", "ada") == {"ended": 1}
    server.wait_log("event=admin_change .*what=logout_user id=ada")
    reply = device.idle()
    assert_asked(server, reply, "not known any more")
    assert not server.get("/api/v1/accounts?user=ada")["accounts"][0]["is_logged_in"]
    former = ada.token
    device.headers["Authorization"] = "Bearer " + ada.log_in(challenge_of(reply), PASSWORD)
    to_answer(server, device)
    device.headers["Authorization"] = "Bearer " + former
    assert_asked(server, device.idle(), "not known any more")
    device.headers["Authorization"] = "Bearer " + ada.token
    assert device.idle().status == 200
    assert server.ctl_json("user", "logout", "--device", device.udid) == {"ended": 1}
    assert_asked(server, device.idle(), "not known any more")
    assert "ada@example.org" in server.ctl("user", "devices").stdout


def test_a_token_ends_with_its_days_and_an_unused_one_in_minutes(make, apple, tmp_path):
    panel = Panel(tmp_path / "panel")
    server = make({"program": "pomonad-faultvfs", "environment": panel.environment}, access_token_days="1")
    ada = Enrollee(server, apple, ADA)
    device = enroll(ada, tmp_path)
    command = server.enqueue([device.udid], QUERY)
    given = device.poll()
    assert given["CommandUUID"] == command["uuid"]
    panel.shift_clock(86400 - 600)
    assert device.token_update().status == 200
    panel.shift_clock(86400 + 600)
    reply = device.report("Acknowledged", given["CommandUUID"])
    assert_asked(server, reply, "has expired")
    unused = ada.log_in(challenge_of(reply), PASSWORD)
    panel.shift_clock(86400 + 600 + 901)
    device.headers["Authorization"] = "Bearer " + unused
    assert_asked(server, device.report("Acknowledged", given["CommandUUID"]), "has expired")
    challenge_of(ada.ask("/account/byod", unused))
    server.wait_log("event=account_refused .*reason=expired_token")
    device.headers["Authorization"] = "Bearer " + ada.log_in(challenge_of(reply), PASSWORD)
    assert device.answer(given) is None
    assert server.get(f"/api/v1/commands/{command['uuid']}/results")["results"][0]["state"] == "done"


def test_a_login_anew_lasts_over_a_crash(server, ada, tmp_path):
    device = enroll(ada, tmp_path)
    server.kill()
    server.start()
    device.close()
    assert device.idle().status == 200
    challenge = challenge_of(Enrollee(server, ada.apple, ADA).ask("/account/byod"))
    device.headers["Authorization"] = "Bearer " + ada.log_in(challenge, PASSWORD)
    assert device.idle().status == 200
    server.kill()
    server.start()
    device.close()
    assert device.idle().status == 200


def test_a_token_of_somebody_else_or_of_another_device_does_not_do(server, ada, apple, tmp_path):
    device = enroll(ada, tmp_path)
    eve = Enrollee(server, apple, "eve@example.org")
    eve.log_in(challenge_of(eve.ask("/account/byod")), PASSWORD)
    device.headers["Authorization"] = "Bearer " + eve.token
    assert_asked(server, device.idle(), "another account's")
    second = Enrollee(server, apple, ADA)
    enroll(second, tmp_path)
    device.headers["Authorization"] = "Bearer " + second.token
    assert_asked(server, device.idle(), "another account's")
    device.headers["Authorization"] = "Bearer " + ada.token
    assert device.idle().status == 200


def test_the_token_of_the_web_view_gets_one_device_in(server, ada, apple, tmp_path):
    enroll(ada, tmp_path)
    thief = Enrollee(server, apple, ADA)
    challenge_of(thief.ask("/account/byod", ada.token))
    challenge_of(thief.ask("/account/adde", ada.token))
    challenge_of(thief.ask("/account/byod", "pom_" + "0" * 64))
    server.wait_log("event=account_refused .*reason=unknown_token")


def test_no_device_that_enrolled_otherwise_is_ever_asked_to_log_in(server, tmp_path):
    authority = Authority()
    server.trust(authority)
    plain = Device(server, authority.issue("plain")).enroll()
    plain.headers = {"Authorization": "Bearer nonsense"}
    assert plain.idle().status == 200
    stranger = Device(server, authority.issue("stranger"), plain.udid)
    assert stranger.idle().status == 403


def test_an_ordered_removal_has_no_challenge(server, ada, tmp_path):
    device = enroll(ada, tmp_path)
    server.ctl("device", "unenroll", device.udid)
    device.headers = {}
    command = device.poll()  # whoever is logged in
    assert command["Command"]["RequestType"] == "RemoveProfile"
    reply = device.report("Acknowledged", command["CommandUUID"])
    assert reply.status == 401 and "WWW-Authenticate" not in reply.headers


@pytest.mark.parametrize("version, mode, rights", [("mdm-adde", "ADDE", 8191), ("mdm-byod", "BYOD", None)])
def test_a_renewed_profile_is_for_the_same_account_and_so_is_its_identity(server, ada, tmp_path, version, mode, rights):
    device = enroll(ada, tmp_path, version)
    server.ctl("enroll", "renew", device.udid)
    server.wait_log(f"event=renewal_sent device={device.udid}")
    command = device.poll()
    profile = opened(server, command["Command"]["Payload"], tmp_path)
    mdm = payload(profile, "com.apple.mdm")
    assert (mdm["EnrollmentMode"], mdm["AssignedManagedAppleID"], mdm.get("AccessRights")) == (mode, ADA, rights)
    device.close()
    device.use(Client(server, tmp_path).enroll(payload(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]))
    token, device.headers = device.headers, {}
    keys = {"SerialNumber": None} if version == "mdm-byod" else {}
    challenge_of(device.authenticate(**keys))
    device.headers = token
    assert device.authenticate(**keys).status == 200 and device.token_update().status == 200
    assert device.answer(command) is None
    device.headers = {}
    assert_asked(server, device.idle(), "no access token came")


def test_switched_off_nobody_new_comes_in_and_who_is_in_stays(server, ada, tmp_path):
    device = enroll(ada, tmp_path)
    server.conf.update({"enroll.account_byod": "off", "enroll.account_adde": "off"})
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded ")
    to_answer(server, device)
    device.headers = {}
    assert device.idle().status == 403
    assert server.refusals()[0]["reason"] == "access_token"


def test_without_a_push_certificate_the_device_may_come_again(make_server, apple, tmp_path):
    server = make_server({"enroll.account_byod": "on"})
    add_user(server, tmp_path, "ada")
    server.start()
    apple.import_into(server)
    ada = Enrollee(server, apple, ADA)
    ada.log_in(challenge_of(ada.ask("/account/byod")), PASSWORD)
    assert ada.ask("/account/byod", ada.token).status == 503
    server.wait_log("event=enrolling_failed .*pushcert set")
    set_push_cert(server)
    assert ada.ask("/account/byod", ada.token).status == 200


def test_logging_out_says_what_it_wants(server):
    for body in ({}, {"user": "ada", "device_id": "D"}, {"user": "x" * 256}):
        assert server.api("POST", "/api/v1/accounts/logout", body).status == 400
    assert server.api("POST", "/api/v1/accounts/logout", {"device_id": "D"}).status == 404
    assert server.api("POST", "/api/v1/accounts/logout", {"user": "nobody"}).json() == {"ended": 0}
    assert server.ctl("user", "logout", check=False).returncode == 64
    wait_until(lambda: server.get("/api/v1/accounts") == {"accounts": [], "next_cursor": None}, "nobody enrolled")
