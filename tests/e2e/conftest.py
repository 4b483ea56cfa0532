# SPDX-License-Identifier: Apache-2.0
import pytest

from harness.authority import Authority
from harness.device import Device
from harness.server import Server, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template") / "state")


@pytest.fixture(scope="session")
def authority():
    return Authority()


@pytest.fixture
def make_server(template, tmp_path):
    """Servers that are stopped, with their exit status checked, when the test ends."""
    servers = []

    def make(conf=None, **options):
        server = Server(template, tmp_path / f"server{len(servers)}", conf, **options)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(make_server, authority):
    server = make_server().start()
    server.trust(authority)
    return server


@pytest.fixture
def make_device(server, authority):
    devices = []

    def make(udid=None, identity=None, **options):
        device = Device(server, identity or authority.issue("device"), udid, **options)
        devices.append(device)
        return device

    yield make
    for device in devices:
        device.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the daemon's log."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed and "make_server" in item.fixturenames:
        for server in [value for value in item.funcargs.values() if isinstance(value, Server)]:
            report.sections.append(("pomonad's log", "\n".join(server.log[-200:])))
