# SPDX-License-Identifier: Apache-2.0
import faulthandler
import os
import sys

import pytest

from harness.authority import Authority
from harness.device import Device
from harness.process import descendants, threads_of
from harness.server import Server, make_template

# No test hangs. One that takes longer fails with the stacks of all threads, and its daemons' logs and threads; one
# that needs more says so by @pytest.mark.timeout(seconds). Where even that does not end it, for Python itself waits
# in a system call, the whole run ends with the stacks on stderr.
TEST_SECONDS = 180
GRACE_SECONDS = 300  # of teardowns whose daemons must be looked at and killed
EXIT_SECONDS = 120  # of threads that are left when all tests are over

SERVERS = pytest.StashKey()
_state = {}


def pytest_configure(config):
    if not config.pluginmanager.hasplugin("timeout"):
        raise pytest.UsageError("no test may hang: install python3-pytest-timeout")
    _state["stderr"] = os.fdopen(os.dup(sys.stderr.fileno()), "w")  # while it is not captured
    _state["is_guarded"] = not config.option.usepdb


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def _end_all_after(seconds):
    if _state["is_guarded"]:
        faulthandler.dump_traceback_later(seconds, exit=True, file=_state["stderr"])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    _end_all_after(item.get_closest_marker("timeout").args[0] + GRACE_SECONDS)
    yield
    faulthandler.cancel_dump_traceback_later()


def pytest_unconfigure():
    _end_all_after(EXIT_SECONDS)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template") / "state")


@pytest.fixture(scope="session")
def authority():
    return Authority()


def stop(server):
    """What was wrong with its end, if anything was."""
    try:
        server.stop()
    except AssertionError as error:
        return str(error)
    except pytest.fail.Exception as error:  # the time of the test is up
        known = f"{error} while pomonad was to stop\n{threads_of(server.process.pid)}"
        server.kill()
        return known
    return None


@pytest.fixture
def make_server(request, template, tmp_path):
    """Servers that are stopped, with their exit status checked, when the test ends."""
    servers = request.node.stash.setdefault(SERVERS, [])

    def make(conf=None, **options):
        server = Server(template, tmp_path / f"server{len(servers)}", conf, **options)
        servers.append(server)
        return server

    yield make
    errors = [error for error in map(stop, servers) if error is not None]
    if errors:
        pytest.fail("\n\n".join(errors), pytrace=False)


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


def has_timed_out(call):
    error = call.excinfo.value
    return isinstance(error, pytest.fail.Exception) and str(error).startswith("Timeout ")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the logs of its daemons; one that hung, where their threads are."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    if report.when != "teardown":
        for server in item.stash.get(SERVERS, []):
            report.sections.append((f"pomonad's log, {server.folder.name}", "\n".join(server.log[-200:])))
    if has_timed_out(call):
        for pid in descendants(os.getpid()):
            report.sections.append(("a process that was running", threads_of(pid)))
