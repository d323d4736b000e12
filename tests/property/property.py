#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The property test: odmrd between random customers and random Postfixes.

    property.py [--seed N] [--seconds N] [--run N]

Thousands of sessions, each with its own abilities, refusals, cuts and delays;
model.py says what must be true of every one. Without --seed a new one is
chosen. --run plays one run again and again, as its number and seed made it."""

import argparse
import asyncio
import itertools
import logging
import os
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "dialog")]

# pylint: disable=wrong-import-position
from model import Wrong, check, outcome
from odmr.sandbox import BUILD, temporary_directory
from odmrd_alone import make_template
from random_mail import MESSAGE_BUFFER
from random_postfix import Bounced
from relay import Relay
from run import Run
from turning import Refused

PARALLEL = 16
DOMAINS = 2             # of each account
DIALOGUE_SHOWN = 400
LOG_SHOWN = 20
WARM = 100              # runs, until memory is what it is
GROWTH_MAX = 16 << 20   # of resident memory, from then on
DESCRIPTORS_MORE = 16   # databases that are opened at their first use

# A run takes one of these. In the second, memory is scarce.
RELAYS = [
    {"believe_5xx": "always", "message_buffer": MESSAGE_BUFFER},
    {"believe_5xx": "always", "message_buffer": 8 * MESSAGE_BUFFER,
     "session_buffer": 1 << 16, "total_buffer": 1 << 17},
    {"believe_5xx": "second-opinion", "message_buffer": MESSAGE_BUFFER,
     "second_opinion_time": 0},
]

ACCOUNTS = {f"customer{i}": [f"{letter}{i}.test" for letter in "ab"[:DOMAINS]]
            for i in range(PARALLEL)}


class Failure(Exception):
    """A run that broke the law."""

    def __init__(self, run, why):
        super().__init__(why)
        self.run = run


class Property:
    def __init__(self, seed, seconds, only, template):
        self.seed, self.only = seed, only
        self.until = time.monotonic() + seconds
        self.numbers = itertools.repeat(only) if only is not None \
            else itertools.count()
        self.relays = [Relay(template, **settings) for settings in RELAYS]
        self.descriptors = [relay.descriptors() for relay in self.relays]
        self.memory = None
        self.runs = 0
        self.tally = {"messages": Counter(), "customers": Counter(),
                      "habits": Counter(), "sessions of a run": Counter(),
                      "sessions that ended by": Counter(),
                      "copies": Counter()}

    async def play(self):
        """All runs, some at a time, until the time is over or one fails."""
        logins = list(ACCOUNTS) if self.only is None else list(ACCOUNTS)[:1]
        workers = [asyncio.create_task(self._worker(login))
                   for login in logins]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()

    async def _worker(self, login):
        while time.monotonic() < self.until:
            run = Run(self.seed, next(self.numbers), self.relays)
            try:
                await run.play(login, ACCOUNTS[login])
            except (Wrong, Refused, Bounced, OSError) as error:
                raise Failure(run, f"{type(error).__name__}: {error}") \
                    from error
            self._count(run)

    def _count(self, run):
        self.runs += 1
        self.tally["messages"].update(map(outcome, run.messages))
        self.tally["customers"][run.server.kind] += 1
        self.tally["habits"].update(run.server.habits)
        self.tally["sessions of a run"][str(len(run.ends))] += 1
        self.tally["sessions that ended by"].update(run.ends)
        self.tally["copies"]["too many"] += run.copies
        if self.runs == WARM:
            self.memory = [relay.memory() for relay in self.relays]

    def check_rest(self):
        """Nothing is left of all the sessions."""
        for i, relay in enumerate(self.relays):
            check(not relay.odmrd.sockets(), "sockets are left")
            more = relay.descriptors() - self.descriptors[i]
            check(more <= DESCRIPTORS_MORE, f"{more} descriptors are left")
            growth = relay.memory() - self.memory[i] if self.memory else 0
            check(growth < GROWTH_MAX, f"memory grew by {growth} bytes")

    def report(self):
        print(f"property test: {self.runs} runs with seed {self.seed}")
        for what, counter in self.tally.items():
            counts = (f"{count} {name}" for name, count in
                      sorted(counter.items()))
            print(f"  {what}: {', '.join(counts)}")

    def explain(self, failure):
        run = failure.run
        print("\n".join(run.dialogue[-DIALOGUE_SHOWN:]))
        log = run.relay.odmrd.log.read_text(errors="replace")
        print("odmrd's log:", *log.splitlines()[-LOG_SHOWN:], sep="\n")
        print(f"FAILED: run {run.number} with seed {self.seed} "
              f"({run.server}), session {len(run.ends)}: {failure}\n"
              f"again: make property SEED={self.seed} RUN={run.number}")

    def remove(self):
        faults = []
        for relay in self.relays:
            if not relay.alive():
                faults.append("odmrd died")
            faults += relay.remove()
        return faults


def rest(test):
    """Waits for the last closing connections to go, then checks."""
    until = time.monotonic() + 10
    while True:
        try:
            test.check_rest()
            return
        except Wrong:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


def test_all(options, template):
    test = Property(options.seed, options.seconds, options.run, template)
    faults = []
    try:
        asyncio.run(test.play())
        rest(test)
    except Failure as failure:
        test.explain(failure)
        faults.append(str(failure))
    except Wrong as wrong:
        faults.append(str(wrong))
    finally:
        faults += test.remove()
    test.report()
    for fault in faults:
        print(f"FAILED: {fault}")
    return not faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(10 ** 9))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--run", type=int)
    options = parser.parse_args()
    print(f"property test: seed {options.seed}, {options.seconds:g} s, "
          f"{BUILD}", flush=True)
    # Under ASan what was freed is kept for a while; not for long here.
    os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")
    # What is written to a line that was just cut is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    template = temporary_directory()
    try:
        make_template(template, ACCOUNTS)
        return test_all(options, template)
    finally:
        shutil.rmtree(template)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
