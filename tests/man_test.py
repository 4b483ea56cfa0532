#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the man pages against the programs: man_test.py FOLDER, where FOLDER has pomonad, pomonactl and pomona-sim.

First it shows, on pages made up for it, that each rule can fail. The keys of pomona.conf(5) are held against the
table by tests/unit/config/test_man.c.
"""
import io
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {name: ROOT / 'docs/man' / name for name in ('pomona-sim.1', 'pomonactl.1', 'pomona.conf.5', 'pomonad.8')}
SECTIONS = ('NAME', 'DESCRIPTION', 'FILES', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO', 'SECURITY CONSIDERATIONS')
RUN_SECONDS = 20
PAGE_COLUMNS = 1000  # the most that mandoc takes: no tag is broken
TAG_COLUMNS = 5  # where mandoc sets the tags of a list; what they stand for begins further right
SHORT_TAG = re.compile(r' {%d}([\w-]{1,4}) {2,}(\S.*)' % TAG_COLUMNS)  # has its text on the same line
ONE = ('CTL_REFUSED', 'EXIT_FAILURE')  # names of ours and of C's for exit status 1


def output_of(*words, folder=None):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=RUN_SECONDS, env={**os.environ, 'LC_ALL': 'C'}, cwd=folder)
    return done.stdout


def faults_of_lint(path):
    """From its folder, where mandoc looks for the pages that it refers to."""
    return output_of('mandoc', '-T', 'lint', '-W', 'style', path.name, folder=path.parent).splitlines()


class Page:
    """What a reader sees: the lists of each section as (tag, text), and its lines."""

    def __init__(self, text):
        self.lines, self.lists = {}, {}
        section = None
        for line in re.sub('.\b', '', text).splitlines():
            if re.match(r'( {3})?\S', line):
                section = line.strip()
                self.lines[section] = []
            elif section:
                self.lines[section].append(line)
        for section, lines in self.lines.items():
            self.lists[section] = list(self._entries(lines))

    @staticmethod
    def _entries(lines):
        for line, below in zip(lines, lines[1:] + ['']):
            short = SHORT_TAG.match(line)
            if short:
                yield short[1], short[2]
            elif re.match(r' {%d}\S' % TAG_COLUMNS, line) and re.match(r' {%d}' % (TAG_COLUMNS + 1), below):
                yield line.strip(), below.strip()

    def tags(self, section):
        return [tag for tag, _ in self.lists.get(section, ())]


def read_page(path):
    return Page(output_of('mandoc', '-T', 'ascii', '-O', f'width={PAGE_COLUMNS}', path))


def differences(where, want, have):
    yield from (f'{where}: {word}: not in the page' for word in want if word not in have)
    yield from (f'{where}: {word}: not in the program' for word in have if word not in want)
    if sorted(want) == sorted(have) and want != have:
        yield f'{where}: in another order than the program tells them'


# --- what the programs say of themselves

def options_of_help(text):
    """[(option with its value, what it is for)] of lines that begin with a hyphen."""
    return re.findall(r'^ +(--?[a-zA-Z][\w-]*(?: [A-Z][A-Z:=]*)?) +(\S.*)$', text, re.M)


def commands_of_help(text):
    return re.findall(r'^  (\S.*)\n {8}\S', text, re.M)


class SimHelp:
    def __init__(self, text):
        verbs, _, faults = text.partition('\n  The faults:\n')
        heads = list(re.finditer(r'^  ([a-z]+)(?:  .*)?$', verbs, re.M))
        ends = [head.start() for head in heads[1:]] + [len(verbs)]
        self.options = {head[1]: options_of_help(verbs[head.end():end]) for head, end in zip(heads, ends)}
        self.faults = re.findall(r'^ {6}(\w+) +(\S.*)$', faults, re.M)
        self.verbs = [head[1] for head in heads] + re.findall(r'^  ([a-z]+)$', faults, re.M)
        words = re.search(r'VERB: (.*?)\n +--', text, re.S)[1]
        self.fault_verbs = [word.strip() for word in re.sub(r'\(.*?\)', '', words).split(',')]


# --- the rules

def faults_of_pomonad(page, text):
    yield from differences('pomonad(8)', [option for option, _ in options_of_help(text)], page.tags('DESCRIPTION'))


def faults_of_pomonactl(page, text):
    commands, _, options = text.partition('\noptions:\n')
    want = [option for option, _ in options_of_help(options)] + ['-h, --help']
    yield from differences('pomonactl(1)', want, page.tags('DESCRIPTION'))
    yield from differences('pomonactl(1)', commands_of_help(commands), page.tags('COMMANDS'))


def faults_of_defaults(page, section, rows):
    """A help that ends with a number in parentheses tells a default."""
    texts = dict(page.lists.get(section, ()))
    for name, about in rows:
        default = re.search(r'\((\d[\d.:]*)\)$', about)
        if default and f' {default[1]} by default' not in texts.get(name, ''):
            yield f'pomona-sim(1): {name}: {default[1]} by default: not in the page'


def faults_of_sim(page, sim):
    where = 'pomona-sim(1)'
    synopsis = {line.split()[1]: line for line in page.lines.get('SYNOPSIS', ()) if line.strip()}
    yield from differences(f'{where} SYNOPSIS', sim.verbs, list(synopsis))
    for verb, options in sim.options.items():
        have = re.findall(r'--[a-z-]+(?: [A-Z:=]+)?', synopsis.get(verb, ''))
        yield from differences(f'{where} {verb}', sorted(name for name, _ in options), sorted(have))
    every = {name: about for options in sim.options.values() for name, about in options}
    yield from differences(where, sim.verbs, page.tags('DESCRIPTION'))
    yield from differences(where, sorted(every), sorted(page.tags('OPTIONS')))
    yield from differences(where, sim.fault_verbs + [name for name, _ in sim.faults], page.tags('FAULTS'))
    yield from faults_of_defaults(page, 'OPTIONS', every.items())
    yield from faults_of_defaults(page, 'FAULTS', sim.faults)


def statuses_of_sources(texts):
    names = {name for text in texts for name in re.findall(r'\b(?:EX_[A-Z]+|CTL_REFUSED|EXIT_FAILURE)\b', text)}
    return {0} | {1 if name in ONE else getattr(os, name) for name in names}


def faults_of_statuses(where, page, statuses):
    yield from differences(f'{where} EXIT STATUS', [str(status) for status in sorted(statuses)],
                           page.tags('EXIT STATUS'))


def faults_of_sections(where, page):
    for section in SECTIONS:
        if section not in page.lines:
            yield f'{where}: no section {section}'


# --- each rule can fail

LIST = '.Bl -tag -width 2n\n{}.El\n'
HELP = '''usage: x

  one ID [--all]
        does
  two
        does too

options:
  -c FILE   conf
  --json    text
'''
SIM_HELP = '''usage: x

  run       goes
      --dir DIR              the folder
      --keep N               how many (12)

  fault     tells
      VERB: set (the default), reset,
            stats
      --control SOCKET       where

  The faults:
      reason                 why
      count                  so many (7)

  help
'''
SIM_PAGE = '''.Sh SYNOPSIS
.Nm sim
.Ic run
.Fl -dir Ar DIR
.Op Fl -keep Ar N
.Nm
.Ic fault
.Fl -control Ar SOCKET
.Nm
.Ic help
.Sh DESCRIPTION
''' + LIST.format('.It Ic run\na\n.It Ic fault\nb\n.It Ic help\nc\n') + '.Sh OPTIONS\n' + LIST.format(
    '.It Fl -dir Ar DIR\na\n.It Fl -keep Ar N\nHow many, 12 by default.\n.It Fl -control Ar SOCKET\nb\n'
) + '.Sh FAULTS\n' + LIST.format('.It Ic set\na\n.It Ic reset\nb\n.It Ic stats\nc\n') + '.Pp\nKeys:\n' + LIST.format(
    '.It Cm reason\na\n.It Cm count\nSo many, 7 by default.\n')
CTL_PAGE = '.Sh DESCRIPTION\n' + LIST.format(
    '.It Fl c Ar FILE\na\n.It Fl -json\nb\n.It Fl h , Fl -help\nc\n') + '.Sh COMMANDS\nAll.\n' + LIST.format(
    '.It Ic one Ar ID Op Fl -all\na\n.It Ic two\nb\n')


def made_up(body):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'sim.1')
        path.write_text('.Dd November 21, 2026\n.Dt SIM 1\n.Os\n.Sh NAME\n.Nm sim\n.Nd made up\n' + body)
        return read_page(path), faults_of_lint(path)


class EachRuleCanFail(unittest.TestCase):
    def test_a_page_with_a_fault_is_not_clean(self):
        self.assertEqual([], made_up('.Sh DESCRIPTION\nText.\n')[1])
        self.assertEqual(1, len(made_up('.Sh DESCRIPTION\nText.\n.Nosuch macro\n')[1]))
        self.assertEqual(1, len(made_up('.Sh DESCRIPTION\nText. More.\n')[1]))
        self.assertEqual(1, len(made_up('.Sh DESCRIPTION\n.Xr nosuchpage 1\n')[1]))

    def broken(self, rule, body, programs, changes):
        self.assertEqual([], list(rule(made_up(body)[0], programs)))
        for old, new in changes:
            with self.subTest(old=old):
                self.assertIn(old, body)
                self.assertNotEqual([], list(rule(made_up(body.replace(old, new, 1))[0], programs)))

    def test_a_page_of_pomonad_names_each_option(self):
        body = '.Sh DESCRIPTION\n' + LIST.format('.It Fl c Ar FILE\na\n.It Fl t\nb\n')
        self.broken(faults_of_pomonad, body, 'usage: x\n  -c FILE  conf\n  -t       test\n', [
            ('.It Fl t\nb\n', ''), ('.It Fl t\nb\n', '.It Fl t\nb\n.It Fl v\nc\n'), ('Ar FILE', 'Ar PATH')])

    def test_a_page_of_pomonactl_names_each_command_and_option_as_the_help_does(self):
        self.broken(faults_of_pomonactl, CTL_PAGE, HELP, [
            ('.It Ic two\nb\n', ''), ('Op Fl -all', 'Op Fl -each'), ('.It Fl -json\nb\n', ''),
            ('.It Ic two\nb\n', '.It Ic two\nb\n.It Ic three\nc\n')])

    def test_a_page_of_the_simulator_names_each_verb_option_fault_and_default(self):
        self.broken(faults_of_sim, SIM_PAGE, SimHelp(SIM_HELP), [
            ('.Ic fault\n.Fl', '.Ic default\n.Fl'), ('.Op Fl -keep Ar N\n', ''), ('.It Ic fault\nb\n', ''),
            ('.It Fl -dir Ar DIR\na\n', ''), ('12 by', '13 by'), ('.It Ic reset\nb\n', ''),
            ('.It Cm reason\na\n', ''), ('.It Cm reason', '.It Cm reasons'), (' 7 by', ' 8 by')])

    def test_the_statuses_are_those_of_the_sources(self):
        statuses = statuses_of_sources(['return EX_OK;', 'fail(EX_USAGE); return EXIT_FAILURE;'])
        self.assertEqual({0, 1, 64}, statuses)
        body = '.Sh EXIT STATUS\n' + LIST.format('.It 0\na\n.It 1\nb\n.It 64\nc\n')
        self.broken(lambda page, want: faults_of_statuses('x', page, want), body, statuses, [
            ('.It 1\nb\n', ''), ('.It 64', '.It 65'), ('.It 64', '.It 2\nb\n.It 64')])

    def test_a_section_may_not_be_missing(self):
        page, _ = made_up(''.join(f'.Sh {name}\nText.\n' for name in SECTIONS[1:-1]))
        self.assertEqual(['x: no section SECURITY CONSIDERATIONS'], list(faults_of_sections('x', page)))


# --- the tree

def statuses_of(room):
    return statuses_of_sources(path.read_text() for path in sorted((ROOT / 'src' / room).glob('*.c')))


def faults_of_tree(programs):
    page = {name: read_page(path) for name, path in PAGES.items()}
    for name, path in PAGES.items():
        yield from faults_of_lint(path)
        yield from faults_of_sections(name, page[name])
    yield from faults_of_pomonad(page['pomonad.8'], output_of(programs / 'pomonad', '-h'))
    yield from faults_of_pomonactl(page['pomonactl.1'], output_of(programs / 'pomonactl', 'help'))
    yield from faults_of_sim(page['pomona-sim.1'], SimHelp(output_of(programs / 'pomona-sim', 'help')))
    for name, room in (('pomonad.8', 'daemon'), ('pomonactl.1', 'ctl'), ('pomona-sim.1', 'sim')):
        yield from faults_of_statuses(name, page[name], statuses_of(room))


def main():
    if len(sys.argv) != 2:
        return 'usage: man_test.py FOLDER'
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(EachRuleCanFail)
    report = io.StringIO()
    if not unittest.TextTestRunner(stream=report).run(suite).wasSuccessful():
        return report.getvalue()
    faults = list(faults_of_tree(Path(sys.argv[1])))
    print('\n'.join(faults + [f'man: {len(PAGES)} pages, {len(faults)} faults']))
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
