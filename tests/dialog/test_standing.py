# SPDX-License-Identifier: ISC
"""What the operator takes away is not collected any more: by a session that
asks for it, though nobody has told odmrd, and by those that odmrctl tells it to
look at."""

import json
import os
import re

import pytest

from odmr.wait import wait_for
from odmrd_alone import PASSWORD, cram_md5
from scripted_customer import Customer
from scripted_smtpd import Smtpd
from submitting import BODY as SUBMITTED
from submitting import begin, begin_data

BODY = b"Subject: x\r\n\r\nhello\r\n"
DISMISSED = "421 4.7.0 relay.test The operator ends this session"
# What makes alice, who has logged in by her password, unwelcome.
OUSTED = {
    "disabled": ["account", "disable", "alice"],
    "removed": ["account", "remove", "alice"],
    "another password": ["account", "passwd", "alice", "--cram-md5"],
}
# The same while she has example.org.
DEPRIVED = {
    **OUSTED,
    "revoked": ["account", "revoke", "alice", "example.org"],
    "domain removed": ["domain", "remove", "example.org"],
    "another mode": ["domain", "set", "example.org", "--mode", "backup"],
}


def by_name(cases):
    return pytest.mark.parametrize("change", cases.values(), ids=cases)


def untold(daemon, *arguments):
    """odmrctl does so, and cannot tell odmrd."""
    text = (daemon.dir / "odmr.conf").read_text()
    text = re.sub("^(pid_file|control_socket) = .*$", r"\1 = /nonexistent/\1",
                  text, flags=re.MULTILINE)
    (daemon.dir / "mute.conf").write_text(text)
    assert daemon.odmrctl(*arguments, conf="mute.conf",
                          text=PASSWORD + "\n").count("ended") == 0


def told(daemon, *arguments):
    """odmrctl does so; returns (id, account) of the sessions that ended."""
    said = daemon.odmrctl(*arguments, text=PASSWORD + "\n")
    return re.findall("^session (.*) of account (.*) ended$", said,
                      flags=re.MULTILINE)


def lingering(make_daemon, domains="example.org", **settings):
    daemon = make_daemon(**settings)
    daemon.sql("UPDATE account SET linger = 600")
    customer = Customer(daemon.turned(domains))
    wait_for_state(daemon, "lingering")
    return daemon, customer


def wait_for_state(daemon, state, login="alice"):
    wait_for(lambda: daemon.sql("SELECT state FROM session WHERE account = ?",
                                login) == [(state,)], 20, state)


@pytest.fixture
def smtpd():
    server = Smtpd()
    yield server
    server.close()


def submitting(make_daemon, smtpd):
    daemon = make_daemon(submission="yes", submission_server=smtpd.address)
    smtpd.transcript = daemon.transcript
    return daemon


# ---- nobody told odmrd


@pytest.mark.parametrize("next_one", ["eve", "none"])
@pytest.mark.parametrize("command", ["ATRN example.org", "ATRN", "TURN",
                                     "ETRN example.org"])
def test_session_of_a_removed_account_gets_nothing_of_the_next(
        make_daemon, command, next_one):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    line = daemon.known("none")
    untold(daemon, "account", "remove", "none")
    untold(daemon, "account", "add", next_one)
    untold(daemon, "account", "grant", next_one, "example.org")
    line.say(command)
    line.expect(DISMISSED)
    line.expect_close()
    daemon.wait_for_log("ended account=none", "reason=withdrawn")


@by_name(OUSTED)
@pytest.mark.parametrize("command", ["ATRN example.org", "ATRN", "TURN",
                                     "ETRN backup.test", "MAIL FROM:<a@b.c>"])
def test_what_lets_alice_in_is_asked_for_at_each_command(
        make_daemon, smtpd, command, change):
    daemon = submitting(make_daemon, smtpd)
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    untold(daemon, *change)
    line.say(command)
    line.expect(DISMISSED)
    line.expect_close()
    assert not smtpd.was_asked()
    assert daemon.flushed() == []


def test_second_message_is_refused_after_the_account_is_disabled(
        make_daemon, smtpd):
    daemon = submitting(make_daemon, smtpd)
    line, server = begin_data(daemon, smtpd)
    line.send(SUBMITTED)
    server.take(len(SUBMITTED))
    server.say("250 2.0.0 Ok: queued")
    line.expect("250 2.0.0 Ok: queued")
    untold(daemon, *OUSTED["disabled"])
    line.say("MAIL FROM:<a@example.org>")
    line.expect(DISMISSED)
    server.expect("QUIT")


def test_mail_is_451_while_the_database_is_missing(make_daemon, smtpd):
    daemon = submitting(make_daemon, smtpd)
    line = daemon.known()
    (daemon.dir / "odmr.db").rename(daemon.dir / "away")
    line.say("MAIL FROM:<a@b.c>")
    line.expect("451 4.3.0 Cannot submit mail now, try again later")
    daemon.wait_for_log("error: MAIL: ", "odmr.db: missing")
    (daemon.dir / "away").rename(daemon.dir / "odmr.db")
    line.say("MAIL FROM:<a@b.c>")
    smtpd.hello().expect("MAIL FROM:<a@b.c>")


