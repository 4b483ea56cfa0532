# SPDX-License-Identifier: Apache-2.0
"""What the units and the daemon itself forbid it, as far as it shows without systemd as process 1."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

from harness.confine import allowed_calls, can_confine, values
from harness.device import TOPIC
from harness.pushcert import PushCert
from harness.server import BIN, BUILD, CONFINED, SOURCE, Server

UNIT = BUILD / "conf" / "pomonad.service"
EXPOSURE_MAX = 20  # tenths; it is 1.5
# What `systemd-analyze security` may find open, and why.
OPEN = {
    "PrivateNetwork",  # it serves a network
    "IPAddressDeny",  # devices come from anywhere
    "RestrictAddressFamilies_AF_INET_INET6",
    "RestrictAddressFamilies_AF_UNIX",  # the admin socket, the journal
    "PrivateUsers",  # would take the port below 1024, and hide who is at the socket's other end
    "CapabilityBoundingSet_CAP_NET_BIND_SERVICE_BROADCAST_RAW)",  # a port below 1024
    "AmbientCapabilities",
    "DeviceAllow",  # only what ProtectClock= brings in
    "ProcSubset",  # libraries read /proc/sys
    "RootDirectoryOrRootImage",  # ProtectSystem=strict instead
    "SystemCallFilter_privileged",  # chown: the admin socket is given to its group
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def is_sanitized():
    program = (BIN / "pomonad").read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


needs_filter = pytest.mark.skipif(not can_confine() or is_sanitized(),
                                  reason="no libseccomp here, or a sanitizer that needs more system calls")


def analyze(*words):
    return subprocess.run(["systemd-analyze", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120)


# --- the unit


@needs_systemd
def test_the_exposure_of_the_unit_is_2_0_or_better():
    result = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", UNIT)
    assert result.returncode == 0, result.stdout
    assert re.search(r"Overall exposure level for pomonad.service: [012]\.\d", result.stdout)


@needs_systemd
def test_what_the_unit_leaves_open_is_meant():
    """Each line of `systemd-analyze security`, so that one that is lost does not hide in the sum."""
    found = json.loads(analyze("security", "--offline=true", "--no-pager", "--json=short", UNIT).stdout)
    assert {row["json_field"] for row in found if float(row["exposure"] or 0) > 0} == OPEN
    assert len(found) > 70


def test_the_unit_says_what_no_score_counts():
    text = UNIT.read_text()
    for key, value in (("LimitCORE", "0"), ("MemorySwapMax", "0"), ("User", "pomona"), ("Group", "pomona"),
                       ("StateDirectoryMode", "0700"), ("RuntimeDirectory", "pomona"), ("RuntimeDirectoryMode", "0755"),
                       ("RuntimeDirectoryPreserve", "yes"), ("NoNewPrivileges", "yes"), ("UMask", "0077")):
        assert values(text, key) == [value], key


@needs_systemd
def test_systemd_finds_no_fault_in_the_sockets(tmp_path):
    (tmp_path / "pomonad.service").write_text(re.sub(r"=\S*/pomonad ", f"={BIN}/pomonad ", UNIT.read_text()))
    units = [shutil.copy(unit, tmp_path) for unit in (SOURCE / "conf").glob("*.socket")]
    assert len(units) == 3
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=120,
                            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    assert "pomonad" not in result.stdout, result.stdout


@needs_root
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None,
                    reason="no systemd here")
def test_user_group_and_folders_are_made_as_the_socket_needs_them(tmp_path):
    """Into another root: the socket's folder is open to all and the state directory's parent is untouched."""
    (tmp_path / "etc").mkdir()
    for program, words in (("systemd-sysusers", [SOURCE / "conf" / "pomona.sysusers"]),
                           ("systemd-tmpfiles", ["--create", BUILD / "conf" / "pomona.tmpfiles"])):
        result = subprocess.run([program, f"--root={tmp_path}", *map(str, words)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=60)
        assert result.returncode == 0, result.stdout
    user = re.search(r"^pomona:[^:]*:(\d+):(\d+):[^:]*:/var/lib/pomona:/usr/sbin/nologin$",
                     (tmp_path / "etc/passwd").read_text(), re.M)
    group = re.search(r"^pomona:[^:]*:(\d+):", (tmp_path / "etc/group").read_text(), re.M)
    uid, gid = int(user[1]), int(group[1])
    assert int(user[2]) == gid and uid != 0
    folders = {"run/pomona": (0o755, uid, gid), "etc/pomona": (0o750, 0, gid)}
    for name, expected in folders.items():
        info = (tmp_path / name).stat()
        assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == expected, name


# --- system calls


@needs_filter
def test_all_that_the_daemon_does_it_does_within_the_units_system_calls(make_server, make_device, authority):
    """Each kind of work once, under a filter that kills where the unit's would refuse."""
    with socket.socket() as bound:  # where nobody listens
        bound.bind(("127.0.0.1", 0))
        server = make_server({"push.server": f"127.0.0.1:{bound.getsockname()[1]}", "admin.socket_group": "root"})
        server.wrapper = CONFINED
        server.start()
        assert re.search(r"^Seccomp:\s+2$", pathlib.Path(f"/proc/{server.process.pid}/status").read_text(), re.M)
        server.trust(authority)
        work(server, authority, make_device)
        server.stop()


