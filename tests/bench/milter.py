#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the milter costs: messages a second that Postfix accepts from
smtp-source(1) without it, with a milter of libmilter's that does nothing
("idle"), with ours, and with ours while someone else holds odmr.db's lock;
over 1, 4 and 20 sessions, each with one message ("short") or with many
("kept"). Each kind has an smtpd of its own that differs in nothing else. The
kinds take turns in many short runs, since other work on the machine comes and
goes; a round's rates are compared with each other, and the median of the rounds
counts.

Also the CPU time for a message until it is deferred, which other work disturbs
less: the milter's own, and Postfix's. What Postfix takes more than without a
milter is what its smtpd(8) and cleanup(8) spend on talking to one, whatever it
does.

The design's target is 0.97 of the rate with the milter that does nothing. So
that the machine's other work does not decide, this fails only where, over 20
kept sessions, a median is below 0.85.

    bench/milter.py [ROUNDS]"""

import contextlib
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import machine  # noqa: E402
from odmr.probe import free_ports  # noqa: E402
from odmr.sandbox import BUILD, Sandbox  # noqa: E402
from odmr.wait import wait_for  # noqa: E402

LIMIT = 0.85
SIZE = 4096
DOMAIN = "bench.test"
KINDS = ("without", "idle", "with", "locked")


class Load(NamedTuple):
    sessions: int
    kept: bool      # for many messages each; else one connection a message

    @property
    def messages(self):
        """Enough to take a second or two."""
        return 1500 if self.kept else 400


LOADS = [Load(sessions, kept) for kept in (False, True)
         for sessions in (1, 4, 20)]


class Run(NamedTuple):
    rate: float     # accepted messages a second
    milter: float   # milliseconds of CPU a message
    postfix: float


class Rig:
    def __init__(self):
        self.sandbox = Sandbox()
        self.spool = self.sandbox.directory / "spool"
        self.database = self.sandbox.env["DATABASE"]
        self.sandbox.add_domain(DOMAIN)
        idle = self.spool / "odmr/idle"
        self.idle = subprocess.Popen([BUILD / "bench/idle_milter",
                                      f"unix:{idle}"])
        wait_for(idle.exists, 20, "the milter that does nothing")
        self.ports = {"without": self._smtpd(""),
                      "idle": self._smtpd(f"unix:{idle}"),
                      "with": self.sandbox.port, "locked": self.sandbox.port}
        self.sandbox.restart("postfix")
        self.master = int((self.spool / "pid/master.pid").read_text())
        self.tagged = 0

    def _smtpd(self, milters):
        """The port of one that has these."""
        [port] = free_ports(1)
        name = f"127.0.0.1:{port}"
        for change in (["-M", f"{name}/inet={name} inet n - n - - smtpd"],
                       ["-P", f"{name}/inet/smtpd_milters={milters}"]):
            subprocess.run(["postconf", "-c", self.sandbox.config, *change],
                           check=True)
        return port

    def end(self):
        self.idle.terminate()
        self.idle.wait(30)
        faults = self.sandbox.faults()
        self.sandbox.stop()
        self.sandbox.remove()
        return faults

    def run(self, kind, load):
        before = self._cpu()
        with self._locked() if kind == "locked" else contextlib.nullcontext():
            rate = self._accept(self.ports[kind], load)
        if kind in ("with", "locked"):
            self.tagged += load.messages
            wait_for(lambda: self._tags() == self.tagged, 30, "all tags")
        self._clean(load.messages)
        idle, ours, postfix = ((after - one) * 1000 / load.messages
                               for after, one in zip(self._cpu(), before))
        return Run(rate, idle if kind == "idle" else ours, postfix)

    def _cpu(self):
        """Seconds: of the milter that does nothing, of ours, Postfix's."""
        return (machine.cpu_of(self.idle.pid),
                machine.cpu_of(self.sandbox.pid("milter")),
                machine.cpu_of_postfix(self.master))

    @contextlib.contextmanager
    def _locked(self):
        with contextlib.closing(sqlite3.connect(self.database)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            yield

    @staticmethod
    def _accept(port, load):
        start = time.monotonic()
        subprocess.run(
            ["/usr/sbin/smtp-source", *(["-d"] if load.kept else []), "-s",
             str(load.sessions), "-m", str(load.messages), "-l", str(SIZE), "-f",
             "sender@bench.test", "-t", f"user@{DOMAIN}",
             f"127.0.0.1:{port}"], check=True)
        return load.messages / (time.monotonic() - start)

    def _count(self, *queues):
        return sum(not entry.is_dir() for name in queues
                   for entry in (self.spool / name).rglob("*"))

    def _clean(self, messages):
        """So that no run sees the work of the one before."""
        wait_for(lambda: self._count("deferred") == messages, 60,
                 "all of a run in the deferred queue")
        subprocess.run(["postsuper", "-c", self.sandbox.config, "-d", "ALL"],
                       check=True, stderr=subprocess.DEVNULL)

    def _tags(self):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return database.execute("SELECT count(*) FROM tag").fetchone()[0]


def measure(rig, rounds):
    """A list of rounds: the runs by load and kind. The first round warms up."""
    result = []
    for number in range(rounds + 1):
        turn = number % len(KINDS)
        runs = {(load, kind): rig.run(kind, load)
                for load in LOADS
                for kind in KINDS[turn:] + KINDS[:turn]}
        if number > 0:
            result.append(runs)
    return result


def ratios(rounds, load, kind, base):
    """What each round has of the rate of the kind `base`, the lowest first."""
    return sorted(one[load, kind].rate / one[load, base].rate
                  for one in rounds)


def report(rounds):
    """A line for each load and kind."""
    print("sessions         kind     messages/s  of without  "
          "of idle (middle half)  CPU ms a message: milter  Postfix  (more)")
    for load in LOADS:
        bare = statistics.mean(one[load, "without"].postfix
                               for one in rounds)
        for kind in KINDS:
            runs = [one[load, kind] for one in rounds]
            shares = ratios(rounds, load, kind, "idle")
            # The clock of the CPU ticks too coarsely for a median of runs.
            milter = statistics.mean(run.milter for run in runs)
            postfix = statistics.mean(run.postfix for run in runs)
            of_without = statistics.median(
                ratios(rounds, load, kind, "without"))
            print(f"{load.sessions:8} {'kept' if load.kept else 'short':6}"
                  f"  {kind:8}"
                  f"{statistics.median(run.rate for run in runs):11.0f}  "
                  f"{of_without:10.3f}  {statistics.median(shares):7.3f} "
                  f"({shares[len(shares) // 4]:.3f} to "
                  f"{shares[-1 - len(shares) // 4]:.3f})"
                  f"{milter:25.2f}{postfix:9.2f}  ({postfix - bare:+.2f})")


def main(rounds=10):
    rig = Rig()
    try:
        rounds = measure(rig, int(rounds))
    finally:
        faults = rig.end()
    if faults:
        sys.exit("\n".join(["faults of the daemons:", *faults]))
    report(rounds)
    for kind in ("with", "locked"):
        share = statistics.median(ratios(rounds, LOADS[-1], kind, "idle"))
        if share < LIMIT:
            sys.exit(f"{kind}: {share:.3f} of the rate with a milter that does "
                     f"nothing is below {LIMIT}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
