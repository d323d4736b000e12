#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""make bench: how fast odmrd dequeues, and against what.

Everything in one run and one sandbox: Postfix's lmtp(8) into a bare sink is
the ceiling; then odmrd, on loopback and over lines of 20, 100 and 300 ms, in
all modes, under TLS, with large messages and many customers; then smtp(8) over
the same lines. See cases.py for the cases and report.py for the targets.

Prints a table, and writes bench.json, bench.md and bench.svg beside the
programs. The exit status is 1 if mail was lost or came twice or a daemon
complained, not if a target is missed: that is for a reader to judge, who knows
what else the machine did. BENCH_QUICK=1 takes a minute and a half.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cases  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
from odmr.sandbox import BUILD  # noqa: E402
from rig import Rig  # noqa: E402


def schedule():
    return (cases.COMPARED * cases.ROUNDS
            + cases.LARGE_COMPARED * cases.ROUNDS + cases.ONCE)


def measure(runs, faults):
    rig = Rig(cases.ALL)
    begin = time.monotonic()
    try:
        for case in schedule():
            try:
                result = rig.run(case)
            except AssertionError as error:
                faults.append(f"{case.name}: {error}")
                faults += rig.remove()
                rig = Rig(cases.ALL)
                continue
            runs.add(case, result)
            print(f"{time.monotonic() - begin:5.0f} s  {case.name}: "
                  f"{result['rate']:.1f}/s", file=sys.stderr)
    finally:
        faults += rig.remove()


def main():
    about = machine.describe()
    runs, faults = report.Runs(), []
    measure(runs, faults)
    (BUILD / "bench.json").write_text(json.dumps({
        "machine": about,
        "runs": [{**asdict(case), "name": case.name, **result}
                 for case, results in runs.by_case.items()
                 for result in results],
        "targets": [{**asdict(target), "met": target.met}
                    for target in report.targets(runs)],
        "faults": faults}, indent=2) + "\n")
    (BUILD / "bench.md").write_text(report.markdown(runs, about))
    report.plot(runs, BUILD / "bench.svg")
    print(report.text(runs, about))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
