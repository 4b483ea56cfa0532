# SPDX-License-Identifier: Apache-2.0
"""Queued work reaches its device, and nobody is woken for nothing."""

import concurrent.futures
import http.client
import itertools
import os
import time

from harness.device import TOPIC, UserChannel

NEVER = 3600  # seconds: a gap that no test waits for
ROUNDS = 25
ROUNDS_MAX = 300
MORE_THAN_AN_ANSWER_LISTS = 201
SLOW_FLEET = 100  # devices, one a second: longer than any wait here

PUT_OFF = {"RequestType": "SecurityInfo"}  # a device may answer it NotNow
NOT_PUT_OFF = {"RequestType": "ProfileList"}


def patient(make_woken, **conf):
    """A server that repeats no push within a test: each one that is seen had a reason of its own."""
    return make_woken(**{"retry_first_s": NEVER, "retry_max_s": NEVER, **conf})


def order(woken, device, command, delay_s=0):
    time.sleep(delay_s)
    return woken.server.enqueue([device.udid], command)["uuid"]


def delays(lost):
    """Rounds of a race: where the order won all of the first, it begins later and later until it has lost one."""
    yield from [0] * ROUNDS
    for more in range(ROUNDS_MAX):
        if lost:
            return
        yield more / 500
    raise AssertionError("no poll was answered before the command came")


def tracked(woken):
    return woken.server.get("/api/v1/status")["push"]["tracked"]


def put_off(device, command):
    """NotNow; the reply must be empty."""
    assert device.answer(command, "NotNow") is None


def reload(woken, **conf):
    """Sets keys of [push] and gives the log from there."""
    server = woken.server
    before = len(server.log)
    server.conf.update({f"push.{key}": value for key, value in conf.items()})
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded", after=before)
    return server.log[before:]


def test_queued_work_reaches_its_device_by_itself(make_woken):
    woken = make_woken()
    device = woken.device()
    uuid = woken.order(device)
    push = woken.wait_pushes_to(device, 1)[0]
    assert (push["topic"], push["magic"], push["push_type"]) == (woken.apns.topic, device.push_magic, "mdm")
    assert (push["status"], push["priority"]) == (200, 10)
    command = device.poll()
    assert command["CommandUUID"] == uuid
    assert device.answer(command) is None
    woken.apns.wait(lambda: tracked(woken) == 0)
    woken.wait_push(device, status=200, reason=None, apns_id=push["apns_id"], token_dead_at=None, advice=None)


def test_everybody_is_pushed_to_by_one_order(make_woken):
    woken = patient(make_woken)
    for _ in range(MORE_THAN_AN_ANSWER_LISTS):
        woken.device()
    reply = woken.server.api("POST", "/api/v1/push", {"all": True})
    assert (reply.status, reply.json()["ordered"]) == (202, MORE_THAN_AN_ANSWER_LISTS)
    woken.apns.wait_pushes(MORE_THAN_AN_ANSWER_LISTS)
    assert {push["token"] for push in woken.apns.pushes()} == {device.token.hex() for device in woken.devices}


def test_a_user_is_woken_by_the_token_of_its_own_channel(make_woken):
    woken = patient(make_woken)
    device = woken.device()
    user = UserChannel(device, UserID=os.urandom(16).hex(), UserShortName="anna")
    assert user.token_update(Topic=woken.apns.topic).status == 200
    woken.server.enqueue([f"{user.udid}:{user.user_keys['UserID']}"], NOT_PUT_OFF)
    push = woken.wait_pushes_to(user, 1)[0]
    assert push["magic"] == user.push_magic
    assert user.poll() is not None
    assert woken.pushes_to(device) == []
    user.close()


def test_work_that_stays_unanswered_is_pushed_for_again(make_woken):
    woken = make_woken()
    device = woken.device()
    woken.order(device)
    woken.wait_pushes_to(device, 3)
    assert woken.push_of(device)["tries"] >= 1
    assert device.answer(device.poll()) is None


def test_a_device_that_rests_comes_by_itself_and_one_that_is_held_does_not(make_woken):
    """Both have work that is held by NotNow; the last status that they sent is what tells them apart."""
    woken = make_woken(retry_max_s=NEVER)
    resting, held = woken.device(), woken.device()
    for device in (resting, held):
        order(woken, device, PUT_OFF)
        woken.wait_pushes_to(device, 1)
    put_off(resting, resting.poll())
    order(woken, held, NOT_PUT_OFF)
    other = held.answer(held.poll(), "NotNow")
    assert other["Command"] == NOT_PUT_OFF
    assert held.answer(other) is None
    before = len(woken.pushes_to(resting))
    woken.wait_pushes_to(held, len(woken.pushes_to(held)) + 2)  # a retry's time is over, and a longer one
    assert len(woken.pushes_to(resting)) == before
    order(woken, resting, PUT_OFF)
    woken.wait_pushes_to(resting, before + 1)  # what is newer than its NotNow is no part of its rest
    for device in (resting, held):
        command = device.poll()
        while command is not None:
            command = device.answer(command)


def test_an_enqueue_that_races_an_empty_poll_wakes(make_woken):
    woken = patient(make_woken)
    device = woken.device()
    lost = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for delay_s in delays(lost):
            before = len(woken.pushes_to(device))
            enqueued = pool.submit(order, woken, device, NOT_PUT_OFF, delay_s)
            command = device.poll()
            enqueued.result()
            if command is None:
                lost.append(delay_s)
                woken.wait_pushes_to(device, before + 1)
                command = device.poll()
            assert command["CommandUUID"] == enqueued.result()
            assert device.answer(command) is None


