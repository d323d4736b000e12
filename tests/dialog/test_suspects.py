# SPDX-License-Identifier: ISC
"""What ended a session, or was doubted in it, goes behind all others in the
next, alone and in lock step; what ends sessions again and again is set apart
and named."""

import contextlib
import json
import subprocess

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from scripted_customer import CLOSE, PLANS, Customer
from scripted_line import LineClosed

SETTINGS = {"believe_5xx": "always", "drain_wait": "1s"}
BODY = b"Subject: x\r\n\r\nhello\r\n"
A = "r0@example.org"
BAD = "bad@s.test"


def sender(queue_id):
    return BAD if queue_id.startswith("BAD") else f"{queue_id}@s.test"


def offer(daemon, customer, queue_ids):
    """All are offered at once, each by a Postfix of its own, in this order.
    The customer's session ends by itself; returns the answers."""
    postfixes = {queue_id: daemon.postfix() for queue_id in queue_ids}
    answers = dict.fromkeys(queue_ids)
    for queue_id, postfix in postfixes.items():
        with contextlib.suppress(LineClosed, ConnectionError, AssertionError):
            postfix.begin(queue_id, [A], BODY, sender=sender(queue_id))
    for queue_id, postfix in postfixes.items():
        with contextlib.suppress(LineClosed, ConnectionError):
            answers[queue_id] = postfix.line.line()
    customer.thread.join(30)
    daemon.hang_up()
    assert not customer.faults, customer.faults
    wait_for(lambda: not daemon.sockets() and not daemon.sql(
        "SELECT id FROM session"), 20, "the session ends")
    return answers


def came(customer):
    return [message.mail.split("<")[1].split("@")[0]
            for message in customer.accepted]


def breaking(daemon, plan, stage="END", answer=CLOSE, **more):
    return Customer(daemon.turned(), plan, data=True,
                    **{f"{stage} {BAD}": answer}, **more)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("stage, answer", [
    ("MAIL", CLOSE), ("END", CLOSE), ("END", "421 4.3.0 scanner is down")])
def test_the_others_flow_in_the_next_session(daemon, plan, stage, answer):
    names = ["BAD", *[f"Q{i}" for i in range(6)]]
    for name in names:
        daemon.tag(name, "example.org")
    customer = breaking(daemon, plan, stage, answer)
    offer(daemon, customer, names)
    taken = came(customer)
    daemon.wait_for_tag("BAD", 3, "suspect")
    left = [name for name in names if name not in taken]
    customer = breaking(daemon, plan, stage, answer)
    answers = offer(daemon, customer, left)
    assert sorted(taken + came(customer)) == names[1:]
    assert answers["BAD"][0] == "4"
    # It came last, with nothing in flight beside it.
    assert customer.commands[-1].startswith(("MAIL", "DATA"))
    assert daemon.tag_state("BAD", "state, faults") == ("held", 2)


def test_what_breaks_sessions_again_and_again_is_set_apart_and_named(daemon):
    for i in range(5):
        daemon.tag("BAD" if i == 0 else f"Q{i}", "example.org")
    for i in range(1, 4):
        customer = breaking(daemon, "chunking")
        answers = offer(daemon, customer, ["BAD", f"Q{i}"])
        daemon.wait_for_tag("BAD", i, "faults")
        daemon.sql("DELETE FROM tag WHERE queue_id = 'Q1'")
    customer = breaking(daemon, "chunking")
    answers = offer(daemon, customer, ["BAD", "Q4"])
    customer.join()
    assert answers["BAD"].startswith("450 4.3.0 Set apart"), answers
    assert answers["Q4"] == "250 2.0.0 taken"
    daemon.ended("drained", delivered=1, kept=1)
    assert not any(BAD in row for row in customer.commands)
    odmrctl = [BUILD / "odmrctl", "-c", daemon.dir / "odmr.conf"]
    text = subprocess.run([*odmrctl, "status"], capture_output=True, text=True,
                          check=True).stdout
    assert "1 set apart: sessions broke at them" in text, text
    text = subprocess.run([*odmrctl, "queue"], capture_output=True, text=True,
                          check=True).stdout
    assert "3 sessions broke at it" in text, text
    [message] = json.loads(subprocess.run(
        [*odmrctl, "queue", "--json"], capture_output=True,
        check=True).stdout)["messages"]
    assert message["id"] == "BAD" and message["faults"] == 3
    # After some hours it is tried again.
    daemon.sql("UPDATE tag SET faulted = faulted - 7 * 3600")
    customer = Customer(daemon.turned(), data=True)
    assert offer(daemon, customer, ["BAD"]) == {"BAD": "250 2.0.0 taken"}


