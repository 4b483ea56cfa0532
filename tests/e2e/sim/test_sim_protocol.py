# SPDX-License-Identifier: Apache-2.0
"""What simulated devices send, judged by a server of Python's own ssl, http and plistlib."""

import json
import plistlib
import re
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from runs import Run, device_of, sim

UDID = {
    "Mac": r"[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}",
    "other": r"[0-9a-f]{40}|0000[0-9]{4}-[0-9A-F]{16}",
}
CHECKIN_TYPE = "application/x-apple-aspen-mdm-checkin"
RESULT_TYPE = "application/x-apple-aspen-mdm; charset=UTF-8"
# Every fleet has the same kinds of device in turns of ten, and these four users: of two Macs, and two of a Shared iPad.
FLEET, CHANNELS = 10, 14


# The CA

def test_the_ca_is_made_once_and_its_key_is_for_its_owner_only(tmp_path):
    folder = tmp_path / "new"
    first = sim("ca", "--dir", folder)
    files = {name: (folder / name).read_bytes() for name in ("ca.pem", "ca.key")}
    again = sim("ca", "--dir", folder)

    assert first.returncode == again.returncode == 0
    assert "nothing changed" in again.stdout and "nothing changed" not in first.stdout
    assert files == {name: (folder / name).read_bytes() for name in files}
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate(files["ca.pem"])
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_ca_without_its_key_is_an_error_and_not_replaced(folder):
    before = (folder / "ca.pem").read_bytes()
    (folder / "ca.key").unlink()
    outcome = sim("ca", "--dir", folder)
    assert outcome.returncode == 1 and "ca.key" in outcome.stderr
    assert (folder / "ca.pem").read_bytes() == before


# Enrolling

def test_each_kind_of_device_enrolls_with_the_keys_of_its_kind(mdm, start):
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    authenticates = mdm.of_type("Authenticate")

    assert len(authenticates) == FLEET
    assert len({m.certificate for m in mdm.messages}) == FLEET
    assert {m.path for m in mdm.messages if m.type} == {"/checkin"}
    assert {m.content_type for m in mdm.messages if m.type} == {CHECKIN_TYPE}
    assert {m.path for m in mdm.messages if m.status} == {"/mdm"}
    assert {m.content_type for m in mdm.messages if m.status} == {RESULT_TYPE}
    families = {re.match("[A-Za-z]+", m.plist["ProductName"])[0] for m in authenticates}
    assert {"iPhone", "iPad", "AppleTV"} < families and families & {"Mac", "iMac", "Macmini", "MacBookPro"}
    for m in authenticates:
        is_mac = "Mac" in m.plist["ProductName"]
        assert all(m.plist[key] for key in ("Topic", "OSVersion", "BuildVersion"))
        if "EnrollmentID" in m.plist:
            assert not {"UDID", "SerialNumber", "IMEI", "MEID"} & set(m.plist)
            continue
        assert re.fullmatch(UDID["Mac" if is_mac else "other"], m.plist["UDID"])
        assert re.fullmatch("[0-9C-Y]{10,12}", m.plist["SerialNumber"])
        assert is_mac == ({"DeviceName", "Model", "ModelName"} <= set(m.plist))
    assert sum("EnrollmentID" in m.plist for m in authenticates) == 1


def test_token_updates_say_who_and_where_to_push(mdm, start):
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    updates = mdm.of_type("TokenUpdate")

    assert len(updates) == len({m.channel for m in updates}) == CHANNELS
    assert len({m.plist["PushMagic"] for m in updates}) == CHANNELS
    assert len({m.plist["Token"] for m in updates}) == CHANNELS
    assert {len(m.plist["Token"]) for m in updates} == {32}
    products = {m.channel: m.plist["ProductName"] for m in mdm.of_type("Authenticate")}
    shared = {m.channel.split(":")[0] for m in updates if "@" in m.channel}
    assert len(shared) == 1
    for m in updates:
        is_plain_ios = products.get(m.channel, "").startswith(("iPhone", "iPad")) \
            and "UDID" in m.plist and m.channel not in shared
        assert is_plain_ios == ("UnlockToken" in m.plist)
        if "UserID" in m.plist:
            assert m.plist["UserShortName"] and m.plist["UserLongName"]
            assert ("NotOnConsole" in m.plist) == ("@" not in m.channel)


