# SPDX-License-Identifier: ISC
"""odmrctl reconcile beside a real Postfix: the tags come to agree with its
queue, whatever moves in it meanwhile."""

import json
import os
import pwd
import random
import re
import shutil
import smtplib
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from odmr import tags
from odmr.postfix import BARE_LF, LOOPBACK
from odmr.sandbox import BUILD
from odmr.wait import wait_for
from party import text

CONF = Path(__file__).resolve().parents[2] / "postfix-conf"
DAY = 86400


@pytest.fixture
def reconcile(sandbox):
    """A function: what it reports, without what is 0."""
    def run():
        report = json.loads(sandbox.odmrctl("reconcile", "--json"))
        return {name: count for name, count in report.items() if count}
    return run


@pytest.fixture
def sql(sandbox):
    def run(statement, *values):
        with sqlite3.connect(sandbox.env["DATABASE"], timeout=20) as db:
            return db.execute(statement, values).fetchall()
    return run


@pytest.fixture
def states(sql, party):
    """A function: how many tags of the party's domains are in which state."""
    def count():
        return Counter(state for domain in party.domains for state, in sql(
            "SELECT state FROM tag WHERE domain = ?", domain))
    return count


@pytest.fixture
def age(sql, party):
    """A function: moves what has come for the party into the past, by an hour
    of this day or by so many seconds."""
    def back(seconds=None):
        when = "arrived - ?" if seconds else tags.EARLIER
        for domain in party.domains:
            sql(f"UPDATE tag SET arrived = {when} WHERE domain = ?",
                seconds or 3600, domain)
    return back


