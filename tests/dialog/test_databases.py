# SPDX-License-Identifier: ISC
"""A database that is missing or damaged means "later", and odmrd goes on by
itself when it is back. One that is locked delays tags, and nothing else."""

import os
import sqlite3

import pytest

from odmr.wait import wait_for
from odmrd_alone import cram_md5, plain
from scripted_customer import Customer

CANNOT = "451 4.3.0 Cannot process ATRN now"
CANNOT_AUTH = "451 4.3.0 Cannot authenticate now, try again later"


@pytest.fixture(params=["missing", "damaged", "empty"])
def spoil(request, daemon):
    """A function that spoils the database and returns one that mends it."""
    def begin():
        path = daemon.dir / "odmr.db"
        kept = daemon.dir / "kept.db"
        # What the log of a database in WAL mode holds must be in the copy.
        daemon.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        os.rename(path, kept)
        if request.param == "damaged":
            path.write_bytes(b"this is no database, whatever it is" * 100)
        elif request.param == "empty":
            path.touch()
        return lambda: os.rename(kept, path)
    return begin


def authenticate(line, login="alice"):
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), login))


def test_auth_is_451_without_the_database_and_recovers(daemon, spoil):
    mend = spoil()
    line = daemon.greeted()
    authenticate(line)
    line.expect(CANNOT_AUTH)
    daemon.wait_for_log("refused: AUTH CRAM-MD5", "odmr.db")
    mend()
    authenticate(line)
    line.expect("235 2.7.0 Authenticated as alice")


def test_plain_is_451_without_the_database(daemon, spoil):
    mend = spoil()
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('alice')}")
    line.expect(CANNOT_AUTH)
    mend()
    line.say(f"AUTH PLAIN {plain('alice')}")
    line.expect("235 2.7.0 Authenticated as alice")


@pytest.mark.parametrize("command", ["ATRN example.org", "ATRN"])
def test_atrn_is_451_without_the_database_and_recovers(
        daemon, spoil, command):
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    mend = spoil()
    line.say(command)
    line.expect(CANNOT)
    daemon.wait_for_log("error: ATRN:", "odmr.db")
    assert daemon.sockets() == []
    mend()
    line.say(command)
    line.expect("250 2.0.0 OK now reversing the connection")


def lock(daemon):
    """Nobody else writes."""
    db = sqlite3.connect(daemon.dir / "odmr.db", isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    return db


def test_atrn_is_answered_while_another_writes(daemon):
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    locked = lock(daemon)
    line.say("ATRN example.org")
    line.expect("250 2.0.0 OK now reversing the connection")
    locked.close()


def test_mail_flows_while_the_database_is_locked(daemon, collect):
    """Tags are an index: they wait, the messages do not."""
    daemon.tag("Q1", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    locked = lock(daemon)
    assert postfix.deliver("Q1", ["r0@example.org"]) == ["250 2.0.0 taken"]
    daemon.wait_for_log(" tags wait: ", "odmr.db", "locked")
    assert daemon.tag_state("Q1") == "held"
    locked.close()
    daemon.wait_for_tag("Q1", "delivered")
    customer.join()
    daemon.ended("drained", delivered=1)


def test_mail_flows_while_the_database_is_missing(daemon, collect):
    daemon.tag("Q1", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    daemon.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("odmr.db", "odmr.db-wal", "odmr.db-shm"):
        if (daemon.dir / name).exists():
            os.rename(daemon.dir / name, daemon.dir / ("kept." + name))
    assert postfix.deliver("Q1", ["r0@example.org"]) == ["250 2.0.0 taken"]
    daemon.wait_for_log(" tags wait: ", "odmr.db")
    for name in ("odmr.db-wal", "odmr.db-shm", "odmr.db"):
        if (daemon.dir / ("kept." + name)).exists():
            os.rename(daemon.dir / ("kept." + name), daemon.dir / name)
    daemon.wait_for_tag("Q1", "delivered")
    customer.join()


def test_session_ends_though_the_database_stays_locked(make_daemon):
    daemon = make_daemon(drain_wait="1s", stop_timeout="1s")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned())
    postfix = daemon.postfix()
    locked = lock(daemon)
    postfix.deliver("Q1", ["r0@example.org"])
    wait_for(lambda: daemon.logged("tags wait"), 10, "tags wait")
    daemon.terminate()
    assert daemon.wait_for_exit() == 0
    daemon.wait_for_log("error: tags not settled, reconcile is due")
    customer.join()
    locked.close()
