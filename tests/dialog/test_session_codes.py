# SPDX-License-Identifier: ISC
"""A 5xx about the session, our commands or the server is never a refusal of
the message, whatever the hour (odmrd/delivery/refusal.c)."""

import pytest

from scripted_customer import PLANS, Customer

SETTINGS = {"believe_5xx": "always", "drain_wait": "1s"}
BODY = b"Subject: x\r\n\r\nhello\r\n"
A, B = "a@example.org", "b@example.org"

ENDS = ["500 what", "502 5.5.1 no", "503 5.5.1 Bad sequence", "521 5.3.2 no",
        "530 5.7.0 Authentication first", "534 5.7.9 weak", "535 no",
        "538 5.7.11 encrypt", "550 5.7.8 who"]
# But to BDAT, which has no argument to refuse.
ARGUMENTS = ["501 5.5.4 bad", "504 no"]
GOES_ON = ["555 5.5.4 no", "550 5.5.0 no",
           "554 5.7.0 no", "554 5.3.1 full", "554 5.3.2 closed",
           "554 5.3.5 loop"]
STAGES = [(plan, stage) for plan in PLANS
          for stage in ("MAIL", "RCPT", "DATA", "END")
          if (plan, stage) != ("chunking", "DATA")]
stages = pytest.mark.parametrize("plan, stage", STAGES)


def one_message(daemon, customer, queue_id="Q1"):
    try:
        answers = daemon.postfix().deliver(queue_id, [A], BODY)
    finally:
        customer.thread.join(30)
    return answers


@stages
def test_reply_about_the_session_ends_it_and_the_mail_stays(
        daemon, collect, plan, stage):
    for number, code in enumerate(ENDS):
        daemon.sql("DELETE FROM workaround")
        queue_id = f"{stage}{number}"
        daemon.tag(queue_id, "example.org")
        customer = collect(plan, **{stage: code})
        [answer] = one_message(daemon, customer, queue_id)
        assert answer[0] == "4", (code, answer)
        daemon.wait_for_tag(queue_id, ("held", 1), "state, attempts")
        daemon.wait_for_log("no refusal of the message", queue_id, code)
        assert not customer.quit, "the session goes on"
        daemon.sql("DELETE FROM tag")
    assert len(daemon.logged(" reason=out-of-step")) == len(ENDS)


@stages
def test_reply_about_our_command_or_the_server_keeps_mail_and_session(
        daemon, collect, plan, stage):
    codes = GOES_ON + ([] if (plan, stage) == ("chunking", "END")
                       else ARGUMENTS)
    for queue_id in [f"{stage}{number}" for number in range(len(codes))] + \
            ["GOOD"]:
        daemon.tag(queue_id, "example.org")
    customer = collect(plan, **{stage: [*codes]})
    postfix = daemon.postfix()
    for number, code in enumerate(codes):
        [answer] = postfix.deliver(f"{stage}{number}", [A], BODY)
        assert answer[0] == "4", (code, answer)
        daemon.wait_for_tag(f"{stage}{number}", "held")
    assert postfix.deliver("GOOD", [A], BODY) == ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained", delivered=1, kept=len(codes))


@pytest.mark.parametrize("code", ["503 5.5.1 no", "554 5.7.0 no"])
def test_the_same_reply_an_hour_later_is_no_refusal_either(make_daemon, code):
    daemon = make_daemon(believe_5xx="second-opinion", drain_wait="1s")
    daemon.tag("Q1", "example.org")
    for attempt in range(1, 3):
        daemon.sql("UPDATE tag SET first_5xx_at = first_5xx_at - 7200, "
                   "first_5xx_uptime = first_5xx_uptime - 7200")
        customer = Customer(daemon.turned(), "lockstep", RCPT=code)
        [answer] = one_message(daemon, customer)
        assert answer[0] == "4"
        daemon.wait_for_tag("Q1", ("held", attempt), "state, attempts")
    assert daemon.tag_state("Q1", "first_5xx_at") is None


def test_what_must_come_behind_a_refusal_says_nothing_of_the_session(
        daemon, collect):
    """503 and 554 behind a refused MAIL or RCPT in the same stream."""
    for i in range(3):
        daemon.tag(f"Q{i}", "example.org")
    customer = collect("chunking", **{
        "MAIL one@s.test": "550 5.7.1 not you", f"RCPT {B}": "550 5.1.1 no"})
    postfix = daemon.postfix()
    assert postfix.deliver("Q0", [A], BODY, sender="one@s.test") == \
        ["550 5.7.1 not you"]
    assert postfix.deliver("Q1", [B], BODY) == ["550 5.1.1 no"]
    assert postfix.deliver("Q2", [A], BODY) == ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained", delivered=1, refused=2)


def test_552_to_rcpt_is_452_and_the_others_get_the_message(daemon, collect):
    daemon.tag("Q1", "example.org", 2)
    customer = collect(**{f"RCPT {B}": "552 5.5.3 too many recipients"})
    assert daemon.postfix().deliver("Q1", [A, B], BODY) == \
        ["250 2.0.0 taken", "452 4.5.3 too many recipients"]
    customer.join()
    daemon.wait_for_tag("Q1", ("held", 1), "state, rcpts_open")


def test_server_that_has_enough_recipients_is_named_no_more(daemon, collect):
    names = [f"r{i}@example.org" for i in range(10)]
    daemon.tag("Q1", "example.org", 10)
    customer = collect("lockstep", RCPT=[
        "250 ok", "250 ok", "452 4.5.3 too many recipients"])
    answers = daemon.postfix().deliver("Q1", names, BODY)
    customer.join()
    assert [answer[:3] for answer in answers] == ["250"] * 2 + ["452"] * 8
    named = [row for row in customer.commands if row.startswith("RCPT")]
    assert len(named) == 3


def test_message_that_is_too_large_for_the_customer_gets_a_second_opinion(
        make_daemon):
    """Postfix would return it at once if it knew the SIZE."""
    daemon = make_daemon(believe_5xx="second-opinion", drain_wait="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), offers=["SIZE 10", "PIPELINING"],
                        plan="pipelining", MAIL="552 5.3.4 too large")
    postfix = daemon.postfix()
    assert "SIZE" in postfix.extensions
    assert postfix.deliver("Q1", [A], BODY) == \
        ["452 4.3.4 too large (kept for a second opinion)"]
    customer.join()
    daemon.wait_for_tag("Q1", "held")
