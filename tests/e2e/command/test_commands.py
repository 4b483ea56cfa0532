# SPDX-License-Identifier: Apache-2.0
import datetime
import plistlib
import uuid

import pytest

from harness.device import COMMAND, UserChannel


def queue_of(server, sent, device):
    return server.get(f"/api/v1/commands/{sent['uuid']}/results/{device.udid}")


def test_an_idle_device_with_nothing_queued_gets_zero_bytes(make_device):
    reply = make_device().enroll().idle()
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == "0"


def test_commands_come_in_queue_order_and_are_answered(server, make_device):
    device = make_device().enroll()
    types = ["ProfileList", "SecurityInfo", "CertificateList"]
    sent = [server.enqueue([device.udid], {"RequestType": name}) for name in types]
    command = device.poll()
    for name in types:
        assert command["Command"] == {"RequestType": name}
        command = device.answer(command, Some="Result")
    assert command is None
    for item in sent:
        shown = queue_of(server, item, device)
        assert (shown["state"], shown["status"]) == ("done", "Acknowledged")
        assert shown["result"]["Some"] == "Result"


def test_a_command_stays_until_its_own_final_answer(server, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    for _ in range(3):
        assert device.poll()["CommandUUID"] == sent["uuid"]
    assert device.command_of(device.report("Acknowledged", "some other uuid"))["CommandUUID"] == sent["uuid"]
    assert device.command_of(device.report("Acknowledged", sent["uuid"])) is None
    assert device.poll() is None


@pytest.mark.parametrize("status, state", [("Error", "failed"), ("CommandFormatError", "failed")])
def test_errors_are_final_and_their_chain_is_shown(server, make_device, status, state):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    chain = [{"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "LocalizedDescription": "Nö",
              "USEnglishDescription": "No"}]
    assert device.answer(device.poll(), status, ErrorChain=chain) is None
    shown = queue_of(server, sent, device)
    assert (shown["state"], shown["status"]) == (state, status)
    assert shown["errors"][0]["code"] == 12021
    assert shown["errors"][0]["domain"] == "MCMDMErrorDomain"
    assert shown["errors"][0]["text"] == "Nö"


def test_the_same_result_twice_changes_nothing(server, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    assert device.answer(command, First=True) is None
    before = queue_of(server, sent, device)
    assert device.answer(command, "Error", First=False) is None
    assert queue_of(server, sent, device) == before


def test_notnow_holds_a_command_until_the_next_poll(server, make_device):
    device = make_device().enroll()
    held = server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": {"$data": "AAEC"}})
    other = server.enqueue([device.udid], {"RequestType": "SecurityInfo"})
    passes = server.enqueue([device.udid], {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
    command = device.poll()
    assert command["CommandUUID"] == held["uuid"]
    assert command["Command"]["Payload"] == b"\x00\x01\x02"
    command = device.answer(command, "NotNow")
    assert command["CommandUUID"] == passes["uuid"], "a command that never answers NotNow passes"
    assert device.answer(command) is None, "the others wait with it"
    assert queue_of(server, held, device)["state"] == "notnow"
    command = device.poll()
    assert command["CommandUUID"] == held["uuid"]
    command = device.answer(command)
    assert command["CommandUUID"] == other["uuid"]
    assert device.answer(command) is None


def test_a_late_notnow_never_undoes_a_final_status(server, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    device.answer(command)
    assert device.answer(command, "NotNow") is None
    assert queue_of(server, sent, device)["state"] == "done"
    assert device.poll() is None


def test_lock_and_erase_go_first(server, make_device):
    device = make_device().enroll()
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    server.enqueue([device.udid], {"RequestType": "DeviceLock"})
    command = device.poll()
    assert command["Command"]["RequestType"] == "DeviceLock"
    assert device.answer(command)["Command"]["RequestType"] == "ProfileList"


def test_device_and_user_queues_are_separate(server, make_device):
    device = make_device().enroll()
    user = UserChannel(device, UserID="U", UserShortName="ada", UserLongName="Ada")
    user.token_update()
    for_user = server.enqueue([f"{device.udid}:U"], {"RequestType": "ProfileList"})
    assert device.poll() is None
    command = user.poll()
    assert command["CommandUUID"] == for_user["uuid"]
    assert device.command_of(device.report("Acknowledged", for_user["uuid"])) is None
    assert user.poll()["CommandUUID"] == for_user["uuid"], "the device cannot answer for its user"
    assert user.answer(command) is None


def test_a_cancelled_command_is_not_sent_and_a_late_answer_stands(server, make_device):
    device = make_device().enroll()
    sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
    command = device.poll()
    server.ctl("cancel", sent["uuid"])
    assert queue_of(server, sent, device)["state"] == "cancelled"
    assert device.poll() is None
    assert device.answer(command) is None
    shown = queue_of(server, sent, device)
    assert (shown["state"], shown["is_late"]) == ("done", True)


def test_an_expired_command_is_not_sent(server, make_device):
    device = make_device().enroll()
    past = (datetime.datetime.utcnow() - datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    later = (datetime.datetime.utcnow() + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = server.api("POST", "/api/v1/commands",
                     {"ids": [device.udid], "command": {"RequestType": "ProfileList"}, "not_after": past})
    sent = server.enqueue([device.udid], {"RequestType": "SecurityInfo"}, not_after=later)
    command = device.poll()
    assert command["CommandUUID"] == sent["uuid"]
    assert device.answer(command) is None
    if old.status == 200:  # refusing it would be fine too
        assert queue_of(server, old.json(), device)["state"] == "expired"


def test_a_command_is_sent_byte_for_byte_the_same_each_time(server, make_device):
    devices = [make_device().enroll() for _ in range(2)]
    server.enqueue([device.udid for device in devices], {"RequestType": "Settings", "Settings": [
        {"Item": "DeviceName", "DeviceName": "Ünïcode & <angle> \"quoted\" 🍏"}]})
    bodies = {device.idle().body for device in devices for _ in range(2)}
    assert len(bodies) == 1
    assert plistlib.loads(bodies.pop())["Command"]["Settings"][0]["DeviceName"] == "Ünïcode & <angle> \"quoted\" 🍏"


def test_the_same_uuid_with_the_same_content_is_the_same_command(server, make_device):
    device, second = make_device().enroll(), make_device().enroll()
    name = str(uuid.uuid4())
    body = {"ids": [device.udid], "command": {"RequestType": "ProfileList"}, "uuid": name}
    assert server.api("POST", "/api/v1/commands", body).json()["outcomes"] == {device.udid: "queued"}
    body["ids"].append(second.udid)
    assert server.api("POST", "/api/v1/commands", body).json()["outcomes"] == {
        device.udid: "already_queued", second.udid: "queued"}
    body["command"] = {"RequestType": "SecurityInfo"}
    reply = server.api("POST", "/api/v1/commands", body)
    assert reply.status == 409
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    command = device.poll()
    assert (command["CommandUUID"], command["Command"]["RequestType"]) == (name, "ProfileList")
    assert device.answer(command) is None


def test_a_plist_as_text_or_base64_is_a_command_too(server, make_device):
    import base64

    device = make_device().enroll()
    whole = plistlib.dumps({"CommandUUID": "U-1", "Command": {"RequestType": "ProfileList"}})
    inner = plistlib.dumps({"RequestType": "SecurityInfo"}, fmt=plistlib.FMT_BINARY)
    reply = server.api("POST", "/api/v1/commands", {"ids": [device.udid], "plist": whole.decode()})
    assert reply.json()["uuid"] == "U-1"
    reply = server.api("POST", "/api/v1/commands",
                       {"ids": [device.udid], "plist_base64": base64.b64encode(inner).decode()})
    assert reply.status == 200
    assert device.answer(device.poll())["Command"] == {"RequestType": "SecurityInfo"}


@pytest.mark.parametrize("body, field", [
    ({"ids": ["X"]}, "command"),
    ({"ids": ["X"], "command": {}}, "RequestType"),
    ({"ids": ["X"], "command": {"RequestType": ""}}, "RequestType"),
    ({"ids": ["X"], "command": {"RequestType": 5}}, "RequestType"),
    ({"ids": ["X"], "command": {"RequestType": "A", "Text": "a\u0001b"}}, "Text"),
    ({"ids": ["X"], "command": {"RequestType": "A", "None": None}}, "None"),
    ({"ids": ["X"], "command": {"RequestType": "A", "D": {"$data": "%%%"}}}, "D"),
    ({"ids": ["X"], "command": {"RequestType": "A"}, "plist": "x"}, "plist"),
    ({"ids": ["X"], "plist": "no plist"}, "plist"),
    ({"ids": ["X"], "plist_base64": "***"}, "plist_base64"),
    ({"ids": ["X"], "command": {"RequestType": "A"}, "not_after": "tomorrow"}, "not_after"),
    ({"ids": ["X"], "command": {"RequestType": "A"}, "surprise": 1}, "surprise"),
    ({"ids": "X", "command": {"RequestType": "A"}}, "ids"),
    ({"ids": [5], "command": {"RequestType": "A"}}, "ids"),
    ({"command": {"RequestType": "A"}}, "ids"),
])
def test_a_command_that_breaks_a_rule_gets_a_400_that_names_the_field(server, body, field):
    reply = server.api("POST", "/api/v1/commands", body)
    assert reply.status == 400, reply
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert field in reply.json()["detail"]


def test_outcomes_are_told_per_id(server, make_device):
    device, gone = make_device().enroll(), make_device().enroll()
    gone.check_out()
    outcomes = server.enqueue([device.udid, gone.udid, "nobody"], {"RequestType": "ProfileList"})["outcomes"]
    assert outcomes == {device.udid: "queued", gone.udid: "not_enrolled", "nobody": "unknown"}


@pytest.mark.parametrize("message, word", [
    ({}, "Status"), ({"Status": "Maybe"}, "Status"), ({"Status": 1}, "Status"),
    ({"Status": "Acknowledged"}, "CommandUUID"), ({"Status": "NotNow"}, "CommandUUID"),
])
def test_a_broken_result_gets_a_400_that_names_the_key(make_device, message, word):
    device = make_device().enroll()
    reply = device.put("/mdm", plistlib.dumps({**message, "UDID": device.udid}), COMMAND)
    assert reply.status == 400
    assert word in reply.body.decode()


def test_a_result_for_an_unknown_command_is_taken_and_counted(server, make_device):
    device = make_device().enroll()
    before = server.get("/api/v1/status")["device"]["results_unknown"]
    assert device.command_of(device.report("Acknowledged", "never-sent")) is None
    assert server.get("/api/v1/status")["device"]["results_unknown"] == before + 1


def test_a_raw_result_comes_out_as_it_came_in(server, make_device):
    device = make_device().enroll()
    for fmt in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        sent = server.enqueue([device.udid], {"RequestType": "ProfileList"})
        device.poll()
        message = plistlib.dumps({"Status": "Acknowledged", "UDID": device.udid, "CommandUUID": sent["uuid"],
                                  "Blob": b"\x00\xff" * 1000, "When": datetime.datetime(2026, 1, 2, 3, 4, 5),
                                  "Level": -1.0, "Big": 2**63 + 5, "Small": -7}, fmt=fmt)
        assert device.put("/mdm", message, COMMAND).status == 200
        reply = server.api("GET", f"/api/v1/commands/{sent['uuid']}/results/{device.udid}/plist")
        assert reply.body == message
        shown = queue_of(server, sent, device)["result"]
        assert (shown["Level"], shown["Small"]) == (-1.0, -7)
        assert shown["When"] == {"$date": "2026-01-02T03:04:05Z"}


def test_everything_survives_a_restart(server, make_device):
    device = make_device().enroll()
    held = server.enqueue([device.udid], {"RequestType": "InstallProfile", "Payload": {"$data": "AA=="}})
    device.answer(device.poll(), "NotNow")
    done = server.enqueue([device.udid], {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
    device.answer(device.poll(), "NotNow")
    server.stop()
    server.start()
    device.close()
    command = device.poll()
    assert command["CommandUUID"] == held["uuid"]
    command = device.answer(command)
    assert command["CommandUUID"] == done["uuid"]
    assert device.answer(command) is None


def test_last_seen_is_told_at_once_and_kept(server, make_device):
    device = make_device().enroll()
    device.poll()
    seen = server.device(device.udid)["last_seen_at"]
    assert seen
    server.stop()
    server.start()
    assert server.device(device.udid)["last_seen_at"] >= seen