def test_only_macs_escrow_a_bootstrap_token(mdm, start):
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    products = {m.channel: m.plist["ProductName"] for m in mdm.of_type("Authenticate")}
    escrowed = mdm.of_type("SetBootstrapToken")
    assert {m.channel for m in escrowed} == {c for c, product in products.items() if "Mac" in product}
    assert all(len(m.plist["BootstrapToken"]) > 0 for m in escrowed)


def test_a_users_channel_follows_its_device_and_a_network_user_asks_first(mdm, start):
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    asked = mdm.of_type("UserAuthenticate")
    assert len(asked) == 1
    of_user = [m for m in mdm.messages if m.channel == asked[0].channel]
    assert [m.type or m.status for m in of_user][:3] == ["UserAuthenticate", "TokenUpdate", "Idle"]
    for user in {m.channel for m in mdm.messages if ":" in m.channel}:
        order = [m.channel for m in mdm.messages if m.type == "TokenUpdate"]
        assert order.index(user.split(":")[0]) < order.index(user)


def test_a_user_refused_by_410_stays_quiet_and_the_device_does_not_mind(mdm, start):
    mdm.rules.append(lambda m: (410, b"", {}) if m.type == "UserAuthenticate" else None)
    start("--devices", FLEET, "--interval", "0.2")
    refused = mdm.wait("a refusal", lambda: mdm.of_type("UserAuthenticate"))[0].channel
    device = refused.split(":")[0]
    mdm.wait("three polls of its device", lambda: [m.channel for m in mdm.of_status("Idle")].count(device) >= 3)
    assert [m.type for m in mdm.messages if m.channel == refused] == ["UserAuthenticate"]


def test_a_challenge_is_answered_and_the_auth_token_goes_with_each_message(mdm, start):
    def challenge(m):
        if m.type != "UserAuthenticate":
            return None
        reply = {"AuthToken": "let-me-in"} if "DigestResponse" in m.plist else {"DigestChallenge": 'Digest nonce="x"'}
        return 200, plistlib.dumps(reply), {}

    mdm.rules.append(challenge)
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    user = mdm.of_type("UserAuthenticate")[0].channel
    sent = [m.plist for m in mdm.messages if m.channel == user]
    assert len([m for m in sent if m.get("MessageType") == "UserAuthenticate"]) == 2
    assert {m.get("AuthToken") for m in sent if m.get("MessageType") != "UserAuthenticate"} == {"let-me-in"}


# Going on

def test_a_second_run_is_the_same_fleet_and_does_not_enroll_again(mdm, start):
    first = start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    assert first.stop()[0] == 0
    before = {m.channel: m.certificate for m in mdm.of_status("Idle")}
    mdm.messages.clear()
    start("--devices", FLEET)
    mdm.wait_for_polls(CHANNELS)
    assert {m.channel: m.certificate for m in mdm.of_status("Idle")} == before
    assert mdm.of_type("Authenticate", "TokenUpdate", "SetBootstrapToken") == []


def test_a_killed_simulator_has_kept_who_is_enrolled(mdm, start, folder):
    first = start("--devices", 3, "--interval", "0.2")
    mdm.wait_for_polls(3)
    states = lambda: [json.loads(path.read_text()) for path in (folder / "devices").glob("*.json")]
    mdm.wait("the files to tell it", lambda: mdm.messages[-1].status == "Idle" and all(
        channel["enrolled"] for state in states() for channel in state["channels"]))
    first.process.kill()
    first.wait()
    mdm.messages.clear()
    start("--devices", 3, "--interval", "0.2")
    mdm.wait_for_polls(3)
    assert mdm.of_type("Authenticate", "TokenUpdate") == []