def test_client_that_goes_while_its_mail_is_asked_for_harms_nobody(
        make_daemon, smtpd):
    daemon = submitting(make_daemon, smtpd)
    for _ in range(20):
        line = daemon.known()
        line.say("MAIL FROM:<a@b.c>")
        line.hang_up()
    line = daemon.known()
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_socket_of_a_long_domain_is_not_given_to_the_next(make_daemon):
    daemon = make_daemon()
    daemon.sql("UPDATE account SET linger = 600")
    old, new = (".".join(["z" * 60] * 2 + [end]) for end in ("old", "new"))
    untold(daemon, "domain", "add", old)
    untold(daemon, "account", "grant", "none", old)
    Customer(daemon.turned(old, "none"))
    wait_for_state(daemon, "lingering", "none")
    untold(daemon, "domain", "remove", old)
    untold(daemon, "domain", "add", new)
    ((socket,),) = daemon.sql("SELECT socket FROM domain WHERE name = ?", new)
    assert re.fullmatch("d[0-9]+", socket)
    assert socket not in daemon.sockets()


# ---- odmrctl tells


@by_name(OUSTED)
def test_idle_session_ends(make_daemon, change):
    daemon = make_daemon()
    line, other = daemon.known(), daemon.known("bob")
    ((_, account),) = told(daemon, *change)
    assert account == "alice"
    line.expect(DISMISSED)
    line.expect_close()
    daemon.wait_for_log("ended account=alice", "reason=withdrawn")
    other.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    assert told(daemon, *OUSTED["disabled"]
                if change != OUSTED["removed"] else
                ["account", "disable", "none"]) == []


@by_name(DEPRIVED)
def test_lingering_session_ends_and_its_domain_is_free(make_daemon, change):
    daemon, customer = lingering(make_daemon)
    other = Customer(daemon.turned("shared.test", "bob"))
    ((_, account),) = told(daemon, *change)
    assert account == "alice"
    customer.join()
    assert customer.quit
    daemon.ended("withdrawn", account="alice")
    assert daemon.sockets() == ["shared.test"]
    assert not other.quit


def test_domain_goes_to_its_new_owner_and_to_nobody_else(make_daemon):
    daemon, old = lingering(make_daemon, takeover_wait="60s")
    told(daemon, "domain", "remove", "example.org")
    told(daemon, "domain", "add", "example.org")
    told(daemon, "account", "grant", "bob", "example.org")
    # So Postfix keeps what comes before bob does.
    assert daemon.sockets() == []
    daemon.tag("Q1", "example.org")
    new = Customer(daemon.turned("example.org", "bob"))
    assert daemon.postfix().deliver("Q1", ["r0@example.org"], BODY) == \
        ["250 2.0.0 taken"]
    assert new.bodies() == [BODY]
    old.join()
    assert old.bodies() == []