def test_a_server_that_is_down_sets_no_message_apart(daemon):
    """Only a session that took other mail says something of a message."""
    daemon.tag("BAD", "example.org")
    for _ in range(5):
        offer(daemon, breaking(daemon, "chunking"), ["BAD"])
    assert daemon.tag_state("BAD", "faults") == 1


def test_an_answer_clears_the_suspicion(daemon):
    daemon.tag("BAD", "example.org")
    offer(daemon, breaking(daemon, "lockstep"), ["BAD"])
    daemon.wait_for_tag("BAD", 3, "suspect")
    offer(daemon, breaking(daemon, "lockstep", "END", "451 4.7.1 grey"),
          ["BAD"])
    daemon.wait_for_tag("BAD", (0, 0), "suspect, faults")


def test_doubted_messages_go_after_the_others(make_daemon):
    daemon = make_daemon(believe_5xx="second-opinion", drain_wait="1s")
    for name in ["BAD", "BAD2"]:
        daemon.tag(name, "example.org")
    customer = breaking(daemon, "chunking", "RCPT", "550 5.7.1 no",
                        RCPT="550 5.1.1 no such user")
    offer(daemon, customer, ["BAD", "BAD2"])
    daemon.wait_for_tag("BAD2", 2, "suspect")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), **{
        f"MAIL {BAD}": "550 5.7.1 not you"})
    answers = offer(daemon, customer, ["BAD", "BAD2", "Q1"])
    # By then it has taken something: the refusals are believed.
    assert answers == {"Q1": "250 2.0.0 taken", "BAD": "550 5.7.1 not you",
                       "BAD2": "550 5.7.1 not you"}


@pytest.mark.parametrize("reply", ["450 4.2.0 later", "501 5.1.3 bad",
                                   "550 5.1.1 no such user"])
def test_each_that_ends_a_session_by_a_refusal_has_its_turn(
        make_daemon, reply):
    """As with msmtpd, which closes at any error."""
    daemon = make_daemon(believe_5xx="second-opinion", drain_wait="1s")
    names = ["BAD0", "BAD1", "BAD2", "Q1", "Q2"]
    for name in names:
        daemon.tag(name, "example.org")

    class Closing(Customer):
        def _mail(self, argument):
            super()._mail(argument)
            if not self.message:
                self.line.sock.shutdown(2)

    refused = []
    good = set()
    for _ in range(5):
        held = {name for name, in daemon.sql(
            "SELECT queue_id FROM tag WHERE state = 'held'")}
        customer = Closing(daemon.turned(), "lockstep",
                           **{f"MAIL {BAD}": reply})
        answers = offer(daemon, customer, [n for n in names if n in held])
        refused += [name for name, answer in answers.items() if answer and
                    name.startswith("BAD") and "4.4.2" not in answer]
        good |= set(came(customer))
    assert good == {"Q1", "Q2"}
    assert {"BAD0", "BAD1", "BAD2"} <= set(refused), refused


def test_good_message_behind_ten_unknown_users_comes_in_the_first_session(
        daemon):
    """Postfix closes after twenty errors: each of these may cost one."""
    errors = []

    def unknown(_argument):
        errors.append(1)
        return "421 4.7.0 too many errors" if len(errors) > 15 else \
            "550 5.1.1 no such user"

    class Counting(Customer):
        def _give(self, answer):
            if isinstance(answer, str) and answer.startswith("554 no valid"):
                errors.append(1)
                if len(errors) > 15:
                    answer = "421 4.7.0 too many errors"
            return super()._give(answer)

    names = [f"U{i}" for i in range(10)]
    for name in [*names, "GOOD"]:
        daemon.tag(name, "example.org")
    customer = Counting(daemon.turned(), **{"RCPT nobody@example.org": unknown})
    postfix = daemon.postfix()
    for name in names:
        assert postfix.deliver(name, ["nobody@example.org"], BODY) == \
            ["550 5.1.1 no such user"]
    assert postfix.deliver("GOOD", [A], BODY) == ["250 2.0.0 taken"]
    customer.join()


