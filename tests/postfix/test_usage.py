# SPDX-License-Identifier: ISC
"""odmrctl's figures and listings from databases that no daemon has filled:
periods, forms, hostile text, sizes. Needs neither root nor Postfix."""

import csv
import io
import json
import os
import re
import resource
import sqlite3
import time

import pytest

from odmr import tags
from test_odmrctl import (  # noqa: F401  (fixtures)
    LONG_DOMAIN,
    bare,
    ctl,
    customer,
)

COLUMNS = ["day", "account", "domain", "messages", "bytes", "delivered",
           "delivered_bytes", "refused", "expired", "left", "held_at_peak",
           "sessions", "seconds"]
HUGE = 9 * 10**18
NASTY = "\x1b[2J\r\n\"'<b>\x7f\u00e9"


def add_usage(ctl, day, account, domain, **figures):
    table, key = "usage", {"day": day, "account": account, "domain": domain}
    if "sessions" in figures:
        table, key = "session_usage", {"day": day, "account": account}
    names = [*key, *figures]
    ctl.sql(ctl.database,
            f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) "
            f"VALUES ({', '.join('?' * len(names))})",
            *key.values(), *figures.values())


@pytest.fixture
def october(ctl):
    """Two customers over three days, and a domain that is nobody's."""
    add_usage(ctl, "2026-10-01", "ann", "a.example", messages=10, bytes=1000,
              delivered=8, delivered_bytes=800, refused=1, peak=5)
    add_usage(ctl, "2026-10-02", "ann", "a.example", messages=20, bytes=3000,
              delivered=21, delivered_bytes=3100, expired=1, peak=9)
    add_usage(ctl, "2026-10-02", "ann", "b.example", messages=1, bytes=10,
              removed=1, peak=1)
    add_usage(ctl, "2026-10-02", "ann", "", sessions=3, seconds=3700)
    add_usage(ctl, "2026-10-31", "bob", "c.example", messages=2, bytes=20,
              peak=2)
    add_usage(ctl, "2026-10-31", "", "free.example", messages=5, bytes=50)
    return ctl


def rows(ctl, *options):
    return json.loads(ctl.ok("usage", "--json", *options))["usage"]


def read_csv(text):
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


# ---- the table


def test_table_bills_an_account_with_its_domains_over_the_period(october):
    said = october.ok("usage", "--from", "2026-10-01", "--to", "2026-10-31")
    assert [line.split() for line in said.splitlines()] == [
        ["2026-10-01", "to", "2026-10-31"],
        [],
        ["ACCOUNT", "IN", "SIZE", "DELIVERED", "SIZE", "REFUSED", "EXPIRED",
         "LEFT", "PEAK"],
        ["ann", "31", "3.9K", "29", "3.8K", "1", "1", "1", "-"],
        ["3", "sessions,", "1h1m", "connected"],
        ["a.example", "30", "3.9K", "29", "3.8K", "1", "1", "0", "9"],
        ["b.example", "1", "10B", "0", "0B", "0", "0", "1", "1"],
        ["bob", "2", "20B", "0", "0B", "0", "0", "0", "-"],
        ["c.example", "2", "20B", "0", "0B", "0", "0", "0", "2"],
        ["(no", "account)", "5", "50B", "0", "0B", "0", "0", "0", "-"],
        ["free.example", "5", "50B", "0", "0B", "0", "0", "0", "0"],
        ["total", "38", "4.0K", "29", "3.8K", "1", "1", "1", "-"],
        ["3", "sessions,", "1h1m", "connected"],
    ]


def test_table_of_nothing_has_a_total(ctl):
    assert ctl.ok("usage").splitlines()[-1].split()[:2] == ["total", "0"]


