# SPDX-License-Identifier: ISC
"""What the operator sees of a session, and how he ends one."""

import pytest

from odmr.wait import wait_for
from scripted_customer import PLANS, SILENT, Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"


def row(daemon, columns):
    rows = daemon.sql(f"SELECT {columns} FROM session")
    return rows[0] if rows else None


def wait_for_row(daemon, columns, *values):
    wait_for(lambda: row(daemon, columns) == values, 10,
             f"{columns} of the session is {values}")


def end(daemon, login="alice"):
    ((session,),) = wait_for(lambda: daemon.sql(
        "SELECT id FROM session WHERE account = ?", login), 20, "a row")
    assert daemon.odmrctl("sessions", "end", session) == \
        f"{session}: odmrd ends it\n"


def usage(daemon, columns="sessions"):
    return daemon.sql(f"SELECT {columns} FROM session_usage")


def linger(daemon, seconds, login="alice"):
    daemon.sql("UPDATE account SET linger = ? WHERE login = ?", seconds, login)


def test_figures_of_a_session_follow_what_happens_in_it(make_daemon):
    daemon = make_daemon()
    for i in range(1, 6):
        daemon.tag(f"Q{i}", "example.org")
    Customer(daemon.turned(), "lockstep",
             END=["250 2.0.0 taken", "452 4.2.2 full", "550 5.7.1 no", SILENT])
    postfix = daemon.postfix()
    for i in range(1, 4):
        postfix.begin(f"Q{i}", ["r0@example.org"], BODY)
        postfix.answers(1)
    postfix.begin("Q4", ["r0@example.org"], BODY)
    wait_for_row(daemon, "state, attempted, delivered, kept, refused, bytes, "
                 "in_flight", "delivering", 3, 1, 1, 1, len(BODY), 1)
    (rate,) = row(daemon, "rate")
    assert 1 <= rate <= 60


def test_rate_falls_to_zero_while_nothing_comes(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    linger(daemon, 60)
    Customer(daemon.turned())
    daemon.postfix().deliver("Q1", ["r0@example.org"])
    wait_for(lambda: row(daemon, "rate > 0") == (1,), 5, "a rate")
    wait_for(lambda: row(daemon, "state, rate") == ("lingering", 0), 20,
             "no rate")


@pytest.mark.parametrize("plan", PLANS)
def test_message_in_the_middle_is_finished_when_the_session_is_ended(
        make_daemon, plan):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = Customer(daemon.turned(), plan)
    postfix, idle = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", ["r0@example.org"])
    postfix.line.send(b"Subject: x\r\n")
    end(daemon)
    idle.expect_close()
    assert daemon.sockets() == []
    postfix.line.send(b"\r\nhello\r\n.\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [BODY]
    assert customer.quit
    daemon.ended("ended-by-operator", delivered=1)
    daemon.wait_for_tag("Q1", "delivered")
    assert daemon.tag_state("Q2") == "held"


def test_lingering_session_is_ended_and_no_other(make_daemon):
    daemon = make_daemon()
    for login in ("alice", "bob"):
        linger(daemon, 60, login)
    customer = Customer(daemon.turned())
    other = Customer(daemon.turned("shared.test", login="bob"))
    wait_for(lambda: daemon.sql("SELECT count(*) FROM session WHERE "
                                "state = 'lingering'") == [(2,)], 5, "both")
    end(daemon)
    customer.join()
    assert customer.quit
    daemon.ended("ended-by-operator", account="alice")
    wait_for_row(daemon, "account", "bob")
    assert not other.quit


def test_session_to_be_ended_before_its_greeting_is_cut(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    wait_for_row(daemon, "state", "greeting")
    end(daemon)
    line.expect_close()
    daemon.ended("ended-by-operator")


def test_customer_that_does_not_answer_is_left_after_stop_timeout(make_daemon):
    daemon = make_daemon(stop_timeout="1s")
    daemon.tag("Q1", "example.org")
    Customer(daemon.turned(), END=SILENT)
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    wait_for_row(daemon, "in_flight", 1)
    end(daemon)
    wait_for_row(daemon, "state", "ending")
    daemon.ended("stop-timeout", delivered=0)
    assert daemon.process.poll() is None
    assert daemon.tag_state("Q1") == "held"


def test_ended_session_is_in_usage(make_daemon):
    daemon = make_daemon()
    linger(daemon, 60)
    customer = Customer(daemon.turned())
    wait_for_row(daemon, "state", "lingering")
    end(daemon)
    customer.join()
    wait_for(lambda: usage(daemon), 5, "usage")
    ((account, sessions, seconds),) = usage(
        daemon, "account, sessions, seconds")
    assert (account, sessions) == ("alice", 1)
    assert 0 <= seconds <= 10


def test_session_of_a_killed_odmrd_is_in_usage_after_the_next_start(
        make_daemon):
    daemon = make_daemon()
    linger(daemon, 60)
    Customer(daemon.turned())
    wait_for_row(daemon, "state", "lingering")
    daemon.kill()
    daemon.sql("UPDATE session SET since = noted - 33")
    assert usage(daemon) == []
    daemon.start()
    wait_for(lambda: usage(daemon), 5, "usage")
    assert usage(daemon, "account, sessions, seconds") == [("alice", 1, 33)]
    assert row(daemon, "id") is None
