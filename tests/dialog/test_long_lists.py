# SPDX-License-Identifier: ISC
"""Accounts with hundreds of domains, and lists as long as a line may be: what
they cost is theirs, and nobody else waits for it."""

import json
import os
import select
import subprocess
from pathlib import Path

import pytest

from odmr.wait import wait_for
from odmrd_alone import SANITIZED

DOMAINS = [f"d{number}.test" for number in range(400)]


@pytest.fixture(scope="module")
def slow_bind(tmp_path_factory):
    """What makes each socket of odmrd take 5 ms: 2 s for all domains."""
    library = tmp_path_factory.mktemp("slow") / "slow_bind.so"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library,
         Path(__file__).with_name("slow_bind.c")], check=True, timeout=60)
    return {"LD_PRELOAD": str(library)}


@pytest.fixture
def slow(make_daemon, slow_bind):
    """alice has all of DOMAINS, and each socket takes its time."""
    daemon = make_daemon(environment=slow_bind)
    names = json.dumps(DOMAINS)
    daemon.sql("INSERT INTO domain (name, mode, socket, created)"
               " SELECT value, 'odmr', value, 0 FROM json_each(?)", names)
    daemon.sql("INSERT INTO access SELECT account.id, value FROM account, json_each(?)"
               " WHERE login = 'alice'", names)
    daemon.tag("Q1", DOMAINS[0])
    return daemon


def is_answered(line):
    return bool(select.select([line.sock], [], [], 0)[0])


needs_no_sanitizer = pytest.mark.skipif(
    SANITIZED, reason="a sanitizer comes before what is preloaded")


@needs_no_sanitizer
def test_while_many_domains_are_claimed_others_are_served(slow):
    line = slow.known()
    line.say("ATRN")
    wait_for(slow.sockets, 20, "the first socket")
    for _ in range(3):
        other = slow.greeted()
        other.say("NOOP")
        other.expect("250 ...")
    assert not is_answered(line)
    line.sock.settimeout(60)
    line.expect("250 2.0.0 OK now reversing the connection")
    assert set(DOMAINS) <= set(slow.sockets())


@needs_no_sanitizer
def test_client_that_goes_while_its_domains_are_claimed_leaves_none(slow):
    line = slow.known()
    line.say("ATRN")
    wait_for(slow.sockets, 20, "the first socket")
    line.hang_up()
    wait_for(lambda: slow.sockets() == [], 20, "no socket is left")
    line = slow.turned(DOMAINS[0])
    assert slow.sockets() == [DOMAINS[0]]


@needs_no_sanitizer
def test_account_disabled_while_its_domains_are_claimed_gets_none(slow):
    line = slow.known()
    line.say("ATRN")
    wait_for(slow.sockets, 20, "the first socket")
    slow.odmrctl("account", "disable", "alice")
    line.sock.settimeout(60)
    assert line.line()[:4] in ("451 ", "421 ")
    wait_for(lambda: slow.sockets() == [], 20, "no socket is left")


@needs_no_sanitizer
def test_bytes_behind_atrn_are_seen_while_domains_are_claimed(slow):
    line = slow.known()
    line.say("ATRN")
    wait_for(slow.sockets, 20, "the first socket")
    line.send(b"220 customer.test ESMTP\r\n")
    line.expect("503 5.5.1 Nothing may follow ATRN")
    line.expect_close()
    assert slow.sockets() == []


def test_domain_that_is_named_twice_counts_once_at_its_first_place(daemon):
    daemon.tag("Q1", "example.org")
    names = ["example.org", "example.org.evil.test"]
    daemon.sql("INSERT OR IGNORE INTO access SELECT id, ? FROM account"
               " WHERE login = 'alice'", names[1])
    line = daemon.known()
    line.say("ATRN " + ",".join([names[1], names[0].upper(), *names, *names]))
    reply = line.line()
    if reply.startswith("250"):
        line.hang_up()
    wait_for(lambda: daemon.logged(
        " domains=example.org.evil.test,example.org "), 20, "the session's end")


def test_long_list_of_names_is_refused_at_the_first_that_is_not_theirs(daemon):
    names = ["example.org"] * 400 + [f"x{number}.test" for number in range(900)]
    line = daemon.known()
    line.say("ATRN " + ",".join(names))
    line.expect("450 4.7.0 x0.test is not yours to collect")
    line.say("ATRN " + ",".join([*names, "-"]))
    line.expect("501 5.5.4 A domain ...")
