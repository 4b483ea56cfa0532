# SPDX-License-Identifier: Apache-2.0
"""The switches of pomonad-faultvfs (tests/faultvfs/panel.h), turned while it runs."""

import mmap
import struct

from .server import BIN, wait_until

FILES = ("database", "log", "other")
OPS = ("read", "write", "sync", "open")
# SQLite's codes
FULL = 13
IOERR_READ, IOERR_WRITE, IOERR_SYNC, CANTOPEN = 10 | 1 << 8, 10 | 3 << 8, 10 | 4 << 8, 14

CELLS = len(FILES) * len(OPS)
HITS_AT = CELLS * 4
SYNC_AT = HITS_AT + CELLS * 4
CLOCK_AT = SYNC_AT + 8
BYTES = CLOCK_AT + 3 * 8


class Panel:
    def __init__(self, path):
        if not (BIN / "pomonad-faultvfs").exists():
            raise AssertionError("pomonad-faultvfs is not built")
        path.write_bytes(bytes(BYTES))
        self._file = open(path, "r+b")
        self._map = mmap.mmap(self._file.fileno(), BYTES)
        self.environment = {"POMONA_TEST_PANEL": str(path)}

    def _put(self, form, at, value):
        struct.pack_into(form, self._map, at, value)

    def _get(self, form, at):
        return struct.unpack_from(form, self._map, at)[0]

    @staticmethod
    def _cell(name, op):
        return (FILES.index(name) * len(OPS) + OPS.index(op)) * 4

    def fail(self, rc, ops, files=FILES):
        """From now on each such call fails with `rc`."""
        for name in files:
            for op in ops:
                self._put("<i", self._cell(name, op), rc)

    def heal(self):
        """Nothing of the disk fails any more."""
        self.fail(0, OPS)
        self._put("<I", SYNC_AT, 0)

    def hits(self, op, files=FILES):
        return sum(self._get("<I", HITS_AT + self._cell(name, op)) for name in files)

    def wait_hit(self, op, files=FILES, more=1):
        before = self.hits(op, files)
        wait_until(lambda: self.hits(op, files) >= before + more, f"{more} failed {op}")

    def slow_sync(self, ms):
        self._put("<I", SYNC_AT, ms)

    def slow_syncs(self):
        return self._get("<I", SYNC_AT + 4)

    def shift_clock(self, seconds):
        self._put("<q", CLOCK_AT, int(seconds))

    def short_memory(self, every):
        self._put("<q", CLOCK_AT + 8, every)

    def memory_hits(self):
        return self._get("<q", CLOCK_AT + 16)
