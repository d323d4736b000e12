# SPDX-License-Identifier: ISC
"""ATRN: who may collect what, and what the command looks like."""

import pytest

from odmr.wait import wait_for
from odmrd_alone import LONG_DOMAIN
from scripted_customer import Customer

NOT_YOURS = "450 4.7.0 {} is not yours to collect"


def test_no_mail_is_453(daemon):
    daemon.known().play("""
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
        C: ATRN
        P: 453 4.0.0 You have no mail
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    assert daemon.sockets() == []


def test_account_without_domains_has_no_mail(daemon):
    daemon.known("none").play("""
        C: ATRN
        P: 453 4.0.0 You have no mail
    """)


@pytest.mark.parametrize("login, name", [
    ("alice", "example.org.evil.test"),   # another's, and a neighbour
    ("evil", "example.org"),
    ("alice", "own.test"),
    ("alice", "org.test"),                # nobody's
    ("alice", "sub.example.org"),
    ("carol", "backup.test"),             # theirs, but not for ATRN
    ("carol", "hold.test"),
])
def test_domain_that_may_not_be_collected_is_450(daemon, login, name):
    daemon.tag("Q1", name)
    line = daemon.known(login)
    line.say(f"ATRN {name}")
    line.expect(NOT_YOURS.format(name))
    daemon.wait_for_log(f"refused: ATRN {name} client=127.0.0.1 "
                        f"account={login}: not granted")
    assert daemon.sockets() == []
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    assert daemon.flushed() == []


@pytest.mark.parametrize("names", [
    "example.org,own.test", "own.test,example.org",
    "example.org,example.net,example.org.evil.test"])
def test_one_foreign_domain_refuses_the_whole_list(daemon, names):
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    line.say(f"ATRN {names}")
    line.expect("450 4.7.0 ... is not yours to collect")
    assert daemon.sockets() == []
    assert daemon.flushed() == []


@pytest.mark.parametrize("names", [
    "example.org,", ",example.org", "example.org,,example.net", ",", "a b",
    "example.org example.net", "one", "-x.org", "x-.org", "x" * 300 + ".org",
    ".".join(["x" * 49] * 6), "y" * 64 + ".org", "example..org",
    "example.org.", ".example.org", "exa_mple.org", "example.org;example.net",
    "../../etc/passwd", "ex/ample.org", "*.org", "[127.0.0.1]", "127.0.0.1",
    "alice@example.org", "ex\xe4mple.org"])
def test_bad_syntax_is_501(daemon, names):
    daemon.tag("Q1", "example.org")
    daemon.known().play(f"""
        C: ATRN {names}
        P: 501 5.5.4 A domain ...
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    assert daemon.sockets() == []


@pytest.mark.parametrize("command", [
    "ATRN example.org", "ATRN EXAMPLE.ORG", "atrn Example.Org",
    "ATRN example.org  ", "ATRN  example.org\t", "ATRN example.org,EXAMPLE.org",
    "ATRN example.org,example.org,example.org"])
def test_forms_of_one_domain(daemon, command):
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    line.say(command)
    line.expect("250 2.0.0 OK now reversing the connection")
    assert daemon.sockets() == ["example.org"]
    customer = Customer(line)
    daemon.postfix().deliver("Q1", ["r0@example.org"])
    customer.join()
    daemon.ended("drained", domains="example.org", delivered=1)
    daemon.wait_for_flushed("example.org")


@pytest.mark.parametrize("names", ["example.org,example.net",
                                   "example.org, example.net",
                                   "example.org ,example.net"])
def test_list_of_domains(daemon, names):
    daemon.tag("Q1", "example.net")
    line = daemon.known()
    line.say(f"ATRN {names}")
    line.expect("250 ...")
    assert daemon.sockets() == ["example.net", "example.org"]
    customer = Customer(line)
    daemon.postfix("example.net").deliver("Q1", ["r0@example.net"])
    customer.join()
    daemon.wait_for_flushed("example.net", "example.org")
    daemon.ended("drained", domains="example.org,example.net")


@pytest.mark.parametrize("command", ["ATRN", "ATRN ", "atrn\t"])
def test_without_argument_all_domains_for_atrn_are_meant(daemon, command):
    daemon.tag("Q1", "own.test")
    line = daemon.known("carol")
    line.say(command)
    line.expect("250 ...")
    assert daemon.sockets() == ["own.test"]
    customer = Customer(line)
    daemon.postfix("own.test").deliver("Q1", ["r0@own.test"])
    customer.join()
    daemon.wait_for_flushed("own.test")


def test_mail_of_another_mode_is_not_counted_without_argument(daemon):
    daemon.tag("Q1", "backup.test")
    daemon.known("carol").play("""
        C: ATRN
        P: 453 4.0.0 You have no mail
    """)


def test_domain_too_long_for_a_socket_has_a_short_name(daemon):
    daemon.tag("Q1", LONG_DOMAIN)
    line = daemon.turned(LONG_DOMAIN, "long")
    [name] = daemon.sockets()
    assert name[0] == "d" and name[1:].isdigit()
    customer = Customer(line)
    assert daemon.postfix(name).deliver("Q1", [f"a@{LONG_DOMAIN}"]) == \
        ["250 2.0.0 taken"]
    customer.join()
    daemon.wait_for_flushed(LONG_DOMAIN)
    daemon.wait_for_tag("Q1", "delivered")


def test_domain_is_free_again_when_its_session_is_lost(daemon):
    daemon.tag("Q1", "example.org")
    daemon.turned("example.org").close()
    daemon.ended("lost")
    assert daemon.sockets() == []
    daemon.turned("example.org")


def test_domain_of_two_accounts_is_collected_by_either(daemon):
    daemon.tag("Q1", "shared.test")
    first = daemon.turned("shared.test", "alice")
    daemon.known("bob").play("""
        C: ATRN shared.test
        P: 450 4.3.2 shared.test is being collected now
    """)
    first.close()
    daemon.ended("lost", delivered=0)
    customer = Customer(daemon.turned("shared.test", "bob"))
    daemon.postfix("shared.test").deliver("Q1", ["r0@shared.test"])
    customer.join()
    daemon.wait_for_log("session account=bob", "delivered=1")


def test_neighbouring_names_have_sessions_of_their_own(daemon):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q1", "example.org.evil.test")
    good = Customer(daemon.turned("example.org"))
    evil = Customer(daemon.turned("example.org.evil.test", "evil"))
    daemon.postfix("example.org").deliver(
        "Q1", ["r0@example.org"], b"for org\r\n")
    good.join()
    states = dict(daemon.sql("SELECT domain, state FROM tag"))
    assert states == {"example.org": "delivered",
                      "example.org.evil.test": "held"}
    daemon.postfix("example.org.evil.test").deliver(
        "Q1", ["r0@example.org.evil.test"], b"for evil\r\n")
    evil.join()
    assert good.bodies() == [b"for org\r\n"]
    assert evil.bodies() == [b"for evil\r\n"]


def test_bytes_pipelined_behind_atrn_end_the_session(daemon):
    daemon.tag("Q1", "example.org")
    line = daemon.known()
    line.send(b"ATRN example.org\r\n220 customer.test ESMTP\r\n")
    line.play("""
        P: 503 5.5.1 Nothing may follow ATRN
        P: <closed>
    """)
    daemon.wait_for_log("ended account=alice", "reason=input-behind-atrn")
    assert daemon.sockets() == []
    assert daemon.flushed() == []


def test_client_that_goes_right_behind_atrn_holds_no_domain(daemon):
    daemon.tag("Q1", "example.org")
    for _ in range(20):
        line = daemon.known()
        line.say("ATRN example.org")
        line.hang_up()
        daemon.wait_for_log("reason=lost")
    line = daemon.known()
    line.say("NOOP")
    line.expect("250 2.0.0 Ok")


def test_turned_session_is_in_the_database_until_it_ends(daemon):
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned())
    daemon.postfix()
    wait_for(lambda: daemon.sql(
        "SELECT pid, account, client, domain, state FROM session "
        "JOIN session_domain ON session = id") == [
            (daemon.process.pid, "alice", "127.0.0.1", "example.org",
             "delivering")], 10, "it is written")
    customer.line.hang_up()
    daemon.ended("lost")
