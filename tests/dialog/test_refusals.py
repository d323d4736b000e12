# SPDX-License-Identifier: ISC
"""What the customer's server says: 4xx, 5xx and 421 at every point, and how
Postfix hears it for each recipient."""

import threading

import pytest

from odmr.wait import wait_for
from scripted_customer import PLANS, Customer

SETTINGS = {"message_buffer": "4k"}
A, B, C = "a@example.org", "b@example.org", "c@example.org"
LOST = "451 4.4.2 The line to the customer was lost"
LARGE = (b"z" * 98 + b"\r\n") * 2000

plans = pytest.mark.parametrize("plan", PLANS)
codes = pytest.mark.parametrize("code", ["452 4.3.1 full", "550 5.7.1 spam"])
# A text with no enhanced code, as old servers have, and one of many lines.
odd_codes = pytest.mark.parametrize("code, heard", [
    ("550 no such user here", "550 no such user here"),
    ("550-5.1.1 first\r\n550-5.1.1 second\r\n550 5.1.1 third",
     "550 5.1.1 first 5.1.1 second 5.1.1 third"),
    ("451", "451 "), ("451 ", "451 "), ("552-\r\n552 x", "452 x"),
    ("550 5.1.1 caf\xe9 \x07 bell", "550 5.1.1 caf? ? bell"),
])


def check_tag(daemon, queue_id, answers):
    """The tag says what Postfix was told."""
    kept = sum(answer[0] == "4" for answer in answers)
    taken = sum(answer[0] == "2" for answer in answers)
    state = "held" if kept else "delivered" if taken else "refused"
    daemon.wait_for_tag(queue_id, (state, kept, taken, 1),
                        "state, rcpts_open, delivered, attempts")


# ---- the greeting and EHLO -------------------------------------------------


@pytest.mark.parametrize("greeting", ["554 no service", "421 busy", "250 hm",
                                      "554-no\r\n554 service"])
def test_greeting_that_is_no_220_ends_the_session(daemon, greeting):
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    postfix = daemon.postfix(hello=False)
    customer = Customer(line, GREETING=greeting)
    customer.join()
    daemon.ended("closed-by-customer" if greeting[:3] == "421" else
                 "greeting-refused", delivered=0)
    postfix.line.expect("421 4.4.2 ...")
    assert daemon.flushed() == []
    assert customer.commands == []
    assert daemon.tag_state("Q1") == "held"


@pytest.mark.parametrize("answer", [
    {"GREETING": "220 relay.test ESMTP"},
    {"GREETING": "220 mail ESMTP", "EHLO": "250-Relay.Test\r\n250 SIZE"},
], ids=["greeting", "ehlo"])
def test_line_that_leads_back_to_us_is_left_and_the_mail_stays(daemon, answer):
    """Otherwise Postfix returns it as going round."""
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), **answer)
    daemon.ended("loop", delivered=0)
    customer.join()
    assert daemon.logged(": mail for example.org loops back to this host: "
                         "127.0.0.1 is called ")
    assert daemon.tag_state("Q1") == "held"


@plans
def test_greeting_of_many_lines_is_fine(daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    customer = collect(plan, GREETING="220-customer.test\r\n220-is very\r\n"
                       "220 talkative")
    assert daemon.postfix().deliver("Q1", [A]) == ["250 2.0.0 taken"]
    customer.join()


@pytest.mark.parametrize("reply", ["450 later", "421 busy", "354 hm"])
def test_ehlo_answered_4xx_ends_the_session(daemon, collect, reply):
    daemon.tag("Q1", "example.org")
    customer = collect(EHLO=reply)
    customer.join()
    daemon.wait_for_log(": session account=alice", "delivered=0")
    assert customer.commands == ["EHLO relay.test"]
    assert daemon.flushed() == []


@pytest.mark.parametrize("reply", ["500 what", "502 no", "550-no\r\n550 no"])
def test_ehlo_answered_5xx_falls_back_to_helo(daemon, collect, reply):
    daemon.tag("Q1", "example.org")
    customer = collect("lockstep", EHLO=reply)
    postfix = daemon.postfix()
    assert postfix.extensions[1] == "ENHANCEDSTATUSCODES"
    assert postfix.deliver("Q1", [A, B]) == ["250 2.0.0 taken"] * 2
    customer.join()
    assert customer.commands == [
        "EHLO relay.test", "HELO relay.test", "MAIL FROM:<s@sender.test>",
        f"RCPT TO:<{A}>", f"RCPT TO:<{B}>", "DATA", "QUIT"]
    daemon.ended("drained", plan="lockstep")


@pytest.mark.parametrize("reply", ["450 later", "550 no", "421 busy"])
def test_helo_refused_too_ends_the_session(daemon, collect, reply):
    daemon.tag("Q1", "example.org")
    collect(EHLO="500 what", HELO=reply).join()
    daemon.wait_for_log(": session account=alice", "delivered=0")


# ---- refusals of messages --------------------------------------------------


@plans
@codes
def test_refused_at_mail(daemon, collect, plan, code):
    daemon.tag("Q1", "example.org", recipients=2)
    daemon.tag("Q2", "example.org")
    customer = collect(plan, MAIL=[code])
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A, B]) == [code] * 2
    check_tag(daemon, "Q1", [code] * 2)
    assert postfix.deliver("Q2", [C]) == ["250 2.0.0 taken"]
    customer.join()
    assert len(customer.accepted) == 1
    kept = int(code[0] == "4")
    daemon.ended("drained", delivered=1, kept=kept, refused=1 - kept)


