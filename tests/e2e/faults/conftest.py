# SPDX-License-Identifier: Apache-2.0
import pytest

from harness.panel import Panel


@pytest.fixture
def panel(tmp_path):
    return Panel(tmp_path / "panel")


@pytest.fixture
def faulty(make_server, authority, panel):
    """A daemon whose disk, clock and memory the panel commands, as it is when all is well."""
    server = make_server({"server.last_seen_flush_s": 1}, program="pomonad-faultvfs",
                         environment=panel.environment).start()
    server.trust(authority)
    return server