def test_the_state_of_a_device_is_for_its_owner_only(mdm, start, folder):
    start("--devices", 3)
    mdm.wait_for_polls(3)
    files = sorted((folder / "devices").iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


# Commands

def test_a_visit_is_one_connection_from_idle_to_the_empty_reply_and_then_closed(mdm, start):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    device = mdm.messages[0].channel
    with mdm.changed:  # so that no visit comes between
        keys = [mdm.send(device, {"RequestType": name}) for name in ("ProfileList", "SecurityInfo", "CertificateList")]
    mdm.result(keys[-1])
    mdm.wait("the connection to be closed", lambda: not mdm.open)
    results = [m for m in mdm.messages if m.plist.get("CommandUUID")]
    assert [m.plist["CommandUUID"] for m in results] == keys
    assert {m.status for m in results} == {"Acknowledged"}
    connection = {m.connection for m in results}
    assert len(connection) == 1
    idle = [m for m in mdm.of_status("Idle") if m.connection in connection]
    assert len(idle) == 1 and mdm.messages.index(idle[0]) < mdm.messages.index(results[0])


def test_device_information_answers_what_the_device_knows_and_leaves_out_the_rest(mdm, start):
    start("--devices", FLEET, "--interval", "0.2")
    mdm.wait_for_polls(CHANNELS)
    queries = ["UDID", "SerialNumber", "OSVersion", "BatteryLevel", "IsMultiUser", "HostName", "PushToken", "Nonsense"]
    iphone, mac = device_of(mdm, "iPhone"), next(
        m.channel for m in mdm.of_type("Authenticate") if "Mac" in m.plist["ProductName"])
    shared = next(m.channel.split(":")[0] for m in mdm.messages if "@" in m.channel)
    byod = next(m.channel for m in mdm.messages if "EnrollmentID" in m.plist)
    responses = {}
    for device in (iphone, mac, shared, byod):
        key = mdm.send(device, {"RequestType": "DeviceInformation", "Queries": queries})
        responses[device] = mdm.result(key).plist["QueryResponses"]
    assert set(responses[iphone]) == {"UDID", "SerialNumber", "OSVersion", "BatteryLevel", "PushToken"}
    assert set(responses[mac]) == {"UDID", "SerialNumber", "OSVersion", "BatteryLevel", "HostName", "PushToken"}
    assert responses[shared]["IsMultiUser"] is True
    assert not {"UDID", "SerialNumber"} & set(responses[byod])
    assert responses[iphone]["UDID"] == iphone
    assert isinstance(responses[iphone]["BatteryLevel"], float) and isinstance(responses[iphone]["PushToken"], bytes)


def test_a_certificate_list_holds_the_identity_that_tls_showed(mdm, start):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    result = mdm.result(mdm.send(mdm.messages[0].channel, {"RequestType": "CertificateList"}))
    assert [entry["Data"] for entry in result.plist["CertificateList"]] == [result.certificate]


def test_an_unknown_command_is_an_error_and_a_broken_one_a_format_error(mdm, start):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    device = mdm.messages[0].channel
    unknown = mdm.result(mdm.send(device, {"RequestType": "MakeCoffee"}))
    assert unknown.status == "Error"
    assert [(e["ErrorCode"], e["ErrorDomain"]) for e in unknown.plist["ErrorChain"]] == [(12021, "MCMDMErrorDomain")]
    assert unknown.plist["ErrorChain"][0]["LocalizedDescription"] == "Unknown command"
    bare = b"<plist version='1.0'><dict><key>CommandUUID</key><string>@UUID@</string></dict></plist>"
    broken = ({"RequestType": 7}, {"Request": "x"}, "text", {"RequestType": "InstallProfile", "Payload": "no data"}, bare)
    for command in broken:
        assert mdm.result(mdm.send(device, command)).status == "CommandFormatError", command


def test_what_is_no_command_is_not_answered_and_the_device_comes_again(mdm, start):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    bad = [b"no plist", b"<plist version='1.0'><dict><key>Command</key><dict/></dict></plist>"]
    mdm.rules.append(lambda m: (200, bad.pop(), {}) if m.status == "Idle" and bad else None)
    mdm.wait("both to be given out", lambda: not bad)
    assert mdm.result(mdm.send(mdm.messages[0].channel, {"RequestType": "ProfileList"})).status == "Acknowledged"
    assert {m.status for m in mdm.messages if m.status} == {"Idle", "Acknowledged"}


def test_not_now_is_never_said_to_what_may_not_be_put_off(mdm, start):
    start("--devices", 1, "--interval", "0.2", "--notnow", 100)
    mdm.wait_for_polls(1)
    device = mdm.messages[0].channel
    commands = [{"RequestType": "DeviceInformation", "Queries": []}, {"RequestType": "DeviceLock"},
                {"RequestType": "ClearPasscode", "UnlockToken": b"x"}, {"RequestType": "ProfileList"},
                {"RequestType": "InstalledApplicationList"}, {"RequestType": "Restrictions"},
                {"RequestType": "CertificateList"}]
    for command in commands:
        assert mdm.result(mdm.send(device, command)).status == "Acknowledged", command
    put_off = mdm.send(device, {"RequestType": "SecurityInfo"})
    assert mdm.result(put_off).status == "NotNow"
    mdm.wait("it to be offered again at a later poll", lambda: len(
        [m for m in mdm.messages if m.plist.get("CommandUUID") == put_off]) >= 2)


def test_errors_come_at_the_rate_that_was_asked_for(mdm, start):
    start("--devices", 1, "--interval", "0.2", "--error", 100)
    mdm.wait_for_polls(1)
    result = mdm.result(mdm.send(mdm.messages[0].channel, {"RequestType": "DeviceInformation", "Queries": []}))
    assert result.status == "Error" and result.plist["ErrorChain"]


def test_a_users_command_comes_on_the_users_channel(mdm, start):
    start("--devices", FLEET, "--interval", "0.2")
    mdm.wait_for_polls(CHANNELS)
    user = next(m.channel for m in mdm.messages if ":" in m.channel)
    result = mdm.result(mdm.send(user, {"RequestType": "ProfileList"}))
    assert result.channel == user and result.status == "Acknowledged"
    assert mdm.result(mdm.send(user, {"RequestType": "EraseDevice"})).status == "Error"


def test_an_erased_device_comes_back_as_a_new_identity(mdm, start):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    device, old = mdm.messages[0].channel, mdm.messages[0].certificate
    erased = mdm.result(mdm.send(device, {"RequestType": "EraseDevice"}))
    assert erased.status == "Acknowledged"
    mdm.wait("it to enroll again", lambda: len(mdm.of_type("TokenUpdate")) == 2)
    again = mdm.of_type("Authenticate")[1]
    assert again.channel == device and again.certificate != old
    assert again.plist["SerialNumber"] == mdm.messages[0].plist["SerialNumber"]
    tokens = mdm.of_type("TokenUpdate")
    assert tokens[0].plist["PushMagic"] != tokens[1].plist["PushMagic"]
    after = mdm.messages[mdm.messages.index(erased) + 1:]
    assert {m.certificate for m in after} == {again.certificate}


# When the server refuses

@pytest.mark.parametrize("status, body", [
    (401, b""), (403, json.dumps({"code": "com.apple.unrecognized.device"}).encode())])
def test_a_device_that_is_not_managed_any_more_reports_it_and_stays_away(mdm, start, status, body):
    run = start("--devices", 2, "--interval", "0.2", "--json")
    mdm.wait_for_polls(2)
    gone, stays = [m.channel for m in mdm.of_type("Authenticate")]
    told = []
    mdm.rules.append(lambda m: told.append(m) or (status, body, {}) if m.channel == gone else None)
    mdm.wait("it to be told", lambda: told)
    count = len(mdm.messages)
    mdm.wait("the other to poll on", lambda: [m.channel for m in mdm.messages[count:]].count(stays) >= 5)
    returncode, out, errors = run.stop()
    assert returncode == 0
    assert len(told) == 1
    assert "unenrolled" in errors and gone in errors
    last = json.loads(out.splitlines()[-1])
    assert last["unenrolled"] == 1 and last["enrolled"] == 1 and last["status"][str(status)] == 1
    mdm.messages.clear()
    start("--devices", 2, "--interval", "0.2")
    mdm.wait("the other to poll again", lambda: [m.channel for m in mdm.of_status("Idle")].count(stays) >= 5)
    assert gone not in {m.channel for m in mdm.messages}


def test_a_bare_403_is_a_failure_and_unenrolls_nobody(mdm, start):
    run = start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    refusals = [(403, b"", {})]
    mdm.rules.append(lambda m: refusals.pop() if refusals else None)
    mdm.wait("two polls after it", lambda: not refusals and mdm.messages[-1].status == "Idle")
    count = len(mdm.messages)
    mdm.wait("more polls", lambda: len(mdm.messages) > count)
    assert len(mdm.of_type("Authenticate")) == 1
    assert "unenrolled" not in run.stop()[2]


def test_reenroll_enrolls_again_after_a_401(mdm, start):
    start("--devices", 1, "--interval", "0.2", "--reenroll")
    mdm.wait_for_polls(1)
    old = mdm.messages[0].certificate
    mdm.rules.append(lambda m: (401, b"", {}) if m.certificate == old else None)
    mdm.wait("it to enroll again", lambda: len(mdm.of_type("TokenUpdate")) == 2)
    assert mdm.of_type("Authenticate")[1].certificate != old


@pytest.mark.parametrize("status", [400, 500, 503])
def test_a_result_is_kept_and_sent_again_until_it_is_taken(mdm, start, status):
    start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    refusals = [(status, b"", {"Retry-After": "1"})] * 2
    mdm.rules.append(lambda m: refusals.pop() if m.plist.get("CommandUUID") and refusals else None)
    key = mdm.send(mdm.messages[0].channel, {"RequestType": "DeviceInformation", "Queries": ["BatteryLevel"]})
    mdm.wait("the third", lambda: len([m for m in mdm.messages if m.plist.get("CommandUUID") == key]) == 3)
    sent = [m for m in mdm.messages if m.plist.get("CommandUUID") == key]
    assert len({m.raw for m in sent}) == 1
    assert len({m.connection for m in sent}) == 3
    count = len(mdm.messages)
    mdm.wait("a poll after it", lambda: "Idle" in [m.status for m in mdm.messages[count:]])
    assert len([m for m in mdm.messages if m.plist.get("CommandUUID") == key]) == 3


def test_a_result_that_was_not_taken_outlives_the_simulator(mdm, start):
    first = start("--devices", 1, "--interval", "0.2")
    mdm.wait_for_polls(1)
    mdm.rules.append(lambda m: (503, b"", {}) if m.plist.get("CommandUUID") else None)
    key = mdm.send(mdm.messages[0].channel, {"RequestType": "ProfileList"})
    raw = mdm.result(key).raw
    assert first.stop()[0] == 0
    mdm.messages.clear()
    mdm.rules.clear()
    start("--devices", 1, "--interval", "0.2")
    assert mdm.wait("the first message", lambda: mdm.messages)[0].raw == raw


def test_a_server_that_the_ca_did_not_sign_gets_no_message(mdm, start, tmp_path, folder):
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes((folder / "ca.pem").read_bytes())
    run = Run(mdm, folder, stranger, "--devices", "2", "--for", "1", "--json")
    returncode, out, _ = run.wait()
    assert returncode == 0
    assert mdm.messages == []
    last = json.loads(out.splitlines()[-1])
    assert last["failed"] >= 2 and last["enrolled"] == 0 and last["status"] == {}


# The command line

def test_once_ends_when_each_device_has_answered_and_reports_in_json(mdm, start):
    mdm.rules.append(lambda m: mdm.send(m.channel, {"RequestType": "DeviceInformation", "Queries": ["OSVersion"]})
                     and None if m.type == "TokenUpdate" else None)
    returncode, out, errors = start("--devices", FLEET, "--once", "--json").wait()
    assert returncode == 0, errors
    last = json.loads(out.splitlines()[-1])
    assert last["devices"] == last["enrolled"] == FLEET
    assert last["acknowledged"] >= FLEET and last["errors"] == last["failed"] == 0
    assert set(last["status"]) == {"200"}


def test_once_names_a_device_that_the_server_unenrolled(mdm, start):
    mdm.rules.append(lambda m: (401, b"", {}) if m.type == "Authenticate" else None)
    returncode, _, errors = start("--devices", 1, "--once").wait()
    assert returncode == 1
    assert mdm.messages[0].channel in errors and "unenrolled" in errors


def test_for_ends_it_in_good_order(mdm, start):
    first = start("--devices", 1)
    mdm.wait_for_polls(1)
    first.stop()
    returncode, out, _ = start("--devices", 1, "--for", "0.5").wait()
    assert returncode == 0
    assert "1 of 1 enrolled" in out.splitlines()[-1]


@pytest.mark.parametrize("words, says", [
    ([], "no verb"),
    (["fly"], "fly: no such verb"),
    (["ca"], "--dir DIR: required"),
    (["run", "--dir", "d", "--url", "http://h", "--ca", "f"], "--url http://h: not https://"),
    (["run", "--devices", "0"], "--devices 0: not a number from 1 to"),
    (["run", "--notnow=101"], "--notnow 101: not a number from 0 to 100"),
    (["run", "--once=1"], "--once: takes no value"),
    (["run", "--interval"], "--interval: needs SECONDS"),
    (["run", "--colour", "red"], "--colour: no such option"),
])
def test_wrong_usage_names_option_and_rule_and_gives_64(words, says):
    outcome = sim(*words)
    assert outcome.returncode == 64
    assert says in outcome.stderr


def test_run_without_a_ca_says_how_to_make_one(tmp_path, server_ca):
    outcome = sim("run", "--dir", tmp_path / "none", "--url", "https://localhost:1", "--ca", server_ca)
    assert outcome.returncode == 1
    assert "pomona-sim ca" in outcome.stderr


def test_help_names_each_option():
    outcome = sim("help")
    assert outcome.returncode == 0
    for option in ("--dir", "--url", "--ca", "--devices", "--interval", "--notnow", "--error", "--seed", "--once",
                   "--for", "--json", "--reenroll", "--restore", "--token-change", "--logout", "--away", "--clones"):
        assert option in outcome.stdout
