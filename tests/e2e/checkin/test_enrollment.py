# SPDX-License-Identifier: Apache-2.0
import plistlib

import pytest

from harness.device import CHECKIN, TOPIC, UserChannel

SHARED_IPAD = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"


def test_a_device_enrolls_by_authenticate_and_token_update(server, make_device):
    device = make_device()
    assert device.authenticate().status == 200
    assert server.device(device.udid)["state"] == "pending"
    assert device.token_update().status == 200
    shown = server.device(device.udid)
    assert shown["state"] == "enrolled"
    assert shown["kind"] == "device"
    assert shown["serial_number"] == "C0" + device.udid[:8]
    assert shown["os_version"] == "18.1"
    assert shown["topic"] == TOPIC
    assert shown["identity"]["sha256"] == device.identity.sha256


@pytest.mark.parametrize("path", ["/checkin", "/mdm"])
@pytest.mark.parametrize("content_type", [CHECKIN, CHECKIN + "; charset=UTF-8", CHECKIN.upper()])
def test_both_routes_take_check_ins_by_content_type(server, make_device, path, content_type):
    device = make_device()
    body = plistlib.dumps({"MessageType": "Authenticate", "UDID": device.udid, "Topic": TOPIC})
    assert device.put(path, body, content_type).status == 200
    assert server.device(device.udid)["state"] == "pending"


def test_binary_check_ins_are_taken(server, make_device):
    device = make_device()
    assert device.checkin("Authenticate", Topic=TOPIC, fmt=plistlib.FMT_BINARY).status == 200
    assert device.checkin("TokenUpdate", Topic=TOPIC, Token=b"t" * 32, PushMagic="m",
                          fmt=plistlib.FMT_BINARY).status == 200
    assert server.device(device.udid)["state"] == "enrolled"


def test_a_user_channel_enrolls_beside_its_device(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="9D2F4A1C-0000-4000-8000-000000000001", UserShortName="ada",
                       UserLongName="Ada Lovelace", NotOnConsole=False)
    assert user.token_update().status == 200
    shown = server.device(f"{device.udid}:9D2F4A1C-0000-4000-8000-000000000001")
    assert (shown["kind"], shown["state"]) == ("user", "enrolled")
    assert (shown["user_short_name"], shown["user_long_name"]) == ("ada", "Ada Lovelace")


def test_a_shared_ipad_user_is_told_by_the_short_name(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID=SHARED_IPAD, UserShortName="ada@school.example", UserLongName="Ada")
    assert user.token_update().status == 200
    assert server.device(f"{device.udid}:ada@school.example")["kind"] == "shared_ipad_user"


def test_a_user_enrollment_goes_by_its_enrollment_id(server, make_device):
    device = make_device("BYOD-0001", key="EnrollmentID").enroll()
    user = UserChannel(device, EnrollmentUserID="U-1", UserShortName="ada", UserLongName="Ada")
    assert user.token_update().status == 200
    assert server.device("BYOD-0001")["kind"] == "byod_device"
    assert server.device("BYOD-0001:U-1")["kind"] == "byod_user"


def test_a_user_of_a_device_that_has_not_enrolled_is_refused_without_unenrolling(server, make_device):
    device = make_device()
    device.authenticate()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada", NotOnConsole=False)
    assert user.token_update().status == 403


def test_check_out_ends_the_device_its_users_and_its_queue(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    assert user.token_update().status == 200
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    assert device.check_out().status == 200
    assert server.device(device.udid)["state"] == "checked_out"
    assert server.device(f"{device.udid}:U")["state"] == "ended"
    assert device.poll() is None
    assert server.get(f"/api/v1/commands/{sent['uuid']}")["by_state"]["cancelled"] == 1
    assert device.check_out().status == 200


def test_a_restored_device_comes_back_by_its_pinned_certificate_alone(server, make_device):
    device = make_device().enroll()
    device.check_out()
    assert device.token_update().status == 200
    assert server.device(device.udid)["state"] == "enrolled"


def test_a_message_with_unknown_keys_is_taken(server, make_device):
    device = make_device()
    assert device.authenticate(Challenge=b"apple", Something={"new": [1, 2.5, True]}).status == 200


@pytest.mark.parametrize("message, key", [
    ({"MessageType": "Authenticate"}, "Topic"),
    ({"MessageType": "Authenticate", "Topic": 5}, "Topic"),
    ({"MessageType": "Authenticate", "Topic": ["a"]}, "Topic"),
    ({"MessageType": "TokenUpdate", "Topic": TOPIC, "PushMagic": "m"}, "Token"),
    ({"MessageType": "TokenUpdate", "Topic": TOPIC, "PushMagic": "m", "Token": "text"}, "Token"),
    ({"MessageType": "TokenUpdate", "Topic": TOPIC, "PushMagic": "m", "Token": b"t" * 101}, "Token"),
    ({"MessageType": "TokenUpdate", "Topic": TOPIC, "Token": b"t"}, "PushMagic"),
    ({"MessageType": "Telepathy", "Topic": TOPIC}, "MessageType"),
    ({"Topic": TOPIC}, "MessageType"),
    ({"MessageType": "DeclarativeManagement", "Endpoint": "tokens"}, "DeclarativeManagement"),
    ({"MessageType": "GetToken", "TokenServiceType": "com.apple.maid"}, "GetToken"),
])
def test_a_broken_message_gets_a_400_that_names_the_key(server, make_device, message, key):
    device = make_device().enroll()
    before = server.device(device.udid)
    reply = device.put("/checkin", plistlib.dumps({**message, "UDID": device.udid}), CHECKIN)
    assert reply.status == 400
    assert key in reply.body.decode()
    after = server.device(device.udid)
    assert (after["state"], after["token_updated_at"]) == (before["state"], before["token_updated_at"])


def test_a_message_without_any_id_names_both_keys(make_device):
    reply = make_device().put("/checkin", plistlib.dumps({"MessageType": "CheckOut", "Topic": TOPIC}), CHECKIN)
    assert reply.status == 400
    assert "UDID" in reply.body.decode() and "EnrollmentID" in reply.body.decode()


@pytest.mark.parametrize("body", ids=lambda body: repr(body[:20]), argvalues=[
    b"", b"hello", b"<?xml version='1.0'?><plist>", b"bplist00" + b"\xff" * 40,
    b'{"MessageType": "Authenticate"}', plistlib.dumps(["an", "array"]),
    b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "b">]><plist version="1.0"><dict/></plist>',
    b'<?xml version="1.0"?><plist version="1.0">' + b"<array>" * 100000,
])
def test_what_is_no_plist_dictionary_gets_a_400(server, make_device, body):
    device = make_device()
    assert device.put("/checkin", body, CHECKIN).status == 400
    assert device.authenticate().status == 200


def test_text_that_xml_cannot_carry_is_refused_by_its_key(make_device):
    device = make_device()
    # Python's writer refuses it in XML, as it should; a binary list can carry it.
    reply = device.authenticate(fmt=plistlib.FMT_BINARY, SerialNumber="a\x01b")
    assert reply.status == 400
    assert "SerialNumber" in reply.body.decode()


def test_a_wrong_content_type_gets_a_400(make_device):
    device = make_device()
    body = plistlib.dumps({"MessageType": "Authenticate", "UDID": device.udid, "Topic": TOPIC})
    assert device.put("/checkin", body, "text/plain").status == 400
    assert device.put("/mdm", body, "application/json").status == 400
