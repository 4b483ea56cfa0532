# SPDX-License-Identifier: Apache-2.0
"""Who may use the TLS key and the state directory is looked at before anything starts."""

import pytest

from harness.server import run

NO_PERMISSION = 77  # EX_NOPERM


def starts(server):
    return run("pomonad", "-t", "-c", server.conf_path, check=False).returncode == 0


@pytest.mark.parametrize("name, mode, what", [
    ("tls/server.key", 0o644, "[device] tls_key"), ("tls/server.key", 0o660, "[device] tls_key"),
    (".", 0o770, "[server] state_dir"), (".", 0o702, "[server] state_dir")])
def test_a_key_or_a_folder_that_others_may_use_stops_the_start(make_server, name, mode, what):
    server = make_server()
    path = server.folder / name
    path.chmod(mode)
    assert not starts(server)
    result = run("pomonad", "-c", server.conf_path, check=False)
    assert result.returncode == NO_PERMISSION
    assert "event=start_failed " in result.stderr and what in result.stderr and "`chmod " in result.stderr


def test_groups_that_the_administrator_lets_in_are_no_reason_not_to_start(make_server):
    server = make_server()
    (server.folder / "tls" / "server.key").chmod(0o640)
    server.folder.chmod(0o750)
    assert starts(server)
    server.start()
    assert not [line for line in server.log if "state_dir_open" in line]


def test_a_folder_that_others_may_look_into_is_warned_about(make_server):
    server = make_server()
    server.folder.chmod(0o711)
    server.start()
    server.wait_log("level=warning event=state_dir_open ")


def test_a_key_that_became_everybodys_is_not_taken_over(make_server):
    server = make_server().start()
    (server.folder / "tls" / "server.key").chmod(0o644)
    server.reload()
    assert "[device] tls_key" in server.wait_log("event=reload_failed ")
