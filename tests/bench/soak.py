# SPDX-License-Identifier: Apache-2.0
"""Half of the peak for a long time: memory, descriptors and latency have to stay as they are, and no answer is lost."""

import statistics
import sys
import threading
import time

from harness.apns import Apns
from hostile import Fleet, cpu_seconds, descriptors, resident_mib

TOPIC = "com.apple.mgmt.External.bench"  # of tests/bench/device.c
INTERVAL = 10
# Kind, part of all operations, devices: most are polls, some carry answers, a few change what is known.
MIX = [("idle", 0.60, 24), ("answer", 0.28, 16), ("token", 0.05, 8), ("poll", 0.05, 12), ("enroll", 0.02, 4)]
PROBE_SECONDS = 3
PROBE_FIRST = 500  # operations a second; each try doubles it
TAKEN = 0.75  # of what is due must be answered, or it was more than the peak
COMMANDS_PART = 0.8  # of the polls of those who answer there is a command for
RELOAD_SECONDS = 30
# Bounds of the verdict.
RSS_MIB = 1.0  # by the line that fits the last two thirds best
DESCRIPTORS_MORE = 4
LATENCY_MORE = 1.5  # p99 of the last third to that of the second


def honest(rate):
    return [(kind, round(rate * part, 1), count) for kind, part, count in MIX]


class Feeder(threading.Thread):
    """Commands for those who answer, a few a second for each, and a reload now and then."""

    def __init__(self, server, ids, per_second):
        super().__init__(daemon=True)
        self.server, self.ids, self.per_second = server, ids, per_second
        self.over = threading.Event()
        self.queued = self.reloads = 0
        self.fault = None

    def run(self):
        began, reload_at = time.monotonic(), RELOAD_SECONDS
        try:
            while not self.over.wait(0.2):
                seconds = time.monotonic() - began
                while self.queued + len(self.ids) <= seconds * self.per_second and not self.over.is_set():
                    self.server.enqueue(self.ids, {"RequestType": "DeviceInformation", "Queries": ["UDID"]})
                    self.queued += len(self.ids)
                if seconds > reload_at:
                    self.server.reload()
                    self.reloads += 1
                    reload_at += RELOAD_SECONDS
        except (AssertionError, OSError) as error:
            self.fault = error

    def end(self):
        self.over.set()
        self.join(60)
        if self.fault is not None:
            raise RuntimeError(f"the feeder ended: {self.fault}")


def slope(points):
    """Of the line that fits best: y per x."""
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Sample:
    def __init__(self, soak, seconds, line, before):
        self.seconds, self.line = seconds, line
        self.rate = (soak.done(line) - soak.done(before)) / INTERVAL if before else soak.done(line) / INTERVAL
        self.rss = resident_mib(soak.pid)
        self.fds = descriptors(soak.pid)
        self.wal = soak.size("-wal")
        self.database = soak.size("")

    def p99(self, kind):
        return self.line[kind]["p99_us"] / 1000


