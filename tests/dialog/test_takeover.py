# SPDX-License-Identifier: ISC
"""A domain has one session at a time: who makes way for whom."""

import threading
import time

import pytest

from odmr.wait import wait_for
from scripted_customer import SILENT, Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"


def atrn(daemon, login, domains):
    line = daemon.known(login)
    line.say(f"ATRN {domains}")
    return line


def insist(daemon, domain="example.org"):
    """ATRN until it is not refused: the customer's host may acknowledge the
    last bytes a moment after the customer has read them. Turned then."""
    def refused():
        line.say(f"ATRN {domain}")
        return line.line().startswith("450 ")
    line = daemon.known()
    while refused():
        pass
    return line


def stalled(daemon):
    """A session whose customer says no more; returns its Postfix."""
    customer = Customer(daemon.turned(), "lockstep", MAIL=SILENT)
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    wait_for(lambda: len(customer.commands) == 2, 10, "MAIL is sent")
    return postfix


@pytest.mark.parametrize("login", ["alice", "bob"])
def test_lingering_session_makes_way_at_once(make_daemon, login):
    daemon = make_daemon(takeover_wait="60s")
    daemon.sql("UPDATE account SET linger = 60")
    old = Customer(daemon.turned("shared.test", "alice"))
    wait_for(lambda: daemon.sql("SELECT 1 FROM session WHERE state = "
                                "'lingering'"), 10, "it lingers")
    begin = time.monotonic()
    Customer(daemon.turned("shared.test", login))
    assert time.monotonic() - begin < 30
    old.join()
    assert old.quit
    daemon.ended("taken-over")
    assert daemon.sockets() == ["shared.test"]


def test_dead_session_makes_way_within_takeover_wait(make_daemon):
    daemon = make_daemon(takeover_wait="1s")
    daemon.tag("Q1", "example.org")
    old = stalled(daemon)
    begin = time.monotonic()
    new = Customer(insist(daemon))
    assert time.monotonic() - begin > 0.9
    assert old.answers(1)[0].startswith("451 4.4.2")
    daemon.ended("taken-over")
    assert daemon.postfix().deliver("Q1", ["r0@example.org"], BODY) == \
        ["250 2.0.0 taken"]
    new.join()
    daemon.ended("drained", delivered=1)


def test_delivering_session_is_left_alone_and_the_answer_is_450(make_daemon):
    daemon = make_daemon(takeover_wait="60s")
    daemon.tag("Q1", "example.org")
    stop = threading.Event()
    old = Customer(daemon.turned(), "lockstep",
                   RCPT=lambda _argument: time.sleep(0.05))
    postfix = daemon.postfix()

    def deliver():
        while not stop.is_set():
            assert postfix.deliver("Q2", ["r0@example.org"], BODY) == \
                ["250 2.0.0 taken"]
    busy = threading.Thread(target=deliver)
    busy.start()
    try:
        wait_for(lambda: old.accepted, 10, "it delivers")
        begin = time.monotonic()
        line = atrn(daemon, "alice", "example.org")
        line.expect("450 4.3.2 example.org is being collected now")
        assert time.monotonic() - begin < 30
    finally:
        stop.set()
        busy.join()
    daemon.wait_for_log("refused: ATRN example.org", "account=alice")
    line.say("NOOP")
    line.expect("250 ...")
    assert not old.quit


def test_two_sessions_in_the_same_millisecond_are_one(make_daemon):
    daemon = make_daemon(takeover_wait="2s")
    daemon.tag("Q1", "shared.test")
    lines = [daemon.known(login) for login in ("alice", "bob")]
    for line in lines:
        line.say("ATRN shared.test")
    wait_for(lambda: any(line.pending() for line in lines), 10, "one turns")
    first = next(line for line in lines if line.pending())
    first.expect("250 ...")
    Customer(first)
    second = next(line for line in lines if line is not first)
    wait_for(second.pending, 10, "the other one is answered")
    assert len(daemon.sockets()) == 1


def test_client_that_leaves_while_it_waits_takes_nothing(make_daemon):
    daemon = make_daemon(takeover_wait="1s", customer_timeout="30s")
    daemon.tag("Q1", "example.org")
    stalled(daemon)
    line = atrn(daemon, "alice", "example.org")
    line.close()
    daemon.wait_for_log("ended account=alice", "reason=lost")
    assert not daemon.logged("taken-over")
    assert daemon.sockets() == ["example.org"]


def test_waiting_client_that_talks_on_is_ended(make_daemon):
    daemon = make_daemon(takeover_wait="1s")
    daemon.tag("Q1", "example.org")
    stalled(daemon)
    line = daemon.known()
    line.send(b"ATRN example.org\r\n220 too early\r\n")
    line.expect("503 5.5.1 Nothing may follow ATRN")
    line.expect_close()