def test_more_suspects_than_may_wait_come_all_the_same(daemon):
    """Each that waits holds a process of Postfix: what is too many is kept
    and comes with the next flush."""
    names = [f"S{i:02}" for i in range(40)]
    for name in names:
        daemon.tag(name, "example.org")
    daemon.sql("UPDATE tag SET suspect = 1")
    customer = Customer(daemon.turned(), data=True)
    postfixes = [daemon.postfix() for _ in names]
    for name, postfix in zip(names, postfixes):
        postfix.begin(name, [A], BODY, sender=sender(name))
    answers = [postfix.line.line() for postfix in postfixes]
    assert answers.count("250 2.0.0 taken") == 32
    again = [name for name, answer in zip(names, answers)
             if answer.startswith("450 4.3.0")]
    assert len(again) == 8
    for name in again:
        assert postfixes[0].deliver(name, [A], BODY, sender=sender(name)) == \
            ["250 2.0.0 taken"]
    customer.join()
    daemon.wait_for_log("flushing once more")


def test_few_are_in_flight_after_a_session_that_broke(daemon):
    names = [f"Q{i}" for i in range(9)]
    for name in names:
        daemon.tag(name, "example.org")
    offer(daemon, Customer(daemon.turned(), END=["250 ok", CLOSE]), names[:3])
    daemon.sql("UPDATE tag SET suspect = 0")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.send(b"250-customer.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
    postfixes = [daemon.postfix() for _ in range(6)]
    for name, postfix in zip(names[3:], postfixes):
        postfix.begin(name, [A], BODY, sender=sender(name))
    # The first one in lock step, with DATA; then one at a time.
    for command, reply in [("MAIL", "250 ok"), ("RCPT", "250 ok"),
                           ("DATA", "354 go")]:
        assert line.line().startswith(command)
        daemon.postfix()
        assert not line.pending()
        line.say(reply)
    while line.line() != ".":
        pass
    line.say("250 taken")
    for _ in range(2):
        wait_for(lambda: line.pending() and b"LAST\r\n" in line.buffer, 10,
                 "one more")
        daemon.postfix()
        line.pending()
        assert line.buffer.count(b"MAIL FROM") == 1
        line.buffer = b""
        line.send(b"250 ok\r\n250 ok\r\n250 taken\r\n")


def test_more_are_in_flight_when_some_were_taken_in_a_row(daemon):
    names = [f"Q{i:03}" for i in range(550)]
    for name in names:
        daemon.tag(name, "example.org")
    offer(daemon, Customer(daemon.turned(), END=[CLOSE]), names[:1])
    daemon.sql("UPDATE tag SET suspect = 0")
    most = []

    class Slow(Customer):
        """Looks what else has come before it answers."""
        def _end(self, body):
            self.line.pending()
            most.append(self.line.buffer.count(b"MAIL FROM"))
            super()._end(body)

    daemon.sql("UPDATE workaround SET until = 0 WHERE what = 'no-chunking'")
    customer = Slow(daemon.turned(), data=True)
    postfixes = [daemon.postfix() for _ in range(50)]
    for at in range(0, len(names), len(postfixes)):
        batch = list(zip(names[at:], postfixes))
        for name, postfix in batch:
            postfix.begin(name, [A], BODY, sender=sender(name))
        for _, postfix in batch:
            assert postfix.line.line() == "250 2.0.0 taken"
    customer.join()
    assert max(most[:16]) == 0 and max(most[:32]) <= 1
    wait_for(lambda: not daemon.sql("SELECT 1 FROM workaround WHERE what = "
                                    "'few-in-flight'"), 10, "it is over")
