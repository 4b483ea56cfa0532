# SPDX-License-Identifier: Apache-2.0
"""Every answer that Apple documents, given by APNs to one device's push while another device's pushes fail for a
moment only: what becomes of the first is known once the second has been pushed to again."""

import time

import pytest

DROP = [  # our own bug: neither repeated nor held against the token
    (400, "BadCollapseId"), (400, "BadExpirationDate"), (400, "BadMessageId"), (400, "BadPriority"), (400, "BadTopic"),
    (400, "DuplicateHeaders"), (400, "InvalidPushType"), (400, "MissingDeviceToken"), (400, "MissingTopic"),
    (400, "PayloadEmpty"), (404, "BadPath"), (405, "MethodNotAllowed"), (413, "PayloadTooLarge"),
    (400, "DeviceTokenNotForTopic"), (418, "SomethingNew"),
]
STOP = [  # the certificate, not the device
    (400, "TopicDisallowed"), (403, "BadCertificate"), (403, "BadCertificateEnvironment"), (403, "Forbidden"),
    (403, "ExpiredProviderToken"), (403, "InvalidProviderToken"), (403, "MissingProviderToken"),
    (403, "UnrelatedKeyIdInToken"), (403, "BadEnvironmentKeyIdInToken"), (403, "BadEnvironmentKeyInToken"),
]
RETRY = [
    (400, "IdleTimeout"), (429, "TooManyRequests"), (429, "TooManyProviderTokenUpdates"),
    (500, "InternalServerError"), (503, "ServiceUnavailable"), (503, "Shutdown"), (599, "SomethingNew"),
]


def names(rows):
    return [f"{status}-{reason}" for status, reason in rows]


def now_ms():
    return int(time.time() * 1000)


@pytest.mark.parametrize("status,reason", DROP, ids=names(DROP))
def test_what_a_repetition_would_not_mend_is_not_repeated(woken, status, reason):
    device, other = woken.device(), woken.device()
    woken.apns.token(device.token, status, reason=reason)
    woken.apns.token(other.token, 429, reason="TooManyRequests", retry_after_s=1)
    woken.order(device, other)
    shown = woken.wait_push(device, status=status, reason=reason)
    assert shown["token_dead_at"] is None
    assert shown["advice"]
    woken.wait_pushes_to(other, 2)
    assert len(woken.pushes_to(device)) == 1
    woken.apns.token(device.token, 200)
    woken.order(device)
    woken.wait_pushes_to(device, 2)  # newer work is pushed for
    woken.wait_push(device, status=200)


def test_a_foreign_token_is_told_to_the_administrator(woken):
    device = woken.device()
    woken.apns.token(device.token, reason="DeviceTokenNotForTopic")
    woken.order(device)
    woken.apns.wait(lambda: woken.alarms("push_token_not_for_topic"))


@pytest.mark.parametrize("status,reason", STOP, ids=names(STOP))
def test_a_fault_of_the_certificate_stops_the_topic(woken, status, reason):
    device, other = woken.device(), woken.device()
    woken.apns.token(device.token, status, reason=reason)
    woken.order(device)
    woken.wait_pushes_to(device, 1)
    woken.apns.wait(lambda: woken.topic_state() == "stopped")
    woken.apns.wait(lambda: [alarm["subject"] for alarm in woken.alarms("push_topic_stopped")] == [woken.apns.topic])
    woken.order(other)
    reply = woken.server.api("POST", "/api/v1/push", {"ids": [other.udid]})
    assert reply.json()["results"][0]["answer"] == "stopped"
    assert woken.pushes_to(other) == []
    # The same certificate given again is the administrator's word that it is right now: what waited goes out.
    woken.apns.token(device.token, 200)
    woken.server.ctl("pushcert", "set", woken.apns.push_pem)
    woken.wait_pushes_to(other, 1)
    woken.wait_push(device, status=200)
    woken.apns.wait(lambda: woken.alarms("push_topic_stopped") == [])


@pytest.mark.parametrize("status,reason", RETRY, ids=names(RETRY))
def test_what_passes_is_tried_again(woken, status, reason):
    device = woken.device()
    woken.apns.token(device.token, status, reason=reason, **({"retry_after_s": 1} if status == 429 else {}))
    woken.order(device)
    shown = woken.wait_push(device, status=status, reason=reason)
    assert shown["token_dead_at"] is None
    woken.wait_pushes_to(device, 2)
    woken.apns.token(device.token, 200)
    woken.wait_push(device, status=200)
    assert device.poll() is not None


@pytest.mark.parametrize("status,reason", [(400, "BadDeviceToken"), (410, "Unregistered"), (410, "ExpiredToken")],
                         ids=["400-BadDeviceToken", "410-Unregistered", "410-ExpiredToken"])
def test_a_dead_token_is_left_alone_until_the_device_brings_a_new_one(make_woken, status, reason):
    woken = make_woken(retry_max_s=3600)
    device, other = woken.device(), woken.device()
    timestamp = now_ms() + 3_600_000 if status == 410 else None
    woken.apns.token(device.token, status, reason=reason, **({} if timestamp is None else {"timestamp_ms": timestamp}))
    woken.order(device)
    woken.apns.wait(lambda: woken.push_of(device)["token_dead_at"] is not None)
    assert woken.server.get("/api/v1/status")["dead_tokens"] == 1
    woken.order(device, other)
    woken.wait_pushes_to(other, 1)
    assert len(woken.pushes_to(device)) == 1
    assert device.poll() is not None, "a dead token ends pushes, not the management"
    device.token = b"\x07" * 32
    assert device.token_update(Topic=woken.apns.topic).status == 200
    woken.wait_pushes_to(device, 1)
    woken.wait_push(device, status=200, token_dead_at=None)


def test_a_410_that_is_older_than_the_token_does_not_count(woken):
    device = woken.device()
    woken.apns.token(device.token, 410, reason="Unregistered", timestamp_ms=now_ms() - 86_400_000)
    woken.order(device)
    woken.wait_pushes_to(device, 2)
    assert woken.push_of(device)["token_dead_at"] is None
    woken.apns.token(device.token, 200)
    woken.wait_push(device, status=200)


def test_many_bad_tokens_at_once_are_a_wrong_certificate(woken):
    devices = [woken.device() for _ in range(20)]
    woken.apns.set(reason="BadDeviceToken", status=400, rate_percent=100)
    woken.order(*devices)
    woken.apns.wait(lambda: woken.topic_state() == "stopped")
    woken.apns.wait(lambda: woken.alarms("push_topic_stopped"))
    assert woken.server.get("/api/v1/status")["dead_tokens"] == 0
    woken.apns.clear()
    woken.server.ctl("pushcert", "set", woken.apns.push_pem)
    for device in devices:
        woken.wait_push(device, status=200, token_dead_at=None)