@plans
@codes
def test_refused_at_one_recipient(daemon, collect, plan, code):
    daemon.tag("Q1", "example.org", recipients=3)
    daemon.tag("Q2", "example.org")
    customer = collect(plan, **{f"RCPT {B}": code})
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", [A, B, C])
    assert answers == ["250 2.0.0 taken", code, "250 2.0.0 taken"]
    check_tag(daemon, "Q1", answers)
    postfix.deliver("Q2", [C])
    customer.join()
    assert [m.recipients for m in customer.accepted] == [
        [f"TO:<{A}>", f"TO:<{C}>"], [f"TO:<{C}>"]]


@plans
def test_refused_at_all_recipients_with_different_answers(
        daemon, collect, plan):
    daemon.tag("Q1", "example.org", recipients=3)
    daemon.tag("Q2", "example.org")
    wanted = ["550 5.1.1 a", "450 4.2.1 b", "551 5.1.6 c"]
    customer = collect(plan, **{"RCPT " + name: answer for name, answer in
                                zip((A, B, C), wanted)})
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", [A, B, C])
    assert answers == wanted
    check_tag(daemon, "Q1", answers)
    # The connection and the customer are in order for the next message.
    assert postfix.deliver("Q2", ["d@example.org"]) == ["250 2.0.0 taken"]
    customer.join()
    assert len(customer.accepted) == 1


@plans
@pytest.mark.parametrize("body", [b"small\r\n", LARGE], ids=["small", "large"])
def test_no_recipient_taken_but_the_customer_wants_a_body(
        daemon, collect, plan, body):
    """354 although no recipient was taken, as some servers do."""
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect(plan, DATA="354 go", **{f"RCPT {A}": "550 5.1.1 no"})
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A], body) == ["550 5.1.1 no"]
    assert postfix.deliver("Q2", [B], body) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [body]


@pytest.mark.parametrize("plan", ["pipelining", "lockstep"])
@codes
def test_refused_at_data(daemon, collect, plan, code):
    daemon.tag("Q1", "example.org", recipients=2)
    daemon.tag("Q2", "example.org")
    customer = collect(plan, DATA=[code], **{f"RCPT {A}": ["550 5.1.1 no"]})
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", [A, B], LARGE)
    assert answers == ["550 5.1.1 no", code]
    check_tag(daemon, "Q1", answers)
    assert postfix.deliver("Q2", [C]) == ["250 2.0.0 taken"]
    customer.join()
    assert len(customer.accepted) == 1


@plans
@codes
@pytest.mark.parametrize("body", [b"small\r\n", LARGE], ids=["small", "large"])
def test_refused_at_the_end(daemon, collect, plan, code, body):
    daemon.tag("Q1", "example.org", recipients=2)
    daemon.tag("Q2", "example.org")
    customer = collect(plan, END=[code], **{f"RCPT {A}": ["450 4.2.1 no"]})
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", [A, B], body)
    assert answers == ["450 4.2.1 no", code]
    check_tag(daemon, "Q1", answers)
    assert postfix.deliver("Q2", [C]) == ["250 2.0.0 taken"]
    customer.join()
    assert len(customer.accepted) == 1


@codes
def test_refused_at_a_chunk_in_the_middle(daemon, collect, code):
    daemon.tag("Q1", "example.org", recipients=2)
    daemon.tag("Q2", "example.org")
    customer = collect("chunking", BDAT=[None, "250 ok", code])
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", [A, B], LARGE)
    assert answers == [code] * 2
    check_tag(daemon, "Q1", answers)
    assert postfix.deliver("Q2", [C], LARGE) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [LARGE]


@plans
@odd_codes
def test_odd_replies_come_through_in_one_line(
        daemon, collect, plan, code, heard):
    daemon.tag("Q1", "example.org")
    collect(plan, **{f"RCPT {A}": code})
    assert daemon.postfix().deliver("Q1", [A]) == [heard]
    check_tag(daemon, "Q1", [heard])


