# SPDX-License-Identifier: Apache-2.0
"""Ports for programs that must be told one, or that take theirs again after a while in which nobody had it."""

import itertools
import os
import socket

# Each worker of pytest has a range of its own, below those that the kernel gives to whoever asks for any.
FIRST, EACH = 20000, 500
_first = FIRST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) * EACH % 12000
_ports = (_first + (os.getpid() + n) % EACH for n in itertools.count())


def free_port():
    """None that was given before, until all were."""
    for port in itertools.islice(_ports, EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port from {_first} on")
