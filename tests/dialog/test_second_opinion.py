# SPDX-License-Identifier: ISC
"""A 5xx is believed only of a customer that works, or that says it again an
hour later: a half-repaired server must not bounce the backlog."""

import json
import subprocess

import pytest

from odmr.sandbox import BUILD
from scripted_customer import PLANS, Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"
NO = "550 5.1.1 no such user"
SOFT = ["450 4.1.1 no such user (kept for a second opinion)"]


@pytest.fixture
def make_daemon(make_daemon):
    def make(believe_5xx="second-opinion", **settings):
        return make_daemon(believe_5xx=believe_5xx, **settings)
    return make


def refuse(daemon, queue_id="Q1", **answers):
    """One session in which a customer gives these answers to one message."""
    customer = Customer(daemon.turned(), **answers)
    answer = daemon.postfix().deliver(queue_id, ["r0@example.org"], BODY)
    customer.join()
    return answer


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
def test_first_refusal_is_doubted(make_daemon, plan, stage):
    if (plan, stage) == ("chunking", "DATA"):
        stage = "BDAT"
    daemon = make_daemon(drain_wait="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), plan, **{
        "END" if stage == "BDAT" else stage: NO})
    assert daemon.postfix().deliver("Q1", ["r0@example.org"], BODY) == SOFT
    customer.join()
    daemon.ended("drained", delivered=0, kept=1, refused=0)
    daemon.wait_for_log("doubted: queue_id=Q1", "r0@example.org", NO)
    assert daemon.tag_state("Q1", "state, attempts, last_answer") == \
        ("held", 1, SOFT[0])
    assert daemon.tag_state("Q1", "first_5xx_at") is not None