@plans
def test_very_long_refusal_is_cut_not_dropped(daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    collect(plan, **{f"RCPT {A}": "550 5.1.1 " + "x" * 3000})
    [answer] = daemon.postfix().deliver("Q1", [A])
    assert answer.startswith("550 5.1.1 xxx")
    assert len(answer) <= 512 + 4


@plans
def test_kept_message_stays_held_with_attempts_and_last_answer(
        daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    customer = collect(plan, END="452 4.3.1 disk full")
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A]) == ["452 4.3.1 disk full"]
    customer.join()
    daemon.ended("drained", delivered=0, kept=1)
    assert daemon.tag_state(
        "Q1", "state, rcpts_open, attempts, last_answer") == \
        ("held", 1, 1, "452 4.3.1 disk full")
    assert daemon.sql("SELECT sum(collected) FROM domain_count") == [(0,)]
    # The next session brings it.
    customer = collect(plan)
    daemon.postfix().deliver("Q1", [A])
    customer.join()
    assert daemon.tag_state(
        "Q1", "state, rcpts_open, attempts, last_answer") == \
        ("delivered", 0, 2, "250 2.0.0 taken")


@plans
def test_mail_that_was_kept_is_not_flushed_again_in_the_session(
        daemon, collect, plan):
    for i in range(10):
        daemon.tag(f"Q{i}", "example.org")
    customer = collect(plan, END=["451 4.7.1 grey", None] * 5)
    postfix = daemon.postfix()
    answers = [postfix.deliver(f"Q{i}", [A])[0][:3] for i in range(10)]
    assert answers == ["451", "250"] * 5
    customer.join()
    daemon.ended("drained", delivered=5, kept=5)
    # None, where the session was over before its turn to ask came.
    assert len(daemon.flushed()) <= 1


# ---- 421 -------------------------------------------------------------------

STAGES = [(plan, stage) for plan in PLANS for stage in
          ("MAIL", "RCPT", "DATA", "BDAT", "END")
          if stage != ("DATA" if plan == "chunking" else "BDAT")
          and (plan, stage) != ("chunking", "BDAT")]


@pytest.mark.parametrize("plan, stage", STAGES)
def test_421_to_a_message_gives_its_reason_to_postfix(
        daemon, collect, plan, stage):
    daemon.tag("Q1", "example.org", recipients=2)
    customer = collect(plan, **{stage: "421 4.3.2 going down"})
    postfix = daemon.postfix()
    postfix.begin("Q1", [A, B], b"small\r\n")
    # Never a 421, which would be about the connection of Postfix.
    assert postfix.answers(2) == ["451 4.3.2 going down"] * 2
    postfix.expect_close()
    daemon.ended("closed-by-customer", delivered=0)
    daemon.wait_for_log("customer closes: 4.3.2 going down")
    customer.join()
    daemon.wait_for_tag("Q1", ("held", 2, 1), "state, rcpts_open, attempts")
    assert not customer.accepted


@pytest.mark.parametrize("plan, stage", [*STAGES, ("chunking", "BDAT")])
def test_421_within_a_large_message_keeps_it(daemon, collect, plan, stage):
    daemon.tag("Q1", "example.org", recipients=2)
    customer = collect(plan, **{stage: "421 4.3.2 going down"})
    postfix = daemon.postfix()
    try:
        postfix.begin("Q1", [A, B], LARGE)
    except ConnectionError:
        pass  # the body need not be read to its end
    while postfix.line.fill():
        pass
    answers = postfix.line.buffer.decode().splitlines()
    assert all(answer[0] == "4" for answer in answers), answers
    daemon.ended("closed-by-customer", delivered=0)
    customer.join()
    assert daemon.tag_state("Q1", "state, rcpts_open") == ("held", 2)
    assert not customer.accepted


