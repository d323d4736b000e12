# SPDX-License-Identifier: ISC
"""No customer has more of Postfix's deliveries than its share, whatever number
of sessions and domains it has, and none for nothing: it has to get on."""

import threading

import pytest

from odmr.wait import wait_for
from scripted_customer import PLANS, Customer
from slow_line import SlowLine

A = "r0@example.org"
BODY = b"Subject: x\r\n\r\nhello\r\n"
BEYOND = "450 4.3.2 Enough mail of this customer is on its way"
STALLS = "450 4.3.2 The customer stalls"
KIB = 1024


class Gate:
    """An answer that is given when the test says so."""

    def __init__(self, answer=None):
        self.answer = answer
        self.opened = threading.Event()

    def __call__(self, _argument):
        self.opened.wait(60)
        return self.answer

    def open(self):
        self.opened.set()


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open()


def collect(daemon, domain="example.org", login="alice", plan="chunking",
            **answers):
    """A session that is open to mail of one tagged message."""
    daemon.tag(f"T{domain}", domain)
    customer = Customer(daemon.turned(domain, login), plan, **answers)
    wait_for(lambda: domain in daemon.flushed(), 20, "it is ready")
    return customer


def refused_mail(postfix):
    """What MAIL hears, where it is not taken: as Postfix says it, in one group
    with what follows."""
    postfix.line.say("MAIL FROM:<s@s.test>\r\nRCPT TO:<r@example.org>\r\nDATA")
    answer = postfix.line.line()
    for _ in range(2):
        postfix.line.expect("503 5.5.1 Bad sequence of commands")
    return answer


def begin(daemon, number, domain="example.org"):
    """A delivery that is taken, and waits for its answer."""
    postfix = daemon.postfix(domain)
    postfix.begin(f"{domain}{number}", [A], BODY)
    return postfix


def taken(daemon, domain="example.org"):
    """How many deliveries are taken until one is turned away: none of them is
    answered. Returns them, and the one that was not."""
    postfixes = []
    while True:
        postfix = daemon.postfix(domain)
        postfix.line.say("MAIL FROM:<s@s.test>")
        answer = postfix.line.line()
        if answer == BEYOND:
            return postfixes, postfix
        assert answer == "250 2.1.0 Ok"
        postfixes.append(postfix)


def test_account_has_no_more_deliveries_than_its_limit(make_daemon, gate):
    daemon = make_daemon(delivery_limit=2)
    customer = collect(daemon, END=gate)
    first, second = begin(daemon, 1), begin(daemon, 2)
    third = daemon.postfix()
    assert refused_mail(third) == BEYOND
    daemon.wait_for_log("mail is put off: account=alice has 2 deliveries of 2")
    gate.open()
    assert first.answers(1) == second.answers(1) == ["250 2.0.0 taken"]
    # On the connection that was not closed.
    assert third.deliver("Q3", [A]) == ["250 2.0.0 taken"]
    assert len(customer.accepted) == 3


def test_there_is_always_as_much_left_as_an_account_has(make_daemon):
    daemon = make_daemon(delivery_total=12)
    collect(daemon)
    collect(daemon, "shared.test", "bob")
    alices, _ = taken(daemon)
    assert len(alices) == 6
    bobs, _ = taken(daemon, "shared.test")
    assert len(bobs) == 3
    # Who has more than is left gets none, until others have gone.
    alices.pop().close()
    alices.pop().close()
    assert wait_for(lambda: len(taken(daemon, "shared.test")[0]), 20,
                    "bob gets more")
    assert taken(daemon)[0] == []


def test_sessions_of_an_account_have_one_share(make_daemon):
    daemon = make_daemon(delivery_limit=3)
    collect(daemon)
    collect(daemon, "example.net")
    collect(daemon, "shared.test", "bob")
    assert len(taken(daemon)[0]) == 3
    assert taken(daemon, "example.net")[0] == []
    assert len(taken(daemon, "shared.test")[0]) == 3


