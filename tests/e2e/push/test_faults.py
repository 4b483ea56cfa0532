# SPDX-License-Identifier: Apache-2.0
"""What APNs' connections do to us, and that every device with work is woken all the same."""

import pytest

from harness.proxy import ConnectProxy
from harness.pushcert import PushCert

FLEET = 40
DAY_S = 86400


@pytest.fixture
def fleet(make_woken):
    woken = make_woken(rate_per_s=0, ping_interval_s=1)
    for _ in range(FLEET):
        woken.device()
    return woken


def wait_all_pushed(woken, devices=None):
    """Every device's last push was taken."""
    for device in devices or woken.devices:
        woken.wait_push(device, status=200)


def counts(woken):
    tokens = [push["token"] for push in woken.apns.pushes()]
    return [tokens.count(device.token.hex()) for device in woken.devices]


def drain(device):
    """Answers all that it is given; says how many that were."""
    command, count = device.poll(), 0
    while command is not None:
        command, count = device.answer(command), count + 1
    return count


def test_without_a_fault_one_push_wakes_for_all_work_that_waits(make_woken):
    woken = make_woken(rate_per_s=0, retry_first_s=3600, retry_max_s=3600)
    for _ in range(FLEET):
        woken.device()
    for episode in (1, 2, 3):
        for _ in range(3):
            woken.order(*woken.devices)  # who comes for the first gets the others
        woken.apns.wait(lambda: min(counts(woken)) >= episode, f"{episode} pushes each")
        for device in woken.devices:
            assert drain(device) == 3
    woken.order(woken.devices[0])
    woken.wait_pushes_to(woken.devices[0], 4)
    assert counts(woken) == [4] + [3] * (FLEET - 1)


@pytest.mark.parametrize("faults", [
    {"max_streams": 1},
    {"settings_delay_ms": 1000},
    {"goaway_every": 7},
    {"refuse_every": 5},
    {"reset_every": 7},
    {"reason": "ServiceUnavailable", "status": 503, "rate_percent": 50, "count": 60},
    {"reason": "TooManyRequests", "status": 429, "rate_percent": 50, "retry_after_s": 1, "count": 60},
    {"reason": "InternalServerError", "status": 500, "rate_percent": 30, "count": 60},
], ids=lambda faults: "-".join(faults))
def test_a_fleet_is_woken_through_a_fault_that_lasts(fleet, faults):
    fleet.apns.set(**faults)
    fleet.apns.reset()  # so that the first SETTINGS are the faulty ones
    fleet.order(*fleet.devices)
    wait_all_pushed(fleet)


@pytest.mark.parametrize("faults", [{"stall_window": True}, {"silence": True}], ids=["stall_window", "silence"])
def test_what_was_swallowed_is_sent_again_when_the_fault_is_over(fleet, faults):
    """PINGs are not answered, or no push is within half a minute: the connection is given up."""
    fleet.apns.set(**faults)
    fleet.apns.reset()
    fleet.order(*fleet.devices)
    fleet.apns.wait(lambda: fleet.server.get("/api/v1/status")["push"]["tracked"] == FLEET)
    fleet.apns.clear()
    for device in fleet.devices:
        fleet.wait_pushes_to(device, 1, seconds=90)
    wait_all_pushed(fleet)


@pytest.mark.parametrize("last_stream", ["all", "none"])
def test_a_goaway_loses_nothing_and_repeats_nothing_that_was_answered(fleet, last_stream):
    for _ in range(3):
        fleet.order(*fleet.devices)
        fleet.apns.goaway(last_stream=last_stream)
    wait_all_pushed(fleet)
    connections = {push["connection"] for push in fleet.apns.pushes()}
    fleet.order(*fleet.devices)
    fleet.apns.goaway(last_stream=last_stream, reason="Shutdown")
    fleet.order(fleet.devices[0])
    fleet.apns.wait(lambda: {push["connection"] for push in fleet.apns.pushes()} - connections)
    wait_all_pushed(fleet)


def test_apns_killed_and_started_again_under_load(fleet):
    """Devices come when pushed to, and only then; orders go on while APNs is gone."""
    answered = dict.fromkeys(fleet.devices, 0)
    seen = 0

    def come():
        nonlocal seen
        pushes = fleet.apns.pushes(seen)
        seen = pushes[-1]["seq"] if pushes else seen
        tokens = {push["token"] for push in pushes}
        for device in fleet.devices:
            if device.token.hex() in tokens:
                answered[device] += drain(device)
        return answered

    for _ in range(3):
        fleet.order(*fleet.devices)
        come()
    fleet.order(*fleet.devices)
    fleet.apns.kill()
    for _ in range(3):
        fleet.order(*fleet.devices)
    fleet.apns.wait(lambda: fleet.topic_state() != "open")
    fleet.apns.start()
    seen = 0  # it counts anew
    fleet.apns.wait(lambda: set(come().values()) == {7}, "all seven answers of each", seconds=90)