@plans
def test_421_between_messages_ends_the_session(daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect(plan)
    postfix = daemon.postfix()
    postfix.deliver("Q1", [A])
    customer.line.say("421 4.3.2 going down")
    postfix.expect_close()
    daemon.ended("closed-by-customer", delivered=1)
    daemon.wait_for_log("unasked for: 421 4.3.2 going down")
    assert daemon.tag_state("Q2") == "held"


def test_421_with_transactions_behind_it_keeps_them_all(daemon, collect):
    for i in range(5):
        daemon.tag(f"Q{i}", "example.org")
    begun = threading.Event()

    def on_end(_body):
        assert begun.wait(10)
        return None
    customer = collect("chunking", END=[on_end, "421 4.3.2 going down"])
    postfixes = [daemon.postfix() for _ in range(5)]
    for i, postfix in enumerate(postfixes):
        postfix.begin(f"Q{i}", [A], b"body\r\n")
    begun.set()
    answers = [postfix.line.line() for postfix in postfixes]
    assert answers == ["250 2.0.0 taken", "451 4.3.2 going down",
                       LOST, LOST, LOST]
    customer.join()
    assert len(customer.accepted) == 1
    # Those that go back to Postfix with the line count as kept.
    daemon.ended("closed-by-customer", delivered=1, kept=4)


# ---- true answers of pipelined transactions --------------------------------


@plans
def test_each_refusal_leaves_the_next_transaction_a_known_state(
        daemon, collect, plan):
    """The scripted customer refuses what comes out of order: every kind of
    refusal is followed by every other."""
    kinds = {
        "mail": {"MAIL": "550 5.7.1 mail"}, "rcpt": {"RCPT": "550 5.1.1 rcpt"},
        "end": {"END": "554 5.6.0 end"}, "ok": {},
        "chunk": {"BDAT": "552 5.3.4 chunk"},
    }
    order = [(one, two) for one in kinds for two in kinds]
    names = [kind for pair in order for kind in pair]
    for i in range(len(names)):
        daemon.tag(f"Q{i}", "example.org")
    answers = {}
    for i, kind in enumerate(names):
        for stage, reply in kinds[kind].items():
            # By sender, and for RCPT by recipient: both name the message.
            answers[f"{stage} m{i}@example.org"] = reply
    customer = collect(plan, **answers)
    postfixes = [daemon.postfix() for _ in range(10)]
    wanted = {kind: next(iter(reply.values()), "250 2.0.0 taken")
              for kind, reply in kinds.items()}
    if plan != "chunking":
        wanted["chunk"] = "250 2.0.0 taken"
    for start in range(0, len(names), 10):
        batch = list(enumerate(names))[start:start + 10]
        for postfix, (i, _) in zip(postfixes, batch):
            postfix.begin(f"Q{i}", [f"m{i}@example.org"], LARGE,
                          sender=f"m{i}@example.org")
        heard = [postfix.line.line() for postfix, _ in zip(postfixes, batch)]
        assert heard == [wanted[kind] for _, kind in batch]
    customer.join()
    wait_for(lambda: not daemon.sockets(), 5, "the session ends")


def test_pipelining_customer_gets_each_message_in_a_group_behind_the_last(
        daemon):
    """RFC 2920 3.1: MAIL, RCPT and DATA come in one group. The end of a
    message may share one with the next, but many servers refuse, drop or store
    what stands behind a dot."""
    for i in range(2):
        daemon.tag(f"Q{i}", "example.org")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.send(b"250-customer.test\r\n250 PIPELINING\r\n")
    one, two = daemon.postfix(), daemon.postfix()
    group = b"MAIL FROM:<s@sender.test>\r\n" + \
        f"RCPT TO:<{A}>\r\nDATA\r\n".encode()
    one.begin("Q0", [A], b"one\r\n")
    wait_for(lambda: line.pending() and group == line.buffer, 5, "a group")
    line.buffer = b""
    two.begin("Q1", [A], b"two\r\n")
    line.send(b"250 ok\r\n250 ok\r\n354 go\r\n")
    line.expect("one")
    line.expect(".")
    daemon.postfix()  # greeted: what came before it was taken in
    assert not line.pending(), "something stands behind the dot"
    line.send(b"250 taken\r\n")
    wait_for(lambda: line.pending() and line.buffer == group, 5,
             "the next group")
    line.buffer = b""
    line.send(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert one.answers(1) == ["250 taken"]
    line.expect("two")
    line.expect(".")
    line.say("250 taken")
    assert two.answers(1) == ["250 taken"]
    line.expect("QUIT")


def test_chunking_customer_gets_messages_without_waiting(daemon):
    for i in range(3):
        daemon.tag(f"Q{i}", "example.org")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.send(b"250-customer.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
    postfixes = [daemon.postfix() for _ in range(3)]
    for i, postfix in enumerate(postfixes):
        postfix.begin(f"Q{i}", [A], b"body %d\r\n" % i)
        if i:
            line.expect("RSET")
        line.play(f"""
            P: MAIL FROM:<s@sender.test>
            P: RCPT TO:<{A}>
            P: BDAT 8 LAST
            P: body {i}
        """)
    line.send(b"250 ok\r\n250 ok\r\n250 taken 0\r\n")
    line.send(b"250 reset\r\n550 no\r\n503 need MAIL\r\n503 need MAIL\r\n")
    line.send(b"250 reset\r\n250 ok\r\n250 ok\r\n452 full\r\n")
    assert [postfix.line.line() for postfix in postfixes] == \
        ["250 taken 0", "550 no", "452 full"]
    line.expect("QUIT")
