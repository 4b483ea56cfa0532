#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the release build to its hardening, without building it: hardening_test.py [PROGRAM...]

What CMake would run is asked for, each compilation is held to its flags, and a few lines of C that have something to
protect are built with exactly these; readelf tells what came of it. Programs that are named, and those of a release
build that is there, are looked at as well. First it shows, on a program built without, that each rule can fail.
"""
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ('pomonad', 'pomonactl', 'pomona-sim')
SECONDS = 120
WANTED = ('-D_FORTIFY_SOURCE=3', '-fstack-protector-strong', '-fstack-clash-protection', '-fPIE', '-O2')
# What would take one of them back where it comes later.
UNWANTED = re.compile(r'-U_FORTIFY_SOURCE|-D_FORTIFY_SOURCE=[012]|-fno-stack-.*|-fno-(pie|PIE)|-O[01]?')
SAMPLE = r'''
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
	char text[64];
	memcpy(text, argv[0], (size_t)argc);
	return puts(text) < 0;
}
'''
BARE = '-O0 -U_FORTIFY_SOURCE -fno-stack-protector -fno-pie -no-pie -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack'.split()


def output_of(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, env={'PATH': '/usr/bin:/bin', 'LC_ALL': 'C'})
    if done.returncode != 0:
        sys.exit(f'{words[0]} failed:\n{done.stdout}')
    return done.stdout


def faults_of_program(path):
    """What readelf does not find: (what is missing)."""
    headers, dynamic = output_of('readelf', '-hlW', path), output_of('readelf', '-dW', path)
    symbols = output_of('readelf', '-W', '--dyn-syms', path)
    stack = re.search(r'GNU_STACK.*', headers)
    rules = {
        'PIE': re.search(r'Type:\s+DYN', headers) and 'PIE' in dynamic,
        'RELRO': 'GNU_RELRO' in headers,
        'binding at the start': re.search(r'\bBIND_NOW\b|FLAGS.*\bNOW\b', dynamic),
        'a stack that is not executable': stack and 'RWE' not in stack[0],
        'stack protector': '__stack_chk_fail' in symbols,
        'FORTIFY': re.search(r'__\w+_chk\b(?<!stack_chk)', symbols.replace('__stack_chk_fail', '')),
    }
    return [f'{path}: no {what}' for what, found in rules.items() if not found]


def build_sample(compiler, flags, folder):
    (folder / 'sample.c').write_text(SAMPLE)
    program = folder / 'sample'
    output_of(compiler, *flags, folder / 'sample.c', '-o', program)
    return program


def check_rules(folder):
    """Each rule must find the program at fault that was built without anything."""
    faults = faults_of_program(build_sample('cc', BARE, folder))
    if len(faults) != 6:
        sys.exit(f'the rules find too little wrong with a bare program: {faults}')


def commands_of_release(folder):
    output_of('cmake', '--preset', 'release', '-S', ROOT, '-B', folder)
    return output_of('ninja', '-C', folder, '-t', 'commands', *(f'bin/{name}' for name in PROGRAMS)).splitlines()


def faults_of_compilation(command):
    words = shlex.split(command)
    source = words[words.index('-c') + 1]
    for flag in WANTED:
        if flag not in words:
            yield f'{source}: compiled without {flag}'
    last = max((words.index(flag) for flag in WANTED if flag in words), default=0)
    for word in words[last:]:
        if UNWANTED.fullmatch(word):
            yield f'{source}: compiled with {word} in the end'


def flags_of(words):
    """Those that a compiler takes for a single file of ours; no file, no folder, no warning."""
    wanted = re.compile(r'-([UDO]|f|no-pie$|pie$|static|Wl,-z)')
    return [word for word in words if wanted.match(word) and not word.startswith('-DPOMONA')]


def main():
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_rules(folder)
        commands = commands_of_release(folder / 'release')
        compilations = [line for line in commands if ' -c ' in line and f' {ROOT}/src/' in line]
        links = [shlex.split(line) for line in commands if re.search(r' -o bin/\S+', line)]
        if len(compilations) < 100 or len(links) != len(PROGRAMS):
            return f'cmake would run {len(compilations)} compilations and {len(links)} links: what has changed?'
        for line in compilations:
            faults += faults_of_compilation(line)
        for link in links:
            compiler = next(word for word in link if word.endswith('cc') or word.endswith('clang'))
            faults += faults_of_program(build_sample(compiler, flags_of(link), folder))
        built = [path for path in (ROOT / 'build/release/bin' / each for each in PROGRAMS) if path.exists()]
        for path in [*built, *map(Path, sys.argv[1:])]:
            faults += faults_of_program(path)
    faults.append(f'hardening: {len(compilations)} compilations, {len(built)} programs, {len(faults)} faults')
    print('\n'.join(faults))
    return 1 if len(faults) > 1 else 0


if __name__ == '__main__':
    sys.exit(main())
