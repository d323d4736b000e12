# SPDX-License-Identifier: ISC
"""Accounts with many domains: Postfix is asked for those that have mail first,
and customers take turns at asking it."""

import time

from odmr.wait import wait_for
from scripted_customer import Customer

MANY = 250
SLOW = 0.1
SETTINGS = {"drain_wait": "1s", "reconcile_interval": "60s"}

POSTQUEUE = f"""\
#!/bin/sh
case "$*" in *" -j") exit 0 ;; esac
echo "$@" >>{{dir}}/flushed
sleep {SLOW}
"""


def give(daemon, login, names):
    """Domains that only `login` has."""
    for name in names:
        daemon.sql("INSERT OR IGNORE INTO domain (name, mode, socket, created)"
                   " VALUES (?1, 'odmr', ?1, 1)", name)
        daemon.sql("INSERT OR IGNORE INTO access SELECT id, ? FROM account "
                   "WHERE login = ?", name, login)


def many(daemon, tagged=()):
    """A login with many domains, whose tags are confirmed."""
    daemon.postqueue(POSTQUEUE)
    names = [f"d{number:03}.test" for number in range(MANY)]
    give(daemon, "none", names)
    for name in tagged:
        daemon.tag("Q-" + name, name)
    daemon.sql("UPDATE reconciled SET began = ?", int(time.time()))
    return names


def test_domains_without_mail_are_not_asked_for(daemon, collect):
    names = many(daemon)
    daemon.tag("Q1", names[-1])
    customer = collect(domains=",".join(names[-40:]), login="none")
    assert daemon.postfix(names[-1]).deliver("Q1", ["a@" + names[-1]]) == \
        ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained", delivered=1)
    assert set(daemon.flushed()) <= {names[-1]}


def test_domains_with_mail_go_first_where_tags_are_not_confirmed(
        daemon, collect):
    names = many(daemon)
    daemon.sql("UPDATE reconciled SET began = 0")
    daemon.tag("Q1", names[30])
    daemon.tag("Q2", "example.org")
    collect(domains=",".join(names[:40]), login="none")
    wait_for(lambda: len(daemon.flushed()) > 8, 20, "others are asked for")
    assert names[30] in daemon.flushed()[:4], "four run at once"


def test_customers_take_turns_at_asking(daemon, collect):
    names = many(daemon)
    for name in names:
        daemon.tag("Q-" + name, name)
    daemon.tag("Q1", "example.org")
    collect(domains="", login="none")
    wait_for(daemon.flushed, 20, "the first is asked for")
    before = len(daemon.flushed())
    collect(domains="example.org")
    wait_for(lambda: "example.org" in daemon.flushed(), 20, "its turn")
    after = daemon.flushed().index("example.org")
    # Logging in takes a while, too.
    assert after < MANY - 50, f"{before} had been asked for before"
    customer = daemon.postfix()
    assert customer.deliver("Q1", ["a@example.org"]) == ["250 2.0.0 taken"]
    daemon.ended("drained", delivered=1)


def test_session_that_ends_asks_for_nothing_more(daemon):
    names = many(daemon)
    for name in names:
        daemon.tag("Q-" + name, name)
    line = daemon.turned("", login="none")
    Customer(line)
    wait_for(daemon.flushed, 20, "the first is asked for")
    line.hang_up()
    daemon.ended("lost")
    daemon.tag("Q1", "example.org")
    Customer(daemon.turned()).join()
    daemon.ended("tags-without-mail")
    flushed = daemon.flushed()
    assert flushed.count("example.org") == 2
    assert len(flushed) < MANY - 50


def test_postfix_has_its_time_from_when_it_was_asked(daemon, collect):
    """The last of many is asked for long after the first."""
    names = many(daemon)[:80]
    for name in names[:-1]:
        daemon.tag("Q-" + name, name)
    daemon.tag("Q1", names[-1])
    collect(domains=",".join(names), login="none")
    begin = time.monotonic()
    wait_for(lambda: names[-1] in daemon.flushed(), 30, "the last")
    assert time.monotonic() - begin > 80 / 4 * SLOW - 0.3
    assert daemon.postfix(names[-1]).deliver("Q1", ["a@" + names[-1]]) == \
        ["250 2.0.0 taken"]
    assert len(daemon.flushed()) == len(names), "asked for once"


def test_domain_is_not_asked_for_twice_in_a_row(make_daemon):
    """A session that lingers looks again and again."""
    daemon = make_daemon(drain_wait="1s", flush_timeout="20s")
    daemon.postqueue("#!/bin/sh\ncase \"$*\" in *\" -j\") exit 0 ;; esac\n"
                     "echo \"$@\" >>{dir}/flushed\n"
                     "while [ -e {dir}/stop ]; do sleep 0.05; done\n")
    (daemon.dir / "stop").touch()
    daemon.tag("Q1", "example.org")
    for round_ in range(6):
        line = daemon.turned()
        Customer(line)
        wait_for(lambda: daemon.sql("SELECT id FROM session"), 10, "begun")
        line.hang_up()
        wait_for(lambda count=round_ + 1: len(daemon.logged("reason=lost")) ==
                 count, 10, "ended")
    (daemon.dir / "stop").unlink()
    Customer(daemon.turned()).join()
    daemon.ended("tags-without-mail")
    assert len(daemon.flushed()) <= 4
