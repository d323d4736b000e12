#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""make bench-stalling: what a customer notices of others that stall.

Five customers stall in every way there is. Four have five domains each, and
enough mail to take all of Postfix's processes, were they let; one has more mail
for a single domain than the active queue holds. Another customer collects 100
messages, alone and then beside them. Fails if it takes him more than twice the
time.
"""

import contextlib
import math
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS)]

import line  # noqa: E402
from cases import Case  # noqa: E402
from odmr.sandbox import Sandbox  # noqa: E402
from odmr.staller import Staller  # noqa: E402
from odmr.wait import wait_for  # noqa: E402

# Of the active queue the last takes all, had Postfix to wait for it.
ACTIVE_LIMIT = 1500
STALLERS = [("silent", 5, 400), ("unread", 5, 400), ("bytes", 5, 400),
            ("drip", 5, 400), ("drip", 1, 2000)]
STALL_SECONDS = 45      # stall_time, and what it takes to put mail off
GOOD = Case("odmrd", 100, mode="pipelining", rtt=20)
GOOD_DOMAIN = "good.test"
TIMES = 3
BOUND = 2.0
SIZE = 8192
QUEUES = ("maildrop", "incoming", "active", "deferred")


def count(sandbox, *queues):
    spool = sandbox.directory / "spool"
    with contextlib.suppress(FileNotFoundError):
        return sum(entry.is_file() for name in queues
                   for entry in (spool / name).rglob("*"))
    return -1


def send(sandbox, domain, messages, size):
    subprocess.run(
        ["/usr/sbin/smtp-source", "-s", "20", "-l", str(size), "-m",
         str(messages), "-f", "s@bench.test", "-t", f"user@{domain}",
         f"127.0.0.1:{sandbox.port}"], check=True)


def processes(spool):
    """Of lmtp(8)."""
    found = 0
    for proc in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found += os.readlink(proc / "exe").endswith("/lmtp") and \
                os.readlink(proc / "cwd") == str(spool)
    return found


def collect(sandbox):
    """Seconds from the turn to QUIT, and to the first message."""
    send(sandbox, GOOD_DOMAIN, GOOD.messages, GOOD.size)
    sandbox.wait_until_held(GOOD_DOMAIN, GOOD.messages)
    with contextlib.suppress(AssertionError):   # if Postfix gets to it
        wait_for(lambda: {message["queue_name"] for message in
                          sandbox.queued_for(GOOD_DOMAIN)} == {"deferred"},
                 20, "it is deferred")
    wait, start = os.pipe()
    with contextlib.closing(line.bound_port()) as here, \
            line.delay(here, GOOD.rtt, sandbox.odmr_port), \
            line.customer(here.getsockname()[1], GOOD, GOOD_DOMAIN,
                          wait) as customer:
        os.close(wait)
        line.said(customer)
        os.close(start)
        told = line.said(customer)
    assert told["messages"] == GOOD.messages, told
    wait_for(lambda: sandbox.status(GOOD_DOMAIN)["held"] == 0, 60, "settled")
    return told["quit"] - told["turned"], told["first"] - told["turned"]


def measure(sandbox, name):
    for number in range(TIMES):
        seconds, first = collect(sandbox)
        print(f"{name} {number + 1}: {seconds:.2f} s, the first message after "
              f"{first:.2f} s", flush=True)
        yield seconds


def limit_active_queue(sandbox):
    subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, "-e",
                    f"qmgr_message_active_limit = {ACTIVE_LIMIT}"], check=True)
    sandbox.restart("postfix")


def register(sandbox):
    """Returns the domains of each account."""
    accounts = []
    for number, (_, domains, _) in enumerate(STALLERS):
        accounts.append([f"d{i}.s{number}.test" for i in range(domains)])
        for name in accounts[-1]:
            sandbox.add_domain(name)
        sandbox.add_account(f"s{number}", "secret", accounts[-1])
    return accounts


def fill(sandbox, accounts):
    for names, (_, domains, messages) in zip(accounts, STALLERS):
        for name in names:
            send(sandbox, name, messages // domains, SIZE)
    total = sum(messages for _, _, messages in STALLERS)
    wait_for(lambda: count(sandbox, "deferred") == total, 300,
             "all is deferred")


def stall(sandbox, accounts):
    stallers = [Staller(sandbox.odmr_port, f"s{number}", "secret", names,
                        STALLERS[number][0])
                for number, names in enumerate(accounts)]
    for staller in stallers:
        assert staller.turned.wait(60)
    return stallers


def main():
    sandbox = Sandbox()
    stallers = []
    try:
        limit_active_queue(sandbox)
        sandbox.add_domain(GOOD_DOMAIN)
        sandbox.add_account(GOOD_DOMAIN, GOOD_DOMAIN, [GOOD_DOMAIN])
        accounts = register(sandbox)
        collect(sandbox)    # warms it up
        alone = min(measure(sandbox, "alone"))
        fill(sandbox, accounts)
        stallers = stall(sandbox, accounts)
        time.sleep(STALL_SECONDS)
        print(f"{len(stallers)} stall: {count(sandbox, 'active')} messages are "
              f"active, {processes(sandbox.directory / 'spool')} processes",
              flush=True)
        try:
            beside = max(measure(sandbox, "beside them"))
        except AssertionError as error:
            print(f"beside them: {error}")
            beside = math.inf
    finally:
        for staller in stallers:
            staller.stop()
        faults = sandbox.faults()
        sandbox.stop()
        sandbox.remove()
    print(f"{beside / alone:.2f} times as long as alone "
          f"(the slowest against the fastest)")
    if faults:
        sys.exit("\n".join(faults))
    if beside > BOUND * alone:
        sys.exit(f"wanted: {BOUND}")


if __name__ == "__main__":
    main()
