# SPDX-License-Identifier: ISC
"""Password hashing that takes seconds, and all others meanwhile."""

import os
import threading
import time
from pathlib import Path

from odmr.wait import wait_for
from odmrd_alone import PASSWORD, b64, plain
from sasl_dialogue import SETTINGS
from scram_client import Scram, verifier


def slow_daemon(make_daemon):
    daemon = make_daemon(**SETTINGS)
    daemon.sql("UPDATE account SET scram = ? WHERE login = 'plain'",
               verifier(PASSWORD, 1_000_000))
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
    started = time.monotonic()
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
    wait_for(lambda: all(line.pending() for line in slow), 200,
             "all are hashed")
    noops = probe.result()
    for line in slow:
        line.expect("235 2.7.0 Authenticated as plain")
    # Whoever waits for hashes waits for two rounds of them. Compared with how
    # long those took, since a busy machine holds up everything.
    took = time.monotonic() - started
    assert noops[len(noops) * 95 // 100] < took / 10, (took, noops[-20:])
    assert noops[-1] < took / 3, (took, noops[-20:])
    assert max(waits) < took / 2, (took, waits)


def cpu_seconds(daemon):
    """What all its threads have used: other work does not count."""
    text = Path(f"/proc/{daemon.process.pid}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_nobody_is_hashed_for_who_went_away(make_daemon):
    daemon = slow_daemon(make_daemon)
    begin = cpu_seconds(daemon)
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('plain')}")
    line.expect("235 ...")
    one = cpu_seconds(daemon) - begin
    begin = cpu_seconds(daemon)
    for _ in range(12):
        line = daemon.greeted(tls=True)
        line.say(f"AUTH PLAIN {plain('plain')}")
        line.sock.close()
    wait_for(lambda: len(daemon.logged("ended account=- ")) == 12, 20,
             "all have gone")
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('alice')}")
    line.expect("235 2.7.0 Authenticated as alice")
    # Two threads were at it, and could take one more each.
    assert cpu_seconds(daemon) - begin < 6 * one


def test_texts_that_no_account_can_have_are_not_prepared(make_daemon):
    """What RFC 4013 makes of one such character are 18: libidn works at a
    kilobyte for milliseconds, and at nine for seconds."""
    daemon = make_daemon(**SETTINGS)
    long = "\ufdfa" * 2900
    tries = [("PLAIN", f"\0alice\0{long}"), ("PLAIN", f"\0{long}\0x"),
             ("SCRAM-SHA-256", f"n,,n={long},r=abc")]
    begin = cpu_seconds(daemon)
    for mechanism, text in tries * 2:
        line = daemon.greeted(tls=True)
        line.say(f"AUTH {mechanism} {b64(text)}")
        line.expect("535 5.7.8 Authentication failed")
    assert cpu_seconds(daemon) - begin < 1


def test_who_is_known_is_hashed_for_before_strangers(make_daemon):
    """Each stranger has an address of its own, and one guess."""
    daemon = make_daemon(**SETTINGS)

    def log_in(source):
        line = daemon.greeted(tls=True, source=source)
        line.say(f"AUTH PLAIN {plain('alice')}")
        line.expect("235 2.7.0 Authenticated as alice")
        line.close()

    log_in("127.0.0.2")
    strangers = [daemon.greeted(tls=True, source=f"127.0.1.{i}")
                 for i in range(200)]
    for line in strangers:
        line.say(f"AUTH PLAIN {plain('nobody')}")
    assert not strangers[-1].pending()
    log_in("127.0.0.2")
    # All were heard before it, and most of them wait.
    answered = sum(bool(line.pending()) for line in strangers)
    assert answered < len(strangers) / 2, answered
    wait_for(lambda: all(line.pending() for line in strangers), 100,
             "all are judged")
