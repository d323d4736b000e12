# SPDX-License-Identifier: ISC
"""Many guesses at once, and many at one login."""

import pytest

from odmr.wait import wait_for
from odmrd_alone import PASSWORD, b64, cram_md5, plain
from sasl_dialogue import REFUSED
from scram_client import Scram, verifier

WRONG = "not the password"
BARRED = "421 4.7.0 relay.test Too many failed authentications"


# Each begins an exchange and returns what is the client's last word.

def cram_begun(line, password):
    line.say("AUTH CRAM-MD5")
    return cram_md5(line.expect("334 ..."), "alice", password)


def scram_begun(line, password):
    exchange = Scram("alice", password)
    line.say(f"AUTH SCRAM-SHA-256 {exchange.first()}")
    return exchange.final(line.expect("334 ..."))


def login_begun(line, password):
    line.say(f"AUTH LOGIN {b64('alice')}")
    line.expect("334 ...")
    return b64(password)


def plain_begun(line, password):
    line.say("AUTH PLAIN")
    line.expect("334 ...")
    return plain("alice", password)


def plain_in_one_line(line, password):
    return "AUTH PLAIN " + plain("alice", password)


def second_begun(line, password):
    line.say(cram_begun(line, PASSWORD))
    line.expect("235 ...")
    return cram_begun(line, password)


@pytest.mark.parametrize("begun", [
    cram_begun, scram_begun, login_begun, plain_begun, plain_in_one_line,
    second_begun])
def test_guesses_prepared_before_the_bar_are_not_judged_behind_it(make_daemon,
                                                                 begun):
    odmrd = make_daemon(auth_failure_limit=3, allow_plaintext_auth="yes",
                        session_limit_per_account=100)
    lines = [odmrd.greeted() for _ in range(20)]
    words = [begun(line, WRONG) for line in lines[:-1]]
    words.append(begun(lines[-1], PASSWORD))
    for line, word in zip(lines, words):
        line.say(word)
    answers = [line.line() for line in lines]
    # Two hear 535, the third hears the bar that it has let down.
    assert sorted(set(answers)) == [BARRED, REFUSED]
    assert answers.count(REFUSED) <= 2
    assert len(odmrd.logged("refused: AUTH")) == 3


def test_right_passwords_of_one_address_wait_for_each_other(make_daemon):
    """A hash takes some tenths of a second: all are there before one is
    judged."""
    odmrd = make_daemon(auth_failure_limit=2, allow_plaintext_auth="yes",
                        session_limit_per_account=100)
    odmrd.sql("UPDATE account SET scram = ? WHERE login = 'alice'",
              verifier(PASSWORD, 40_000))
    lines = [odmrd.greeted() for _ in range(12)]
    lines[3].say(f"AUTH PLAIN {plain('alice', WRONG)}")
    for line in lines[:3] + lines[4:]:
        line.say(f"AUTH PLAIN {plain('alice')}")
    lines[3].expect(REFUSED)
    for line in lines[:3] + lines[4:]:
        line.expect("235 2.7.0 Authenticated as alice")


def test_client_may_go_while_its_guess_waits_for_others(make_daemon):
    odmrd = make_daemon(auth_failure_limit=1, allow_plaintext_auth="yes")
    odmrd.sql("UPDATE account SET scram = ? WHERE login = 'alice'",
              verifier(PASSWORD, 200_000))
    lines = [odmrd.greeted() for _ in range(4)]
    for line in lines:
        line.say(f"AUTH PLAIN {plain('alice')}")
    for line in lines[:3]:
        line.close()
    lines[3].expect("235 2.7.0 Authenticated as alice")


# ---- one login


def guess(odmrd, number, login="alice", password=WRONG):
    """From an address of its own. Nothing is heard yet."""
    line = odmrd.greeted(source=f"127.0.1.{number}")
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), login, password))
    return line


@pytest.mark.parametrize("login", ["alice", "nobody"])
def test_login_guessed_at_from_many_addresses_is_slowed(make_daemon, login):
    """Whether or not there is an account of it."""
    odmrd = make_daemon(auth_failure_limit=3, auth_failure_delay=60)
    for number in range(3):
        form = f"{login}@{number}.test"
        guess(odmrd, number, form).expect(REFUSED)
    wrong = guess(odmrd, 4, login)
    right = guess(odmrd, 5, login, PASSWORD)
    wait_for(lambda: len(odmrd.logged("refused: AUTH")) >= 4, 20, "a 4th fails")
    # Others are not: they come and go meanwhile.
    guess(odmrd, 6, "bob", PASSWORD).expect("235 ...")
    guess(odmrd, 7, "nobody.test").expect(REFUSED)
    assert not wrong.pending() and not right.pending()


def test_owner_of_a_login_gets_in_while_it_is_guessed_at(make_daemon):
    odmrd = make_daemon(auth_failure_limit=2, auth_failure_delay=1)
    lines = [guess(odmrd, number) for number in range(3)]
    guess(odmrd, 100, "alice", PASSWORD).expect(
        "235 2.7.0 Authenticated as alice")
    for line in lines:
        line.expect(REFUSED)


def test_client_may_go_while_its_success_is_held_back(make_daemon):
    odmrd = make_daemon(auth_failure_limit=1, auth_failure_delay=60)
    guess(odmrd, 1).expect(BARRED)
    line = guess(odmrd, 2, "alice", PASSWORD)
    line.close()
    odmrd.wait_for_log("ended account=- client=127.0.1.2", "reason=lost")
    guess(odmrd, 3, "bob", PASSWORD).expect("235 ...")
