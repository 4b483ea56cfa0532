# SPDX-License-Identifier: Apache-2.0
"""Every so-manieth request for memory fails, of the daemon and of all its libraries: it may close a connection or say
503, but it does not die, and what it said 200 to is in the database."""

import pytest

from harness.fleet import Fleet
from harness.server import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("every, hits", [(997, 100), (211, 300), (61, 300)])
def test_memory_that_fails_now_and_then_loses_nothing(faulty, authority, panel, every, hits):
    with Fleet(faulty, authority) as fleet:
        fleet.wait_taken()
        panel.short_memory(every)
        before = fleet.turned_away + fleet.broken
        wait_until(lambda: panel.memory_hits() > hits and fleet.turned_away + fleet.broken > before + 20
                   or fleet.violations, "failures", 150)
        panel.short_memory(0)
        fleet.wait_taken(100)
    assert faulty.process.poll() is None
    faulty.stop()
    fleet.check()
