#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the milter costs: messages a second that Postfix accepts from
smtp-source(1) with the milter, without it, and with the milter while someone
else holds state.db's lock. Each kind has an smtpd of its own that differs in
nothing else. Also the CPU time of Postfix and the milter for a message until it
is deferred, which other work disturbs less. The kinds take turns in many short runs, since other work on the
machine comes and goes; a round's rates are compared with each other, and the
median of the rounds counts. Fails where a median ratio is below the target.

    bench/milter.py [ROUNDS]"""

import contextlib
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import machine  # noqa: E402
from odmr.probe import free_ports  # noqa: E402
from odmr.sandbox import Sandbox  # noqa: E402
from odmr.wait import wait_for  # noqa: E402

TARGET = 0.95
MESSAGES = 600
SESSIONS = 20
SIZE = 4096
DOMAIN = "bench.test"
KINDS = ("without", "with", "locked")


class Rig:
    def __init__(self):
        self.sandbox = Sandbox()
        self.spool = self.sandbox.directory / "spool"
        self.state = self.sandbox.env["STATE_DB"]
        self.sandbox.add_domain(DOMAIN)
        [self.bare_port] = free_ports(1)
        name = f"127.0.0.1:{self.bare_port}"
        for change in (["-M", f"{name}/inet={name} inet n - n - - smtpd"],
                       ["-P", f"{name}/inet/smtpd_milters="]):
            subprocess.run(["postconf", "-c", self.sandbox.config, *change],
                           check=True)
        self.sandbox.restart("postfix")
        self.master = int((self.spool / "pid/master.pid").read_text())
        self.tagged = 0

    def end(self):
        faults = self.sandbox.faults()
        self.sandbox.stop()
        self.sandbox.remove()
        return faults

    def run(self, kind):
        """Accepted messages a second, and milliseconds of CPU for one."""
        before = self._cpu()
        with self._locked() if kind == "locked" else contextlib.nullcontext():
            rate = self._accept(
                self.bare_port if kind == "without" else self.sandbox.port)
        if kind != "without":
            self.tagged += MESSAGES
            wait_for(lambda: self._tags() == self.tagged, 30, "all tags")
        self._clean()
        return rate, (self._cpu() - before) * 1000 / MESSAGES

    def _cpu(self):
        return machine.cpu_of(self.sandbox.pid("milter")) + \
            machine.cpu_of_postfix(self.master)

    @contextlib.contextmanager
    def _locked(self):
        with contextlib.closing(sqlite3.connect(self.state)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            yield

    @staticmethod
    def _accept(port):
        start = time.monotonic()
        subprocess.run(
            ["/usr/sbin/smtp-source", "-s", str(SESSIONS), "-m",
             str(MESSAGES), "-l", str(SIZE), "-f", "sender@bench.test", "-t",
             f"user@{DOMAIN}", f"127.0.0.1:{port}"], check=True)
        return MESSAGES / (time.monotonic() - start)

    def _count(self, *queues):
        return sum(not entry.is_dir() for name in queues
                   for entry in (self.spool / name).rglob("*"))

    def _clean(self):
        """So that no run sees the work of the one before."""
        wait_for(lambda: self._count("deferred") == MESSAGES, 60,
                 "all of a run in the deferred queue")
        subprocess.run(["postsuper", "-c", self.sandbox.config, "-d", "ALL"],
                       check=True, stderr=subprocess.DEVNULL)

    def _tags(self):
        with contextlib.closing(sqlite3.connect(self.state)) as database:
            return database.execute("SELECT count(*) FROM tag").fetchone()[0]


def measure(rig, rounds):
    """A list of rounds: the rates by kind. The first round warms up."""
    result = []
    for number in range(rounds + 1):
        kinds = KINDS[number % len(KINDS):] + KINDS[:number % len(KINDS)]
        rates = {kind: rig.run(kind) for kind in kinds}
        if number > 0:
            result.append(rates)
    return result


def report(rounds):
    """Prints a line a kind; returns the lowest median ratio."""
    worst = 1.0
    for kind in KINDS:
        rate = statistics.median(one[kind][0] for one in rounds)
        cpu = statistics.median(one[kind][1] for one in rounds)
        ratios = sorted(one[kind][0] / one["without"][0] for one in rounds)
        ratio = statistics.median(ratios)
        worst = min(worst, ratio)
        print(f"{kind + ':':9}{rate:6.0f} messages/s, {ratio:.3f} of the rate "
              f"without (middle half of the rounds: "
              f"{ratios[len(ratios) // 4]:.3f} to "
              f"{ratios[-1 - len(ratios) // 4]:.3f}), "
              f"{cpu:.2f} ms of CPU a message")
    return worst


def main(rounds=20):
    rig = Rig()
    try:
        result = measure(rig, int(rounds))
    finally:
        faults = rig.end()
    if faults:
        sys.exit("\n".join(["faults of the daemons:", *faults]))
    if report(result) < TARGET:
        sys.exit(f"a ratio is below {TARGET}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
