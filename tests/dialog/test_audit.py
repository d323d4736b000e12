# SPDX-License-Identifier: ISC
"""When odmrd compares the tags with the queue, and who waits for it."""

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from odmr.wait import wait_for
from scripted_customer import Customer

# {dir}/queue is what it lists, while {dir}/slow is not there; each listing
# leaves a line in {dir}/listed. With {dir}/mute it closes its output.
POSTQUEUE = """\
#!/bin/sh
if test "$3" = -j; then
    echo >>{dir}/listed
    test ! -e {dir}/mute || exec >&- 2>&-
    while test -e {dir}/slow; do sleep 0.02; done
    test ! -e {dir}/broken || exit 69
    exec cat {dir}/queue
fi
echo "$@" >>{dir}/flushed
"""

NO_MAIL = "453 4.0.0 You have no mail"
LATER = "451 4.3.0 Cannot process ATRN now"


@pytest.fixture
def make_provider(make_daemon):
    def make(**settings):
        daemon = make_daemon(reconcile_interval="60s", **settings)
        daemon.postqueue(POSTQUEUE)
        queue(daemon)
        return daemon
    return make


@pytest.fixture
def provider(make_provider):
    return make_provider()


def queue(daemon, *messages):
    """Pairs of a queue id and a recipient."""
    (daemon.dir / "queue").write_text("".join(json.dumps({
        "queue_name": "deferred", "queue_id": queue_id,
        "arrival_time": int(time.time()), "message_size": 500,
        "forced_expire": False, "sender": "s@sender.test",
        "recipients": [{"address": recipient, "delay_reason": "no"}],
    }) + "\n" for queue_id, recipient in messages))


def listings(daemon):
    try:
        return len((daemon.dir / "listed").read_text().splitlines())
    except FileNotFoundError:
        return 0


def atrn(daemon, domains="example.org", login="alice"):
    line = daemon.known(login)
    line.say(f"ATRN {domains}")
    return line


def slow(daemon, yes=True):
    if yes:
        (daemon.dir / "slow").touch()
    else:
        (daemon.dir / "slow").unlink()


def age(daemon, seconds):
    """The last comparison was so long ago."""
    daemon.sql("UPDATE reconciled SET began = ?", int(time.time()) - seconds)


def mark(daemon, seconds):
    """So long ago mail passed without a tag, as the milter says."""
    path = daemon.dir / "odmr.db.untagged"
    path.touch()
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_mail_without_a_tag_is_collected(provider):
    queue(provider, ("Q1", "r0@example.org"))
    line = atrn(provider)
    line.expect("250 2.0.0 OK now reversing the connection")
    customer = Customer(line)
    provider.postfix().deliver("Q1", ["r0@example.org"])
    customer.join()
    provider.ended("drained", delivered=1)
    provider.wait_for_tag("Q1", "delivered")
    provider.wait_for_log("reconciled: listed=1 added=1 ")


def test_tags_that_were_confirmed_lately_are_believed(provider):
    atrn(provider).expect(NO_MAIL)
    provider.wait_for_log("reconciled: listed=0 added=0 ")
    count = listings(provider)
    assert count > 0
    queue(provider, ("Q1", "r0@example.org"))
    for _ in range(3):
        atrn(provider).expect(NO_MAIL)
    assert listings(provider) == count


@pytest.mark.parametrize("log, state", [("", "left"), ("journal", "held")])
def test_what_is_gone_is_not_settled_without_the_journal_that_tells_of_it(
        make_provider, log, state):
    """odmrd may not read it."""
    if subprocess.run(["pkg-config", "--exists", "libsystemd"],
                      check=False).returncode != 0:
        pytest.skip("needs libsystemd")
    provider = make_provider(mail_log=log)
    provider.tag("Q0", "backup.test")
    provider.sql("UPDATE tag SET arrived = arrived - 3600")
    queue(provider, ("Q1", "r0@example.org"))
    atrn(provider).expect("250 2.0.0 OK now reversing the connection")
    provider.wait_for_log("reconciled: listed=1 added=1 ")
    assert provider.sql("SELECT queue_id, state FROM tag ORDER BY 1") == [
        ("Q0", state), ("Q1", "held")]


