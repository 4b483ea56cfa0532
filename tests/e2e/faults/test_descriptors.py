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


def cpu_s(server):
    fields = open(f"/proc/{server.process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def spin_share(server, seconds=3):
    """How much of a core it takes while nobody asks for anything."""
    before, began = cpu_s(server), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(server) - before) / (time.monotonic() - began)


def test_descriptors_that_are_exhausted_are_waited_for_without_spinning(make_server, authority):
    server = make_server({"device.header_timeout_s": 300}).start()
    server.trust(authority)
    device = Device(server, authority.issue("connected")).enroll()
    limit_descriptors(server, 8)
    idle = idle_connections(server, 40)
    assert spin_share(server) < 0.3
    for _ in range(20):
        assert device.token_update().status == 200, "who is connected goes on"
    for one in idle:
        one.close()
    wait_until(lambda: server.api("GET", "/healthz").status == 200, "the administrator to get in again")
    newcomer = Device(server, authority.issue("newcomer")).enroll()
    assert newcomer.poll() is None
    device.close()
    newcomer.close()


def test_no_descriptor_and_no_connection_does_not_spin(make_server, authority):
    """The hard case: a worker with no connection of its own has none whose end could wake it."""
    server = make_server({"server.log_level": "debug", "device.threads": 2}).start()
    server.trust(authority)
    limit_descriptors(server, 0)
    idle = idle_connections(server, 10)
    server.wait_log("event=descriptors_exhausted listener=device")
    assert spin_share(server) < 0.3
    tries = sum("FIRST connection" in line for line in server.log)
    assert 0 < tries < 200, "two workers rest between their tries"
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
    assert spin_share(server) < 0.3
    assert device.token_update().status == 200
    for one in idle:
        one.close()
    newcomer = Device(server, authority.issue("newcomer")).enroll()
    assert newcomer.poll() is None
    device.close()
    newcomer.close()