def test_share_is_free_again_when_deliveries_end_in_any_way(make_daemon, gate):
    daemon = make_daemon(delivery_limit=3)
    collect(daemon, END=gate)
    [one, two, three], beyond = taken(daemon)
    one.close()
    two.line.say("RSET")
    two.line.expect("250 2.0.0 Ok")
    three.line.say("RCPT TO:<r@example.org>\r\nDATA")
    three.line.expect("250 2.1.5 Ok")
    three.line.expect("354 ...")
    three.close()
    beyond.close()
    wait_for(lambda: len(taken(daemon)[0]) == 3, 20, "all of the share")
    gate.open()


def test_what_waits_for_the_greeting_counts_as_well(make_daemon):
    daemon = make_daemon(delivery_limit=2)
    daemon.tag("T", "example.org")
    line = daemon.turned()
    first, second = (daemon.postfix(hello=False) for _ in range(2))
    third = daemon.postfix(hello=False)
    third.line.expect("421 4.3.2 Enough mail of this customer is on its way")
    third.expect_close()
    Customer(line)
    for postfix in (first, second):
        postfix.hello()
        postfix.line.say("MAIL FROM:<s@s.test>")
        postfix.line.expect("250 2.1.0 Ok")
    assert refused_mail(daemon.postfix()) == BEYOND


def test_what_is_put_off_counts_as_well(make_daemon, gate):
    daemon = make_daemon(delivery_limit=2, drain_wait="1s")
    daemon.tag("Q1", "example.org")
    daemon.sql("UPDATE tag SET suspect = 3, faults = 1, faulted = 1")
    customer = collect(daemon, END=gate)
    put_off, other = begin_as(daemon, "Q1"), begin(daemon, 2)
    assert refused_mail(daemon.postfix()) == BEYOND
    gate.open()
    assert other.answers(1) == put_off.answers(1) == ["250 2.0.0 taken"]
    assert [message.mail.split("<")[1].split("@")[0]
            for message in customer.accepted] == ["s", "late"]


def begin_as(daemon, queue_id):
    postfix = daemon.postfix()
    postfix.begin(queue_id, [A], BODY, sender="late@s.test")
    return postfix


def test_what_was_turned_away_is_asked_for_when_half_is_through(make_daemon,
                                                                gate):
    daemon = make_daemon(delivery_limit=4)
    last = Gate()
    answers = {"s2": gate, "s3": gate, "s4": last, "s5": last}
    collect(daemon, **{f"END {name}@s.test": answer
                       for name, answer in answers.items()})
    names = [f"s{number}" for number in range(1, 6)]
    postfixes = []
    for name in names:
        postfixes.append(daemon.postfix())
        postfixes[-1].begin(name, [A], BODY, sender=f"{name}@s.test")
        if name == "s1":
            assert postfixes[0].answers(1) == ["250 2.0.0 taken"]
    assert refused_mail(daemon.postfix()) == BEYOND
    wait_for(lambda: daemon.flushed() == ["example.org"], 20, "the flush")
    gate.open()
    wait_for(lambda: daemon.flushed() == ["example.org"] * 2, 20,
             "another flush, while two are in flight")
    last.open()
    for postfix in postfixes[1:]:
        assert postfix.answers(1) == ["250 2.0.0 taken"]


# ---- progress ---------------------------------------------------------------


@pytest.mark.parametrize("plan", PLANS)
def test_what_waits_for_a_customer_that_stalls_goes_back(make_daemon, plan,
                                                         gate):
    daemon = make_daemon(stall_time="1s", message_buffer="4k",
                         session_buffer="64k", dequeue_mode="lockstep")
    customer = collect(daemon, plan=plan, data=True, MAIL=gate)
    for name in ("Q1", "Q2", "Q3"):
        daemon.tag(name, "example.org")
    first, second, third = (daemon.postfix() for _ in range(3))
    first.begin("Q1", [A], BODY)
    wait_for(lambda: customer.commands[-1].startswith("MAIL"), 20, "MAIL")
    second.begin("Q2", [A], BODY)
    # More than the buffer holds: the rest is read for nothing.
    third.begin("Q3", [A], BODY * 4000)
    assert second.answers(1) == third.answers(1) == [STALLS]
    assert refused_mail(second) == BEYOND
    gate.open()
    assert first.answers(1) == ["250 2.0.0 taken"]
    # Not tried is not attempted, and it comes again.
    assert daemon.tag_state("Q2", "state, attempts") == ("held", 0)
    wait_for(lambda: daemon.flushed()[1:], 20, "another flush")
    assert second.deliver("Q2", [A]) == ["250 2.0.0 taken"]


