# SPDX-License-Identifier: Apache-2.0
import threading

from harness.device import CHECKIN, Device
from harness.raw import RawConnection, head
from harness.server import wait_until

THREADS = 24
VISITS_MAX = 400  # of one thread, in which somebody must have met the full queue


def checked_in(device, until):
    """Updates its token until `until` is set; gives how often it was taken and turned away."""
    taken = turned_away = 0
    while not until.is_set() and taken + turned_away < VISITS_MAX:
        reply = device.token_update()
        if reply.status == 503:
            assert int(reply.headers["Retry-After"]) > 0
            turned_away += 1
            until.set()
        else:
            assert reply.status == 200, reply
            taken += 1
    return taken, turned_away


def test_a_full_writer_queue_gives_503_with_retry_after_and_nothing_is_lost(make_server, authority):
    server = make_server({"server.writer_queue_max": 1, "device.threads": 4}).start()
    server.trust(authority)
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(THREADS)]
    until, counts = threading.Event(), []
    threads = [threading.Thread(target=lambda d=device: counts.append(checked_in(d, until))) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(counts) == THREADS, "a thread met something else than 200 and 503"
    turned_away = sum(count[1] for count in counts)
    assert turned_away > 0
    assert server.get("/api/v1/status")["writer"]["jobs_refused"] >= turned_away
    for device in devices:  # and those that were turned away come again
        assert device.token_update().status == 200
        assert device.poll() is None
        assert server.device(device.udid)["state"] == "enrolled"


def test_an_admin_request_past_the_writer_queue_is_a_problem_with_retry_after(make_server, authority):
    server = make_server({"server.writer_queue_max": 1}).start()
    until, replies = threading.Event(), []

    def add_tokens(which):
        for i in range(VISITS_MAX):
            if until.is_set():
                return
            reply = server.api("POST", "/api/v1/tokens", {"name": f"robot{which}-{i}", "role": "viewer"})
            if reply.status != 201:
                replies.append(reply)
                until.set()

    threads = [threading.Thread(target=add_tokens, args=(which,)) for which in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert replies
    for reply in replies:
        assert reply.status == 503
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert int(reply.headers["Retry-After"]) > 0
        assert reply.json()["detail"]


def status_to_head(server, identity, length):
    """Of a body that is announced and never sent, so that asking takes no share: 100 says that it may come."""
    with RawConnection(server, identity) as raw:
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {length}", "Expect: 100-continue"))
        return raw.status()


def test_bodies_past_what_may_be_under_way_together_get_503(make_server, authority):
    limit, rest = 200_000, 10
    server = make_server({"device.checkin_bytes_max": limit, "device.result_bytes_max": limit,
                          "device.body_bytes_total_max": limit}).start()
    server.trust(authority)
    device = Device(server, authority.issue("device")).enroll()
    with RawConnection(server, device.identity) as slow:
        slow.send(head("/checkin", CHECKIN, f"Content-Length: {limit}") + b"x" * (limit - rest))
        # A body that came before all of this is read would have it refused instead.
        wait_until(lambda: status_to_head(server, device.identity, rest + 1) == 503, "the first body to be read")
        assert status_to_head(server, device.identity, rest) == 100
        reply = device.idle()
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
    wait_until(lambda: device.idle().status == 200, "its share to come back when it goes")
    assert device.poll() is None


def test_one_connection_carries_many_requests(server, make_device):
    device = make_device().enroll()
    before = server.get("/api/v1/status")["listeners"]["device"]["connections_total"]
    for _ in range(500):
        assert device.poll() is None
    for _ in range(50):
        assert device.report("Refused").status == 400, "an error does not end the connection"
    assert server.get("/api/v1/status")["listeners"]["device"]["connections_total"] == before
