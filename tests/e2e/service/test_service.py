# SPDX-License-Identifier: Apache-2.0
"""pomonad as a service: addresses, signals, logs, and what is installed."""

import http.client
import os
import pathlib
import plistlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid

import pytest

from harness.confine import values
from harness.device import CHECKIN, COMMAND, TOPIC, Device
from harness.raw import RawConnection, UnderWay, head
from harness.server import BUILD, SOURCE, wait_until

VISITS_MAX = 100_000  # of one device; the stop ends them long before


def reload(server, **conf):
    """Sets keys (section__name), sends SIGHUP, and gives the log from there once it is over."""
    before = len(server.log)
    server.conf.update({key.replace("__", "."): value for key, value in conf.items()})
    server.write_conf()
    server.reload()
    server.wait_log("event=reload(ed|_failed)", after=before)
    return server.log[before:]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_the_listeners_speak_ipv6(make_server, authority):
    server = make_server({"device.listen": "[::1]:0", "admin.listen": "[::1]:0"}).start()
    with socket.create_connection(("::1", server.device_port), timeout=60) as plain:
        with server.client_context().wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"GET /mdm HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert tls.recv(12) == b"HTTP/1.1 405"
    with socket.create_connection(("::1", server.admin_port), timeout=60) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.recv(12) == b"HTTP/1.1 200"


def test_an_empty_address_leaves_the_admin_listener_out(make_server):
    server = make_server({"admin.listen": ""}).start()
    assert server.get("/api/v1/status")["listeners"]["admin"] is None
    assert not any("name=admin " in line for line in server.log)
    assert server.ctl("status").returncode == 0


def test_an_empty_socket_leaves_the_socket_out(make_server):
    server = make_server({"admin.socket": ""}).start()
    assert not any("admin_socket" in line for line in server.log)
    result = server.ctl("status", check=False)
    assert result.returncode == 64
    assert "--url" in result.stderr, "it says what to do"


def test_each_reloadable_key_is_taken_over_by_sighup(server, make_device):
    device = make_device().enroll()
    body = plistlib.dumps({"MessageType": "TokenUpdate", "Topic": TOPIC, "UDID": device.udid, "Token": b"t",
                           "PushMagic": "m", "Padding": "x" * 5000})
    result = plistlib.dumps({"Status": "Idle", "UDID": device.udid, "Padding": "x" * 5000})
    assert device.put("/checkin", body, CHECKIN).status == 200
    assert device.put("/mdm", result, COMMAND).status == 200
    assert device.checkin("UserAuthenticate", UserID="U").status == 410

    reload(server, device__checkin_bytes_max=4096, device__result_bytes_max=4096,
           device__user_authenticate="empty_challenge")
    with RawConnection(server, device.identity) as raw:
        raw.send(head("/checkin", CHECKIN, f"Content-Length: {len(body)}"))
        assert raw.status() == 413
    with RawConnection(server, device.identity) as raw:
        raw.send(head("/mdm", COMMAND, f"Content-Length: {len(result)}"))
        assert raw.status() == 413
    assert device.checkin("UserAuthenticate", UserID="U").status == 200

    strangers = [make_device() for _ in range(3)]
    assert strangers[0].idle().status == 403
    reload(server, device__unknown_device="unenroll", device__unenroll_fuse=0)
    assert strangers[0].idle().status == 403, "a fuse of 0 lets none through"
    reload(server, device__unenroll_fuse=1)
    assert strangers[1].idle().status == 401
    assert strangers[2].idle().status == 403
    reload(server, device__unknown_device="refuse")
    assert strangers[1].idle().status == 403


def test_the_log_level_is_reloadable_and_the_audit_is_written_whatever_it_is(server, make_device):
    assert any("event=reloaded" in line for line in reload(server))
    server.conf["server.log_level"] = "error"
    server.write_conf()
    server.reload()
    server.conf["server.log_level"] = "info"
    # Signals of one kind may fall together: devices tell when the level is in force.
    quiet = 0
    while True:
        before = len(server.log)
        make_device().enroll()
        server.ctl("token", "add", f"quiet{quiet}", "--role", "viewer")
        server.wait_log(f"level=audit event=admin_change .*quiet{quiet} ", after=before)
        if not any("event=enrolled" in line for line in server.log[before:]):
            break
        quiet += 1
    before = len(server.log)
    assert server.api("GET", "/api/v1/status", token="pom_guess").status == 401
    server.wait_log("level=audit event=admin_denied reason=unknown_token .*path=/api/v1/status", after=before)
    assert any("event=reloaded" in line for line in reload(server))
    make_device().enroll()
    server.wait_log("event=enrolled", after=before)


