#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""make interop: the corpus, collected into real mail servers.

    matrix.py [--seed N] [--jobs N] [--session-seconds N] [--keep DIR] [NAME...]

NAME picks those configurations whose name begins so. Prints one row for each,
and every fault. Exit status: 0; 1 if mail was lost, altered, doubled, wrongly
bounced or kept waiting; 64 (usage)."""

import argparse
import os
import random
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

# pylint: disable=wrong-import-position
from interop.configurations import CONFIGURATIONS
from interop.corpus import corpus
from interop.servers.server import Missing
from interop.trial import Outcome, Trial

ROW = "{:28} {:20} {:>12} {:>5} {:>7} {:>6} {:>3}  {}"
FAULTS_SHOWN = 12


def row(outcome, missing=""):
    if missing:
        return ROW.format(outcome.name, "-", "-", "-", "-", "-", "-", missing)
    kinds = {fault.split(":")[0] for fault in outcome.faults}
    bodies = "DIFFER" if "altered" in kinds else "="
    remarks = [*sorted(kind.upper() for kind in kinds), *outcome.remarks]
    return ROW.format(
        outcome.name, ", ".join(outcome.plans),
        "/".join(map(str, outcome.counts)), outcome.copies_too_many, bodies,
        f"{outcome.rate:.0f}", outcome.sessions, "; ".join(remarks))


def report(outcome, missing=""):
    lines = [row(outcome, missing)]
    lines += [f"    {fault}" for fault in outcome.faults[:FAULTS_SHOWN]]
    more = len(outcome.faults) - FAULTS_SHOWN
    if more > 0:
        lines.append(f"    and {more} more")
    print("\n".join(lines), flush=True)


def try_one(configuration, arguments):
    """Prints its row. Whether it is without fault."""
    keep_in = arguments.keep and arguments.keep / configuration.name
    trial = Trial(configuration, corpus(arguments.seed),
                  arguments.session_seconds, keep_in)
    try:
        outcome = trial.run()
    except Missing as missing:
        report(trial.outcome, f"not run: {missing}")
        return True
    except Exception as error:  # pylint: disable=broad-except
        outcome = Outcome(configuration.name, faults=[
            f"rig: {type(error).__name__}: {error}\n" +
            "".join(traceback.format_tb(error.__traceback__)[-2:])])
    report(outcome)
    return not outcome.faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--session-seconds", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    chosen = [configuration for configuration in CONFIGURATIONS
              if not arguments.names or
              configuration.name.startswith(tuple(arguments.names))]
    if not chosen:
        parser.error("no configuration has such a name; there are " +
                     " ".join(each.name for each in CONFIGURATIONS))
    print(f"make interop SEED={arguments.seed}")
    print(ROW.format("server", "plan", "sent/def/bnc", "again", "bodies",
                     "rate/s", "ses", "remarks"), flush=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        good = list(pool.map(lambda each: try_one(each, arguments), chosen))
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
