# SPDX-License-Identifier: ISC
"""A customer with 250 domains, and another beside it, at a real Postfix that
takes its time to be asked."""

import sqlite3
from pathlib import Path

import pytest

from party import text

POSTQUEUE = """\
#!/bin/sh
sleep 0.2
exec /usr/sbin/postqueue "$@"
"""


@pytest.fixture(scope="module", autouse=True)
def slow_postqueue(sandbox):
    script = sandbox.directory / "sbin" / "postqueue"
    script.write_text(POSTQUEUE)
    script.chmod(0o755)
    with Path(sandbox.conf).open("a", encoding="ascii") as conf:
        conf.write(f"postqueue_path = {script}\n")
    sandbox.restart("odmrd")


def give(party, count):
    """So many domains more; those with mail are the party's first ones."""
    env = party.provider.env
    names = [(f"{number}.{party.domain}",) for number in range(count)]
    with sqlite3.connect(env["DATABASE"], timeout=20) as db:
        db.executemany("INSERT INTO domain (name, mode, socket, created) "
                       "VALUES (?1, 'odmr', ?1, 1)", names)
        db.executemany("INSERT INTO access SELECT id, ? FROM account WHERE "
                       f"login = '{party.login}'", names)
    db.close()
    party.provider.odmrctl("table")
    return [name for name, in names]


def test_many_domains_delay_neither_their_own_mail_nor_another_s(make_party):
    many, other = make_party(), make_party()
    names = give(many, 249)
    for party in (many, other):
        party.send(*(text(number) for number in range(3)))
    for party in (many, other):
        party.wait_until_held(3)
    first = many.begin(domains=[*names, many.domain])
    assert other.collect() == 0
    assert many.finish(first).status == 0
    for party in (many, other):
        party.expect_all_collected()
        party.expect_session(delivered=3)
