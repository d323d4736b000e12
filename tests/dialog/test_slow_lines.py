# SPDX-License-Identifier: ISC
"""Slow lines and customers that stall: 100 messages of 100 KB at 64 kbit/s,
which takes 21 minutes, with time scaled down by 500. Postfix's patience, the
2 h of postfix-conf/master.cf, is the time-out of a scripted line, of 20 s."""

import os
import threading
from pathlib import Path

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from scripted_customer import PLANS, Customer
from slow_line import SlowLine

RATE = 4_000_000
MESSAGES = 100
SIZE = 100_000
BODY = (b"x" * 98 + b"\r\n") * (SIZE // 100)
STALL = 2.0             # seconds: 16 minutes
STALL_AT = MESSAGES * SIZE // 3
IN_FLIGHT = 3   # two, and one whose answer is on its way
MIB = 1 << 20
BUFFERS = {"session_buffer": "256k", "total_buffer": "4m"}
# Each message may have its first 8 KiB besides, and a connection its input.
MEMORY_MAX = MIB // 4 + MESSAGES * (8192 + 24576) + 3 * MIB
if b"__asan_init" in (BUILD / "odmrd").read_bytes():
    MEMORY_MAX += MEMORY_MAX // 2   # what stands around each piece
TICK = 1 / os.sysconf("SC_CLK_TCK")

# What a sanitizer does not give back is not what is measured here.
FRUGAL = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb"
          "=0:malloc_context_size=0"}

plans = pytest.mark.parametrize("plan", PLANS)


class Postfixes:
    """So many lmtp(8), with a message each."""

    def __init__(self, daemon, names, body=BODY):
        self.body = body
        self.answers = {}
        self.failures = []
        self.postfixes = []
        self.threads = [threading.Thread(target=self._deliver, daemon=True,
                                         args=(daemon.postfix, name))
                        for name in names]
        for thread in self.threads:
            thread.start()

    def _deliver(self, connect, name):
        try:
            postfix = connect()
            self.postfixes.append(postfix)
            [self.answers[name]] = postfix.deliver(
                name, [f"{name}@example.org"], self.body)
        except Exception as error:  # join() shows it
            self.failures.append((name, repr(error)))

    def hang_up(self):
        """They lose their patience: all of them, none comes later."""
        wait_for(lambda: len(self.postfixes) == len(self.threads), 60,
                 "all are connected")
        for postfix in self.postfixes:
            postfix.line.hang_up()
        for thread in self.threads:
            thread.join(20)

    def join(self):
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures


def names_of_messages():
    return [f"Q{i}" for i in range(MESSAGES)]


def taken_by(customer):
    return [message.recipients[0][4:].split("@")[0]
            for message in customer.accepted]


