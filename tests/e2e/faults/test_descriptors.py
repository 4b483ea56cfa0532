# SPDX-License-Identifier: Apache-2.0
"""No descriptor is left, or no connection: who is connected goes on, the daemon does not spin, who needs a descriptor
is told 503, and all is well again when connections end."""

import os
import resource
import socket
import time

from harness.device import Device
from harness.server import wait_until

MANY = 200
THREADS = 2
REST_S = 0.1  # of a worker without a connection, between its tries


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def limit_descriptors(server, more):
    """To what it has open now and `more`."""
    most = max(int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd")) + 1 + more
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, hard))


def raise_descriptors(server):
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (hard, hard))


def idle_connections(server, count):
    return [socket.create_connection(("127.0.0.1", server.device_port), timeout=60) for _ in range(count)]


def tries(server):
    return sum("resource limit" in line for line in server.log)


def assert_rests(server, began_s, connections):
    """A worker rests between its tries, or waits until one of its connections ends: else there are thousands."""
    wait_until(lambda: tries(server) > 0, "a try that fails")
    count = tries(server)
    assert count <= THREADS * ((time.monotonic() - began_s) / REST_S + 2) + connections


def test_descriptors_that_are_exhausted_are_waited_for_without_spinning(make_server, authority):
    server = make_server({"server.log_level": "debug", "device.threads": THREADS,
                          "device.header_timeout_s": 300}).start()
    server.trust(authority)
    device = Device(server, authority.issue("connected")).enroll()
    limit_descriptors(server, 8)
    began_s = time.monotonic()
    idle = idle_connections(server, 40)
    for _ in range(20):
        assert device.token_update().status == 200, "who is connected goes on"
    assert_rests(server, began_s, len(idle))
    for one in idle:
        one.close()
    wait_until(lambda: server.api("GET", "/healthz").status == 200, "the administrator to get in again")
    newcomer = Device(server, authority.issue("newcomer")).enroll()
    assert newcomer.poll() is None
    device.close()
    newcomer.close()


def test_no_descriptor_and_no_connection_does_not_spin(make_server, authority):
    """The hard case: a worker with no connection of its own has none whose end could wake it."""
    server = make_server({"server.log_level": "debug", "device.threads": THREADS}).start()
    server.trust(authority)
    limit_descriptors(server, 0)
    began_s = time.monotonic()
    idle = idle_connections(server, 10)
    server.wait_log("event=descriptors_exhausted listener=device")
    wait_until(lambda: sum("FIRST connection" in line for line in server.log) >= 10, "workers to try again and again")
    assert_rests(server, began_s, len(idle))
    raise_descriptors(server)
    for one in idle:
        one.close()
    device = Device(server, authority.issue("later")).enroll()
    assert device.poll() is None
    device.close()


def test_connections_past_connections_max_wait_until_one_ends(make_server, authority):
    server = make_server({"device.connections_max": 10, "device.threads": 1}).start()
    server.trust(authority)
    device = Device(server, authority.issue("connected")).enroll()
    idle = idle_connections(server, 30)
    assert device.token_update().status == 200
    for one in idle:
        one.close()
    newcomer = Device(server, authority.issue("newcomer")).enroll()
    assert newcomer.poll() is None
    device.close()
    newcomer.close()
