# SPDX-License-Identifier: ISC
"""Replies of the customer as they come over the wire: in pieces, in bursts,
and wrong ones. Bad replies end the session, and the mail stays."""

import pytest

from odmr.wait import wait_for
from scripted_customer import CLOSE, OFFERS, PLANS, SILENT, Customer

A, B = "a@example.org", "b@example.org"
SMALL = b"Subject: x\r\n\r\nhello\r\n"
plans = pytest.mark.parametrize("plan", PLANS)


def ready(daemon, plan):
    """A turned line whose customer has answered EHLO."""
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.say("\r\n".join(["250-customer.test"] +
                         [f"250-{row}" for row in OFFERS[plan]] + ["250 x"]))
    return line


@plans
def test_replies_byte_by_byte(daemon, plan):
    daemon.tag("Q1", "example.org", recipients=2)
    line = daemon.turned()

    class Dripping:
        """The line of a customer that sends no two bytes at once."""

        def __getattr__(self, name):
            return getattr(line, name)

        def __setattr__(self, name, value):
            setattr(line, name, value)

        def say(self, text):
            for byte in text.encode() + b"\r\n":
                line.sock.sendall(bytes([byte]))
    customer = Customer(Dripping(), plan, **{f"RCPT {B}": "550 5.1.1 no"})
    assert daemon.postfix().deliver("Q1", [A, B]) == \
        ["250 2.0.0 taken", "550 5.1.1 no"]
    customer.join()
    daemon.ended("drained", plan=plan)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_replies_in_one_burst(daemon, end):
    """And a customer that ends its lines with LF alone is understood."""
    daemon.tag("Q1", "example.org", recipients=2)
    line = ready(daemon, "chunking")
    postfix = daemon.postfix()
    postfix.begin("Q1", [A, B], SMALL)
    for _ in range(4):
        line.line()
    line.take(len(SMALL))
    replies = ["250-2.1.0 ok", "250 2.1.0 ok", "550-5.1.1 no", "550 5.1.1 b",
               "250 ok", "250 2.0.0 taken"]
    line.send("".join(row + end for row in replies).encode())
    assert postfix.answers(2) == ["550 5.1.1 no 5.1.1 b", "250 2.0.0 taken"]
    line.expect("QUIT")


BAD = {
    "no code": b"hello\r\n", "empty": b"\r\n", "short": b"25\r\n",
    "code of two digits": b"25 ok\r\n", "letters": b"25x ok\r\n",
    "1xx": b"150 wait\r\n", "6xx": b"650 hm\r\n", "0xx": b"050 hm\r\n",
    "no blank": b"250ok\r\n", "tab": b"250\tok\r\n",
    "changing code": b"250-ok\r\n550 no\r\n", "nul": b"250 o\0k\r\n",
    "bare cr": b"250 o\rk\r\n", "a line of 1 MB": b"250 " + b"x" * (1 << 20),
    "endless": b"250-x\r\n" * 2000, "binary": bytes(range(128, 256)) + b"\r\n",
}
WHERE = ["GREETING", "EHLO", "MAIL", "END"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reply_ends_the_session(daemon, where, name):
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    postfix = daemon.postfix(hello=False)
    Customer(line, **{where: BAD[name]})
    if where in ("MAIL", "END"):
        postfix.hello()
        postfix.begin("Q1", [A], SMALL)
        assert postfix.answers(1) == \
            ["451 4.4.2 The line to the customer was lost"]
    else:
        postfix.line.expect("421 4.4.2 The customer's session is over")
    postfix.expect_close()
    daemon.ended("bad-reply", delivered=0)
    assert daemon.tag_state("Q1") == "held"


SENSELESS = [("MAIL", "354 go"), ("RCPT", "354 go"), ("RCPT", "334 go"),
             ("DATA", "250 ok"), ("DATA", "334 go"), ("END", "354 go")]


@pytest.mark.parametrize("plan, stage, reply", [
    (plan, *what) for plan in PLANS for what in SENSELESS
    if (plan, what[0]) != ("chunking", "DATA")])
def test_reply_of_a_class_that_makes_no_sense_ends_the_session(
        daemon, collect, plan, stage, reply):
    daemon.tag("Q1", "example.org")
    collect(plan, **{stage: reply.encode() + b"\r\n"})
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A]) == \
        ["451 4.4.2 The line to the customer was lost"]
    daemon.ended("bad-reply", delivered=0)
    daemon.wait_for_log(f"warning: unexpected reply: {reply}")


@plans
@pytest.mark.parametrize("reply", ["250 ok", "550 no", "220 again", "354 go"])
def test_unasked_reply_ends_the_session(daemon, plan, reply):
    daemon.tag("Q1", "example.org")
    line = ready(daemon, plan)
    postfix = daemon.postfix()
    line.say(reply)
    postfix.expect_close()
    daemon.ended("unasked-reply", delivered=0)
    daemon.wait_for_log(f"warning: unasked for: {reply}")


def test_replies_ahead_of_their_commands_deliver_nothing(daemon):
    """A customer that says 250 to all in advance has taken nothing."""
    daemon.tag("Q1", "example.org")
    line = ready(daemon, "lockstep")
    postfix = daemon.postfix()
    postfix.begin("Q1", [A], SMALL)
    line.expect("MAIL ...")
    line.send(b"250 ok\r\n" * 2 + b"354 go\r\n250 taken\r\n221 bye\r\n")
    assert postfix.answers(1) == \
        ["451 4.4.2 The line to the customer was lost"]
    daemon.ended("unasked-reply", delivered=0)


def test_answer_before_the_end_of_the_body_is_no_answer_to_it(daemon):
    daemon.tag("Q1", "example.org")
    line = ready(daemon, "lockstep")
    postfix = daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send(b"x" * 300_000)
    line.expect("MAIL ...")
    line.say("250 ok")
    line.expect("RCPT ...")
    line.say("250 ok")
    line.expect("DATA")
    line.say("354 go")
    line.take(100_000)
    line.say("250 taken")
    while postfix.line.fill():
        pass
    assert postfix.line.buffer[:1] == b"4"
    daemon.ended("unasked-reply", delivered=0)


def test_text_of_the_customer_cannot_forge_lines(daemon, collect):
    daemon.tag("Q1", "example.org")
    collect(RCPT=b"550 no \x1b[2J \xff\r\n")
    assert daemon.postfix().deliver("Q1", [A]) == ["550 no ?[2J ?"]
    assert daemon.tag_state("Q1", "last_answer") in (None, "550 no ?[2J ?")


@pytest.mark.parametrize("answer", ["221 bye", "421 bye", "500 what", CLOSE,
                                    SILENT])
def test_answer_to_quit_does_not_matter(daemon, collect, answer):
    daemon.tag("Q1", "example.org")
    customer = collect(QUIT=answer)
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A]) == ["250 2.0.0 taken"]
    postfix.expect_close()
    wait_for(lambda: customer.quit, 5, "QUIT")
    # The domain is free again while the customer takes its time.
    assert daemon.sockets() == []
    daemon.wait_for_tag("Q1", "delivered")
    if answer != SILENT:
        customer.join()
        daemon.ended("drained", delivered=1)