def test_two_reloads_in_a_row_are_both_heeded(server):
    for name in ("unenroll", "refuse", "unenroll"):
        assert "event=reloaded" in reload(server, device__unknown_device=name)[-1]


def test_a_fixed_key_keeps_its_value_and_a_reload_says_that_it_takes_a_restart(server):
    log = reload(server, server__writer_queue_max=77, device__connections_max=99)
    said = "\n".join(line for line in log if "event=change_needs_restart" in line)
    assert "writer_queue_max" in said and "connections_max" in said


def test_a_stop_in_the_middle_of_work_is_clean_and_keeps_what_was_answered(make_server, authority):
    server = make_server().start()
    server.trust(authority)
    devices = [Device(server, authority.issue("device")).enroll() for _ in range(8)]
    busy, sent, taken, wrong = threading.Semaphore(0), {}, {}, []

    def work(device):
        try:
            for _ in range(VISITS_MAX):
                token = str(uuid.uuid4()).encode()
                sent[device] = token
                reply = device.checkin("SetBootstrapToken", BootstrapToken=token)
                if reply.status == 200:
                    taken[device] = token
                elif reply.status != 503:
                    wrong.append(reply)
                busy.release()
        except (OSError, http.client.HTTPException):
            pass  # it was stopped

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for _ in range(50):
        assert busy.acquire(timeout=60)
    wait_until(lambda: len(taken) == len(devices) or wrong, "an answer to each device")
    server.stop()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert any("event=stopped" in line for line in server.log)
    assert not any("stopped_before_drained" in line for line in server.log)
    server.start()
    for device in devices:
        device.use(device.identity)
        kept = plistlib.loads(device.checkin("GetBootstrapToken").body)["BootstrapToken"]
        # One more may have been committed whose reply the stop cut off.
        assert kept == taken[device] or kept == sent[device]


def test_a_stop_waits_for_a_body_that_still_arrives(make_server):
    server = make_server({"server.drain_s": 100}).start()
    with UnderWay(server) as request:
        server.process.send_signal(signal.SIGTERM)
        server.wait_log("event=stopping")
        with pytest.raises(subprocess.TimeoutExpired):  # it would have ended long before
            server.process.wait(2)
        assert request.finish() == 400, "it is read and answered"
        server.stop(is_told=True)
    assert not any("stopped_before_drained" in line for line in server.log)


def is_pending(process, number):
    """Is a signal sent, and not read by its signalfd yet?"""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^ShdPnd:\s+(\w+)$", status, re.M)[1], 16) >> (number - 1) & 1 == 1


def test_a_reload_does_not_hurry_a_stop_and_a_second_stop_does(make_server):
    server = make_server({"server.drain_s": 100}).start()
    with UnderWay(server) as request:
        server.process.send_signal(signal.SIGTERM)
        server.wait_log("event=draining requests=1")
        for _ in range(2):
            server.reload()
            wait_until(lambda: not is_pending(server.process, signal.SIGHUP), "it reads the signal")
        assert request.finish() == 400, "it is read and answered"
        server.stop(is_told=True)
    assert not any("stopped_before_drained" in line for line in server.log)
    for number in (signal.SIGTERM, signal.SIGINT):
        server.start()
        with UnderWay(server):
            server.process.send_signal(signal.SIGTERM)
            server.wait_log("event=draining requests=1")
            server.process.send_signal(number)
            server.wait_log("event=stopped_before_drained requests=1")
            server.stop(is_told=True)


def test_a_stop_waits_for_a_body_no_longer_than_the_conf_says(make_server):
    server = make_server({"server.drain_s": 1}).start()
    with UnderWay(server):
        server.stop()
    server.wait_log("event=stopped_before_drained requests=1")


def test_the_status_counts_each_listener(server):
    before = server.get("/api/v1/status")["listeners"]
    assert before["admin"]["requests"] == 0
    after = server.get("/api/v1/status")["listeners"]
    assert after["admin_socket"]["requests"] == before["admin_socket"]["requests"] + 1
    assert after["admin_socket"]["connections"] >= 1
    said = server.ctl("status").stdout
    for name in ("device listener", "admin listener", "admin socket"):
        assert name in said


