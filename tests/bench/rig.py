# SPDX-License-Identifier: ISC
"""A sandbox in which cases are run: mail is put into the queue while nobody
collects, all of it is deferred, and then it is drained and timed. A case whose
mail does not all come, exactly once, is a failed one, and the rig is of no
more use: what it left would be counted to the next case."""

import contextlib
import itertools
import os
import smtplib
import subprocess
import time

import line
import machine
from odmr.sandbox import Sandbox
from odmr.wait import wait_for

QUEUES = ("maildrop", "incoming", "active", "deferred")
SETTLE_SECONDS = 120
INJECTORS = 20


class Rig:
    def __init__(self, cases):
        self.sandbox = Sandbox()
        self.spool = self.sandbox.directory / "spool"
        self.master = int((self.spool / "pid/master.pid").read_text())
        self.odmrd = self.sandbox.pid("odmrd")
        self.sandbox.add_domain("bare.test")
        self.numbers = itertools.count()
        for number in range(max(case.customers for case in cases)):
            name = f"c{number}.test"
            self.sandbox.add_domain(name)
            self.sandbox.add_account(name, name, [name])

    def remove(self):
        """Ends it all; returns the faults that the logs tell of."""
        faults = self.sandbox.faults()
        self.sandbox.stop()
        self.sandbox.remove()
        return faults

    def run(self, case):
        """Returns what was measured, as a dict."""
        return {"bare": self._drain_bare, "odmrd": self._drain_odmrd,
                "held": self._drain_held, "smtp": self._drain_smtp}[
                    case.kind](case)

    # ---- the queue

    def _count(self, *queues):
        return sum(not entry.is_dir() for name in queues
                   for entry in (self.spool / name).rglob("*"))

    def _fill(self, domains, messages, size):
        for domain in domains:
            subprocess.run(
                ["/usr/sbin/smtp-source", "-s", str(INJECTORS), "-l",
                 str(size), "-m", str(messages // len(domains)),
                 "-f", "sender@bench.test", "-t", f"user@{domain}",
                 f"127.0.0.1:{self.sandbox.port}"], check=True)
        wait_for(lambda: self._count("deferred") == messages,
                 SETTLE_SECONDS, f"{messages} messages in the deferred queue")

    @contextlib.contextmanager
    def _metered(self, result):
        machine.forget_peak(self.odmrd)
        odmrd = machine.cpu_of(self.odmrd)
        postfix = machine.cpu_of_postfix(self.master)
        yield
        wait_for(lambda: self._count(*QUEUES) == 0, SETTLE_SECONDS,
                 "an empty queue")
        result["cpu_odmrd"] = machine.cpu_of(self.odmrd) - odmrd
        result["cpu_postfix"] = \
            machine.cpu_of_postfix(self.master) - postfix
        result["peak_kib"] = machine.peak_kib(self.odmrd)

    @staticmethod
    def _add(result, case, told, seconds):
        messages = sum(one["messages"] for one in told)
        assert messages == case.messages, \
            f"{messages} messages came instead of {case.messages}"
        result["seconds"] = seconds
        result["rate"] = messages / seconds
        result["bytes_rate"] = sum(one["bytes"] for one in told) / seconds
        if case.rtt:
            result["round_trips"] = seconds * 1000 / case.rtt / messages
        return result

    # ---- the kinds of cases

    def _flush_into(self, sink, case, domain, result):
        with self._metered(result):
            start = time.monotonic()
            self.sandbox.flush(domain)
            told = line.said(sink)
        return self._add(result, case, [told], told["last"] - start)

    def _drain_bare(self, case):
        domain = "bare.test"
        path = self.spool / "odmr" / domain
        self._fill([domain], case.messages, case.size)
        try:
            with contextlib.closing(line.bound_path(path)) as sock, \
                    line.sink(sock, "lmtp", case.messages) as sink:
                return self._flush_into(sink, case, domain, {})
        finally:
            path.unlink()

    def _drain_smtp(self, case):
        """The port that the domain's mail goes to is taken from the start, but
        nobody listens while the queue is filled."""
        domain = f"smtp{case.rtt}.test"
        with contextlib.ExitStack() as stack:
            here = stack.enter_context(contextlib.closing(line.bound_port()))
            there = here
            self.sandbox.add_domain(
                domain, "backup", f"127.0.0.1:{here.getsockname()[1]}")
            self._fill([domain], case.messages, case.size)
            if case.rtt:
                there = stack.enter_context(
                    contextlib.closing(line.bound_port()))
                stack.enter_context(line.delay(
                    here, case.rtt, there.getsockname()[1]))
            sink = stack.enter_context(
                line.sink(there, "pipelining", case.messages))
            return self._flush_into(sink, case, domain, {})

    def _drain_held(self, case):
        """The time begins when ETRN has been answered."""
        domain = f"held{next(self.numbers)}.test"
        result = {}
        with contextlib.closing(line.bound_port()) as sock:
            self.sandbox.add_domain(
                domain, "hold", f"[127.0.0.1]:{sock.getsockname()[1]}")
            self.sandbox.odmrctl("etrn", "allow", domain, line.LOOPBACK)
            self._fill([domain], case.messages, case.size)
            self.sandbox.wait_until_held(domain, case.messages)
            with line.sink(sock, case.mode, case.messages) as sink, \
                    self._metered(result):
                start = self._etrn(domain)
                told = line.said(sink)
        result["first"] = told["first"] - start
        return self._add(result, case, [told], told["last"] - start)

    def _etrn(self, domain):
        with smtplib.SMTP(line.LOOPBACK, self.sandbox.odmr_port) as smtp:
            smtp.ehlo("bench.test")
            code, answer = smtp.docmd("ETRN", domain)
            assert code == 253, answer
            return time.monotonic()

    def _drain_odmrd(self, case):
        domains = [f"c{number}.test" for number in range(case.customers)]
        result = {}
        self._fill(domains, case.messages, case.size)
        with contextlib.ExitStack() as stack:
            port = self.sandbox.odmr_port
            if case.rtt:
                here = stack.enter_context(
                    contextlib.closing(line.bound_port()))
                stack.enter_context(line.delay(here, case.rtt, port))
                port = here.getsockname()[1]
            wait, start = os.pipe()
            customers = [
                stack.enter_context(line.customer(port, case, name, wait))
                for name in domains]
            os.close(wait)
            hello = [line.said(customer) for customer in customers][0]
            with self._metered(result):
                os.close(start)
                told = [line.said(customer) for customer in customers]
        start = min(one["turned"] for one in told)
        ends = [one["quit"] - start for one in told]
        result["first"] = max(one["first"] - one["turned"] for one in told)
        result["ends"] = sorted(ends)
        result["spread"] = max(ends) / min(ends)
        result["measured_rtt"] = hello["round_trip"] * 1000
        return self._add(result, case, told, max(ends))