def test_an_enqueue_that_races_a_notnow_wakes(make_woken):
    """The reply to NotNow has seen what was published before it, and no more, whatever the clocks say."""
    woken = patient(make_woken)
    device = woken.device()
    lost = []
    order(woken, device, PUT_OFF)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for delay_s in delays(lost):
            first = device.poll()
            assert first["Command"] == PUT_OFF
            before = len(woken.pushes_to(device))
            enqueued = pool.submit(order, woken, device, NOT_PUT_OFF, delay_s)
            command = device.answer(first, "NotNow")
            enqueued.result()
            if command is None:
                lost.append(delay_s)
                woken.wait_pushes_to(device, before + 1)
                first = device.poll()
                command = device.answer(first, "NotNow")
            assert command["CommandUUID"] == enqueued.result()
            assert device.answer(command) is None


def test_work_that_is_cancelled_is_not_pushed_for(make_woken):
    woken = patient(make_woken)
    device, other = woken.device(), woken.device()
    woken.apns.kill()
    uuid = woken.order(device)
    assert woken.server.api("POST", f"/api/v1/commands/{uuid}/cancel").status == 200
    woken.apns.start()
    woken.order(other)
    woken.wait_pushes_to(other, 1)
    assert woken.pushes_to(device) == []


def test_a_token_update_is_pushed_to_at_once_where_work_is_open(make_woken):
    """A restored device has another token, and what it was pushed for before went to the old one."""
    woken = patient(make_woken)
    device = woken.device()
    woken.order(device)
    woken.wait_push(device, status=200)
    device.token, device.push_magic = os.urandom(32), "ANOTHER"
    assert device.token_update(Topic=woken.apns.topic).status == 200
    assert woken.wait_pushes_to(device, 1)[0]["magic"] == "ANOTHER"
    assert device.poll() is not None


def test_a_token_that_died_lives_again_with_a_token_update(make_woken):
    woken = patient(make_woken)
    device = woken.device()
    woken.apns.token(device.token, 410, reason="Unregistered", timestamp_ms=4102444800000)
    woken.order(device)
    woken.apns.wait(lambda: woken.push_of(device)["token_dead_at"] is not None)
    woken.apns.token(device.token, 200)
    assert device.token_update(Topic=woken.apns.topic).status == 200
    woken.wait_push(device, status=200, token_dead_at=None)
    assert device.poll() is not None


def test_a_device_whose_removal_is_ordered_is_woken_to_hear_of_it(make_woken):
    woken = patient(make_woken)
    device = woken.device()
    woken.server.ctl("device", "unenroll", device.udid)
    woken.wait_pushes_to(device, 1)
    assert device.idle().status == 401


def test_a_device_of_a_topic_without_a_certificate_is_woken_once_there_is_one(make_woken):
    woken = patient(make_woken)
    device = woken.device()
    assert device.token_update(Topic=TOPIC).status == 200
    woken.order(device)
    woken.apns.wait(lambda: any(row["topic"] == TOPIC for row in woken.server.get("/api/v1/pushcerts")["topics_without"]))
    pem = woken.apns.make_push_pem("other.pem", "--topic", TOPIC)
    woken.server.ctl("pushcert", "set", pem, "--force")
    assert woken.wait_pushes_to(device, 1)[0]["topic"] == TOPIC


def test_the_rate_is_kept_and_taken_over_by_sighup(make_woken):
    woken = patient(make_woken, rate_per_s=1)
    devices = [woken.device() for _ in range(SLOW_FLEET)]
    woken.order(*devices)
    woken.apns.wait_pushes(1)
    woken.server.enqueue([devices[-1].udid], {"RequestType": "DeviceLock"})
    woken.wait_pushes_to(devices[-1], 1)
    assert len(woken.apns.pushes()) < SLOW_FLEET / 2  # urgent work did not wait for the others
    log = reload(woken, rate_per_s=0, priority=5, expiration_s=0)
    assert not any("change_needs_restart" in line for line in log)
    woken.apns.wait(lambda: all(woken.pushes_to(device) for device in devices))
    last = woken.apns.pushes()[-1]
    assert (last["priority"], last["expiration"]) == (5, 0)


def test_keys_that_are_not_reloadable_are_named(make_woken):
    woken = make_woken()
    log = reload(woken, connections_max=3, ping_interval_s=7)
    named = [line for line in log if "change_needs_restart" in line]
    assert len(named) == 2 and any("push.connections_max" in line for line in named)


def test_a_silent_device_is_probed_then_inactive_and_active_when_it_comes(make_woken):
    woken = make_woken({"server.last_seen_flush_s": 1}, probe_interval_s=1, inactive_after_s=3)
    device = woken.device()
    woken.server.stop()
    woken.server.start()  # the walk's pace is that of the fleet at the start
    device.close()
    woken.wait_pushes_to(device, 1)  # it has no work
    woken.server.wait_log("event=enrollment_inactive")
    assert woken.server.device(device.udid)["inactive_at"] is not None
    rows = woken.server.get("/api/v1/devices?activity=inactive")["devices"]
    assert [row["id"] for row in rows] == [device.udid]
    for _ in itertools.count():
        assert device.poll() is None
        if woken.server.device(device.udid)["inactive_at"] is None:
            break
    woken.server.wait_log("event=enrollment_active")


def test_a_stop_does_not_wait_for_an_apns_that_is_silent(make_woken):
    woken = make_woken({"server.drain_s": 0})
    device = woken.device()
    woken.apns.set(silence=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reply = pool.submit(woken.server.api, "POST", "/api/v1/push", {"ids": [device.udid]})
        woken.apns.wait(lambda: woken.server.get("/api/v1/status")["push"]["pushes"] >= 1)
        woken.server.stop()
        try:
            assert reply.result().status in (200, 503)
        except (OSError, http.client.HTTPException):
            pass  # its connection was cut
