#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the SQL literals of the store well below what a connection may prepare: statements_test.py LIBRARY

Each literal that a connection runs is a statement that it keeps; past DB_STATEMENTS_MAX of src/store/db.h every further
one fails. The literals are counted in the compiled library, where macros are resolved: so many addresses there are at
most. First it shows, on bytes made up for it, that it can fail.
"""
import io
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / 'src/store/db.h'
# A string that begins with a verb of SQL and goes to its terminating zero; the schema's lines end otherwise.
LITERAL = re.compile(rb'(?<![\t\n\x20-\x7e])(?:BEGIN|COMMIT|DELETE|INSERT|PRAGMA|RELEASE|REPLACE|ROLLBACK|SAVEPOINT'
                     rb'|SELECT|UPDATE|WITH)\b[\x20-\x7e]*\0')


def literals(library):
    return LITERAL.findall(library)


def limit_of(header):
    slots = 1 << int(re.search(r'\bDB_SLOT_BITS = (\d+),', header)[1])
    assert 'DB_SLOTS = 1 << DB_SLOT_BITS,' in header and 'DB_STATEMENTS_MAX = DB_SLOTS / 4 * 3,' in header
    return slots // 4 * 3


def fault_of_count(count, limit):
    """Two thirds, so that there is time: one more statement must never be what fails a server."""
    if count == 0:
        return 'no SQL literal in the library: what has changed?'
    if count * 3 > limit * 2:
        return f'{count} SQL literals come near DB_STATEMENTS_MAX ({limit}): raise DB_SLOT_BITS'
    return None


class TheRuleCanFail(unittest.TestCase):
    def test_what_is_counted(self):
        library = (b'\x7fELF\x01SELECT 1\0SELECT 1\0UPDATE a SET b = ?1\0BEGIN IMMEDIATE\0selected\0SELECTED\0'
                   b'no SELECT 2\0CREATE TABLE a (b);\nINSERT INTO a VALUES (1);\n\0SELECT 3\n\0COMMIT\0')
        self.assertEqual([b'SELECT 1\0', b'SELECT 1\0', b'UPDATE a SET b = ?1\0', b'BEGIN IMMEDIATE\0', b'COMMIT\0'],
                         literals(library))

    def test_the_count_is_held_to_two_thirds(self):
        self.assertEqual(768, limit_of('\tDB_SLOT_BITS = 10,\n\tDB_SLOTS = 1 << DB_SLOT_BITS,\n'
                                       '\tDB_STATEMENTS_MAX = DB_SLOTS / 4 * 3, /* why */'))
        self.assertIsNone(fault_of_count(512, 768))
        self.assertIn('come near', fault_of_count(513, 768))
        self.assertIn('no SQL', fault_of_count(0, 768))


def main():
    if len(sys.argv) != 2:
        return 'usage: statements_test.py LIBRARY'
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(TheRuleCanFail)
    report = io.StringIO()
    if not unittest.TextTestRunner(stream=report).run(suite).wasSuccessful():
        return report.getvalue()
    count, limit = len(literals(Path(sys.argv[1]).read_bytes())), limit_of(HEADER.read_text())
    fault = fault_of_count(count, limit)
    print('\n'.join([fault] * (fault is not None) + [f'statements: {count} of {limit}']))
    return 1 if fault else 0


if __name__ == '__main__':
    sys.exit(main())
