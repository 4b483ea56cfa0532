# SPDX-License-Identifier: Apache-2.0
"""What hostile clients do to honest devices: one attack after the other, in one run with quiet times between."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from harness.server import BIN, wait_until

SECONDS = int(os.environ.get("POMONA_BENCH_SECONDS", "8"))  # of each measurement
SETTLE_SECONDS = 60  # at most; an attack is settled when it holds what it wants, or gets no further
IDLE = ("chrt", "--idle", "0")  # runs where nobody else would: an attacker has machines of his own
# Kind, operations a second, devices. New connections shake hands in full.
HONEST = [("idle", 200, 32), ("answer", 100, 16), ("poll", 100, 16)]
MANY = 50
BOUND = 2.0

# Title, mode of bench-attack, addresses, connections, new ones a second.
ATTACKS = [
    ("slowloris in the handshake, 2000 a byte a second", "slow-handshake", MANY, 2000, 1000),
    ("slowloris in the head, 2000 a byte a second", "slow-head", MANY, 2000, 500),
    ("slowloris in the body, 2000 a byte a second", "slow-body", MANY, 2000, 500),
    ("5000 idle connections", "idle", MANY, 5000, 1000),
    ("1000 that pipeline and never read", "never-read", MANY, 1000, 500),
    ("handshakes left half way, 5000/s, one address", "flood-hello", 1, 512, 5000),
    ("handshakes left half way, 5000/s, 50 addresses", "flood-hello", MANY, 512, 5000),
    ("whole handshakes, 5000/s, one address", "flood-complete", 1, 512, 5000),
    ("whole handshakes, 5000/s, 50 addresses", "flood-complete", MANY, 512, 5000),
    ("broken ClientHello, 5000/s, 50 addresses", "flood-broken", MANY, 512, 5000),
    ("bodies without end from strangers", "flood-body", MANY, 64, 200),
    ("64 KiB bodies from strangers, one after the other", "flood-small", MANY, 64, 200),
]


class Sub:
    """A program that ends when its stdin does, with lines of JSON on its stdout."""

    def __init__(self, words, before=()):
        self.process = subprocess.Popen([*before, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(text)

    def end(self):
        """Its last line."""
        out, _ = self.process.communicate(timeout=120)
        return json.loads(out.splitlines()[-1]) if out else None


class Fleet(Sub):
    """Honest devices; ready when all that keep a connection have one."""

    def __init__(self, identities, port, seconds, honest, interval=None):
        super().__init__([BIN / "bench-fleet", identities, port, seconds, interval or seconds,
                          *(f"{kind}:{rate}:{count}" for kind, rate, count in honest)])
        self.line()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listener(server):
    return server.get("/api/v1/status")["listeners"]["device"]


class Trial:
    """One measurement of the honest devices."""

    def __init__(self, title, fleet, server_cpu, turned_away, peak_mib, attacker):
        self.title, self.fleet, self.server_cpu = title, fleet, server_cpu
        self.turned_away, self.peak_mib, self.attacker = turned_away, peak_mib, attacker

    def lost(self):
        return sum(kind["due"] - kind["done"] + kind["faults"] for kind in self.kinds().values())

    def kinds(self):
        return {kind: self.fleet[kind] for kind, _, _ in HONEST}


class Hostile:
    def __init__(self, bench, only=None):
        self.bench, self.only = bench, only
        self.server = bench.started("attack")
        self.pid = self.server.process.pid
        self.quiet = []
        self.trials = []

    def feed(self):
        """Commands enough for what will be answered, with some to spare for those that repeat themselves."""
        ids = [f"BENCH-{i:07}" for i in range(HONEST[0][2], HONEST[0][2] + HONEST[1][2])]
        for _ in range(HONEST[1][1] * SECONDS // HONEST[1][2]):
            self.server.enqueue(ids, {"RequestType": "DeviceInformation", "Queries": ["UDID", "DeviceName"]})

    def settle(self, wanted):
        """Until so many connections are held, or no more come in two seconds."""
        seen, since = 0, time.monotonic()
        began = since
        while seen < wanted and time.monotonic() - since < 2 and time.monotonic() - began < SETTLE_SECONDS:
            time.sleep(0.1)
            now = listener(self.server)["connections"]
            if now > seen:
                seen, since = now, time.monotonic()

    def trial(self, title, attack=None, wanted=1_000_000):
        self.feed()
        before = listener(self.server)["turned_away"]
        fleet = Fleet(self.bench.identities, self.server.device_port, SECONDS, HONEST)
        attacker = attack and Sub(attack, before=IDLE)
        if attacker:
            self.settle(wanted)
        used = cpu_seconds(self.pid)
        fleet.go()
        time.sleep(SECONDS / 2)
        self.server.reload()  # in the middle of it
        peak = resident_mib(self.pid)
        time.sleep(SECONDS / 2)
        used = cpu_seconds(self.pid) - used
        result = fleet.end()
        known = attacker and attacker.end()
        now = listener(self.server)["turned_away"]
        away = {key: now[key] - before[key] for key in now if now[key] > before[key]}
        return Trial(title, result, used / SECONDS, away, peak, known)

    def run(self):
        self.quiet.append(self.trial("quiet"))  # the first is for the caches
        self.quiet.clear()
        busy = [sys.executable, "-c", "import select,sys\nwhile not select.select([0],[],[],0)[0]: pass"]
        chosen = [attack for attack in ATTACKS if self.only in (None, attack[1])]
        self.quiet.append(self.trial("quiet"))
        self.trials.append(self.trial("nobody attacks, but an idle loop has a core", busy))
        for title, mode, addresses, connections, rate in chosen:
            wait_until(lambda: listener(self.server)["connections"] == 0, "all connections to be gone")
            fds, mib = descriptors(self.pid), resident_mib(self.pid)
            trial = self.trial(title, [BIN / "bench-attack", mode, self.server.device_port, addresses, connections,
                                       rate])
            wait_until(lambda: listener(self.server)["connections"] == 0, "all connections to be gone")
            trial.fds = (fds, descriptors(self.pid))
            self.trials.append(trial)
            self.quiet.append(self.trial("quiet"))
            trial.mib = (mib, resident_mib(self.pid))  # memory is given back within seconds
            print(self.row(trial), flush=True)
        self.server.stop()

    def quiet_us(self, kind, which):
        return statistics.median(trial.fleet[kind][which] for trial in self.quiet)

    def row(self, trial):
        cells = []
        for kind, got in trial.kinds().items():
            ratio = got["p99_us"] / self.quiet_us(kind, "p99_us")
            cells.append(f"{kind} {got['p50_us'] / 1000:.2f}/{got['p99_us'] / 1000:.2f} ms, {ratio:.1f} x, "
                         f"again {got['retries']}")
        text = f"{trial.title}\n    " + "; ".join(cells) + f"; lost {trial.lost()}\n    CPU {trial.server_cpu:.2f}"
        if hasattr(trial, "fds"):
            text += (f", descriptors {trial.fds[0]} -> {trial.fds[1]}, RSS {trial.mib[0]:.1f} -> {trial.peak_mib:.1f}"
                     f" -> {trial.mib[1]:.1f} MiB, attacker {trial.attacker}, turned away {trial.turned_away}")
        return text

    def report(self):
        print(f"\n# honest: {HONEST} (kind, a second, devices), {SECONDS} s each; p50/p99; bound p99 <= {BOUND} x quiet")
        for kind, _, _ in HONEST:
            p99 = [trial.fleet[kind]["p99_us"] / 1000 for trial in self.quiet]
            print(f"quiet {kind}: p50 {self.quiet_us(kind, 'p50_us') / 1000:.2f} ms, p99 "
                  f"{statistics.median(p99):.2f} ms ({min(p99):.2f} to {max(p99):.2f}), {len(p99)} times")
        for trial in self.trials:
            print(self.row(trial))
        return sum(trial.lost() for trial in self.trials + self.quiet) == 0


def attack(bench, only=None):
    hostile = Hostile(bench, only)
    try:
        hostile.run()
    finally:
        hostile.server.kill()
    if not hostile.report():
        sys.exit("answers were lost")
