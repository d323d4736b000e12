# SPDX-License-Identifier: ISC
"""Mail that the milter did not see, and tags whose mail is gone: the customer
gets what is in the queue, whatever the tags say."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from odmr.wait import wait_for
from party import text

AGO = 100000


@pytest.fixture(scope="module", autouse=True)
def impatient(sandbox):
    """odmrd waits one second for a silent Postfix, not five."""
    with Path(sandbox.conf).open("a") as conf:
        conf.write("drain_wait = 1s\n")
    sandbox.restart("odmrd")


def sql(provider, statement, *values):
    with contextlib.closing(
            sqlite3.connect(provider.env["DATABASE"], timeout=20)) as db, db:
        return db.execute(statement, values).fetchall()


def outdate(provider):
    """Nobody has compared the tags with the queue for a long time, and longer
    ago the milter was started."""
    sql(provider, "UPDATE reconciled SET began = ?", int(time.time()) - AGO)
    os.utime(provider.env["DATABASE"] + ".untagged", (1, 1))


@contextlib.contextmanager
def without_milter(provider):
    os.kill(provider.pid("milter"), signal.SIGTERM)
    wait_for(lambda: provider.pid("milter") is None, 10, "the milter's end")
    try:
        yield
    finally:
        provider.restart("milter")


def reconciled(provider):
    return provider.log_lines(": reconciled: ")


def test_mail_that_came_without_the_milter_is_collected_by_the_next_atrn(party):
    provider = party.provider
    with without_milter(provider):
        party.send(*(text(number) for number in range(5)))
        party.wait_until_tried(5)
    assert party.held() == 0
    outdate(provider)
    assert party.collect() == 0
    party.expect_session(delivered=5)
    party.expect_all_collected()
    assert sql(provider, "SELECT state, count(*) FROM tag WHERE domain = ? "
               "GROUP BY state", party.domain) == [("delivered", 5)]


def test_mail_that_came_during_a_restart_of_the_milter_is_collected_at_once(
        party):
    """Though the tags were compared with the queue just before it came."""
    provider = party.provider
    with without_milter(provider):
        outdate(provider)
        party.send(text(1))
        party.wait_until_tried(1)
        sql(provider, "UPDATE reconciled SET began = ?", int(time.time()))
        fetchmail = party.finish(party.begin())
        assert "You have no mail" in fetchmail.transcript
    # The longer the last comparison took, the longer odmrd waits for the next.
    wait_for(lambda: party.collect() == 0 and party.sessions(), 20,
             "a session")
    party.expect_session(delivered=1)
    party.expect_all_collected()


def test_many_who_poll_in_vain_cost_one_listing_an_interval(make_party):
    parties = [make_party() for _ in range(4)]
    provider = parties[0].provider
    outdate(provider)
    before = len(reconciled(provider))
    for _ in range(2):
        pollers = [(party, party.begin()) for party in parties]
        for party, fetchmail in pollers:
            assert "You have no mail" in party.finish(fetchmail).transcript
    assert len(reconciled(provider)) == before + 1


def test_message_that_the_operator_deleted_is_settled_after_the_session(party):
    provider = party.provider
    party.send(text(1))
    party.wait_until_held(1)
    (message,) = party.queue()
    subprocess.run(["postsuper", "-c", provider.env["POSTFIX_CONFIG"], "-d",
                    message["queue_id"]], check=True, timeout=60,
                   stderr=subprocess.DEVNULL)
    # One that is young may not have got into the queue yet.
    sql(provider, "UPDATE tag SET arrived = arrived - ?", AGO)
    outdate(provider)
    assert party.collect() == 0
    party.expect_session(delivered=0, reason="tags-without-mail")
    wait_for(lambda: party.held() == 0, 20, "no tag is held")
    assert sql(provider, "SELECT state FROM tag WHERE domain = ?",
               party.domain) == [("left",)]
