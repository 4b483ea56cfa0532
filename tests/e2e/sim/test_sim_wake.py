# SPDX-License-Identifier: Apache-2.0
"""Simulated devices that come only when a push wakes them: an MDM server of Python, pushes by python3-h2."""

import json
import time

import pytest

from h2_client import H2Client
from harness.apns import Fleet
from harness.server import run

# Every fleet has the same kinds of device in turns of ten, and four users; one of these logs in by UserAuthenticate.
FLEET, CHANNELS = 10, 14


@pytest.fixture
def make_fleet(mdm, folder, server_ca):
    """Fleets that have enrolled; stopped, with their exit status checked, when the test ends."""
    fleets = []

    def make(devices, *words, channels=None, **faults):
        fleet = Fleet(folder, mdm.url, server_ca, devices, "--seed", "7", *words)
        fleets.append(fleet)
        fleet.start(**faults)
        if channels is None:
            channels = devices
        mdm.wait(f"{channels} channels to enroll", lambda: len(mdm.of_type("TokenUpdate")) >= channels)
        return fleet

    yield make
    for fleet in fleets:
        fleet.stop()


def address_of(mdm, channel):
    """Token and magic as the channel's latest TokenUpdate has them."""
    update = [message.plist for message in mdm.of_type("TokenUpdate") if message.channel == channel][-1]
    return update["Token"], update["PushMagic"]


def wake(fleet, mdm, channel, status=200, **changes):
    token, magic = address_of(mdm, channel)
    with H2Client(fleet) as client:
        answer = client.push(token, json.dumps({"mdm": changes.pop("magic", magic)}).encode(), **changes)
        assert answer.status == status, answer
        return answer


def polls(mdm, channel):
    return [message for message in mdm.of_status("Idle") if message.channel == channel]


def first(mdm):
    return mdm.of_type("TokenUpdate")[0].channel


def test_devices_enroll_by_themselves_and_then_come_only_when_woken(mdm, make_fleet):
    fleet = make_fleet(FLEET, channels=CHANNELS)
    assert {m.plist["Topic"] for m in mdm.of_type("Authenticate", "TokenUpdate")} == {fleet.topic}
    mdm.wait("Macs to bring their tokens", lambda: len(mdm.of_type("SetBootstrapToken")) == 3)
    channels = [m.channel for m in mdm.of_type("TokenUpdate")]
    keys = {channel: mdm.send(channel, {"RequestType": "ProfileList"}) for channel in channels}
    woken = channels[::2]
    for channel in woken:
        wake(fleet, mdm, channel)
    for channel in woken:
        assert mdm.result(keys[channel]).channel == channel
    mdm.wait("the visits to end", lambda: not mdm.open)
    assert sorted(m.channel for m in mdm.of_status("Idle")) == sorted(woken)
    assert fleet.stats()["woken"] == len(woken) and all(push["woken"] for push in fleet.pushes())


