# SPDX-License-Identifier: ISC
"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, step by step."""

import ssl

import pytest

from odmrd_alone import PASSWORD
from sasl_dialogue import (REFUSED, SECURE, SETTINGS, authenticated, odmrctl,
                           offered, refused)
from scram_client import Scram, decoded


@pytest.mark.parametrize("tls", [False, True])
def test_scram_with_the_right_password(daemon, tls):
    line = daemon.greeted(tls=tls)
    assert Scram("alice").log_in(line) == "235 2.7.0 Authenticated as alice"
    line.play("""
        C: ATRN
        P: 453 4.0.0 You have no mail
        C: QUIT
        P: 221 ...
    """)
    authenticated(daemon, "alice", "SCRAM-SHA-256", "TLSv1.3" if tls else "no")


def test_scram_without_an_initial_response(daemon):
    line = daemon.greeted()
    exchange = Scram("alice")
    line.say("AUTH SCRAM-SHA-256")
    line.expect("334 ")
    line.say(exchange.first())
    line.say(exchange.final(line.line()))
    exchange.check(line.line())
    line.say("")
    line.expect("235 2.7.0 Authenticated as alice")


def test_scram_needs_no_readable_password(daemon):
    line = daemon.greeted()
    assert Scram("plain").log_in(line) == "235 2.7.0 Authenticated as plain"


@pytest.mark.parametrize("login, password, why", [
    ("alice", "a wrong one", "Error authenticating user"),
    ("nobody", PASSWORD, "no such account"),
    ("off", PASSWORD, "account is disabled"),
])
def test_scram_refuses_in_its_last_step(daemon, login, password, why):
    line = daemon.greeted()
    exchange = Scram(login, password)
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    line.say(exchange.final(line.expect("334 ...")))
    refused(line, daemon, why)


def shown(daemon, login):
    """Salt and iterations."""
    line = daemon.greeted()
    line.say(f"AUTH SCRAM-SHA-256 {Scram(login).first()}")
    _, fields = decoded(line.expect("334 ..."))
    line.close()
    return fields["s"], fields["i"]


def test_salts_do_not_tell_which_logins_exist(daemon, make_daemon):
    seen = {login: shown(daemon, login) for login in
            ["alice", "bob", "nobody", "no-one", "nobody.test"]}
    assert len({salt for salt, _ in seen.values()}) == len(seen)
    assert {(len(salt), count) for salt, count in seen.values()} == \
        {(len(seen["alice"][0]), "4096")}
    # Stays the same: next time, in every form of the login, ...
    for form in ["nobody", "nobody@a.test", "A\\nobody"]:
        assert shown(daemon, form) == seen["nobody"]
    for form in ["alice", "alice@a.test", "A\\alice"]:
        assert shown(daemon, form) == seen["alice"]
    assert shown(daemon, "NOBODY.test") == seen["nobody.test"]
    # ... and after a restart, but not at another provider.
    other = make_daemon(**SETTINGS)
    other.sql("UPDATE decoy SET seed = 'other'")
    before = shown(other, "nobody")
    assert before != seen["nobody"]
    other.terminate()
    other.wait_for_exit()
    other.start()
    assert shown(other, "nobody") == before


def test_salts_do_not_tell_whose_a_domain_is(daemon):
    """Alice has example.org and example.net."""
    logins = ["alice", "example.org", "example.net", "bob", "plain.test"]
    seen = {login: shown(daemon, login) for login in logins}
    assert len({salt for salt, _ in seen.values()}) == len(logins)


def test_salts_do_not_tell_that_an_account_came_and_went(make_daemon):
    daemon = make_daemon(**SETTINGS)
    logins = ["new", "new@a.test", "A\\new", "new.test"]
    before = {login: shown(daemon, login) for login in logins}
    for login in logins:
        odmrctl(daemon, "account", "add", login, text="its own\n")
        assert Scram(login, "its own").log_in(daemon.greeted()).startswith(
            "235 ")
    odmrctl(daemon, "account", "passwd", "new", text="another\n")
    assert {login: shown(daemon, login) for login in logins} == before
    for login in logins:
        odmrctl(daemon, "account", "remove", login)
    assert {login: shown(daemon, login) for login in logins} == before


def test_proof_for_another_challenge_is_refused(daemon):
    line = daemon.greeted()
    exchange = Scram("alice")
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    answer = exchange.final(line.expect("334 ..."))
    line.play("""
        C: *
        P: 501 5.7.0 Authentication cancelled
    """)
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    line.expect("334 ...")
    line.say(answer)
    line.expect(REFUSED)


def test_scram_success_waits_for_the_clients_empty_line(daemon):
    line = daemon.greeted()
    exchange = Scram("alice")
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    line.say(exchange.final(line.expect("334 ...")))
    line.expect("334 ...")
    line.play("""
        C: YWxpY2U=
        P: 501 5.5.2 Nothing is left to be said
        C: ATRN
        P: 530 ...
    """)
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    line.say(exchange.final(line.expect("334 ...")))
    line.expect("334 ...")
    line.play("""
        C: *
        P: 501 5.7.0 Authentication cancelled
        C: ATRN
        P: 530 ...
    """)


def test_client_that_was_shown_no_plus_is_warned_of_a_man_in_between(daemon):
    """RFC 5802 6: it says that it could bind, and we had offered it."""
    line = daemon.greeted(tls=True)
    assert Scram("alice", flag="y").log_in(line) == REFUSED
    line = daemon.greeted()
    assert Scram("alice", flag="y").log_in(line).startswith("235 ")


def unique_line(daemon):
    """A TLS 1.2 connection and its tls-unique."""
    context = ssl.create_default_context(cafile=daemon.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    line = daemon.connect()
    line.expect("220 ...")
    line.play("""
        C: STARTTLS
        P: 220 ...
    """)
    line.sock = context.wrap_socket(line.sock, server_hostname="127.0.0.1")
    assert offered(line) == SECURE
    return line, line.sock.get_channel_binding("tls-unique")


def test_scram_plus_binds_to_tls_1_2(daemon):
    line, binding = unique_line(daemon)
    exchange = Scram("alice", flag="p=tls-unique", binding=binding)
    assert exchange.log_in(line, "SCRAM-SHA-256-PLUS") == \
        "235 2.7.0 Authenticated as alice"


@pytest.mark.parametrize("flag", [
    "p=tls-unique", "p=tls-exporter", "p=tls-server-end-point", "n", "y"])
def test_scram_plus_refuses_another_binding(daemon, flag):
    line, _ = unique_line(daemon)
    _, of_another_line = unique_line(daemon)
    exchange = Scram("alice", flag=flag, binding=of_another_line
                     if flag.startswith("p=") else b"")
    assert exchange.log_in(line, "SCRAM-SHA-256-PLUS") == REFUSED