def test_refusal_is_believed_once_the_customer_has_accepted_a_message(
        make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = Customer(daemon.turned(), RCPT=["250 ok", NO])
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", ["r0@example.org"]) == ["250 2.0.0 taken"]
    assert postfix.deliver("Q2", ["r0@example.org"]) == [NO]
    customer.join()
    daemon.ended("drained", delivered=1, refused=1)
    daemon.wait_for_tag("Q2", "refused")


def test_one_accepted_recipient_makes_the_refusal_of_another_believed(
        make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org", recipients=2)
    Customer(daemon.turned(), **{"RCPT__r1@example.org": NO})
    assert daemon.postfix().deliver(
        "Q1", ["r0@example.org", "r1@example.org"]) == ["250 2.0.0 taken", NO]


def earlier(daemon, seconds, columns=("first_5xx_at", "first_5xx_uptime")):
    """So much longer ago was what was doubted."""
    for column in columns:
        daemon.sql(f"UPDATE tag SET {column} = {column} - ?", seconds)


def test_the_same_refusal_an_hour_later_is_believed(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT=NO) == SOFT
    daemon.wait_for_tag("Q1", 1, "attempts")
    assert refuse(daemon, RCPT=NO) == SOFT, "not an hour yet"
    daemon.wait_for_tag("Q1", 2, "attempts")
    earlier(daemon, 3599 - 60)
    assert refuse(daemon, RCPT=NO) == SOFT, "still not"
    daemon.wait_for_tag("Q1", 3, "attempts")
    earlier(daemon, 120)
    assert refuse(daemon, RCPT=NO) == [NO]
    daemon.wait_for_tag("Q1", "refused")


def test_clock_that_was_set_forward_makes_no_refusal_an_hour_old(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT=NO) == SOFT
    daemon.wait_for_tag("Q1", 1, "attempts")
    earlier(daemon, 7200, ["first_5xx_at"])
    assert refuse(daemon, RCPT=NO) == SOFT
    daemon.wait_for_tag("Q1", 2, "attempts")


def test_after_a_restart_of_the_machine_the_time_of_day_counts(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT=NO) == SOFT
    daemon.wait_for_tag("Q1", 1, "attempts")
    earlier(daemon, 7200, ["first_5xx_at"])
    earlier(daemon, -1000000, ["first_5xx_uptime"])
    assert refuse(daemon, RCPT=NO) == [NO]


def test_a_refusal_of_another_message_an_hour_ago_counts_for_nothing(
        make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT=NO) == SOFT
    daemon.wait_for_tag("Q1", 1, "attempts")
    earlier(daemon, 7200)
    daemon.tag("Q2", "example.org")
    customer = Customer(daemon.turned(), RCPT=NO)
    assert daemon.postfix().deliver("Q2", ["r0@example.org"]) == SOFT
    daemon.hang_up()
    assert customer.quit is False


def test_4xx_is_passed_as_it_is(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT="451 4.7.1 greylisted") == \
        ["451 4.7.1 greylisted"]
    assert daemon.tag_state("Q1", "first_5xx_at") is None
    assert not daemon.logged("doubted")


def test_believe_5xx_always_passes_the_first_refusal(make_daemon):
    daemon = make_daemon(believe_5xx="always")
    daemon.tag("Q1", "example.org")
    assert refuse(daemon, RCPT=NO) == [NO]
    daemon.wait_for_tag("Q1", "refused")


def test_unusable_database_means_later_never_no(make_daemon):
    daemon = make_daemon(stop_timeout="1s", drain_wait="1s")
    daemon.tag("Q1", "example.org")
    daemon.sql("UPDATE tag SET first_5xx_at = 1, "
               "first_5xx_uptime = -9999, first_5xx_session = 'OLD'")
    customer = Customer(daemon.turned(), RCPT=NO)
    postfix = daemon.postfix()
    (daemon.dir / "odmr.db").rename(daemon.dir / "moved.db")
    assert postfix.deliver("Q1", ["r0@example.org"]) == SOFT
    (daemon.dir / "moved.db").rename(daemon.dir / "odmr.db")
    customer.join(40)


def test_message_without_a_queue_id_is_doubted(make_daemon):
    daemon = make_daemon(drain_wait="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), RCPT=NO)
    assert daemon.postfix().deliver(None, ["r0@example.org"]) == SOFT
    customer.join()


def test_status_shows_what_is_doubted(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    refuse(daemon, RCPT=NO)
    daemon.wait_for_tag("Q1", 1, "attempts")
    odmrctl = [BUILD / "odmrctl", "-c", daemon.dir / "odmr.conf", "status"]
    text = subprocess.run(odmrctl, capture_output=True, text=True,
                          check=True).stdout
    assert "1 refused by the customer, kept for a second opinion" in text
    [message] = json.loads(subprocess.run(
        [*odmrctl[:-1], "queue", "--json"], capture_output=True,
        check=True).stdout)["messages"]
    assert message["id"] == "Q1" and message["doubted"]


class NoBdat(Customer):
    def _bdat(self, argument):
        self.line.take(int(argument.split(" ")[0]))
        self._give("550 5.7.1 no")


def test_refused_by_bdat_and_taken_by_data_is_no_refusal(make_daemon):
    daemon = make_daemon(drain_wait="1s")
    left = ["Q0", "Q1", "Q2", "Q3"]
    answers = []
    for name in left:
        daemon.tag(name, "example.org")
    while left:
        customer = NoBdat(daemon.turned(), data=True)
        postfix = daemon.postfix()
        answers.append([postfix.deliver(name, ["r0@example.org"], BODY)[0]
                        for name in left])
        customer.join()
        for name in left:
            daemon.wait_for_tag(name, len(answers), "attempts")
        left = [name for name, answer in zip(left, answers[-1])
                if not answer.startswith("250")]
    soft = "450 4.7.1 no (kept for a second opinion)"
    taken = "250 2.0.0 taken"
    assert answers == [[soft] * 4, [taken, soft, taken, taken], [taken]]
    daemon.wait_for_log("workaround: no-chunking account=alice",
                        "BDAT is refused, and DATA is not")