def test_a_wrong_magic_wakes_nobody(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    wake(fleet, mdm, device, magic="another")
    wake(fleet, mdm, device)
    mdm.wait("a poll", lambda: polls(mdm, device))
    assert [push["woken"] for push in fleet.pushes()] == [False, True]
    assert fleet.stats()["wrong_magic"] == 1
    mdm.wait("the visit to end", lambda: not mdm.open)
    assert len(polls(mdm, device)) == 1


def test_apns_knows_the_tokens_and_their_topic(mdm, make_fleet):
    fleet = make_fleet(1)
    token, magic = address_of(mdm, first(mdm))
    body = json.dumps({"mdm": magic}).encode()
    with H2Client(fleet) as client:
        assert client.push(b"\x01" * 32, body).reason == "BadDeviceToken"
    other = fleet.make_push_pem("other.pem", "--topic", "com.apple.mgmt.External.other")
    with H2Client(fleet, pem=other) as client:
        answer = client.push(token, body, apns_topic="com.apple.mgmt.External.other")
        assert (answer.status, answer.reason) == (400, "DeviceTokenNotForTopic")


def test_the_token_of_a_device_that_was_unenrolled_is_unregistered_since_then(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    before = time.time()
    mdm.rules.append(lambda m: (401, b"", {}) if m.status == "Idle" else None)
    wake(fleet, mdm, device)
    mdm.wait("the visit to end", lambda: polls(mdm, device) and not mdm.open)
    fleet.wait(lambda: any("event=unenrolled" in line for line in fleet.log), "unenrolling")
    answer = wake(fleet, mdm, device, status=410)
    assert answer.reason == "Unregistered"
    assert before * 1000 - 1 <= json.loads(answer.body)["timestamp"] <= time.time() * 1000 + 1
    assert len(polls(mdm, device)) == 1


def test_a_device_that_enrolls_again_has_a_new_token_and_the_old_one_is_gone(mdm, make_fleet):
    fleet = make_fleet(1, "--reenroll", "--interval", "0.2")
    device = first(mdm)
    old = address_of(mdm, device)
    spoken = []
    mdm.rules.append(lambda m: (401, b"", {}) if m.status == "Idle" and not spoken and not spoken.append(1) else None)
    wake(fleet, mdm, device)
    mdm.wait("to enroll again", lambda: len(mdm.of_type("TokenUpdate")) == 2)
    assert address_of(mdm, device)[0] != old[0]
    with H2Client(fleet) as client:
        assert client.push(old[0], json.dumps({"mdm": old[1]}).encode()).reason == "Unregistered"
    wake(fleet, mdm, device)
    mdm.wait("a poll", lambda: len(polls(mdm, device)) == 2)


def test_after_not_now_as_its_last_word_a_device_comes_again_by_itself(mdm, make_fleet):
    fleet = make_fleet(1, "--notnow", "100", "--notnow-poll", "0.2")
    device = first(mdm)
    key = mdm.send(device, {"RequestType": "SecurityInfo"})
    wake(fleet, mdm, device)
    mdm.wait("three NotNow", lambda: [m.plist["CommandUUID"] for m in mdm.of_status("NotNow")] == [key] * 3)
    assert len(fleet.pushes()) == 1


def test_after_not_now_and_another_answer_a_device_waits_to_be_woken(mdm, make_fleet):
    """The server holds the first command back and gives a second one, which may not be put off."""
    fleet = make_fleet(1, "--notnow", "100", "--notnow-poll", "0.01")
    device = first(mdm)
    held = mdm.send(device, {"RequestType": "SecurityInfo"})
    second = []

    def hold(m):
        if m.status == "NotNow":
            with mdm.changed:
                del mdm.queues[device][0]
                second.append(mdm.send(device, {"RequestType": "ProfileList"}))
            m.plist["Status"] = "Acknowledged"  # so that the fake goes on with the queue
        return None

    mdm.rules.append(hold)
    wake(fleet, mdm, device)
    mdm.wait("both answers", lambda: [m.plist.get("CommandUUID") for m in mdm.messages][-2:] == [held, *second])
    mdm.wait("the visit to end", lambda: not mdm.open)
    wake(fleet, mdm, device)
    mdm.wait("a second poll", lambda: len(polls(mdm, device)) == 2)
    mdm.wait("the visit to end", lambda: not mdm.open)
    assert len(polls(mdm, device)) == len(fleet.pushes()) == 2


def test_a_result_that_the_server_did_not_take_is_sent_again_without_a_push(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    key = mdm.send(device, {"RequestType": "ProfileList"})
    refused = []
    mdm.rules.append(lambda m: (503, b"", {}) if m.plist.get("CommandUUID") == key and not refused
                     and not refused.append(1) else None)
    wake(fleet, mdm, device)
    mdm.wait("the result twice", lambda: [m.plist.get("CommandUUID") for m in mdm.messages].count(key) == 2)
    assert len(polls(mdm, device)) == len(fleet.pushes()) == 1


def test_a_poll_that_failed_is_not_tried_again_until_the_next_push(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    key = mdm.send(device, {"RequestType": "ProfileList"})
    refused = []
    mdm.rules.append(lambda m: (503, b"", {"Retry-After": "0"}) if m.status == "Idle" and not refused
                     and not refused.append(1) else None)
    wake(fleet, mdm, device)
    mdm.wait("a poll", lambda: polls(mdm, device))
    mdm.wait("the visit to end", lambda: not mdm.open)
    assert len(polls(mdm, device)) == 1
    wake(fleet, mdm, device)
    mdm.result(key)
    assert len(polls(mdm, device)) == 2


def test_a_push_in_the_midst_of_a_visit_brings_another_visit(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    pushed = []

    def push_again(m):
        if m.status == "Idle" and not pushed:
            pushed.append(1)
            wake(fleet, mdm, device)
        return None

    mdm.rules.append(push_again)
    wake(fleet, mdm, device)
    mdm.wait("two polls", lambda: len(polls(mdm, device)) == 2)
    assert len({m.connection for m in polls(mdm, device)}) == 2


def test_a_second_run_keeps_the_tokens_and_is_quiet_until_it_is_woken(mdm, make_fleet):
    before = make_fleet(1)
    mdm.wait("the visit to end", lambda: not mdm.open)
    before.stop()
    tokens = [m.plist["Token"] for m in mdm.of_type("TokenUpdate")]
    fleet = make_fleet(1)
    wake(fleet, mdm, first(mdm))
    mdm.wait("a poll", lambda: polls(mdm, first(mdm)))
    assert [m.plist["Token"] for m in mdm.of_type("TokenUpdate")] == tokens
    assert len(mdm.of_status("Idle")) == 1


def test_a_lost_push_is_answered_and_wakes_nobody(mdm, make_fleet):
    fleet = make_fleet(1, lose_percent=100, count=1)
    device = first(mdm)
    wake(fleet, mdm, device)
    assert fleet.pushes()[0]["woken"] is False and polls(mdm, device) == []
    wake(fleet, mdm, device)
    mdm.wait("a poll", lambda: polls(mdm, device))
    assert fleet.stats()["lost"] == 1


def test_the_report_tells_of_pushes(mdm, make_fleet):
    fleet = make_fleet(1)
    device = first(mdm)
    wake(fleet, mdm, device)
    wake(fleet, mdm, device, magic="another")
    wake(fleet, mdm, device, status=400, apns_priority="3")
    wanted = {"taken": 3, "woke": 1, "wrong_magic": 1, "refused": 1}
    fleet.wait(lambda: [report for report in fleet.reports() if report["pushes"] == wanted], "report of the pushes")


def test_faults_without_apns_are_refused(folder, mdm, tmp_path):
    outcome = run("pomona-sim", "run", "--dir", folder, "--url", mdm.url, "--ca", folder / "ca.pem", "--fault",
                  "status=500", check=False)
    assert outcome.returncode == 64 and "need --apns" in outcome.stderr


def test_a_token_that_the_device_has_changed_is_gone(mdm, make_fleet):
    fleet = make_fleet(1, "--token-change", "100", "--interval", "0.2")
    mdm.wait("another token", lambda: len(mdm.of_type("TokenUpdate")) >= 2)
    old = mdm.of_type("TokenUpdate")[0].plist
    with H2Client(fleet) as client:
        answer = client.push(old["Token"], json.dumps({"mdm": old["PushMagic"]}).encode())
    assert answer.status == 410, answer