def test_every_table_fits_80_columns_whatever_the_figures(ctl):
    domain = "quite-a-long-domain-name-for-a-column.example"
    for name in (domain, LONG_DOMAIN):
        ctl.ok("domain", "add", name)
        add_usage(ctl, time.strftime("%Y-%m-%d", time.gmtime()),
                  "an-account-of@some.example", name, **{figure: HUGE // 3 for figure in (
                      "messages", "bytes", "delivered", "delivered_bytes",
                      "refused", "expired", "removed", "peak")})
        add_usage(ctl, time.strftime("%Y-%m-%d", time.gmtime()),
                  "an-account-of@some.example", "", sessions=HUGE // 3,
                  seconds=HUGE // 3)
    ctl.add_tag("4dJ3Xz1QwLz2K9bT4567", domain, attempts=10**9,
                last_answer="450 " + "the mailbox is busy, come again " * 9 +
                "x" * 300 + NASTY * 20,
                sender="a-sender-with-a-name-that-is-long@sender.example")
    ctl.add_session("0123456789ABCDEF", os.getpid())
    ctl.sql(ctl.database, "UPDATE session SET delivered = ?1, bytes = ?1, "
            "in_flight = ?1, rate = ?1", HUGE)
    ctl.sql(ctl.database, "UPDATE session_domain SET domain = ? "
            "WHERE domain = 'a.example'", domain)
    ctl.sql(ctl.database, "INSERT OR REPLACE INTO domain_count (domain, held, "
            "held_bytes, collected, collected_at) VALUES "
            "(?1, ?3, ?3, ?3, 1), (?2, ?3, ?3, ?3, 1)", domain, LONG_DOMAIN,
            HUGE)
    for command in (["status"], ["sessions"], ["usage"], ["queue"],
                    ["message", "4dJ3Xz1QwLz2K9bT4567"]):
        lines = ctl.ok(*command).splitlines()
        assert len(lines) > 2
        for line in lines:
            assert len(line) <= 80 or LONG_DOMAIN in line, line


def test_queue_names_ten_recipients_and_counts_the_rest(customer):
    customer.add_tag("4A1ABCDEF", "a.example", recipients=[
        f"r{number:04}@a.example" for number in range(10_000)])
    table = customer.ok("queue")
    assert len(table.splitlines()) == 13
    assert "r0009@a.example" in table and "r0010@" not in table
    assert "and 9990 more" in table
    message, = json.loads(customer.ok("queue", "--json"))["messages"]
    assert len(message["recipients"]) == 10_000


# ---- the period


def test_period_includes_its_first_and_last_day(october):
    def days(*options):
        return sorted({row["day"] for row in rows(october, *options)})
    assert days("--from", "2026-10-01", "--to", "2026-10-02") == \
        ["2026-10-01", "2026-10-02"]
    assert days("--from", "2026-10-02", "--to", "2026-10-02") == ["2026-10-02"]
    assert days("--to", "2026-10-31") == \
        ["2026-10-01", "2026-10-02", "2026-10-31"]


def test_without_a_period_it_is_this_month(ctl, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # a day before UTC
    today = time.strftime("%Y-%m-%d", time.gmtime())
    add_usage(ctl, today, "ann", "a.example", messages=1)
    add_usage(ctl, today[:8] + "00", "ann", "a.example", messages=1)
    said = json.loads(ctl.ok("usage", "--json"))
    assert (said["from"], said["to"]) == (today[:8] + "01", today)
    assert [row["day"] for row in said["usage"]] == [today]
    yesterday = time.strftime(
        "%Y-%m-%d", time.gmtime(time.time() - 86400))
    said = json.loads(ctl.ok("usage", "--json", "--from", "yesterday",
                             "--to", "today"))
    assert (said["from"], said["to"]) == (yesterday, today)


@pytest.mark.parametrize("day", [
    "2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "", " 2026-01-01",
    "2026-01-01 ", "2026-01-01x", "tomorrow", "Today", "' OR 1=1 --"])
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_no_day_is_refused_with_its_option(ctl, option, day):
    said = ctl.refused(os.EX_USAGE, "usage", option, day)
    assert f'{option} "{day}"' in said


def test_period_that_ends_before_it_begins_is_refused(ctl):
    assert "--from 2026-10-02 is after --to 2026-10-01" in ctl.refused(
        os.EX_USAGE, "usage", "--from", "2026-10-02", "--to", "2026-10-01")


def test_json_and_csv_together_are_refused(ctl):
    assert "--csv" in ctl.refused(os.EX_USAGE, "usage", "--json", "--csv")


# ---- for programs


def test_json_has_each_day_account_and_domain(october):
    found = rows(october, "--to", "2026-10-31")
    assert list(found[0]) == COLUMNS
    assert [(row["day"], row["account"], row["domain"]) for row in found] == [
        ("2026-10-01", "ann", "a.example"), ("2026-10-02", "ann", ""),
        ("2026-10-02", "ann", "a.example"), ("2026-10-02", "ann", "b.example"),
        ("2026-10-31", "", "free.example"), ("2026-10-31", "bob", "c.example")]
    assert list(found[1].values())[3:] == [0] * 8 + [3, 3700]
    assert found[3]["left"] == 1


def test_csv_is_rfc_4180_with_the_same_figures(october):
    said = october.run("usage", "--csv", "--to", "2026-10-31").stdout.decode()
    assert said.endswith("\r\n") and said.count("\r\n") == said.count("\n") == 7
    head, *lines = read_csv(said)
    assert head == COLUMNS
    assert [dict(zip(head, line)) for line in lines] == [
        {name: str(value) for name, value in row.items()}
        for row in rows(october, "--to", "2026-10-31")]


@pytest.mark.parametrize("login", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"])
def test_csv_has_no_formulas(ctl, login):
    add_usage(ctl, "2026-10-01", login, "a.example")
    line = read_csv(ctl.ok("usage", "--csv", "--to", "2026-10-01"))[1]
    assert line[1] == "'" + login
    row, = rows(ctl, "--to", "2026-10-01")
    assert row["account"] == login


def test_hostile_text_is_harmless_in_all_forms(ctl):
    add_usage(ctl, "2026-10-01", NASTY, NASTY)
    ctl.sql(ctl.database, "INSERT INTO usage (day, account, domain) VALUES "
            "('2026-10-02', CAST(? AS TEXT), 'x')", b"bad\xff\xc0\xaf")
    for form in ([], ["--csv"]):
        said = ctl.ok("usage", *form, "--from", "2026-10-01",
                      "--to", "2026-10-02")
        assert all(" " <= c <= "~" or c in "\r\n" for c in said)
    assert len(read_csv(ctl.run("usage", "--csv", "--from", "2026-10-01",
                                "--to", "2026-10-02").stdout.decode())) == 3
    said = rows(ctl, "--from", "2026-10-01", "--to", "2026-10-02")
    assert said[0]["account"] == NASTY
    assert said[1]["account"] == "bad\ufffd\ufffd\ufffd"


# ---- messages that are gone


@pytest.fixture
def history(customer):
    for number, state in enumerate(
            ["held", "delivered", "refused", "expired", "left"]):
        customer.add_tag(f"4A000{number}", "a.example", state=state,
                         arrived=1700000000 + number,
                         settled=None if state == "held" else 1700000100,
                         session=None if state == "held" else "S1")
    customer.ok("domain", "add", "b.example")
    customer.add_tag("4A0001", "b.example", state="refused",
                     settled=1700000100, last_answer="550 no\x1b[2J")
    return customer


def ids(ctl, *arguments):
    return [message["id"] for message in
            json.loads(ctl.ok("queue", *arguments, "--json"))["messages"]]


@pytest.mark.parametrize("state,found", [
    ("held", ["4A0000"]), ("delivered", ["4A0001"]),
    ("refused", ["4A0001", "4A0002"]), ("expired", ["4A0003"]),
    ("left", ["4A0004"]),
    ("all", ["4A0000", "4A0001", "4A0001", "4A0002", "4A0003", "4A0004"])])
def test_queue_finds_messages_in_any_state(history, state, found):
    assert ids(history, "--state", state) == found
    in_a = found[1:] if state == "refused" else found
    assert len(ids(history, "a.example", "--state", state)) == \
        len(in_a) - (state == "all")


def test_unknown_state_is_refused(ctl):
    assert 'state "gone"' in ctl.refused(
        os.EX_USAGE, "queue", "--state", "gone")


def test_message_tells_what_became_of_it_in_each_domain(history):
    found = json.loads(history.ok("message", "4A0001", "--json"))["messages"]
    assert [(row["domain"], row["state"], row["settled"], row["session"])
            for row in found] == [
                ("a.example", "delivered", "2023-11-14T22:15:00Z", "S1"),
                ("b.example", "refused", "2023-11-14T22:15:00Z", None)]
    table = history.ok("message", "4A0001")
    assert "550 no\\033[2J" in table and "\x1b" not in table
    assert table.count("message     4A0001\n") == 2


def test_message_that_nobody_knows_is_said(ctl):
    assert "4A0009" in ctl.refused(os.EX_NOINPUT, "message", "4A0009")


# ---- accounts and domains


def test_accounts_as_json_without_their_secrets(customer):
    customer.ok("account", "add", "=zoe", "--cram-md5", "--linger", "60",
                stdin="secret42\n")
    customer.ok("account", "disable", "=zoe")
    said = customer.ok("account", "list", "--json")
    accounts = json.loads(said)["accounts"]
    assert "secret42" not in said and "SCRAM" not in said
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                            account["created"]) for account in accounts)
    assert [{name: value for name, value in account.items()
             if name != "created"} for account in accounts] == [
                 {"login": "=zoe", "disabled": True, "cram_md5": True,
                  "linger": 60, "domains": [], "workarounds": []},
                 {"login": "tessa", "disabled": False, "cram_md5": False,
                  "linger": 0, "domains": ["a.example"], "workarounds": []}]
    assert json.loads(customer.ok("account", "show", "tessa", "--json")) == \
        accounts[1]
    assert "nobody" in customer.refused(
        os.EX_NOUSER, "account", "show", "nobody", "--json")


def test_domains_as_json_with_who_may_collect_them(customer):
    customer.ok("domain", "add", "b.example", "--mode", "backup",
                "--nexthop", "mx.b.example")
    customer.add_tag("4A0001", "a.example")
    a, b = json.loads(customer.ok("domain", "list", "--json"))["domains"]
    assert (a["domain"], a["mode"], a["nexthop"], a["socket"]) == \
        ("a.example", "odmr", None, "a.example")
    assert (b["mode"], b["nexthop"]) == ("backup", "mx.b.example")
    assert json.loads(customer.ok("domain", "show", "a.example", "--json")) \
        == dict(a, held=1, accounts=["tessa"], workarounds=[])


def test_linger_is_changed_later(customer):
    customer.ok("account", "set", "tessa", "--linger", "86400")
    assert "linger    86400 s" in customer.ok("account", "show", "tessa")
    customer.ok("account", "set", "tessa", "--linger", "0")
    assert "linger    0 s" in customer.ok("account", "show", "tessa")


@pytest.mark.parametrize("arguments,code,word", [
    (["tessa"], os.EX_USAGE, "--linger"),
    (["tessa", "--linger", "1h"], os.EX_USAGE, '"1h"'),
    (["nobody", "--linger", "1"], os.EX_NOUSER, "nobody")])
def test_account_set_says_what_is_wrong(customer, arguments, code, word):
    assert word in customer.refused(code, "account", "set", *arguments)


# ---- databases, and many messages


@pytest.mark.parametrize("command", [
    ["usage"], ["usage", "--csv"], ["sessions", "--json"],
    ["queue", "--state", "all"], ["message", "4A0001"],
    ["account", "set", "tessa", "--linger", "1"],
    ["account", "list", "--json"]])
def test_database_that_cannot_be_used_means_later(history, command):
    history.sql(history.database, "PRAGMA user_version = 99")
    assert "newer than this program's" in history.refused(
        os.EX_TEMPFAIL, *command)
    for suffix in ("", "-wal", "-shm"):
        history.database.with_name("odmr.db" + suffix).unlink(missing_ok=True)
    assert "odmr.db: missing" in history.refused(os.EX_TEMPFAIL, *command)


@pytest.fixture
def crowd(ctl):
    """100,000 messages for 1,000 domains."""
    with sqlite3.connect(ctl.database) as db:
        db.executemany(
            "INSERT INTO domain (name, mode, socket, created) "
            "VALUES (?1, 'odmr', ?1, 1)",
            [(f"d{number}.example",) for number in range(1000)])
        tags.insert(db, (
            {"queue_id": f"4A{number:06}", "size": 4096,
             "domain": f"d{number % 1000}.example",
             "arrived": 1700000000 + number} for number in range(100_000)))
        tags.count(db)
    db.close()
    return ctl


def seconds(ctl, *command):
    """Of processor time, the best of three: the machine may have other work."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def once():
        begin = used()
        ctl.ok(*command)
        return used() - begin
    return min(once() for _ in range(3))


def test_status_of_100000_messages_is_there_at_once(crowd):
    assert seconds(crowd, "status") < 0.3
    assert seconds(crowd, "status", "--json") < 0.3
    status = json.loads(crowd.ok("status", "--json"))["domains"]
    assert [(row["held"], row["bytes"]) for row in status] == \
        [(100, 409600)] * 1000
    assert len(ids(crowd)) == 100_000
    assert len(ids(crowd, "d7.example")) == 100
