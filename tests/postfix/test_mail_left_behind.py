# SPDX-License-Identifier: ISC
"""Mail that a real Postfix has and does not bring at the first flush."""

import os
import signal
from pathlib import Path

import pytest

from odmr.wait import wait_for
from party import text


@pytest.fixture(scope="module", autouse=True)
def impatient(sandbox):
    with Path(sandbox.conf).open("a", encoding="ascii") as conf:
        conf.write("drain_wait = 1s\n")
    sandbox.restart("odmrd")


def spool(provider):
    return Path(provider.directory, "spool")


def process(provider, name):
    """The process of Postfix's daemon `name`."""
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(proc / "exe")).name == name and \
                    os.readlink(proc / "cwd") == str(spool(provider)):
                return int(proc.name)
        except OSError:
            continue
    raise AssertionError(f"no {name}")


def test_mail_is_waited_for_while_the_queue_manager_stands_still(party):
    party.send(*(text(number) for number in range(3)))
    party.wait_until_held(3)
    manager = process(party.provider, "qmgr")
    os.kill(manager, signal.SIGSTOP)
    try:
        fetchmail = party.begin()
        party.provider.wait_for_log("waits for Postfix: ")
    finally:
        os.kill(manager, signal.SIGCONT)
    assert party.finish(fetchmail).status == 0
    party.expect_all_collected()
    party.expect_session(delivered=3)


def test_mail_that_flush_does_not_list_is_brought(party):
    """So it is where a flush met it in the very moment it was deferred."""
    party.send(*(text(number) for number in range(5)))
    party.wait_until_held(5)
    lists = list(spool(party.provider).glob("flush/**/*"))
    assert [path for path in lists if path.is_file()]
    for path in lists:
        if path.is_file():
            path.unlink()
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=5)


def test_customer_whose_odmrd_was_killed_is_back_at_once_and_gets_all(party):
    party.send(*(text(number, b"a line\n" * 2000) for number in range(60)))
    party.wait_until_held(60)
    fetchmail = party.begin()
    wait_for(party.arrived, 30, "the first messages")
    os.kill(party.provider.pid("odmrd"), signal.SIGKILL)
    party.provider.restart("odmrd")
    party.finish(fetchmail)
    assert party.collect() == 0
    wait_for(lambda: not party.queued(), 30, "an empty queue")
    party.expect_nothing_held()
    # What was in flight may have come twice, none of it is missing.
    assert set(party.arrived()) == {name for name, _ in party.sent}