def test_reconcile_of_another_process_counts(provider):
    age(provider, 30)
    atrn(provider).expect(NO_MAIL)
    assert listings(provider) == 0
    age(provider, 61)
    atrn(provider).expect(NO_MAIL)
    assert listings(provider) > 0


@pytest.mark.parametrize("marked", [29, 89])
def test_mail_marked_as_untagged_has_the_tags_compared_at_once(provider, marked):
    """A message may be a minute on its way into the queue."""
    age(provider, 30)
    atrn(provider).expect(NO_MAIL)
    assert listings(provider) == 0
    mark(provider, marked)
    queue(provider, ("Q1", "r0@example.org"))
    atrn(provider).expect("250 2.0.0 OK now reversing the connection")


def test_mark_that_is_older_than_the_last_comparison_counts_no_more(provider):
    mark(provider, 100)
    age(provider, 30)
    atrn(provider).expect(NO_MAIL)
    assert listings(provider) == 0


def test_clock_that_went_back_does_not_stop_comparing(provider):
    age(provider, -100000)
    atrn(provider).expect(NO_MAIL)
    assert listings(provider) > 0


def test_reconcile_interval_0_never_compares(make_daemon):
    daemon = make_daemon(reconcile_interval="0")
    daemon.postqueue(POSTQUEUE)
    queue(daemon, ("Q1", "r0@example.org"))
    atrn(daemon).expect(NO_MAIL)
    assert listings(daemon) == 0


def test_one_comparison_serves_all_who_wait(provider):
    slow(provider)
    lines = [atrn(provider)]
    wait_for(lambda: listings(provider), 5, "a listing")
    lines += [atrn(provider, domain, login) for domain, login in
              (("example.net", "alice"), ("shared.test", "bob"), ("", "evil"))]
    slow(provider, False)
    for line in lines:
        line.expect(NO_MAIL)
    assert len(provider.logged("reconciled: ")) == 1


def test_mail_that_is_tagged_does_not_wait_for_a_comparison(provider):
    slow(provider)
    waiting = atrn(provider, "shared.test", "bob")
    wait_for(lambda: listings(provider), 5, "a listing")
    provider.tag("Q1", "example.org")
    line = atrn(provider)
    line.expect("250 2.0.0 OK now reversing the connection")
    assert not waiting.pending()
    slow(provider, False)
    waiting.expect(NO_MAIL)


def test_a_hundred_clients_at_once_cost_one_comparison(make_provider):
    daemon = make_provider(session_limit_per_address="200",
                           session_limit_per_account="200")
    slow(daemon)
    queue(daemon, ("Q1", "r0@shared.test"))
    lines = [daemon.known() for _ in range(100)]
    for line in lines:
        line.say("ATRN example.org")
    wait_for(lambda: listings(daemon), 5, "a listing")
    for line in lines[::3]:
        line.hang_up()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_log("reloaded")
    slow(daemon, False)
    for number, line in enumerate(lines):
        if number % 3 != 0:
            line.expect(NO_MAIL)
    assert len(daemon.logged("reconciled: ")) == 1


def test_client_that_goes_while_it_waits_does_no_harm(provider):
    slow(provider)
    queue(provider, ("Q1", "r0@example.org"))
    line = atrn(provider)
    wait_for(lambda: listings(provider), 5, "a listing")
    line.hang_up()
    provider.wait_for_log("ended account=alice", "reason=lost")
    slow(provider, False)
    provider.wait_for_log("reconciled: listed=1 added=1 ")
    assert provider.sockets() == []