def test_pushes_go_through_a_proxy(make_woken, apns):
    proxy = ConnectProxy()
    woken = make_woken({"net.proxy": proxy.address})
    device = woken.device()
    woken.order(device)
    woken.wait_push(device, status=200)
    assert proxy.asked == [f"CONNECT localhost:{apns.port} HTTP/1.1"]
    proxy.close()


# --- certificates


def topics(woken):
    return woken.server.get("/api/v1/status")["push"]["topics"]


def push_certs_loaded(woken):
    return sum("event=push_cert_loaded" in line for line in woken.server.log)


def test_a_certificate_is_swapped_while_pushes_are_in_flight(make_woken):
    woken = make_woken(rate_per_s=0, retry_first_s=3600, retry_max_s=3600)
    for _ in range(FLEET):
        woken.device()
    woken.apns.set(stall_window=True)
    woken.order(*woken.devices)
    woken.apns.wait(lambda: [topic["in_flight"] for topic in topics(woken)] == [FLEET])
    before = push_certs_loaded(woken)
    woken.server.ctl("pushcert", "set", woken.apns.make_push_pem("renewed.pem", "--topic", woken.apns.topic))
    woken.apns.wait(lambda: push_certs_loaded(woken) > before)
    woken.apns.clear()
    wait_all_pushed(woken)
    assert counts(woken) == [1] * FLEET, "what was in flight was neither lost nor sent twice"
    former = {push["connection"] for push in woken.apns.pushes()}
    assert drain(woken.devices[0]) == 1
    woken.order(woken.devices[0])
    assert woken.wait_pushes_to(woken.devices[0], 2)[1]["connection"] not in former


def test_nothing_is_sent_with_a_certificate_that_ends_while_it_is_in_use(make_woken, panel):
    woken = make_woken(panel=panel)
    device = woken.device()
    brief = PushCert(woken.apns.topic, ends_days=1, ca_dir=woken.apns.ca_pem.parent)
    woken.server.wait_log("event=push_cert_loaded")
    before = push_certs_loaded(woken)
    assert woken.server.api("PUT", "/api/v1/pushcerts", brief.body()).status == 200
    woken.apns.wait(lambda: push_certs_loaded(woken) > before)
    woken.order(device)
    woken.wait_pushes_to(device, 1)
    panel.shift_clock(DAY_S)
    woken.server.wait_log("event=push_cert_expired")
    woken.apns.wait(lambda: woken.alarms("push_cert_expired"))
    assert woken.topic_state() == "expired"
    pushes = woken.pushes_to(device)
    woken.order(device)
    reply = woken.server.api("POST", "/api/v1/push", {"ids": [device.udid]})
    assert reply.json()["results"][0]["answer"] == "no_certificate"
    woken.server.ctl("pushcert", "set", woken.apns.push_pem)
    after = woken.wait_pushes_to(device, len(pushes) + 1)[len(pushes):]
    assert {push["connection"] for push in after}.isdisjoint(push["connection"] for push in pushes)
    woken.apns.wait(lambda: woken.alarms("push_cert_expired") == [])


def test_the_end_of_a_certificate_is_foretold(make_woken):
    woken = make_woken()
    for days, has_alarm in ((31, False), (30, False), (14, False), (7, True), (1, True), (365, False)):
        before = len(woken.server.log)
        pem = woken.apns.make_push_pem(f"{days}.pem", "--topic", woken.apns.topic, "--days", days)
        woken.server.ctl("pushcert", "set", pem)
        woken.server.wait_log("event=push_cert_loaded", after=before)
        if days <= 30:
            woken.server.wait_log(f"event=push_cert_expiring .*days_left={days} ", after=before)
        else:
            assert not any("event=push_cert_expiring" in line for line in woken.server.log[before:])
        woken.apns.wait(lambda: bool(woken.alarms("push_cert_expiring")) == has_alarm)
        rows = [row for row in woken.server.get("/api/v1/status")["certificates"] if row["what"] == "push"]
        assert [row["days_left"] for row in rows] in ([days], [days - 1])


def test_a_server_certificate_of_apns_that_has_expired_is_told_and_survived(make_woken):
    woken = make_woken()
    device = woken.device()
    woken.apns.set(expired_cert=True)
    woken.order(device)
    woken.apns.wait(lambda: woken.topic_state() == "waiting")
    topic = topics(woken)[0]
    assert "expired" in topic["why"]
    assert woken.pushes_to(device) == []
    woken.apns.clear()
    woken.wait_push(device, status=200)
    woken.apns.wait(lambda: woken.topic_state() == "open")


def test_a_server_certificate_that_is_not_apples_stops_nothing_for_good(make_woken, apns):
    woken = make_woken(ca_file=woken_ca(make_woken, apns))
    device = woken.device()
    woken.order(device)
    woken.apns.wait(lambda: woken.topic_state() in ("waiting", "stopped"))
    topic = topics(woken)[0]
    assert "certificate" in topic["why"].lower()
    assert woken.pushes_to(device) == []


def woken_ca(_, apns):
    """Some other CA."""
    from harness.authority import Authority

    path = apns.folder / "other-ca.pem"
    path.write_bytes(Authority("Not Apple").certificate_pem())
    return path
