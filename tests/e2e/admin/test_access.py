# SPDX-License-Identifier: Apache-2.0
"""Where tokens go, who may read them, and who reaches the admin socket."""

import grp
import os
import pwd
import socket
import stat
import subprocess
import tempfile

import pytest

from harness.server import BIN, Server, run

GROUP = grp.getgrnam("games")
NOBODY = 65534
AWAY = "http://192.0.2.1:8080"  # RFC 5737: nobody's


@pytest.fixture
def token_file(server, tmp_path):
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(server.ctl_json("token", "add", "tester", "--role", "viewer")["token"] + "\n")
    return path


def status(url, token_file, *words):
    return run("pomonactl", "--url", url, "--token-file", token_file, *words, "status", check=False)


def test_a_token_is_not_sent_over_http_to_another_machine(server, token_file):
    result = status(AWAY, token_file)
    assert result.returncode == 64 and "in clear" in result.stderr and "--allow-plain" in result.stderr
    for host in ("127.0.0.1", "localhost"):
        assert status(f"http://{host}:{server.admin_port}", token_file).returncode == 0, host


def test_it_is_sent_there_where_that_is_said(tmp_path):
    """To a listener on an address of this machine that is not loopback by its name."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("pom_test\n")
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(1)
        listener.settimeout(60)
        process = subprocess.Popen(
            [str(BIN / "pomonactl"), "--url", f"http://0.0.0.0:{listener.getsockname()[1]}", "--token-file", str(token),
             "--allow-plain", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peer = listener.accept()[0]
        assert b"Authorization: Bearer pom_test\r\n" in peer.recv(65536)
        peer.close()
        assert process.wait(60) != 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_token_file_that_others_reach_is_refused(server, token_file, mode):
    token_file.chmod(mode)
    result = status(f"http://127.0.0.1:{server.admin_port}", token_file)
    assert result.returncode == 66 and f"{mode:04o}" in result.stderr and f"chmod 600 {token_file}" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_anothers_token_file_is_anothers_to_keep(server, token_file):
    token_file.chmod(0o640)
    os.chown(token_file, 65534, 0)
    assert status(f"http://127.0.0.1:{server.admin_port}", token_file).returncode == 0


def test_the_conf_refuses_a_remote_address_without_tls(make_server):
    server = make_server({"admin.listen": "0.0.0.0:0"})
    result = run("pomonad", "-t", "-c", server.conf_path, check=False)
    assert result.returncode == 78 and "[admin] listen" in result.stderr and "allow_remote_plain" in result.stderr
    server.conf["admin.allow_remote_plain"] = "yes"
    server.write_conf()
    server.start()


# --- the socket of the service


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def connects_as(path, **who):
    return subprocess.run(["/usr/bin/python3", "-c", CONNECT, str(path)], stderr=subprocess.DEVNULL, timeout=60,
                          **who).returncode == 0


def can_run(user):
    try:
        return run("pomonad", "-V", user=user, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def make_users_server(template):
    """Makes a server of the user `daemon`, with a folder for its socket that all may enter; gives it and the path."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    user = pwd.getpwnam("daemon")
    if not can_run(user.pw_uid):
        pytest.skip("other users cannot reach the programs")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        servers = []

        def make(groups):
            path = f"{folder}/run/admin.sock"
            server = Server(template, f"{folder}/state", {"admin.socket": path, "admin.socket_group": GROUP.gr_name})
            servers.append(server)
            os.mkdir(f"{folder}/run", 0o755)
            os.chown(f"{folder}/run", user.pw_uid, user.pw_gid)
            server.give_to(user.pw_uid, user.pw_gid, groups)
            return server, path

        yield make
        for server in servers:
            server.kill()


def test_the_socket_is_for_its_group_and_nobody_else(make_users_server):
    """A server of its own user, a group of administrators, and others."""
    server, path = make_users_server([GROUP.gr_gid])
    server.start()
    info = os.stat(path)
    assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o660, server.who["user"], GROUP.gr_gid)
    member = {"user": NOBODY, "group": NOBODY, "extra_groups": [GROUP.gr_gid]}
    assert connects_as(path, **member), "by a supplementary group"
    assert connects_as(path, user=NOBODY, group=GROUP.gr_gid, extra_groups=[])
    assert not connects_as(path, user=NOBODY, group=NOBODY, extra_groups=[])
    assert "device listener" in run("pomonactl", "--socket", path, "status", **member).stdout
    server.stop()
    assert not os.path.exists(path)


def test_a_group_that_the_server_is_no_member_of_is_named_as_the_fault(make_users_server):
    server, _ = make_users_server([])
    with pytest.raises(AssertionError, match="event=start_failed stage=listeners .*has to be a member"):
        server.start()
