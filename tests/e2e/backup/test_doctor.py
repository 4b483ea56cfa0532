# SPDX-License-Identifier: Apache-2.0
"""pomonactl doctor: what it finds, what it advises, and its exit status."""

import grp
import http.server
import json
import os
import socket
import threading

import pytest

from harness.authority import Authority
from harness.pushcert import PREFIX, PushCert


@pytest.fixture
def listening():
    """A port that can be reached, to stand for the push server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port():
    """A port that is bound, so that nobody else gets it, and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def server(make_server, listening):
    return make_server({"push.server": f"127.0.0.1:{listening}"}).start()


def doctor(server, status):
    result = server.ctl("--json", "doctor", check=False)
    assert result.returncode == status, result.stdout + result.stderr
    report = json.loads(result.stdout)
    for finding in report["findings"]:
        assert (finding["advice"] is None) == (finding["level"] == "ok"), finding
    return report["findings"]


def found(findings, what, level):
    matches = [finding for finding in findings if (finding["what"], finding["level"]) == (what, level)]
    assert matches, (what, level, findings)
    return matches[0]


def test_a_sound_server_has_no_fault(server):
    findings = doctor(server, 0)
    assert not [finding for finding in findings if finding["level"] == "fault"]
    for what in ("conf", "state directory", "database file", "TLS key file", "master key", "TLS certificate", "disk",
                 "admin socket", "pomonad", "TLS in force", "device CA", "database", "push server"):
        found(findings, what, "ok")
    assert "pushcert set" in found(findings, "push certificate", "warning")["advice"]
    text = server.ctl("doctor").stdout
    assert "-> `pomonactl pushcert set FILE`" in text and "ok       database" in text


def test_a_faulty_conf_is_a_fault(server):
    server.conf_path.write_text("[server]\nhostnam = x\n")
    finding = found(doctor(server, 1), "conf", "fault")
    assert "hostnam" in finding["text"] and "pomonad -t" in finding["advice"]


@pytest.mark.parametrize("name, mode, what, advice", [
    (".", 0o775, "state directory", "chmod 750 "), ("pomona.db", 0o644, "database file", "chmod 600 "),
    ("tls/server.key", 0o644, "TLS key file", "chmod 640 "), ("master.key", 0o640, "master key", "0600")])
def test_what_others_may_use_is_a_fault(server, name, mode, what, advice):
    path = server.folder / name
    right = path.stat().st_mode
    path.chmod(mode)
    finding = found(doctor(server, 1), what, "fault")
    path.chmod(right)
    assert advice in finding["advice"]
    doctor(server, 0)


def test_groups_that_the_administrator_lets_in_are_fine(server):
    for name, mode in ((".", 0o750), ("tls/server.key", 0o640)):
        (server.folder / name).chmod(mode)
    doctor(server, 0)


