# SPDX-License-Identifier: Apache-2.0
"""A daemon that wakes devices through the simulator's APNs."""

import pytest

from harness.apns import Apns
from harness.panel import Panel
from harness.woken import Woken, push_conf


@pytest.fixture
def apns(tmp_path):
    apns = Apns(tmp_path / "apns").start()
    yield apns
    apns.stop()


@pytest.fixture
def panel(tmp_path):
    return Panel(tmp_path / "panel")


@pytest.fixture
def make_woken(make_server, authority, apns):
    made = []

    def make(start_conf=None, panel=None, **conf):
        """`panel`: the daemon has it."""
        options = {} if panel is None else {"program": "pomonad-faultvfs", "environment": panel.environment}
        server = make_server({**push_conf(apns, **conf), **(start_conf or {})}, **options).start()
        server.trust(authority)
        server.ctl("pushcert", "set", apns.push_pem)
        made.append(Woken(server, apns, authority))
        return made[-1]

    yield make
    for woken in made:
        woken.close()


@pytest.fixture
def woken(make_woken):
    return make_woken()
