# SPDX-License-Identifier: ISC
"""Customers and Postfixes that vanish or fall silent, at every point."""

import contextlib
import re
import socket
import time

import pytest

from odmr.wait import wait_for
from odmrd_alone import cram_md5
from scripted_customer import CLOSE, PLANS, SILENT, Customer
from scripted_line import Line, LineClosed

SETTINGS = {"message_buffer": "4k"}
A, B = "a@example.org", "b@example.org"
SMALL = b"Subject: x\r\n\r\nhello\r\n"
LARGE = (b"z" * 98 + b"\r\n") * 20_000

plans = pytest.mark.parametrize("plan", PLANS)
bodies = pytest.mark.parametrize("body", [SMALL, LARGE],
                                 ids=["small", "large"])
STAGES = [(plan, stage) for plan in PLANS for stage in
          ("MAIL", "RCPT", "DATA", "BDAT", "END")
          if stage != ("DATA" if plan == "chunking" else "BDAT")]


def kept(postfix):
    """Postfix must not hear that a message was taken, or refused for good; and
    it must hear something."""
    while postfix.line.fill():
        pass
    answers = postfix.line.buffer.decode().splitlines()
    assert {answer[0] for answer in answers} == {"4"}, answers
    return answers


# ---- the customer ----------------------------------------------------------


@pytest.mark.parametrize("stage", ["GREETING", "EHLO"])
def test_customer_drops_before_it_is_ready(daemon, stage):
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    postfix = daemon.postfix(hello=False)
    customer = Customer(line, **{stage: CLOSE})
    assert kept(postfix) == ["421 4.4.2 The customer's session is over"]
    customer.join()
    daemon.ended("lost", delivered=0)
    assert daemon.tag_state("Q1", "state, attempts") == ("held", 0)


@bodies
@pytest.mark.parametrize("plan, stage", STAGES)
def test_customer_drops_before_final_250_keeps_mail_queued(
        daemon, collect, plan, stage, body):
    if stage == "BDAT" and body is SMALL:
        body = LARGE[:8192]
    daemon.tag("Q1", "example.org", recipients=2)
    customer = collect(plan, **{stage: CLOSE})
    postfix = daemon.postfix()
    try:
        postfix.begin("Q1", [A, B], body)
    except ConnectionError:
        pass
    kept(postfix)
    customer.join()
    daemon.ended("lost", delivered=0)
    assert daemon.tag_state("Q1") == "held"
    assert daemon.sockets() == []


@plans
def test_customer_drops_within_the_body(daemon, plan):
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    offers = {"chunking": "PIPELINING\r\n250 CHUNKING",
              "pipelining": "x\r\n250 PIPELINING", "lockstep": "x\r\n250 x"}
    line.say(f"250-customer.test\r\n250-{offers[plan]}")
    postfix = daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send(LARGE[:50_000])
    line.expect("MAIL ...")
    line.say("250 ok")
    line.expect("RCPT ...")
    line.say("250 ok")
    if plan != "chunking":
        line.expect("DATA")
        line.say("354 go")
    else:
        line.expect("BDAT ...")
    line.take(1000)
    line.hang_up()
    kept(postfix)
    daemon.ended("lost", delivered=0)


@plans
def test_every_transaction_in_flight_is_kept_when_the_line_drops(
        daemon, collect, plan):
    for i in range(10):
        daemon.tag(f"Q{i}", "example.org")
    collect(plan, END=[None, CLOSE])
    postfixes = [daemon.postfix() for _ in range(10)]
    for i, postfix in enumerate(postfixes):
        try:
            postfix.begin(f"Q{i}", [A], SMALL)
        except (ConnectionError, LineClosed):
            pass  # it is over before this message began
    daemon.ended("lost", delivered=1)
    heard = []
    for postfix in postfixes:
        while postfix.line.fill():
            pass
        heard += re.findall("^[0-9]{3}", postfix.line.buffer.decode(), re.M)
    assert heard.count("250") == 1, heard
    daemon.wait_for_tag("Q0", "delivered")
    assert [daemon.tag_state(f"Q{i}") for i in range(1, 10)] == ["held"] * 9


@plans
@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "END"])
def test_silent_customer_is_given_up(make_daemon, plan, stage):
    daemon = make_daemon(customer_timeout="1s", data_done_timeout="1s")
    daemon.tag("Q1", "example.org")
    Customer(daemon.turned(), plan, **{stage: SILENT})
    postfix = daemon.postfix(hello=stage in ("MAIL", "END"))
    if stage in ("MAIL", "END"):
        postfix.begin("Q1", [A], SMALL)
    kept(postfix)
    daemon.ended("timeout", delivered=0)
    assert daemon.tag_state("Q1") == "held"


def test_reply_that_does_not_end_is_given_up(make_daemon):
    """Each of its lines comes within the time for the whole."""
    daemon = make_daemon(customer_timeout="1s")
    daemon.tag("Q1", "example.org")
    line = daemon.turned()

    def chatter():
        with contextlib.suppress(ConnectionError):
            line.send(b"220-wait\r\n")
        return daemon.logged(": session account=")
    wait_for(chatter, 10, "the end of the session")
    daemon.ended("timeout", delivered=0)


