# SPDX-License-Identifier: ISC
"""Whatever dies, and when, no mail is lost: it is in the provider's queue or
at the customer."""

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from odmr.wait import wait_for
from party import SENDER, text

# Much more than all buffers of the path hold.
BIG = 12 << 20
SOME = 1 << 20
LINE = b"%0900d\n"
# Postfix adds no header to this, whoever sends it.
COMPLETE = b"""\
From: alice@sender.test
To: bob@customer.test
Date: Sat, 1 Jan 2000 00:00:00 +0000
Message-Id: <1@sender.test>

hello
"""


def big(number, size=BIG):
    return text(number, b"".join(LINE % n for n in range(size // 901)))


@pytest.fixture(scope="module", autouse=True)
def impatient(sandbox):
    """odmrd waits one second for a silent Postfix, not five."""
    with Path(sandbox.conf).open("a") as conf:
        conf.write("drain_wait = 1s\n")
    sandbox.restart("odmrd")


@pytest.fixture
def halfway(party, make_sluice):
    """A session in the middle of a large message, and held there."""
    party.send(big(1))
    party.wait_until_held(1)
    sluice = make_sluice(SOME)
    fetchmail = party.begin(port=sluice.port)
    sluice.wait_until_full()
    assert party.arrived() == {}
    return party, sluice, fetchmail


def processes(program, provider):
    """The process ids of a program of the provider's Postfix."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(proc / "cwd") == f"{provider.directory}/spool" and \
                    os.readlink(proc / "exe").endswith(f"/{program}"):
                found.append(int(proc.name))
    return found


def sockets(provider):
    return {path.name for path in
            (provider.directory / "spool" / "odmr").iterdir()}


def expect_kept(party, count=1):
    """In the queue, tagged as held, and not at the customer."""
    assert sum(party.queued().values()) == count
    assert party.held() == count
    assert party.arrived() == {}


# ---- someone dies in the middle of a message

def test_odmrd_killed_in_mid_message_loses_nothing(halfway):
    party, sluice, fetchmail = halfway
    provider = party.provider
    assert party.domain in sockets(provider)
    os.kill(provider.pid("odmrd"), signal.SIGKILL)
    sluice.open()
    party.finish(fetchmail)
    expect_kept(party)
    provider.restart("odmrd")
    assert sockets(provider) == {"milter"}
    assert provider.status()["sessions"] == []
    assert party.sessions() == []

    party.send(text(2))
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=2)


def test_odmrd_killed_before_it_heard_the_answer_loses_nothing(
        party, policy):
    """The customer has it then, and gets it once more."""
    def kill(_):
        pid = party.provider.pid("odmrd")
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: party.provider.pid("odmrd") is None, 10,
                     "odmrd's end")

    policy.at_end = kill
    party.send(text(1))
    party.wait_until_held(1)
    party.collect()
    assert sum(party.queued().values()) == party.held() == 1
    policy.clear()
    party.provider.restart("odmrd")
    assert party.collect() == 0
    party.expect_nothing_held()
    party.expect_session(delivered=1)
    times = wait_for(lambda: sum(map(len, party.arrived().values())), 20,
                     "the message")
    party.expect_arrived(party.sent * times)
    assert times in (1, 2)


def test_fetchmail_killed_before_odmrd_heard_the_answer_loses_nothing(
        party, policy):
    """The same, but odmrd lives and must not take silence for consent."""
    running = []

    def kill(_):
        running[0].process.kill()
        party.session()

    party.send(text(1))
    party.wait_until_held(1)
    policy.at_end = kill
    running.append(party.begin())
    party.finish(running[0])
    party.expect_session(delivered=0, kept=1, reason="lost")
    policy.clear()
    party.wait_until_held(1)
    [tag] = party.tags()
    assert tag["attempts"] == 1
    assert party.collect() == 0
    party.expect_nothing_held()
    party.expect_session(delivered=1, count=2)
    times = wait_for(lambda: sum(map(len, party.arrived().values())), 20,
                     "the message")
    party.expect_arrived(party.sent * times)
    assert times in (1, 2)


def test_fetchmail_killed_in_mid_message_loses_nothing(halfway):
    party, sluice, fetchmail = halfway
    fetchmail.process.kill()
    party.finish(fetchmail)
    sluice.open()
    session = party.session()
    assert (session["delivered"], session["reason"]) == ("0", "lost")
    party.wait_until_held(1)
    expect_kept(party)
    assert sockets(party.provider) == {"milter"}
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=1, count=2)


def test_the_customers_server_stopped_in_mid_message_loses_nothing(halfway):
    party, sluice, fetchmail = halfway
    party.server.halt()
    sluice.open()
    try:
        party.finish(fetchmail)
        assert party.session()["delivered"] == "0"
        party.wait_until_held(1)
    finally:
        party.server.start()
    expect_kept(party)
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=1, count=2)


def test_an_lmtp_killed_in_mid_message_neither_hangs_nor_loses(halfway):
    """A dead delivery agent told flush(8) nothing: the session asks for the
    message by its id."""
    party, sluice, fetchmail = halfway
    provider = party.provider
    for pid in processes("lmtp", provider):
        os.kill(pid, signal.SIGKILL)
    provider.wait_for_log("lmtp pid", "killed by signal 9")
    sluice.open()
    assert party.finish(fetchmail).status == 0
    party.expect_all_collected()
    party.expect_session(delivered=1)


def test_postfix_stopped_and_started_in_mid_message_loses_nothing(halfway):
    party, sluice, fetchmail = halfway
    party.provider.restart("postfix")
    sluice.open()
    assert party.finish(fetchmail).status == 0
    party.expect_all_collected()
    party.expect_session(delivered=1)


# ---- databases and the milter

@contextlib.contextmanager
def away(path):
    """The database is missing meanwhile."""
    path = Path(path)
    hidden = path.with_suffix(".away")
    path.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(path)


@contextlib.contextmanager
def locked(path):
    """Somebody else writes to the database, and does not come to an end."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def unhurried(party, policy):
    """The customer's server waits with its answers until Postfix has taken up
    all that there is."""
    def all_active(_):
        wait_for(lambda: all(message["queue_name"] == "active"
                             for message in party.queue()), 20, "a flush")
    policy.at_rcpt = all_active


@pytest.mark.usefixtures("unhurried")
def test_mail_is_taken_and_kept_while_the_milter_is_gone(party):
    provider = party.provider
    os.kill(provider.pid("milter"), signal.SIGTERM)
    wait_for(lambda: provider.pid("milter") is None, 10, "the milter's end")
    try:
        party.send(text(1))
        provider.sendmail(SENDER, [f"bob@{party.domain}"], COMPLETE)
        party.note([f"bob@{party.domain}"], COMPLETE)
        party.wait_until_tried(2)
    finally:
        provider.restart("milter")
    assert party.held() == 0
    # With mail that has a tag comes the other as well.
    party.send(text(3))
    party.wait_until_tried(3)
    wait_for(lambda: party.held() == 1, 20, "an open tag")
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=3)


@pytest.mark.usefixtures("unhurried")
def test_a_missing_database_refuses_no_mail_and_nobody_for_good(party):
    party.send(text(1))
    party.wait_until_held(1)
    with away(party.provider.env["DATABASE"]):
        party.send(text(2))
        party.wait_until_tried(2)
        result = party.finish(party.begin())
        assert "SMTP< 451 4.3.0 " in result.transcript
        assert party.sessions() == []
        assert sum(party.queued().values()) == 2
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=2)


def test_a_locked_database_delays_no_mail_and_loses_no_tag(party):
    provider = party.provider
    party.send(text(1), text(2))
    party.wait_until_held(2)
    with locked(provider.env["DATABASE"]):
        start = time.monotonic()
        party.send(text(3))
        assert time.monotonic() - start < 20
        fetchmail = party.begin()
        party.expect_arrived()
        assert party.held() == 2
        assert party.sessions() == []
    assert party.finish(fetchmail).status == 0
    party.expect_all_collected()
    party.expect_session(delivered=3)


# ---- memory

def peak_memory(pid):
    """VmHWM in bytes."""
    [line] = [line for line in
              Path(f"/proc/{pid}/status").read_text().splitlines()
              if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_a_message_of_50_mb_needs_no_memory_to_speak_of(party):
    provider = party.provider
    party.send(text(1))
    party.wait_until_held(1)
    party.collect()
    party.expect_all_collected()
    party.send(big(2, 50 << 20))
    party.wait_until_held(1)
    pid = provider.pid("odmrd")
    before = peak_memory(pid)
    assert party.collect() == 0
    grown = peak_memory(pid) - before
    party.expect_all_collected()
    party.expect_session(delivered=1, count=2)
    assert int(party.session(2)["bytes"]) > 50 << 20
    # A sanitizer keeps what was freed.
    if b"__asan_init" not in Path(f"/proc/{pid}/exe").read_bytes():
        assert grown < 8 << 20
