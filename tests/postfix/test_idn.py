# SPDX-License-Identifier: ISC
"""Internationalised domains: the A-label and the name in UTF-8, in capitals or
decomposed, are one domain to senders, customers and Postfix."""

import contextlib
import itertools
import json
import smtplib
import sqlite3
import unicodedata

import pytest

from odmr.wait import wait_for
from party import PASSWORD, SENDER, text

ALLOWED = "127.0.0.2"
NUMBERS = itertools.count()


def a_label(name):
    return name.encode("idna").decode()


def decomposed(name):
    return unicodedata.normalize("NFD", name)


SPELLINGS = {"ascii": a_label, "utf8": str, "capitals": str.upper,
             "decomposed": decomposed,
             "decomposed_capitals": lambda name: decomposed(name.upper())}
spelt = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)


@pytest.fixture(scope="module", autouse=True)
def followed_log(sandbox):
    with open(sandbox.conf, "a", encoding="ascii") as conf:
        conf.write(f"mail_log = {sandbox.log}\n")


@pytest.fixture
def domain():
    """The name of a domain of this test's own, as people write it."""
    return f"bücher{next(NUMBERS)}.test"


def send(provider, *recipients):
    """A message to each."""
    for number, recipient in enumerate(recipients):
        provider.send(SENDER, recipient, text(number), ["SMTPUTF8"])


def send_in_all_spellings(provider, domain):
    send(provider, *(f"r{number}@{spell(domain)}" for number, spell in
                     enumerate(SPELLINGS.values())))


def collect(party, spell):
    fetchmail = party.begin(domains=[spell(name) for name in party.domains])
    return party.finish(fetchmail).status


def arrived(server, domain):
    """The local parts that have come for the domain, sorted."""
    found = []
    for message in server.messages():
        recipient = next(line[14:].strip() for line in message.splitlines()
                         if line.startswith(b"Delivered-To: ")).decode()
        local, _, name = recipient.rpartition("@")
        if a_label(unicodedata.normalize("NFC", name).lower()) == \
                a_label(domain):
            found.append(local)
    return sorted(found)


def expect_all(server, domain):
    wanted = [f"r{number}" for number in range(len(SPELLINGS))]
    wait_for(lambda: len(arrived(server, domain)) >= len(wanted), 60,
             "all messages are delivered")
    assert arrived(server, domain) == wanted


@spelt
def test_mail_in_any_spelling_is_collected_by_any(make_party, domain, spell):
    party = make_party(domain)
    provider = party.provider
    send_in_all_spellings(provider, domain)
    provider.wait_until_held(a_label(domain), len(SPELLINGS))
    assert collect(party, spell) == 0
    expect_all(party.server, domain)
    party.expect_session(delivered=len(SPELLINGS))
    provider.wait_until_held(a_label(domain), 0)


def test_tags_agree_with_the_queue_whatever_the_spelling(make_party, domain):
    party = make_party(domain)
    provider = party.provider
    send_in_all_spellings(provider, domain)
    provider.wait_until_held(a_label(domain), len(SPELLINGS))
    recipients = {tag["id"]: tag["recipients"] for tag in party.tags()}
    assert sorted(recipients.values()) == [
        [f"r{number}@{a_label(domain)}"] for number in range(len(SPELLINGS))]

    for statement in "SELECT 1", "DELETE FROM tag WHERE state = 'held'":
        with contextlib.closing(
                sqlite3.connect(provider.env["DATABASE"], timeout=20)) as db:
            with db:
                db.execute("PRAGMA foreign_keys = ON")
                db.execute(statement)
        provider.odmrctl("reconcile")
        assert recipients == {
            tag["id"]: tag["recipients"] for tag in party.tags()}
    assert collect(party, str) == 0
    expect_all(party.server, domain)


@pytest.mark.parametrize("ask", ["odmr_port", "port"])
@pytest.mark.parametrize("prefix, name", [
    *(("", spelling) for spelling in SPELLINGS),
    ("@", "utf8"), ("@", "capitals"), ("#", "utf8"), ("#", "capitals")])
def test_etrn_in_any_spelling_starts_the_mail(
        sandbox, server, domain, ask, prefix, name):
    spell = SPELLINGS[name]
    sandbox.odmrctl("domain", "add", spell(domain), "--mode", "hold",
                    "--nexthop", f"[127.0.0.1]:{server.port}")
    sandbox.odmrctl("etrn", "allow", domain, ALLOWED)
    sandbox.odmrctl("queue-name", "add", f"büro{domain}", domain)
    send_in_all_spellings(sandbox, domain)
    sandbox.wait_until_held(a_label(domain), len(SPELLINGS))
    wait_for(lambda: all(message["queue_name"] == "deferred"
                         for message in sandbox.queue()), 30, "nothing tried")
    assert arrived(server, domain) == []

    node = f"büro{domain}" if prefix == "#" else domain
    with smtplib.SMTP("127.0.0.1", getattr(sandbox, ask), timeout=60,
                      source_address=(ALLOWED, 0)) as smtp:
        smtp.command_encoding = "utf-8"
        smtp.ehlo("customer.test")
        code, answer = smtp.docmd("ETRN", prefix + spell(node))
    assert code // 10 == 25, answer
    expect_all(server, domain)
    sandbox.wait_until_held(a_label(domain), 0)


def test_subdomain_is_a_domain_of_its_own(sandbox, domain):
    sandbox.add_domain(f"a.{domain}")
    send(sandbox, f"r@a.{domain}", f"r@{decomposed('A.' + domain.upper())}")
    sandbox.wait_until_held(a_label(f"a.{domain}"), 2)
    for name in domain, f"b.{domain}", f"a.a.{domain}":
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(sandbox, f"r@{name}")


def test_domain_that_postfix_cannot_tell_apart_is_known_by_its_a_label(
        sandbox, domain):
    name = domain.replace("bücher", "straße")
    label = "xn--" + name.partition(".")[0].encode("punycode").decode() + ".test"
    assert name in sandbox.odmrctl("domain", "add", name)
    for recipient in f"r@{name}", f"r@{name.replace('ß', 'ss')}":
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(sandbox, recipient)
    send(sandbox, f"r@{label}")
    sandbox.wait_until_held(label, 1)


def test_removed_domain_is_gone_in_every_spelling(sandbox, domain):
    sandbox.add_domain(domain)
    sandbox.odmrctl("domain", "remove", decomposed(domain.upper()))
    for spell in SPELLINGS.values():
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(sandbox, f"r@{spell(domain)}")


def test_operator_sees_the_a_label_and_the_other_spelling(sandbox, domain):
    sandbox.add_domain(decomposed(domain.upper()))
    shown = sandbox.odmrctl("domain", "show", domain).splitlines()
    assert shown[:2] == [f"domain    {a_label(domain)}",
                         f"unicode   {domain}"]
    shown = json.loads(sandbox.odmrctl("domain", "show", domain, "--json"))
    assert (shown["domain"], shown["unicode"]) == (a_label(domain), domain)


@pytest.mark.parametrize("name, fault", [
    ("bü cher.test", "is no internationalised name"),
    ("❤.test", "is no internationalised name"),
    ("xn--a.test", "has hyphens at a label's third and fourth place")])
def test_bad_name_is_refused_in_one_line(sandbox, name, fault):
    done = sandbox.odmrctl_run("domain", "add", name)
    assert done.returncode == 65
    assert done.stderr.count("\n") == 1 and fault in done.stderr