@plans
def test_customer_that_stops_reading_is_given_up(make_daemon, plan):
    """Neither its replies nor its reading go on, and the rest of the message
    does not fit into the kernel's buffers."""
    daemon = make_daemon(customer_timeout="2s", data_done_timeout="2s",
                         message_buffer="8m")
    daemon.tag("Q1", "example.org")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", daemon.port))
    line = Line(sock, daemon.transcript)
    daemon.lines.append(line)
    line.expect("220 ...")
    line.say("EHLO customer.test")
    line.reply()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.play("""
        P: 235 ...
        C: ATRN
        P: 250 ...
        C: 220 customer.test
        P: EHLO relay.test
    """)
    offers = {"chunking": "PIPELINING\r\n250 CHUNKING",
              "pipelining": "x\r\n250 PIPELINING", "lockstep": "x\r\n250 x"}
    line.say(f"250-customer.test\r\n250-{offers[plan]}")
    postfix = daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.sock.settimeout(1)
    try:  # as much as odmrd and the kernel take
        postfix.line.send(b"x" * (64 << 20))
    except TimeoutError:
        pass
    if plan != "chunking":
        line.expect("MAIL ...")
        line.say("250 ok")
        line.expect("RCPT ...")
        line.say("250 ok")
        line.expect("DATA")
        line.say("354 go")
    daemon.ended("timeout", delivered=0, timeout=8)


@plans
def test_endless_chatter_after_quit_is_given_up(daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    customer = collect(plan, QUIT="250-wait\r\n" * 200)
    daemon.postfix().deliver("Q1", [A])
    wait_for(lambda: customer.quit, 5, "QUIT")
    row = daemon.wait_for_log(": session account=alice")
    assert "delivered=1" in row


# ---- Postfix ---------------------------------------------------------------


@plans
@pytest.mark.parametrize("wire", [
    b"MAIL FROM:<s@sender.test>\r\n",
    b"MAIL FROM:<s@sender.test>\r\nRCPT TO:<a@example.org>\r\n",
    b"MAIL FROM:<s@sender.test>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n",
    b"MAIL FROM:<s@sender.test>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
    b"Subject: x\r\n\r\nhel",
    b"MAIL FROM:<s@sender.test>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
    b"Subject: x\r\n\r\nhello\r\n.\r",
], ids=["mail", "rcpt", "data", "body", "dot"])
def test_postfix_drops_before_the_body_is_read_and_the_customer_hears_nothing(
        daemon, collect, plan, wire):
    daemon.tag("Q1", "example.org")
    customer = collect(plan)
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.line.send(b"XFORWARD IDENT=Q1\r\n" + wire)
    for _ in range(1 + wire.count(b":") + wire.count(b"DATA") -
                   wire.count(b"Subject")):
        postfix.line.line()
    postfix.close()
    assert other.deliver("Q1", [B], SMALL) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [SMALL]
    assert customer.accepted[0].recipients == [f"TO:<{B}>"]
    daemon.ended("drained", delivered=1, kept=0)


def test_postfix_drops_in_a_large_body_and_chunking_goes_on(daemon, collect):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect("chunking")
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send(LARGE)
    wait_for(lambda: customer.largest_chunk, 5, "a chunk")
    other.begin("Q1", [B], SMALL)
    postfix.close()
    assert other.answers(1) == ["250 2.0.0 taken"]
    assert other.deliver("Q2", [B], LARGE) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [SMALL, LARGE]
    daemon.ended("drained", delivered=2)


@pytest.mark.parametrize("plan", ["pipelining", "lockstep"])
def test_postfix_drops_in_a_large_body_and_data_leaves_no_way_back(
        daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect(plan)
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send(LARGE)
    other.begin("Q2", [B], SMALL)
    wait_for(lambda: "DATA" in customer.commands, 5, "DATA")
    postfix.close()
    kept(other)
    customer.join()
    assert not customer.accepted
    daemon.ended("postfix-gave-up", delivered=0)
    assert daemon.tag_state("Q1") == daemon.tag_state("Q2") == "held"


@plans
@bodies
@pytest.mark.parametrize("answer", ["250 taken", "451 later", "550 no"])
def test_postfix_drops_before_its_answer_and_the_next_message_is_right(
        daemon, collect, plan, body, answer):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    gone = []

    def later(_body):
        if gone:
            return "250 2.0.0 second"
        postfix.close()
        daemon.postfix().quit()  # odmrd has seen the end of the other, too
        gone.append(1)
        return answer
    customer = collect(plan, END=later)
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.begin("Q1", [A], body)
    wait_for(lambda: gone, 5, "the customer has the body")
    assert other.deliver("Q2", [B], SMALL) == ["250 2.0.0 second"]
    # Nobody heard the answer for Q1: it stays, and comes again.
    assert daemon.tag_state("Q1") == "held"
    assert other.deliver("Q1", [A], body) == ["250 2.0.0 second"]
    customer.join()
    daemon.ended("drained")


@plans
def test_postfix_drops_before_its_answer_and_the_session_ends(
        make_daemon, plan):
    """No other connection comes: the session must not wait for ever."""
    daemon = make_daemon(drain_wait="1s")
    daemon.tag("Q1", "example.org")

    def later(_body):
        postfix.close()
        time.sleep(1.2)  # this server is slower than drain_wait
        return None
    customer = Customer(daemon.turned(), plan, END=later)
    postfix = daemon.postfix()
    postfix.begin("Q1", [A], SMALL)
    customer.join(60)
    assert customer.quit
    assert daemon.tag_state("Q1") == "held"


def test_silent_postfix_is_given_up_within_a_message(make_daemon):
    daemon = make_daemon(customer_timeout="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), "chunking")
    postfix = daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send(b"half a line")
    postfix.expect_close()
    daemon.wait_for_log("warning:", "Postfix is silent within Q1")
    assert daemon.postfix().deliver("Q1", [A]) == ["250 2.0.0 taken"]
    customer.join()