def test_a_folder_that_others_may_look_into_is_a_warning(server):
    server.folder.chmod(0o755)
    assert "chmod 750 " in found(doctor(server, 0), "state directory", "warning")["advice"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_admin_socket_that_everybody_may_use_is_a_fault(server):
    path = server.folder / "admin.sock"
    path.chmod(0o666)
    finding = found(doctor(server, 1), "admin socket", "fault")
    assert "0666" in finding["text"] and f"chmod 660 {path}" in finding["advice"]


def test_an_admin_socket_that_its_group_cannot_reach_is_a_warning(make_server, listening):
    """As it was by default: the state directory is closed."""
    mine = grp.getgrgid(os.getegid()).gr_name
    server = make_server({"push.server": f"127.0.0.1:{listening}", "admin.socket_group": mine}).start()
    finding = found(doctor(server, 0), "admin socket", "warning")
    assert str(server.folder) in finding["text"] and "/run/pomona/admin.sock" in finding["advice"]
    server.conf["admin.socket_group"] = "nogroup"
    server.write_conf()
    finding = found(doctor(server, 1), "admin socket", "fault")
    assert "does not belong to the group nogroup" in finding["text"] and "SupplementaryGroups" in finding["advice"]
    server.conf["admin.socket"] = str(server.folder / "nowhere" / "admin.sock")
    server.write_conf()
    finding = found(doctor(server, 1), "admin socket", "fault")
    assert "nowhere" in finding["text"] and "systemd-tmpfiles" in finding["advice"]


def test_a_database_of_another_user_is_a_fault(server):
    os.chown(server.folder / "pomona.db", 12345, 12345)
    assert "chown 0 " in found(doctor(server, 1), "database file", "fault")["advice"]
    os.chown(server.folder / "pomona.db", 0, 0)


@pytest.mark.parametrize("days, level, status", [(60, "ok", 0), (20, "warning", 0), (-1, "fault", 1)])
def test_the_end_of_the_tls_certificate_is_told(server, days, level, status):
    leaf = Authority("Company root").issue("localhost", starts_days=-10, ends_days=days, usage=None)
    (server.folder / "tls" / "server.pem").write_bytes(leaf.certificate_pem())
    (server.folder / "tls" / "server.key").write_bytes(leaf.key_pem())
    finding = found(doctor(server, status), "TLS certificate", level)
    assert ("ended" in finding["text"]) == (days < 0)


def test_a_tls_key_of_another_certificate_is_a_fault(server):
    (server.folder / "tls" / "server.key").write_bytes(Authority("Other").key_pem())
    assert "reload" in found(doctor(server, 1), "TLS certificate", "fault")["advice"]


def test_a_push_certificate_near_its_end_is_a_warning(server):
    certificate = PushCert(PREFIX + "doctor", ends_days=12)
    assert server.api("PUT", "/api/v1/pushcerts", certificate.body()).status == 200
    result = server.ctl("--json", "doctor", check=False)
    finding = found(json.loads(result.stdout)["findings"], "push certificate", "warning")
    assert "Apple" in finding["advice"] and "day" in finding["text"]


def test_a_push_server_out_of_reach_is_a_fault(make_server, closed_port):
    server = make_server({"push.server": f"127.0.0.1:{closed_port}"}).start()
    finding = found(doctor(server, 1), "push server", "fault")
    assert "refused" in finding["text"] and "firewall" in finding["advice"]


def test_a_proxy_out_of_reach_is_a_fault(make_server, listening, closed_port):
    server = make_server({"push.server": f"127.0.0.1:{listening}", "net.proxy": f"127.0.0.1:{closed_port}"}).start()
    assert "[net] proxy" in found(doctor(server, 1), "proxy", "fault")["advice"]


def test_a_stopped_server_is_a_fault_and_its_database_is_read(server):
    server.stop()
    before = sorted(path.name for path in server.folder.iterdir())
    findings = doctor(server, 1)
    assert "systemctl start" in found(findings, "pomonad", "fault")["advice"]
    found(findings, "database", "ok")
    assert sorted(path.name for path in server.folder.iterdir()) == before


def test_a_killed_server_keeps_the_log_of_its_database(server):
    server.ctl("token", "add", "last", "--role", "admin")
    server.kill()
    log = server.folder / "pomona.db-wal"
    before = log.read_bytes()
    assert before
    found(doctor(server, 1), "database", "ok")
    assert log.read_bytes() == before
    server.start()
    assert any(token["name"] == "last" for token in server.get("/api/v1/tokens")["tokens"])


def test_a_damaged_database_is_a_fault_stopped_and_serving(server):
    server.stop()
    path = server.folder / "pomona.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096])
    assert "restore" in found(doctor(server, 1), "database", "fault")["advice"]
    damaged = damage_an_index(whole)
    path.write_bytes(damaged)
    assert "restore" in found(doctor(server, 1), "database", "fault")["advice"]
    server.start()
    assert "restore" in found(doctor(server, 1), "database", "fault")["advice"]
    reply = server.get("/api/v1/integrity")
    assert reply["is_intact"] is False and reply["fault"]


def damage_an_index(whole):
    """Makes one page of the database useless that a start does not read."""
    import sqlite3
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "copy.db")
        with open(path, "wb") as copy:
            copy.write(whole)
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode = DELETE")
        page, = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'identity_by_renewal'").fetchone()
        database.close()
    at = (page - 1) * 4096
    return whole[:at] + b"\xa5" * 4096 + whole[at + 4096:]


def test_a_master_key_of_another_database_is_a_fault(server):
    server.stop()
    key = server.folder / "master.key"
    key.write_text(key.read_text().split()[0] + " " + "ab" * 32 + "\n")
    assert "master key" in found(doctor(server, 1), "database", "fault")["advice"]


def test_a_credential_of_a_stopped_service_is_no_fault_of_its_own(server):
    server.stop()
    server.conf["server.master_key"] = "/run/credentials/pomona-test-none/master.key"
    server.write_conf()
    findings = doctor(server, 1)
    assert "systemd" in found(findings, "master key", "warning")["text"]
    found(findings, "database", "ok")


def test_over_tcp_the_server_itself_is_looked_at(server):
    token = server.ctl_json("token", "add", "doctor", "--role", "admin")["token"]
    result = server.ctl("--url", f"http://127.0.0.1:{server.admin_port}", "--json", "doctor",
                        env={**os.environ, "POMONA_TOKEN": token})
    findings = json.loads(result.stdout)["findings"]
    found(findings, "pomonad", "ok")
    found(findings, "database", "ok")
    assert not any(finding["what"] == "master key" for finding in findings)


def test_a_database_too_large_to_be_read_in_time_is_a_warning(server, tmp_path):
    """A stand-in says what pomonad says of one that takes more than its five minutes."""
    status = json.dumps(server.get("/api/v1/status")).encode()
    integrity = json.dumps({"is_intact": None, "fault": "no fault was found in 300 s, but ..."}).encode()

    class StandIn(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = integrity if self.path.endswith("/integrity") else status
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    token = tmp_path / "token"
    token.write_text("pomona_" + "0" * 64)
    token.chmod(0o600)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as stand_in:
        threading.Thread(target=stand_in.serve_forever, daemon=True).start()
        report = server.ctl("--json", "--url", f"http://127.0.0.1:{stand_in.server_port}", "--token-file", token,
                            "doctor", check=False)
        stand_in.shutdown()
    finding = found(json.loads(report.stdout)["findings"], "database", "warning")
    assert "300 s" in finding["text"] and "backup FILE" in finding["advice"]