def test_message_in_flight_is_finished_and_no_other_begins(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = Customer(daemon.turned())
    postfix, idle = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", ["r0@example.org"])
    postfix.line.send(b"Subject: x\r\n")
    assert len(told(daemon, *DEPRIVED["revoked"])) == 1
    idle.expect_close()
    assert daemon.sockets() == []
    assert told(daemon, *OUSTED["disabled"]) == []  # it ends already
    postfix.line.send(b"\r\nhello\r\n.\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [BODY]
    daemon.ended("withdrawn", delivered=1)
    daemon.wait_for_tag("Q1", "delivered")
    assert daemon.tag_state("Q2") == "held"


def test_revoking_another_domain_ends_nothing(make_daemon):
    daemon, customer = lingering(make_daemon)
    assert told(daemon, "account", "revoke", "alice", "example.net") == []
    assert not customer.quit


def test_session_that_waits_for_a_domain_loses_it(make_daemon):
    daemon = make_daemon(takeover_wait="60s")
    daemon.tag("Q1", "shared.test")
    daemon.turned("shared.test")  # says nothing
    line = daemon.known("bob")
    while True:
        line.say("ATRN shared.test")
        wait_for(lambda: " waiting " in daemon.odmrctl("sessions") or
                 line.pending(), 20, "it waits")
        ended = told(daemon, "account", "revoke", "bob", "shared.test")
        if ended:
            break
        # Alice's host has acknowledged her last line only now.
        line.expect("450 4.3.2 ...")
        told(daemon, "account", "grant", "bob", "shared.test")
    assert [account for _, account in ended] == ["bob"]
    line.expect(DISMISSED)


# Lists nothing, once it may go on.
SLOW_POSTQUEUE = """\
#!/bin/sh
touch {dir}/listing
while test ! -e {dir}/go; do sleep 0.02; done
"""


def test_atrn_that_was_looked_up_before_the_change_is_looked_up_again(
        make_daemon):
    daemon = make_daemon(reconcile_interval="60s")
    daemon.postqueue(SLOW_POSTQUEUE)
    line = daemon.known()
    line.say("ATRN shared.test")
    wait_for((daemon.dir / "listing").exists, 20,
             "the grant is found, the tags are compared with the queue")
    assert told(daemon, "account", "revoke", "alice", "shared.test") == []
    daemon.tag("Q1", "shared.test")
    (daemon.dir / "go").touch()
    line.expect("450 4.7.0 shared.test is not yours to collect")


def test_submitted_message_gets_its_answer_before_the_session_ends(
        make_daemon, smtpd):
    daemon = submitting(make_daemon, smtpd)
    line, server = begin_data(daemon, smtpd)
    line.send(SUBMITTED)
    server.take(len(SUBMITTED))
    assert len(told(daemon, *OUSTED["disabled"])) == 1
    assert told(daemon, *OUSTED["disabled"]) == []
    assert not line.pending()
    server.say("250 2.0.0 Ok: queued")
    line.expect("250 2.0.0 Ok: queued")
    line.expect(DISMISSED)
    line.expect_close()


@pytest.mark.parametrize("begun, last", [(begin, b"QUIT\r\n"),
                                         (begin_data, b"")])
def test_half_a_submitted_message_is_given_up(make_daemon, smtpd, begun, last):
    daemon = submitting(make_daemon, smtpd)
    line, server = begun(daemon, smtpd)
    assert len(told(daemon, *OUSTED["removed"])) == 1
    line.expect(DISMISSED)
    line.expect_close()
    wait_for(lambda: not server.fill(), 20, "the smtpd's line closes")
    assert server.buffer == last


def test_time_to_linger_changes_while_it_runs(make_daemon):
    daemon, customer = lingering(make_daemon)
    assert told(daemon, "account", "set", "alice", "--linger", "900") == []
    assert told(daemon, "account", "set", "alice", "--linger", "600") == []
    wait_for_state(daemon, "lingering")
    assert told(daemon, "account", "set", "alice", "--linger", "0") == []
    customer.join()
    daemon.ended("linger-over")


def test_account_that_is_not_to_linger_any_more_hears_453(make_daemon):
    daemon = make_daemon()
    daemon.sql("UPDATE account SET linger = 600")
    line = daemon.known()
    daemon.sql("UPDATE account SET linger = 0")
    line.say("ATRN example.org")
    line.expect("453 4.0.0 You have no mail")


def test_second_login_counts_and_not_the_first(make_daemon):
    daemon = make_daemon()
    untold(daemon, "account", "passwd", "bob", "--cram-md5")
    line = daemon.known()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "bob"))
    line.expect("235 2.7.0 Authenticated as bob")
    assert told(daemon, *OUSTED["removed"]) == []
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_what_could_not_be_asked_is_asked_again(make_daemon):
    daemon = make_daemon()
    line = daemon.known()
    untold(daemon, *OUSTED["disabled"])
    (daemon.dir / "odmr.db").rename(daemon.dir / "away")
    control = daemon.control()
    assert control.ask("recheck") == [f"error {daemon.dir}/odmr.db: missing"]
    daemon.wait_for_log("error: cannot ask whether", "odmr.db: missing")
    assert not line.pending()
    (daemon.dir / "away").rename(daemon.dir / "odmr.db")
    line.expect(DISMISSED)


def test_five_hundred_sessions_end_at_once(make_daemon):
    daemon = make_daemon(session_limit_per_account=1000,
                         session_limit_per_address=1000)
    lines = [daemon.connect() for _ in range(500)]
    for line in lines:
        line.say("EHLO customer.test")
    for line in lines:
        line.expect("220 ...")
        line.reply()
        line.say("AUTH CRAM-MD5")
    for line in lines:
        line.say(cram_md5(line.expect("334 ..."), "alice"))
    for line in lines:
        line.expect("235 ...")
    ended = told(daemon, *OUSTED["removed"])
    assert len({session for session, _ in ended}) == 500
    for line in lines:
        line.expect(DISMISSED)
        line.expect_close()


# ---- whether odmrctl reaches odmrd


def test_without_an_odmrd_odmrctl_says_nothing(make_daemon):
    daemon = make_daemon()
    daemon.terminate()
    daemon.wait_for_exit()
    assert daemon.odmrctl(*OUSTED["disabled"]) == ""
    assert json.loads(daemon.odmrctl("sessions", "--json")) == {
        "sessions": [], "strangers": 0}


def test_odmrd_that_runs_and_cannot_be_told_is_said(make_daemon):
    daemon = make_daemon()
    line = daemon.known()
    (daemon.dir / "odmrd.sock").unlink()
    status, said = daemon.odmrctl_fails(*OUSTED["disabled"])
    assert status == os.EX_UNAVAILABLE
    assert f"{daemon.dir}/odmrd.sock: No such file" in said
    line.say("ATRN")
    line.expect(DISMISSED)  # it is done all the same
    status, said = daemon.odmrctl_fails("sessions", "end", "X")
    assert status == os.EX_UNAVAILABLE and "cannot tell odmrd" in said
