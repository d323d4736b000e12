# SPDX-License-Identifier: ISC
"""Password hashing that takes seconds, and all others meanwhile."""

import threading
import time

from odmr.wait import wait_for
from odmrd_alone import PASSWORD, plain
from sasl_dialogue import SETTINGS
from scram_client import Scram, verifier


def slow_daemon(make_daemon):
    daemon = make_daemon(**SETTINGS)
    daemon.sql("UPDATE account SET scram = ? WHERE login = 'plain'",
               verifier(PASSWORD, 2_000_000))
    return daemon


class Probe(threading.Thread):
    """Says NOOP without a pause; how long it waited for each answer."""

    def __init__(self, line):
        super().__init__(daemon=True)
        self.line = line
        self.waits = []
        self.stopping = False
        self.failure = None

    def run(self):
        try:
            while not self.stopping:
                begin = time.monotonic()
                self.line.sock.sendall(b"NOOP\r\n")
                assert self.line.sock.recv(100) == b"250 2.0.0 Ok\r\n"
                self.waits.append(time.monotonic() - begin)
                time.sleep(0.005)  # the rate, not a wait for something
        except Exception as error:  # shown by result()
            self.failure = error

    def result(self):
        self.stopping = True
        self.join(20)
        if self.failure:
            raise self.failure
        return sorted(self.waits)


def test_slow_hashes_keep_nobody_else_waiting(make_daemon):
    daemon = slow_daemon(make_daemon)
    known = daemon.known()
    known_tls = daemon.known(tls=True)
    slow = [daemon.greeted(tls=True) for _ in range(4)]
    probe = Probe(daemon.greeted())
    for line in slow:
        line.say(f"AUTH PLAIN {plain('plain')}")
    probe.start()
    waits = []
    while not any(line.pending() for line in slow):
        begin = time.monotonic()
        for line in [known, known_tls]:
            line.play("""
                C: ATRN example.org
                P: 453 4.0.0 You have no mail
            """)
        daemon.known().close()
        line = daemon.greeted()
        assert Scram("alice").log_in(line).startswith("235 ")
        line.close()
        waits.append(time.monotonic() - begin)
    assert len(waits) > 1, "hashing was over too soon to tell anything"
    wait_for(lambda: all(line.pending() for line in slow), 60,
             "all are hashed")
    noops = probe.result()
    for line in slow:
        line.expect("235 2.7.0 Authenticated as plain")
    # A hash takes a second; a busy machine may hold up a NOOP for a part of it.
    assert noops[len(noops) * 95 // 100] < 0.1, noops[-20:]
    assert noops[-1] < 0.5, noops[-20:]
    assert max(waits) < 1, waits


def test_nobody_is_hashed_for_who_went_away(make_daemon):
    daemon = slow_daemon(make_daemon)
    begin = time.monotonic()
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('plain')}")
    line.expect("235 ...")
    one = time.monotonic() - begin
    for _ in range(12):
        line = daemon.greeted(tls=True)
        line.say(f"AUTH PLAIN {plain('plain')}")
        line.sock.close()
    wait_for(lambda: len(daemon.logged("ended account=- ")) == 12, 20,
             "all have gone")
    begin = time.monotonic()
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('alice')}")
    line.expect("235 2.7.0 Authenticated as alice")
    # Two threads were at it; six rounds would be for all the twelve.
    assert time.monotonic() - begin < 4 * one
