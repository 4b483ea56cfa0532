#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the unit forbids by seccomp(2), without systemd as process 1.

    confine.py UNIT PROGRAM WORD...

runs the program as the unit's SystemCallFilter=, MemoryDenyWriteExecute=, RestrictAddressFamilies= and
RestrictNamespaces= would have it, but for one thing: what systemd would refuse with an error ends it here, by SIGSYS,
so that nothing is refused unseen. The names of system calls are systemd's own (`systemd-analyze syscall-filter`), the
filter is libseccomp's, which systemd itself uses.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys

ALLOW, KILL = 0x7FFF0000, 0x80000000
MASKED_EQUAL, GREATER, EQUAL = 7, 6, 4  # enum scmp_compare
PROT_WRITE, PROT_EXEC = 2, 4
SHM_EXEC = 0o100000
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
NEW_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


def can_confine():
    if shutil.which("systemd-analyze") is None:
        return False
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    return True


def values(text, key):
    """Those of all lines of this key of a unit."""
    return re.findall(rf"^{key}=(.*)$", text, re.M)


def call_sets():
    """systemd's sets of system calls, by name; what begins with @ is another set."""
    sets, name = {}, None
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=True, timeout=60).stdout
    for line in listed.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif name is not None and line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].append(line.strip())
        elif not line.strip():
            name = None
    return sets


def expand(word, sets):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expand(each, sets) for each in sets[word]))


def allowed_calls(text):
    """As systemd.exec(5) reads the lines: the first one decides that this is a list of what is allowed."""
    sets = call_sets()
    lines = values(text, "SystemCallFilter")
    assert not lines[0].startswith("~"), "a list of what is allowed"
    allowed = expand("@default", sets)
    for line in lines:
        named = set().union(*(expand(word, sets) for word in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


class Compare(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    def __init__(self, otherwise):
        self.library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, action, name, *compares):
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # not on this machine
        array = (Compare * max(1, len(compares)))(*compares)
        result = self.library.seccomp_rule_add_array(
            self.context, ctypes.c_uint32(action), number, len(compares), array)
        assert result == 0, (name, result)

    def load(self):
        assert self.library.seccomp_load(self.context) == 0, "the kernel takes no filter"


def filters(text):
    calls = Filter(KILL)
    for name in sorted(allowed_calls(text)):
        calls.rule(ALLOW, name)
    others = Filter(ALLOW)
    if "yes" in values(text, "MemoryDenyWriteExecute"):
        both = PROT_WRITE | PROT_EXEC
        others.rule(KILL, "mmap", Compare(2, MASKED_EQUAL, both, both))
        others.rule(KILL, "mprotect", Compare(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
        others.rule(KILL, "pkey_mprotect", Compare(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
        others.rule(KILL, "shmat", Compare(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    families = [FAMILIES[name] for line in values(text, "RestrictAddressFamilies") for name in line.split()]
    others.rule(KILL, "socket", Compare(0, GREATER, max(families), 0))
    for family in set(range(max(families))) - set(families):
        others.rule(KILL, "socket", Compare(0, EQUAL, family, 0))
    if "yes" in values(text, "RestrictNamespaces"):
        others.rule(KILL, "setns")
        for flag in NEW_NAMESPACES:
            others.rule(KILL, "unshare", Compare(0, MASKED_EQUAL, flag, flag))
            others.rule(KILL, "clone", Compare(0, MASKED_EQUAL, flag, flag))
    return others, calls


def main():
    unit, program = sys.argv[1], sys.argv[2:]
    with open(unit) as file:
        made = filters(file.read())
    for each in made:
        each.load()
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