def test_log_lines_are_key_value_and_journald_gets_a_priority(make_server):
    server = make_server().start()
    field = r'[a-z_]+=("([^"\\]|\\.)*"|[^\s"=\\]+)'
    for line in server.log:
        assert re.fullmatch(rf"level=(error|warning|info|debug) event=[a-z_]+( {field})*", line), line
    server.stop()


    process = subprocess.Popen(
        [str(BUILD / "bin" / "pomonad"), "-c", str(server.conf_path)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "JOURNAL_STREAM": "1:1"})
    try:
        for line in process.stderr:
            assert re.match(r"<[3467]>level=", line), line
            if "event=ready" in line:
                break
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def install(folder):
    result = subprocess.run(["cmake", "--install", str(BUILD)], env={**os.environ, "DESTDIR": str(folder)},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_installed_lies_where_debian_expects_it(tmp_path):
    assert install(tmp_path) >= {
        "usr/sbin/pomonad", "usr/bin/pomonactl", "usr/bin/pomona-sim", "usr/lib/systemd/system/pomonad.service",
        "usr/lib/sysusers.d/pomona.conf", "usr/share/doc/pomona/pomona.conf", "usr/share/doc/pomona/README.md",
        "usr/share/doc/pomona/operations.md", "usr/share/doc/pomona/enrollment.md",
        "usr/share/doc/pomona/openapi.yaml",
        "usr/share/man/man1/pomona-sim.1", "usr/share/man/man1/pomonactl.1", "usr/share/man/man5/pomona.conf.5",
        "usr/share/man/man8/pomonad.8"}
    assert os.access(tmp_path / "usr/sbin/pomonad", os.X_OK)
    unit = (tmp_path / "usr/lib/systemd/system/pomonad.service").read_text()
    assert "/usr/sbin/pomonad -c /etc/pomona/pomona.conf" in unit and "/usr/local" not in unit
    assert b"/etc/pomona/pomona.conf" in (tmp_path / "usr/sbin/pomonad").read_bytes()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_no_fault_in_the_unit(tmp_path):
    text = (BUILD / "conf" / "pomonad.service").read_text()
    assert re.search(r"^Type=notify$", text, re.M) and re.search(r"^WatchdogSec=\d+$", text, re.M)
    unit = tmp_path / "pomonad.service"
    unit.write_text(re.sub(r"=\S*/pomonad ", f"={BUILD}/bin/pomonad ", text))
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=120)
    assert "pomonad.service" not in result.stdout, result.stdout


def unit_section(name):
    text = (SOURCE / "conf" / "pomonad.service.in").read_text()
    return re.search(rf"^\[{name}\]$(.*?)(?=^\[|\Z)", text, re.M | re.S)[1]


def test_no_program_before_the_daemon_has_the_unit_tried_for_ever():
    """RestartPreventExitStatus= counts for the main process alone."""
    assert [line for line in values(unit_section("Service"), "ExecStartPre") if not line.startswith("-")] == []


def test_a_daemon_that_crashes_again_and_again_is_left_stopped():
    unit, service = unit_section("Unit"), unit_section("Service")
    within, = map(int, values(unit, "StartLimitIntervalSec"))
    starts, = map(int, values(unit, "StartLimitBurst"))
    pause, = map(int, values(service, "RestartSec"))
    watchdog, = map(int, values(service, "WatchdogSec"))
    assert starts * (pause + watchdog) < within, "one that hangs ends, too"
    assert starts * pause >= 30, "an address or a disk may come late"


def spoil_conf(server):
    server.conf_path.write_text("[nowhere]\n")


def spoil_state_dir(server):
    server.conf["server.state_dir"] = str(server.folder / "nowhere")
    server.conf["server.database"] = str(server.folder / "pomona.db")
    server.write_conf()


def open_master_key(server):
    os.chmod(server.folder / "master.key", 0o644)


def open_tls_key(server):
    os.chmod(server.folder / "tls" / "server.key", 0o644)


def drop_tls_certificate(server):
    (server.folder / "tls" / "server.pem").unlink()


def drop_tls_key(server):
    (server.folder / "tls" / "server.key").unlink()


def spoil_tls_certificate(server):
    (server.folder / "tls" / "server.pem").write_text("x")


@pytest.mark.parametrize("spoil, status", [
    (spoil_conf, 78), (spoil_state_dir, 78), (drop_tls_certificate, 78), (drop_tls_key, 78),
    (spoil_tls_certificate, 78), (open_master_key, 77), (open_tls_key, 77),
])
def test_the_daemon_itself_ends_for_good_where_a_person_has_to_look(make_server, spoil, status):
    server = make_server()
    spoil(server)
    done = subprocess.run([str(BUILD / "bin" / "pomonad"), "-c", str(server.conf_path)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == status, done.stdout
    assert re.search(r"event=start_failed .*advice=", done.stdout), done.stdout
    assert str(status) in values(unit_section("Service"), "RestartPreventExitStatus")[0].split()


def test_the_demo_runs_once_and_leaves_nothing_behind(tmp_path):
    result = subprocess.run([str(SOURCE / "tests" / "demo.sh"), "4", "--once"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=300,
                            env={**os.environ, "POMONA_BUILD": str(BUILD), "TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stdout
    assert re.search(r"^done +4$", result.stdout, re.M), result.stdout
    assert list(tmp_path.iterdir()) == []