def cpu(daemon):
    """Seconds that odmrd has worked."""
    stat = Path(f"/proc/{daemon.process.pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def held_by_the_kernel(daemon):
    """Bytes that odmrd has written and the other end has not taken, of all
    its connections."""
    port = f":{daemon.real_port:04X} "
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(int(row.split()[4].split(":")[0], 16) for row in rows
               if port in row.split()[1] + " ")


@pytest.fixture
def slow(make_daemon):
    """A function: slow(plan, stall_at, **settings) -> daemon, line, customer;
    the line is turned."""
    lines = []

    def begin(plan, stall_at=None, **settings):
        daemon = make_daemon(environment=FRUGAL, **{**BUFFERS, **settings})
        daemon.real_port = daemon.port
        for name in names_of_messages():
            daemon.tag(name, "example.org", size=SIZE)
        return (daemon, *again(daemon, plan, stall_at))

    def again(daemon, plan, stall_at=None):
        lines.append(SlowLine(daemon.real_port, RATE, stall_at))
        daemon.port = lines[-1].port
        return lines[-1], Customer(daemon.turned(), plan, data=True)
    begin.again = again
    yield begin
    for line in lines:
        line.close()


@plans
def test_stalling_customer_costs_no_message_no_memory_and_no_cpu(slow, plan):
    daemon, line, customer = slow(plan, STALL_AT)
    memory = daemon.peak_memory()
    postfixes = Postfixes(daemon, names_of_messages())
    assert line.stalled.wait(60)
    work = settled_work(daemon)
    threading.Event().wait(STALL)  # the stall itself, not a wait for anything
    idle = cpu(daemon) - work
    backlog, in_flight = held_by_the_kernel(daemon), line.in_flight()
    line.resume()
    postfixes.join()
    customer.join()
    assert set(postfixes.answers.values()) == {"250 2.0.0 taken"}
    assert sorted(taken_by(customer)) == sorted(names_of_messages())
    assert set(customer.bodies()) == {BODY}
    assert idle <= 2 * TICK, f"{idle} s of CPU for nothing"
    assert backlog < SIZE, "more than a message waits in the kernel"
    assert in_flight <= MESSAGES / 4
    assert daemon.peak_memory() - memory < MEMORY_MAX
    daemon.ended("drained", delivered=MESSAGES, kept=0)


def settled_work(daemon):
    """What it has worked, once it has read all that it can."""
    last = []

    def quiet():
        last.append(cpu(daemon))
        return len(last) > 15 and last[-15] == last[-1] and last[-1]
    return wait_for(quiet, 20, "odmrd rests")


@plans
def test_what_has_not_begun_when_postfix_gives_up_is_dropped_whole(slow, plan):
    """What is taken without its answer comes again: two or three at most."""
    daemon, line, customer = slow(plan, STALL_AT, drain_wait=1)
    postfixes = Postfixes(daemon, names_of_messages())
    assert line.stalled.wait(60)
    settled_work(daemon)
    postfixes.hang_up()
    line.resume()
    customer.join()
    assert set(customer.bodies()) == {BODY}
    unheard = set(taken_by(customer)) - set(postfixes.answers)
    assert len(unheard) <= IN_FLIGHT, unheard
    assert len(postfixes.answers) < MESSAGES / 2


@plans
def test_large_message_that_has_not_begun_is_dropped_whole(slow, plan):
    """More than odmrd's buffer holds, but not more than all buffers."""
    body = BODY * 4
    daemon, line, customer = slow(plan, 2 * len(body), drain_wait=1,
                                  session_buffer="16m", total_buffer="16m")
    names = names_of_messages()[:20]
    postfixes = Postfixes(daemon, names, body)
    assert line.stalled.wait(60)
    settled_work(daemon)
    postfixes.hang_up()
    line.resume()
    customer.thread.join(30)
    assert set(customer.bodies()) == {body}
    unheard = set(taken_by(customer)) - set(postfixes.answers)
    assert len(unheard) <= IN_FLIGHT, unheard


@pytest.mark.parametrize("plan", ["chunking", "pipelining"])
def test_customer_that_stalls_for_good_costs_only_its_session(slow, plan):
    """odmrd gives up before Postfix does, and all is brought again, once."""
    daemon, line, customer = slow(plan, STALL_AT, customer_timeout=2,
                                  data_done_timeout=3)
    postfixes = Postfixes(daemon, names_of_messages())
    assert line.stalled.wait(60)
    row = daemon.ended("timeout")
    postfixes_end(postfixes)
    line.close()
    customer.thread.join(20)
    first = taken_by(customer)
    heard = [name for name, answer in postfixes.answers.items()
             if answer.startswith("250")]
    assert f" delivered={len(heard)} " in row
    assert set(heard) <= set(first)
    # What was in flight may have arrived without its answer.
    assert len(first) - len(heard) <= IN_FLIGHT
    rest = [name for name in names_of_messages() if name not in heard]
    _, customer = slow.again(daemon, plan)
    postfixes = Postfixes(daemon, rest)
    postfixes.join()
    customer.join()
    assert sorted(taken_by(customer)) == sorted(rest)


def postfixes_end(postfixes):
    """Every one has heard 4xx, 250, or the end of its connection."""
    for thread in postfixes.threads:
        thread.join(30)
        assert not thread.is_alive()
    late = [failure for failure in postfixes.failures
            if "Timeout" in failure[1]]
    assert not late, late
    assert {answer[0] for answer in postfixes.answers.values()} <= {"2", "4"}
