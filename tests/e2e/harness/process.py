# SPDX-License-Identifier: Apache-2.0
"""Processes that may hang: what they are doing, and their certain end."""

import os
import pathlib
import shutil
import subprocess

END_SECONDS = 30  # bounds, not waits
GDB_SECONDS = 60
STACK_DEPTH = 30


def end(process):
    """SIGKILL; a process that even that does not end is told of, and left to itself."""
    if process.poll() is not None:
        return
    process.kill()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"SIGKILL did not end it:\n{threads_of(process.pid)}") from None


def _read(path):
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return error.strerror


def _thread(task):
    state = [line.split(":", 1)[1].strip() for line in _read(task / "status").splitlines() if line.startswith("State:")]
    return f"{task.name} {_read(task / 'comm')}: {', '.join(state)}; in {_read(task / 'wchan')}; syscall {_read(task / 'syscall')}"


def _stacks(pid):
    """What gdb says, where there is one. A process that is beyond reach would hold gdb too."""
    if shutil.which("gdb") is None:
        return "no gdb here to tell the stacks"
    gdb = subprocess.Popen(["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "set pagination off",
                            "-ex", f"thread apply all backtrace {STACK_DEPTH}"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           errors="replace", env={**os.environ, "DEBUGINFOD_URLS": ""})
    try:
        return gdb.communicate(timeout=GDB_SECONDS)[0].strip()
    except subprocess.TimeoutExpired:
        return f"gdb did not end in {GDB_SECONDS} s"
    finally:
        gdb.kill()


def threads_of(pid):
    """Where each thread of a process is, as text."""
    folder = pathlib.Path("/proc") / str(pid)
    command = _read(folder / "cmdline").replace("\0", " ")
    try:
        threads = [_thread(task) for task in sorted((folder / "task").iterdir())]
    except OSError:
        return f"process {pid} ({command}) is gone"
    return "\n".join([f"process {pid}: {command}", *threads, _stacks(pid)])


def _parents():
    """pid -> pid of the parent, of all processes."""
    parents = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            pass  # it has just ended
    return parents


def descendants(pid):
    """The processes below this one."""
    parents = _parents()
    found = [pid]
    for each in found:  # grows as it goes
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]