@pytest.mark.parametrize("plan", ["chunking", "lockstep"])
def test_reply_now_and_then_is_no_progress(make_daemon, plan):
    """Each comes long before customer_timeout."""
    daemon = make_daemon(stall_time="1s", progress_time="2s",
                         progress_rate="1k")

    def slowly(_argument):
        threading.Event().wait(0.2)
    daemon.tag("Q1", "example.org")
    customer = collect(daemon, plan=plan, RCPT=slowly)
    postfix = daemon.postfix()
    postfix.begin("Q1", [f"r{i}@example.org" for i in range(300)], BODY)
    daemon.ended("no-progress", timeout=30, delivered=0)
    assert {answer[:3] for answer in postfix.answers(300)} == {"451"}
    assert not customer.accepted
    # As behind any session that broke.
    daemon.wait_for_tag("Q1", 1, "faults")


def test_body_taken_a_byte_at_a_time_is_no_progress(make_daemon):
    daemon = make_daemon(stall_time="1s", progress_time="2s",
                         progress_rate="1m")
    daemon.tag("Q1", "example.org")
    line = SlowLine(daemon.port, 4 * KIB)
    daemon.port = line.port
    try:
        collect(daemon, plan="pipelining")
        postfix = daemon.postfix()
        postfix.begin("Q1", [A], BODY * 50_000)
        daemon.ended("no-progress", timeout=30, delivered=0)
        # Within the body or behind it.
        assert postfix.answers(1)[0].startswith("4")
    finally:
        line.close()


def test_slow_honest_line_gets_its_large_message(make_daemon):
    """25 MB at 64 kbit/s, which is 125 times the least rate, scaled."""
    daemon = make_daemon(stall_time="1s", progress_time="1s",
                         progress_rate="2k")
    line = SlowLine(daemon.port, 250 * KIB)
    daemon.port = line.port
    try:
        customer = collect(daemon, plan="pipelining")
        postfix = daemon.postfix()
        body = (b"z" * 98 + b"\r\n") * 8000
        assert postfix.deliver("Q1", [A], body) == ["250 2.0.0 taken"]
        assert customer.bodies() == [body]
    finally:
        line.close()


def test_server_that_takes_a_message_now_and_then_is_honest(make_daemon):
    """It scans each for long, and has less than progress_rate on the line."""
    daemon = make_daemon(stall_time="3s", progress_time="3s",
                         progress_rate="10k")

    def slowly(_argument):
        threading.Event().wait(1.0)
    customer = collect(daemon, plan="lockstep", END=slowly)
    postfixes = [begin(daemon, number) for number in range(4)]
    for postfix in postfixes:
        assert postfix.answers(1) == ["250 2.0.0 taken"]
    assert len(customer.accepted) == 4


def test_postfix_that_is_slow_is_not_the_customers_fault(make_daemon):
    daemon = make_daemon(stall_time="1s", progress_time="1s",
                         progress_rate="1m", message_buffer="4k")
    customer = collect(daemon, plan="pipelining")
    postfix = daemon.postfix()
    postfix.envelope("Q1", [A])
    postfix.line.send((b"x" * 98 + b"\r\n") * 200)
    wait_for(lambda: "DATA" in customer.commands, 20, "the body flows")
    threading.Event().wait(2.5)  # the pause itself, not a wait for anything
    postfix.line.send(b"the rest\r\n.\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
