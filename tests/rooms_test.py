#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources against tests/rooms.tsv: who may include whom, and what may not be written at all.

Run without arguments it first shows, on sources made up for it, that each rule can fail; then it reads the tree.
"""
import io
import os
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Comments, string literals and character literals: what the rule about functions must not read.
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
FORBIDDEN_CALL = re.compile(r'\b(strcpy|strcat|sprintf|strncpy|atoi|strtok|gets|alloca)\s*\(')
# Marks of unfinished work, and paths that exist on one developer's machine only.
FORBIDDEN_WORD = re.compile(r'\b(?:TODO|FIXME|XXX|HACK)\b|/(?:home|root|Users|work)/\w')

C_AND_POSIX = frozenset(f'{name}.h' for name in '''
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype
    dirent fcntl getopt glob grp ifaddrs iconv langinfo libgen netdb poll pthread pwd regex sched semaphore
    spawn strings sysexits syslog termios unistd utime malloc endian byteswap dlfcn features link'''.split())
SYSTEM_FOLDERS = ('sys/', 'netinet/', 'arpa/', 'net/', 'linux/', 'bits/')

TEXT_SUFFIXES = {'.c', '.h', '.md', '.py', '.sh', '.txt', '.json', '.tsv', '.conf', '.yaml', '.service',
                 '.socket', '.supp', '.dict', '.sql', '.in', ''}


class Rooms:
    def __init__(self, lines):
        self.layer = {}
        self.libraries = {}
        for line in lines:
            if line.startswith('#') or not line.strip():
                continue
            folder, kind, name = line.rstrip('\n').split('\t')
            if kind == 'layer':
                self.layer[folder] = int(name)
            elif kind == 'library':
                self.libraries.setdefault(folder, []).append(name)
            else:
                raise ValueError(f'rooms.tsv: unknown kind {kind}')

    def fault_of_room(self, room, other):
        if other not in self.layer:
            return f'{other} is not a room of rooms.tsv'
        if other == room or self.layer[other] < self.layer[room]:
            return None
        way = 'sideways' if self.layer[other] == self.layer[room] else 'upward'
        return f'{way} include: {room} may not know {other}'

    def fault_of_library(self, room, header, is_door):
        if header in C_AND_POSIX or header.startswith(SYSTEM_FOLDERS):
            return None
        if is_door:
            return f'<{header}> in a public header: a room hides its library'
        for allowed in self.libraries.get(room, ()):
            if header == allowed or (allowed.endswith('/') and header.startswith(allowed)):
                return None
        return f'foreign include: <{header}> is not allowed in {room}'

    def fault_of_include(self, source, quote, header):
        """`source` is the path in the tree: src/<room>/… or include/pomona/<room>/…"""
        is_door = source.parts[0] == 'include'
        room = source.parts[2 if is_door else 1]
        if room not in self.layer:
            return f'{room} is not a room of rooms.tsv'
        if header.startswith('pomona/'):
            return self.fault_of_room(room, header.split('/')[1])
        if quote == '<':
            return self.fault_of_library(room, header, is_door)
        if is_door or '/' in header:
            return f'"{header}": a private header is included from its own folder only'
        return None


def faults_of_includes(rooms, source, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        fault = match and rooms.fault_of_include(source, match[1], match[2])
        if fault:
            yield f'{source}:{number}: {fault}'


def faults_of_calls(source, text):
    code = NOT_CODE.sub(lambda match: '\n' * match[0].count('\n') + '""', text)
    for number, line in enumerate(code.splitlines(), 1):
        for match in FORBIDDEN_CALL.finditer(line):
            yield f'{source}:{number}: {match[1]}() is not used here; STYLE: bytes are bounded'


def faults_of_words(source, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = FORBIDDEN_WORD.search(line)
        if match:
            yield f'{source}:{number}: "{match[0]}" does not belong into the project'


def faults_of_file(rooms, source, text):
    yield from faults_of_words(source, text)
    if source.suffix in ('.c', '.h'):
        yield from faults_of_calls(source, text)
        if source.parts[0] in ('src', 'include'):
            yield from faults_of_includes(rooms, source, text)


def files_of_tree():
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if name not in ('.git', 'build', '__pycache__', 'corpus')]
        for name in names:
            path = Path(folder, name)
            if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve():
                yield path


class EachRuleCanFail(unittest.TestCase):
    rooms = Rooms(['low\tlayer\t0', 'left\tlayer\t1', 'right\tlayer\t1', 'left\tlibrary\tlib/',
                   'right\tlibrary\tone.h'])

    def faults(self, source, text):
        return list(faults_of_file(self.rooms, Path(source), text))

    def test_what_is_allowed_passes(self):
        self.assertEqual([], self.faults('src/left/a.c', '''
            #include "pomona/left/a.h"
            #include <stdio.h>
            #include <sys/socket.h>
            #include <lib/any.h>
            #include "pomona/low/b.h"
            #include "private.h"
            /* sprintf(x) in a comment, "gets(" */
            static const char text[] = "strcpy(a, b)"; char quote = '"';
            int n = snprintf(text, 1, "x");
        '''))

    def test_each_broken_rule_is_one_fault(self):
        cases = [
            ('src/low/a.c', '#include "pomona/left/a.h"', 'upward'),
            ('src/left/a.c', '#include "pomona/right/a.h"', 'sideways'),
            ('include/pomona/left/a.h', '#include "pomona/right/a.h"', 'sideways'),
            ('src/left/a.c', '#  include <one.h>', 'foreign'),
            ('src/right/a.c', '#include <lib/x.h>', 'foreign'),
            ('include/pomona/left/a.h', '#include <lib/x.h>', 'hides its library'),
            ('src/left/a.c', '#include "../right/a.h"', 'own folder'),
            ('src/left/a.c', '#include "pomona/nowhere/a.h"', 'not a room'),
            ('src/nowhere/a.c', '#include <stdio.h>', 'not a room'),
            ('include/pomona/left/a.h', '#include "private.h"', 'own folder'),
            ('tests/unit/low/a.c', 'x = atoi (y);', 'atoi()'),
            ('src/low/a.c', 'puts("a"); strcpy(a, "b"); /* why */', 'strcpy()'),
            ('docs/a.md', 'see /' + 'home/me/notes', 'does not belong'),
            ('dev', '# TO' + 'DO later', 'does not belong'),
        ]
        for source, text, want in cases:
            with self.subTest(source=source, text=text):
                faults = self.faults(source, text)
                self.assertEqual(1, len(faults), faults)
                self.assertIn(want, faults[0])


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(EachRuleCanFail)
    report = io.StringIO()
    if not unittest.TextTestRunner(stream=report).run(suite).wasSuccessful():
        return report.getvalue()
    rooms = Rooms((ROOT / 'tests/rooms.tsv').read_text().splitlines())
    paths = sorted(files_of_tree())
    faults = [fault for path in paths
              for fault in faults_of_file(rooms, path.relative_to(ROOT), path.read_text(errors='replace'))]
    print('\n'.join(faults + [f'rooms: {len(paths)} files, {len(faults)} faults']))
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