class Soak:
    def __init__(self, bench, seconds):
        self.bench, self.seconds = bench, seconds
        self.apns = Apns(bench.folder / "soak-apns", "--no-client-cert", "--keep", 1).start()
        self.server = bench.server("soak", conf={
            "device.connections_per_address": 0, "push.server": f"localhost:{self.apns.port}",
            "push.ca_file": self.apns.ca_pem, "push.rate_per_s": 0})
        self.server.ctl("pushcert", "set", self.apns.make_push_pem("soak.pem", "--topic", TOPIC))
        self.pid = self.server.process.pid
        first = MIX[0][2]
        self.ids = [f"BENCH-{i:07}" for i in range(first, first + MIX[1][2])]
        self.samples = []

    def size(self, suffix):
        path = self.server.folder / f"pomona.db{suffix}"
        return path.stat().st_size / 2**20 if path.exists() else 0.0

    @staticmethod
    def done(line):
        return sum(line[kind]["done"] for kind, _, _ in MIX)

    def queued_and_done(self):
        states = self.server.get("/api/v1/status")["queue"]["by_state"]
        return sum(states.values()), states.get("done", 0)

    # --- the load

    def feeder(self, rate):
        feeder = Feeder(self.server, self.ids, rate * MIX[1][1] * COMMANDS_PART)
        feeder.start()
        return feeder

    def probe(self, rate):
        """What is answered each second of so much, in the time that it took."""
        fleet = Fleet(self.bench.identities, self.server.device_port, PROBE_SECONDS, honest(rate))
        feeder = self.feeder(rate)
        began = time.monotonic()
        fleet.go()
        last = fleet.line()
        seconds = time.monotonic() - began
        feeder.end()
        fleet.end()
        return self.done(last) / max(seconds, PROBE_SECONDS)

    def peak(self):
        rate, best = PROBE_FIRST, 0.0
        while True:
            got = self.probe(rate)
            best = max(best, got)
            print(f"# of {rate}/s {got:.0f}/s are answered", flush=True)
            if got < TAKEN * rate:
                return best
            rate *= 2

    def sample(self, seconds, line, before, used):
        sample = Sample(self, seconds, line, before)
        self.samples.append(sample)
        cells = "  ".join(f"{kind} {line[kind]['p50_us'] / 1000:.2f}/{line[kind]['p99_us'] / 1000:.2f}" for kind, _, _ in MIX)
        print(f"{seconds:5} s  {sample.rate:7.0f}/s  RSS {sample.rss:6.1f}  fd {sample.fds:3}  WAL {sample.wal:6.1f}  "
              f"db {sample.database:7.1f} MiB  CPU {used:.2f}  p50/p99 ms: {cells}", flush=True)

    def run(self):
        peak = self.peak()
        rate = peak / 2
        print(f"# peak {peak:.0f}/s, half of it: {honest(rate)}", flush=True)
        fleet = Fleet(self.bench.identities, self.server.device_port, self.seconds, honest(rate), INTERVAL)
        feeder = self.feeder(rate)
        fleet.go()
        before, used = None, cpu_seconds(self.pid)
        for seconds in range(INTERVAL, self.seconds, INTERVAL):
            line = fleet.line()
            now = cpu_seconds(self.pid)
            self.sample(seconds, line, before, (now - used) / INTERVAL)
            before, used = line, now
        feeder_end = threading.Timer(INTERVAL / 2, feeder.end)  # before the queues are emptied
        feeder_end.start()
        last = fleet.end()
        feeder_end.join()
        print(f"# {feeder.queued} commands queued, {feeder.reloads} reloads, {self.apns.stats()['accepted']} pushes")
        return last

    # --- the verdict

    def verdict(self, last):
        third = len(self.samples) // 3
        second_third, last_third = self.samples[third:2 * third], self.samples[2 * third:]
        tail = self.samples[third:]
        growth = slope([(sample.seconds, sample.rss) for sample in tail]) * (tail[-1].seconds - tail[0].seconds)
        fds = max(s.fds for s in last_third) - max(s.fds for s in second_third)
        queued, done = self.queued_and_done()
        checks = [
            ("memory", growth <= RSS_MIB, f"{growth:+.2f} MiB over the last two thirds, at most {RSS_MIB}"),
            ("descriptors", fds <= DESCRIPTORS_MORE, f"{fds:+} in the last third, at most +{DESCRIPTORS_MORE}"),
            ("answers", queued == done, f"{done} of {queued} commands are done"),
        ]
        for kind, _, _ in MIX:
            early = statistics.median(s.p99(kind) for s in second_third)
            late = statistics.median(s.p99(kind) for s in last_third)
            checks.append((f"latency of {kind}", late <= LATENCY_MORE * early,
                           f"p99 {late:.2f} ms after {early:.2f}, at most {LATENCY_MORE} x"))
            due, faults = last[kind]["due"], last[kind]["faults"]
            checks.append((f"requests of {kind}", last[kind]["done"] == due and faults == 0,
                           f"{last[kind]['done']} of {due} are answered, {faults} wrongly, {last[kind]['retries']} tried "
                           f"again, {last[kind]['unavailable']} times 503"))
        for name, is_good, text in checks:
            print(f"{'held' if is_good else 'NOT HELD':<9} {name}: {text}")
        return all(is_good for _, is_good, _ in checks)


def soak(bench, seconds="600"):
    seconds = int(seconds)
    if seconds < 9 * INTERVAL:
        sys.exit(f"soak: at least {9 * INTERVAL} seconds")
    trial = Soak(bench, seconds)
    try:
        last = trial.run()
        is_good = trial.verdict(last)
        trial.server.stop()
    finally:
        trial.server.kill()
        trial.apns.kill()
    print("soak: held" if is_good else "soak: NOT held")
    sys.exit(0 if is_good else 1)