@pytest.fixture
def make_device(authority):
    from harness.device import Device

    return lambda server: Device(server, authority.issue("device"))


def work(server, authority, make_device):
    device = make_device(server).enroll()
    cert = PushCert(TOPIC)
    assert server.api("PUT", "/api/v1/pushcerts", cert.body()).status == 200
    server.enqueue([device.udid], {"RequestType": "ProfileList"})
    device.answer(device.poll())
    assert device.poll() is None
    server.api("POST", "/api/v1/pushcerts/test", {"id": device.udid})
    token = server.ctl_json("token", "add", "x", "--role", "viewer")["token"]
    assert server.api("GET", "/api/v1/status", token=token).status == 200
    server.ctl("backup", server.folder / "backup.db")
    server.ctl("doctor", check=False)
    assert server.get("/api/v1/integrity")
    server.ctl("identity", "issue", "--csr", write_csr(server), "--out", server.folder / "issued.pem")
    before = len(server.log)
    server.reload()
    server.wait_log("event=reloaded", after=before)
    assert device.checkin("CheckOut", Topic=TOPIC).status == 200
    device.close()


def write_csr(server):
    from harness.authority import make_csr

    path = server.folder / "some.csr"
    path.write_bytes(make_csr("somebody")[1])
    return path


@needs_filter
@pytest.mark.parametrize("code, is_killed", [
    ("pass", False),
    ("socket.socket(socket.AF_INET6)", False),
    ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", True),
    ("socket.socket(40, socket.SOCK_STREAM)", True),  # AF_VSOCK
    ("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)", True),
    ("os.nice(5)", True),
    ("os.setuid(0)", True),
    ("os.chroot('/')", True),
    ("libc.unshare(0x10000000)", True),
    ("libc.ptrace(0, 0, 0, 0)", True),
    ("libc.mount(None, None, None, 0, None)", True),
])
def test_the_filter_of_that_test_does_end_what_the_unit_forbids(code, is_killed):
    program = f"import ctypes, mmap, os, socket; libc = ctypes.CDLL(None); {code}"
    result = subprocess.run([*CONFINED, "/usr/bin/python3", "-c", program], stderr=subprocess.DEVNULL, timeout=60)
    assert result.returncode == (-signal.SIGSYS if is_killed else 0)


@needs_filter
def test_the_units_list_has_no_call_that_gives_power():
    forbidden = {"ptrace", "mount", "umount2", "bpf", "init_module", "kexec_load", "reboot", "swapon", "setuid",
                 "chroot", "pivot_root", "iopl", "perf_event_open", "process_vm_readv", "keyctl", "acct"}
    assert forbidden & allowed_calls(UNIT.read_text()) == set()


# --- what the daemon does by itself


def limit_of(pid, name):
    line = re.search(rf"^{name}\s+(\S+)\s+(\S+)", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)
    return line[1], line[2]


@pytest.mark.parametrize("conf, soft_is_kept", [({}, False), ({"server.core_dumps": "yes"}, True)])
def test_it_may_gain_no_privileges_and_leave_no_core(make_server, conf, soft_is_kept):
    server = make_server({"server.core_dumps": "no", **conf}).start()
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    expected = limit_of(os.getpid(), "Max core file size") if soft_is_kept else ("0", "0")
    assert limit_of(server.process.pid, "Max core file size") == expected


@pytest.fixture
def users_server(template):
    """A server of the user `daemon`, not started."""
    user = pwd.getpwnam("daemon")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        server = Server(template, f"{folder}/state")
        server.give_to(user.pw_uid, user.pw_gid)
        yield server
        server.kill()


@needs_root
def test_a_key_that_it_may_not_read_is_for_a_person_to_look_at(users_server):
    os.chown(users_server.folder / "tls" / "server.key", 0, 0)
    done = subprocess.run([BIN / "pomonad", "-c", users_server.conf_path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, **users_server.who)
    assert done.returncode == 77, done.stdout
    assert re.search(r"event=start_failed .*tls_key.*advice=\"correct the owner and the mode", done.stdout), done.stdout
    assert "77" in values(UNIT.read_text(), "RestartPreventExitStatus")[0].split()


@needs_root
@pytest.mark.parametrize("core_dumps, can_read", [("no", False), ("yes", True)])
def test_another_process_of_its_user_cannot_read_its_memory(users_server, core_dumps, can_read):
    users_server.conf["server.core_dumps"] = core_dumps
    users_server.write_conf()
    users_server.start()
    script = f"open('/proc/{users_server.process.pid}/mem', 'rb').close()"
    result = subprocess.run(["/usr/bin/python3", "-c", script], stderr=subprocess.DEVNULL, timeout=60,
                            **users_server.who)
    assert (result.returncode == 0) == can_read
    users_server.stop()
