# SPDX-License-Identifier: Apache-2.0
"""A storm of certificates to be signed does not starve those who poll."""

import threading

import pytest

from harness.authority import load_certificate, make_csr
from harness.device import Device
from harness.server import wait_until

DEVICES = 12
ASKERS = 16
POLLS = 40  # of each device, while the storm lasts
QUEUE = 2


@pytest.mark.timeout(300)
def test_a_storm_of_signatures_is_capped_and_every_poll_is_answered(make_server, authority):
    server = make_server({"server.signing_queue_max": QUEUE, "server.signing_percent": 1}).start()
    server.trust(authority)
    before = server.signer()
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(DEVICES)]
    _, csr = make_csr("device")
    over, replies, faults = threading.Event(), [], []

    def ask():
        while not over.is_set():
            replies.append(server.api("POST", "/api/v1/identities", {"csr": csr.decode()}))

    def poll(device):
        try:
            for _ in range(POLLS):
                assert device.poll() is None
        except Exception as error:  # whatever it is, the test has to hear of it
            faults.append(repr(error))

    askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
    pollers = [threading.Thread(target=poll, args=(device,)) for device in devices]
    try:
        for thread in askers:
            thread.start()
        wait_until(lambda: any(reply.status == 503 for reply in replies), "the storm meets the cap")
        for thread in pollers:
            thread.start()
        for thread in pollers:
            thread.join(120)
        assert not any(thread.is_alive() for thread in pollers) and faults == []
    finally:
        over.set()
        for thread in askers:
            thread.join(60)
    assert len(replies) > ASKERS
    assert {reply.status for reply in replies} <= {201, 503}
    refused = [reply for reply in replies if reply.status == 503]
    for reply in refused:
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert "signature" in reply.json()["detail"]
    signed = len(replies) - len(refused)
    wait_until(lambda: server.signer()["jobs_total"] - before["jobs_total"] >= signed, "the last job to be counted")
    status = server.get("/api/v1/status")
    assert status["signer"]["jobs_refused"] - before["jobs_refused"] == len(refused)
    assert status["signer"]["jobs_total"] - before["jobs_total"] == signed
    assert status["signer"]["jobs_waiting"] == 0
    assert status["writer"]["jobs_refused"] == 0
    assert status["listeners"]["device"]["replies"]["5xx"] == 0
    last = server.api("POST", "/api/v1/identities", {"csr": csr.decode()})
    assert last.status == 201, "when the storm is over, all is as before"
    assert load_certificate(last.json()["certificate"].encode())


@pytest.mark.parametrize("drain_s", [30, 0])
def test_a_stop_with_signatures_that_wait_is_clean(make_server, drain_s):
    server = make_server({"server.signing_percent": 1, "server.drain_s": drain_s}).start()
    _, csr = make_csr("device")
    before = server.signer()["jobs_total"]
    replies = []

    def ask():
        try:
            replies.append(server.api("POST", "/api/v1/identities", {"csr": csr.decode()}))
        except OSError:
            assert drain_s == 0

    def is_asked():
        signer = server.get("/api/v1/status")["signer"]
        return signer["jobs_waiting"] + signer["jobs_total"] - before == ASKERS

    threads = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    wait_until(is_asked, "they wait")
    server.stop()
    for thread in threads:
        thread.join(60)
    if drain_s > 0:
        assert [reply.status for reply in replies] == [201] * ASKERS
