# SPDX-License-Identifier: ISC
"""An account with linger: the drained session stays open for new mail."""

import time

import pytest

from odmr.wait import wait_for
from scripted_customer import PLANS, SILENT, Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"


def lingering(make_daemon, linger=60, **settings):
    daemon = make_daemon(**settings)
    daemon.sql("UPDATE account SET linger = ? WHERE login = 'alice'", linger)
    return daemon


def state(daemon):
    rows = daemon.sql("SELECT state FROM session")
    return rows[0][0] if rows else None


def wait_for_state(daemon, wanted):
    wait_for(lambda: state(daemon) == wanted, 10, f"the session is {wanted}")


@pytest.mark.parametrize("plan", PLANS)
def test_mail_is_pushed_to_a_lingering_customer_at_once(make_daemon, plan):
    daemon = lingering(make_daemon)
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), plan)
    daemon.postfix().deliver("Q1", ["r0@example.org"], BODY)
    wait_for_state(daemon, "lingering")
    for queue_id in ("Q2", "Q3"):
        daemon.tag(queue_id, "example.org")
        assert daemon.postfix().deliver(queue_id, ["r0@example.org"], BODY) \
            == ["250 2.0.0 taken"]
        wait_for_state(daemon, "lingering")
    assert len(customer.accepted) == 3
    assert not customer.quit


def test_atrn_without_mail_is_250_for_an_account_that_lingers(make_daemon):
    daemon = lingering(make_daemon)
    customer = Customer(daemon.turned())
    wait_for_state(daemon, "lingering")
    daemon.wait_for_flushed("example.org")
    assert not customer.quit


def test_linger_ends_so_many_seconds_after_the_last_message(make_daemon):
    daemon = lingering(make_daemon, linger=1)
    begin = time.monotonic()
    customer = Customer(daemon.turned())
    customer.join()
    assert time.monotonic() - begin >= 1
    assert customer.commands == ["EHLO relay.test", "QUIT"]
    daemon.ended("linger-over")


def test_noop_keeps_a_lingering_line_alive(make_daemon):
    daemon = lingering(make_daemon, noop_interval="1s")
    answers = ["250 ok", "500 what is that", "502-many\r\n502 words"]
    customer = Customer(daemon.turned(), NOOP=answers)
    wait_for(lambda: customer.commands.count("NOOP") >= 3, 10, "three NOOPs")
    assert state(daemon) == "lingering"
    assert not customer.faults


def test_mail_right_behind_a_noop_is_delivered(make_daemon):
    daemon = lingering(make_daemon, noop_interval="1s")
    held = []

    def slow(_argument):
        held.append(1)
        wait_for(lambda: len(held) > 1, 10, "the message is on its way")
    customer = Customer(daemon.turned(), "lockstep", NOOP=slow)
    wait_for(lambda: held, 10, "NOOP")
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    held.append(1)
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    assert customer.bodies() == [BODY]
    assert not customer.faults


def test_tags_without_mail_do_not_end_a_lingering_session(make_daemon):
    daemon = lingering(make_daemon, drain_wait="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned())
    wait_for_state(daemon, "lingering")
    daemon.wait_for_flushed("example.org", "example.org")
    assert not customer.quit


def test_lingering_customer_that_drops_is_found_at_once(make_daemon):
    daemon = lingering(make_daemon)
    line = daemon.turned()
    Customer(line)
    wait_for_state(daemon, "lingering")
    line.hang_up()
    daemon.ended("lost")
    assert daemon.sockets() == []


def test_sigterm_says_quit_to_a_lingering_customer(make_daemon):
    daemon = lingering(make_daemon)
    customer = Customer(daemon.turned())
    wait_for_state(daemon, "lingering")
    daemon.terminate()
    customer.join()
    assert customer.quit
    assert daemon.wait_for_exit() == 0
    daemon.ended("stopping")


def test_421_while_lingering_ends_the_session(make_daemon):
    daemon = lingering(make_daemon)
    line = daemon.turned()
    Customer(line)
    wait_for_state(daemon, "lingering")
    line.say("421 idle too long")
    daemon.ended("closed-by-customer")
    assert daemon.sockets() == []


def test_customer_that_does_not_answer_mail_is_not_lingered_on(make_daemon):
    daemon = lingering(make_daemon, customer_timeout="1s")
    Customer(daemon.turned(), MAIL=SILENT)
    wait_for_state(daemon, "lingering")
    answer = daemon.postfix().deliver("Q1", ["r0@example.org"], BODY)
    assert answer[0].startswith("4"), answer
    daemon.ended("timeout")