def postsuper(sandbox, *arguments):
    subprocess.run(["/usr/sbin/postsuper", "-c", sandbox.config, *arguments],
                   check=True, timeout=60, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


@pytest.fixture(autouse=True)
def empty_queue(sandbox):
    yield
    postsuper(sandbox, "-d", "ALL")


def forget(party):
    tags.change(party.provider.env["DATABASE"],
                f"DELETE FROM tag WHERE domain = '{party.domain}'")


def test_mail_that_the_milter_missed_is_collected(party, sql, reconcile):
    party.send(text(1), text(2))
    party.wait_until_held(2)
    forget(party)
    assert party.held() == 0
    report = reconcile()
    assert report["added"] == 2
    assert party.held() == 2
    assert sorted(tag["recipients"] for tag in party.tags()) == [
        [f"r0@{party.domain}"], [f"r1@{party.domain}"]]
    assert party.collect() == 0
    party.expect_all_collected()


def test_sizes_are_those_of_the_queue(party, reconcile):
    party.send(text(1, b"x" * 5000 + b"\n"))
    party.wait_until_held(1)
    reconcile()
    assert [tag["size"] for tag in party.tags()] == [
        message["message_size"] for message in party.queue()]


def test_peak_of_a_day_on_which_mail_just_waits_is_in_usage(
        party, sql, reconcile):
    party.send(text(1), text(2), text(3))
    party.wait_until_held(3)
    reconcile()
    # As if midnight had passed.
    sql("DELETE FROM usage WHERE domain = ?", party.domain)
    reconcile()
    usage = json.loads(party.provider.odmrctl("usage", "--json"))["usage"]
    mine, = (row for row in usage if row["domain"] == party.domain)
    assert (mine["account"], mine["messages"], mine["held_at_peak"]) == (
        party.login, 0, 3)


def test_size_that_the_sender_did_not_tell_is_known_once_it_is_collected(
        party, sql):
    message = text(1, 70 * (b"x" * 70 + b"\n"))
    with smtplib.SMTP(LOOPBACK, party.provider.port, timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail("sender@sender.test")
        smtp.rcpt(f"r@{party.domain}")
        smtp.data(BARE_LF.sub(b"\r\n", message))
        party.note([f"r@{party.domain}"], message)
    party.wait_until_held(1)
    (listed,) = party.queue()
    assert [tag["size"] for tag in party.tags()] == [0]
    assert party.collect() == 0
    party.expect_all_collected()
    ((size,),) = sql("SELECT size FROM tag WHERE domain = ?", party.domain)
    # What a message takes in the queue is a little more or less.
    assert abs(size - listed["message_size"]) < 300
    assert sql("SELECT sum(bytes), sum(delivered_bytes) FROM usage "
               "WHERE domain = ?", party.domain) == [(size, size)]


def test_alias_after_the_milter_comes_out_right(
        sandbox, make_party, reconcile, sql):
    """A virtual alias takes a message to another domain of ours."""
    party = make_party("alias.test", "target.test")
    subprocess.run(
        ["/usr/sbin/postconf", "-c", sandbox.config, "virtual_alias_maps="
         "inline:{ from@alias.test=to@target.test }"], check=True, timeout=60)
    sandbox._command("postfix", "reload")
    party.provider.send("s@sender.test", ["from@alias.test"], text(1))
    wait_for(lambda: sandbox.queued_for("target.test"), 20, "the message")
    sandbox.wait_until_held("alias.test", 1)
    sql("UPDATE tag SET arrived = arrived - 100 WHERE domain = 'alias.test'")
    report = reconcile()
    assert (report["added"], report["changed"]) == (1, 1)
    assert sandbox.status("alias.test")["held"] == 0
    assert sandbox.status("target.test")["held"] == 1
    party.note(["to@target.test"], text(1))
    assert party.collect(domains=["target.test"]) == 0
    party.expect_all_collected()


def test_message_that_the_operator_deleted_has_left(
        sandbox, party, reconcile, states, age):
    party.send(text(1), text(2))
    party.wait_until_held(2)
    postsuper(sandbox, "-d", party.queue()[0]["queue_id"])
    assert "left" not in reconcile()
    assert states() == {"held": 2}
    age()
    assert reconcile()["left"] == 1
    assert states() == {"held": 1, "left": 1}


def test_message_older_than_the_queue_lifetime_has_expired(
        sandbox, party, reconcile, states, age):
    """Which is Postfix's to tell."""
    party.send(text(1))
    party.wait_until_held(1)
    postsuper(sandbox, "-d", "ALL")
    subprocess.run(
        ["/usr/sbin/postconf", "-c", sandbox.config,
         "maximal_queue_lifetime=9d"], check=True, timeout=60)
    age(9 * DAY + 60)
    assert reconcile()["expired"] == 1
    assert states() == {"expired": 1}


def test_tag_that_was_settled_falsely_is_held_and_collected(
        party, sql, reconcile, states):
    party.send(text(1))
    party.wait_until_held(1)
    tags.change(party.provider.env["DATABASE"],
                "UPDATE tag SET state = 'left', settled = unixepoch() - 5 "
                f"WHERE domain = '{party.domain}'")
    assert party.held() == 0
    assert reconcile()["changed"] == 1
    assert states() == {"held": 1}
    assert party.collect() == 0
    party.expect_all_collected()
    assert sql("SELECT sum(messages), sum(delivered), sum(removed) "
               "FROM usage WHERE domain = ?", party.domain) == [(1, 1, 0)]


def test_reason_for_deferral_is_shown_where_postfix_delivers(
        sandbox, reconcile):
    sandbox.add_domain("backup.test", "backup", "[127.0.0.1]:1")
    sandbox.send("s@sender.test", "r@backup.test", text(1))
    wait_for(lambda: any(
        recipient.get("delay_reason") for message in
        sandbox.queued_for("backup.test")
        for recipient in message["recipients"]), 30, "a deferral")
    reconcile()
    tags = json.loads(sandbox.odmrctl(
        "queue", "backup.test", "--json"))["messages"]
    assert "Connection refused" in tags[0]["last_answer"], tags


def test_no_tag_is_settled_while_flushes_move_the_queue(
        sandbox, party, reconcile, states, age):
    """Thousands of messages go from deferred to active and back."""
    count = 2000
    with smtplib.SMTP(LOOPBACK, sandbox.port, timeout=60) as smtp:
        for number in range(count):
            smtp.sendmail("s@sender.test", f"r@{party.domain}", text(number))
    wait_for(lambda: party.held() == count, 60, "all tags")
    age()
    stop, flushes = threading.Event(), []

    def flush():
        while not stop.is_set():
            sandbox.flush(party.domain)
            flushes.append(1)
            stop.wait(0.2)
    flusher = threading.Thread(target=flush)
    flusher.start()
    missed, ends = 0, time.monotonic() + 20
    try:
        while time.monotonic() < ends or not missed:
            assert time.monotonic() < ends + 60, "no listing missed any"
            missed += len(party.queue()) < count
            reconcile()
            assert states() == {"held": count}
    finally:
        stop.set()
        flusher.join()
    print(f"{len(flushes)} flushes, {missed} listings were not whole")


def test_session_beside_it_settles_every_message_itself(
        party, reconcile, states, age, sql):
    """It neither takes away what the session has yet to do, nor holds again
    what it has done."""
    count = 300
    party.send(*map(text, range(count)))
    party.wait_until_held(count)
    reconcile()     # what other tests have left takes its time
    age()
    stop, reports = threading.Event(), []

    def repeat():
        while not stop.is_set():
            reports.append(reconcile())
    runner = threading.Thread(target=repeat)
    runner.start()
    try:
        assert party.collect() == 0
        party.expect_all_collected()
    finally:
        stop.set()
        runner.join()
    assert len(reports) > 1
    assert states() == {"delivered": count}
    assert sql("SELECT sum(delivered), sum(removed) FROM usage "
               "WHERE domain = ?", party.domain) == [(count, 0)]


LAWS = (
    "SELECT domain, held, held_bytes FROM domain_count "
    "WHERE held != 0 OR held_bytes != 0 "
    "EXCEPT SELECT domain, count(*), sum(size) FROM tag "
    "WHERE state = 'held' GROUP BY domain",
    "SELECT domain, count(*), sum(size) FROM tag WHERE state = 'held' "
    "GROUP BY domain EXCEPT SELECT domain, held, held_bytes FROM domain_count",
    "SELECT * FROM usage WHERE min(messages, bytes, delivered, "
    "delivered_bytes, refused, expired, removed) < 0",
    "SELECT domain, sum(messages), sum(bytes) FROM usage WHERE domain != '' "
    "GROUP BY domain HAVING sum(messages) != 0 "
    "EXCEPT SELECT domain, count(*), sum(size) FROM tag GROUP BY domain",
)


def test_killed_at_any_moment_it_leaves_counts_that_agree(
        party, reconcile, states, age, sql, sandbox):
    """Beside the milter, sessions, and another of its kind."""
    count, rounds, seed = 30, 8, int(os.environ.get("SEED", time.time()))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    stop = threading.Event()

    def run():
        return subprocess.Popen(
            [str(BUILD / "odmrctl"), "-c", sandbox.conf, "reconcile"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_again_and_again():
        while not stop.is_set():
            one, other = run(), run()
            stop.wait(chance.uniform(0, 0.4))
            one.kill()
            stop.wait(chance.uniform(0, 0.2))
            other.kill()
            one.wait()
            other.wait()
    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    try:
        for _ in range(rounds):
            party.send(*map(text, range(count)))
            if chance.random() < 0.5:
                age()
            party.collect()
            for law in LAWS:
                assert sql(law) == []
    finally:
        stop.set()
        killer.join()
    while party.queue():
        party.collect()
    reconcile()
    wait_for(lambda: states() == {"delivered": rounds * count}, 10,
             "every tag is delivered")
    for law in LAWS:
        assert sql(law) == []
    assert sql("SELECT sum(messages), sum(delivered), sum(bytes) - "
               "sum(delivered_bytes) FROM usage WHERE domain = ?",
               party.domain) == [(rounds * count, rounds * count, 0)]


# ---- the shipped commands


def cron_command():
    lines = [line for line in (CONF / "odmr.cron").read_text().splitlines()
             if not line.startswith("#") and "reconcile" in line]
    assert len(lines) == 1, lines
    *fields, user, command = lines[0].split(None, 6)
    assert (fields, user) == (["*/5", "*", "*", "*", "*"], "odmr")
    return ["/bin/sh", "-c", command]


def unit_command():
    directives = dict(re.findall(
        r"^(\w+)=(.*)$", (CONF / "odmr-reconcile.service").read_text(),
        re.MULTILINE))
    assert (directives["User"], directives["SupplementaryGroups"]) == \
        ("odmr", "postdrop systemd-journal")
    return ["setpriv", "--no-new-privs", *directives["ExecStart"].split()]


@pytest.mark.parametrize("command", [cron_command, unit_command])
def test_shipped_commands_run_it_as_the_user_of_the_daemons(
        sandbox, party, reconcile, sql, command):
    """With postqueue's group from the beginning: by its set-group-id bit it
    would get it too, but then trusts no configuration but /etc/postfix."""
    copy = sandbox.directory / "odmrctl"
    shutil.copy(BUILD / "odmrctl", copy)
    party.send(text(1))
    party.wait_until_held(1)
    reconcile()  # as root, whose files it must be able to use
    forget(party)
    user = pwd.getpwuid(os.stat(sandbox.env["DATABASE"]).st_uid)
    here = [word.replace("/etc/odmr/odmr.conf", sandbox.conf).replace(
        "/usr/local/sbin/odmrctl", str(copy)) for word in command()]
    done = subprocess.run(
        here, user=user.pw_uid, group="postdrop", extra_groups=[],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert party.held() == 1
