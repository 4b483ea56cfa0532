# SPDX-License-Identifier: Apache-2.0
import re
import stat
import subprocess

import pytest

from harness.authority import Authority
from harness.server import Server, run


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_makes_what_a_server_needs_and_shows_the_token_once(tmp_path):
    folder = tmp_path / "state"
    result = run("pomonactl", "init", "--dir", folder, "--hostname", "mdm.example.com")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    token = re.search(r"\bpom_\S+", result.stdout).group(0)
    assert all(token.encode() not in content for content in snapshot(folder).values())
    certificate = subprocess.run(["openssl", "x509", "-in", folder / "tls" / "server.pem", "-noout", "-text"],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "DNS:mdm.example.com" in certificate
    assert "P-256" in certificate
    subprocess.run(["openssl", "verify", "-CAfile", folder / "tls" / "root.pem", folder / "tls" / "server.pem"],
                   check=True, stdout=subprocess.DEVNULL)


def test_init_twice_changes_nothing_and_says_so(tmp_path):
    folder = tmp_path / "state"
    run("pomonactl", "init", "--dir", folder, "--hostname", "mdm.example.com")
    before = snapshot(folder)
    result = run("pomonactl", "init", "--dir", folder, "--hostname", "other.example.com")
    assert snapshot(folder) == before
    assert "pom_" not in result.stdout
    assert "nothing" in (result.stdout + result.stderr).lower()


def test_init_takes_a_given_certificate(tmp_path, make_server, authority):
    root = Authority("Company root")
    leaf = root.issue("localhost", usage=None)
    (tmp_path / "given.pem").write_bytes(leaf.certificate_pem())
    (tmp_path / "given.key").write_bytes(leaf.key_pem())
    folder = tmp_path / "state"
    words = ("init", "--dir", folder, "--hostname", "localhost",
             "--tls-cert", tmp_path / "given.pem", "--tls-key", tmp_path / "given.key")
    (tmp_path / "given.key").chmod(0o644)
    assert "`chmod 640 " in run("pomonactl", *words, check=False).stderr, "pomonad would not start with it"
    assert not folder.exists()
    (tmp_path / "given.key").chmod(0o640)
    run("pomonactl", *words)
    assert run("pomonad", "-t", "-c", folder / "pomona.conf").returncode == 0


def test_init_refuses_a_key_that_is_not_the_certificates(tmp_path):
    root = Authority("Company root")
    (tmp_path / "given.pem").write_bytes(root.issue("localhost").certificate_pem())
    (tmp_path / "given.key").write_bytes(root.issue("localhost").key_pem())
    result = run("pomonactl", "init", "--dir", tmp_path / "state", "--hostname", "localhost",
                 "--tls-cert", tmp_path / "given.pem", "--tls-key", tmp_path / "given.key", check=False)
    assert result.returncode != 0
    assert "key" in result.stderr
    assert not (tmp_path / "state" / "pomona.db").exists()


def test_the_conf_that_init_writes_passes_the_test(tmp_path):
    folder = tmp_path / "state"
    run("pomonactl", "init", "--dir", folder, "--hostname", "localhost")
    assert run("pomonad", "-t", "-c", folder / "pomona.conf").returncode == 0


def test_the_conf_test_shows_every_fault_with_file_line_key_and_rule(template, tmp_path):
    server = Server(template, tmp_path / "server")
    good = server.conf_path.read_text()
    server.conf_path.write_text(good + "[device]\nidle_timeout_s = soon\nconections_max = 5\n[nowhere]\nx = 1\ngarbled\n")
    lines = good.count("\n")
    result = run("pomonad", "-t", "-c", server.conf_path, check=False)
    assert result.returncode != 0
    for line, word in ((2, "idle_timeout_s"), (3, "conections_max"), (4, "nowhere"), (6, "garbled")):
        assert re.search(rf"pomona\.conf:{lines + line}: .*", result.stderr), (line, result.stderr)
        assert word in result.stderr or word == "garbled"


@pytest.mark.parametrize("key, value", [
    ("device.listen", "nowhere"), ("device.tls_key", "/no/such/file"), ("device.connections_max", "-1"),
    ("device.unknown_device", "maybe"),
])
def test_a_bad_value_stops_the_daemon_with_a_text_that_names_it(template, tmp_path, key, value):
    server = Server(template, tmp_path / "server", {key: value})
    result = run("pomonad", "-c", server.conf_path, check=False)
    assert result.returncode != 0
    assert key.split(".")[1] in result.stderr or value in result.stderr


def test_a_second_daemon_on_the_same_directory_refuses_to_start(make_server):
    server = make_server().start()
    second = Server(None, server.folder, {"admin.socket": str(server.folder / "second.sock")})
    result = run("pomonad", "-c", second.conf_path, check=False)
    assert result.returncode != 0
    assert "pomona.db" in result.stderr
    assert server.get("/api/v1/status")


def test_a_newer_schema_is_refused_with_advice(make_server):
    import contextlib
    import sqlite3

    server = make_server()
    with contextlib.closing(sqlite3.connect(server.folder / "pomona.db", isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 999")
    result = run("pomonad", "-c", server.conf_path, check=False)
    assert result.returncode != 0
    assert "newer" in result.stderr and "999" in result.stderr


def test_a_reload_with_a_faulty_conf_keeps_the_old_one(server, make_device):
    device = make_device().enroll()
    before = len(server.log)
    server.conf_path.write_text("[device]\nlisten = nonsense\n")
    server.reload()
    server.wait_log("level=error", after=before)
    assert device.poll() is None
    server.write_conf()


def test_a_reload_takes_over_what_is_reloadable(server, make_device):
    stranger = make_device()
    make_device().enroll()
    assert stranger.idle().status == 403
    server.conf["device.unknown_device"] = "unenroll"
    server.write_conf()
    server.reload()
    server.wait_log("event=reloaded")
    assert stranger.idle().status == 401