def test_slow_listing_keeps_a_client_for_ten_seconds_only(provider):
    slow(provider)
    queue(provider, ("Q1", "r0@example.org"))
    begin = time.monotonic()
    line = atrn(provider)
    line.expect(NO_MAIL)
    assert time.monotonic() - begin > 9
    slow(provider, False)
    provider.wait_for_log("reconciled: listed=1 added=1 ")
    line.say("ATRN example.org")
    line.expect("250 2.0.0 OK now reversing the connection")


def test_failing_postqueue_means_later_until_it_works_again(provider):
    (provider.dir / "broken").touch()
    queue(provider, ("Q1", "r0@example.org"))
    atrn(provider).expect(LATER)
    provider.wait_for_log("warning: reconcile: ", "postqueue")
    count = listings(provider)
    line = atrn(provider)
    line.expect(LATER)
    assert listings(provider) == count
    (provider.dir / "broken").unlink()
    answers = []

    def turned():
        poll = atrn(provider)
        answers.append(poll.line())
        if answers[-1] == LATER:
            poll.hang_up()
        return answers[-1] != LATER
    wait_for(turned, 30, "another answer")
    assert answers[-1] == "250 2.0.0 OK now reversing the connection"


def test_tags_without_mail_are_settled_in_the_background(make_provider):
    daemon = make_provider(drain_wait="1s")
    daemon.tag("Q1", "example.org")
    daemon.sql("UPDATE tag SET arrived = arrived - 1000")
    customer = Customer(daemon.turned())
    customer.join()
    daemon.ended("tags-without-mail", delivered=0)
    daemon.wait_for_tag("Q1", "left")
    daemon.wait_for_log("reconcile is due: tags without mail")


def test_background_comparison_waits_for_its_time(make_provider):
    daemon = make_provider(drain_wait="1s")
    age(daemon, 57)
    (began,), = daemon.sql("SELECT began FROM reconciled")
    daemon.tag("Q1", "example.org")
    daemon.sql("UPDATE tag SET arrived = arrived - 1000")
    Customer(daemon.turned()).join()
    daemon.ended("tags-without-mail", delivered=0)
    daemon.wait_for_tag("Q1", "left")
    # That a comparison was made is written down at its very end.
    later = wait_for(lambda: daemon.sql(
        "SELECT began FROM reconciled WHERE began != ?", began), 20,
        "the end of the comparison")
    assert later[0][0] - began >= 60


def test_delivered_mail_without_a_tag_has_the_tags_compared(provider):
    provider.tag("Q1", "example.org")
    customer = Customer(provider.turned())
    postfix = provider.postfix()
    postfix.deliver("Q2", ["r0@example.org"])
    postfix.deliver("Q1", ["r0@example.org"])
    customer.join()
    provider.wait_for_log("reconcile is due: mail without a tag")
    provider.wait_for_log("reconciled: listed=0 ")


def test_tagged_mail_alone_never_has_the_tags_compared(provider):
    for i in range(5):
        provider.tag(f"Q{i}", "example.org")
    customer = Customer(provider.turned())
    postfix = provider.postfix()
    for i in range(5):
        postfix.deliver(f"Q{i}", ["r0@example.org"])
    customer.join()
    provider.ended("drained", delivered=5)
    assert listings(provider) == 0
    assert not provider.logged("reconcile")


def test_locked_database_is_never_no_mail(provider):
    queue(provider, ("Q1", "r0@example.org"))
    slow(provider)
    line = atrn(provider)
    wait_for(lambda: listings(provider), 5, "a listing")
    lock = sqlite3.connect(provider.dir / "odmr.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.05, slow, (provider, False)).start()
    line.expect(LATER)
    lock.rollback()
    lock.close()


@pytest.mark.parametrize("mute", [False, True])
def test_sigterm_during_a_comparison_ends_odmrd_soon(provider, mute):
    slow(provider)
    if mute:
        (provider.dir / "mute").touch()
    line = atrn(provider)
    wait_for(lambda: listings(provider), 5, "a listing")
    provider.terminate()
    line.expect("421 4.3.2 relay.test is stopping")
    assert provider.wait_for_exit(10) == 0
    slow(provider, False)
