# SPDX-License-Identifier: ISC
"""Mode hold on a real Postfix that soon retries: mail waits, whatever else is
flushed, until somebody asks for it. Then odmrd takes it to the customer's
server, which is a real Postfix as well."""

import json
import os
import re
import smtplib
import socket
import subprocess

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from retrying import (at, queue_runs, send, started, trigger, tries,
                      wait_until_gone, wait_until_tried)

ALLOWED = "127.0.0.2"


@pytest.fixture
def provider(retrying_provider):
    return retrying_provider


@pytest.fixture
def hold(provider):
    """A function: hold(domain, nexthop) -> the domain, which ALLOWED may start.
    """
    def add(domain, nexthop):
        provider.add_domain(domain, "hold", nexthop)
        provider.odmrctl("etrn", "allow", domain, ALLOWED)
        return domain
    return add


def send_held(provider, domain, count):
    """Each has been tried in vain, and has its tag."""
    before = provider.status(domain)["held"]
    send(provider, domain, count)
    wait_until_tried(provider, domain, before + count)
    provider.wait_until_held(domain, before + count)


def sessions(provider, domain):
    """The log's lines of the domain's sessions that ended, as dicts."""
    return [dict(re.findall(r"(\S+)=(\S*)", line)) for line in
            provider.log_lines(": session account=- ",
                               f" domains={domain} ")]


def wait_for_session(provider, domain, count=1):
    wait_for(lambda: len(sessions(provider, domain)) >= count, 60,
             f"{count} sessions of {domain} in the log")
    assert len(sessions(provider, domain)) == count
    return sessions(provider, domain)[-1]


def etrn(port, node):
    with smtplib.SMTP("127.0.0.1", port, timeout=60,
                      source_address=(ALLOWED, 0)) as smtp:
        smtp.ehlo("customer.test")
        code, text = smtp.docmd("ETRN", node)
    return f"{code} {text.decode()}"


# ---- waiting


@pytest.mark.parametrize("way, flush", [
    ("trigger", lambda provider, held, other: trigger(provider, other)),
    ("one", lambda provider, held, other: provider.flush(held)),
    ("all", lambda provider, held, other: provider.flush_all())])
def test_mail_on_hold_waits_whatever_else_is_flushed(
        provider, hold, make_customer, way, flush):
    held, other = f"held-{way}.test", f"other-{way}.test"
    customer = make_customer([held, other])
    for name, count in ((held, 3), (other, 1)):
        hold(name, at(customer))
        send_held(provider, name, count)
    flush(provider, held, other)
    queue_runs(provider, 3)
    assert len(provider.queued_for(held)) == 3
    assert not sessions(provider, held)


def test_dry_run_lets_no_mail_on_hold_go(provider, hold, make_customer):
    customer = make_customer(["dry.test"])
    hold("dry.test", at(customer))
    send_held(provider, "dry.test", 2)
    assert trigger(provider, "-n", "dry.test") == (
        "253 OK, 2 pending messages for node dry.test would be started\n"
        "\tdry.test: 2 would be started\n")
    queue_runs(provider, 2)
    assert not sessions(provider, "dry.test")
    assert customer.messages() == []


# ---- each way to ask


@pytest.mark.parametrize("way, answer", [
    (lambda provider, node: trigger(provider, node).rstrip("\n"),
     "253 OK, 20 pending messages for node {} started"),
    (lambda provider, node: etrn(provider.odmr_port, node),
     "253 OK, 20 pending messages for node {} started"),
    (lambda provider, node: etrn(provider.port, node), "250 Queuing started"),
], ids=["command", "port366", "port25"])
def test_mail_on_hold_is_delivered_when_it_is_asked_for(
        request, provider, hold, make_customer, way, answer):
    domain = hold(f"{request.node.callspec.id}.test", "[127.0.0.1]:9")
    customer = make_customer([domain])
    provider.odmrctl("domain", "set", domain, "--nexthop", at(customer))
    send_held(provider, domain, 20)
    assert way(provider, domain) == answer.format(domain)
    customer.wait_for_messages(20)
    session = wait_for_session(provider, domain)
    assert [session[name] for name in
            ("client", "delivered", "kept", "refused", "reason", "tls")] == \
        ["127.0.0.1", "20", "0", "0", "drained", "no"]
    wait_until_gone(provider, domain)
    wait_for(lambda: provider.status(domain)["held"] == 0, 30, "no tag is held")
    assert provider.status(domain)["delivered"] == 20
    assert tries(provider, domain, "relay/smtp") == 0

    # It was taken there once, and what comes now waits again.
    send_held(provider, domain, 1)
    queue_runs(provider, 2)
    assert len(customer.messages()) == 20
    assert way(provider, domain).startswith("25")
    customer.wait_for_messages(21)
    wait_for_session(provider, domain, 2)


@pytest.mark.parametrize("node", ["mine", "@family.test"])
def test_trigger_starts_all_domains_of_a_node(
        provider, hold, make_customer, node):
    names = [f"{label}.family.test" for label in "ab"]
    customer = make_customer(names)
    for name in names:
        hold(name, at(customer))
        send_held(provider, name, 2)
    provider.odmrctl("queue-name", "add", "mine", *names)
    assert trigger(provider, node) == started(4, node)
    customer.wait_for_messages(4)


def test_usage_counts_messages_and_sessions(provider, hold, make_customer):
    domain = hold("billed.test", "[127.0.0.1]:9")
    customer = make_customer([domain])
    provider.odmrctl("domain", "set", domain, "--nexthop", at(customer))
    provider.add_account("billed", "open sesame", [domain])
    before = nobodys_sessions(provider)
    send_held(provider, domain, 3)
    trigger(provider, domain)
    wait_for_session(provider, domain)
    usage = wait_for(lambda: usage_of(provider, "billed", domain), 30, "usage")
    assert (usage["messages"], usage["delivered"]) == (3, 3)
    wait_for(lambda: nobodys_sessions(provider) == before + 1, 30,
             "a session more")


def usage_of(provider, account, domain):
    """None until something was delivered."""
    told = json.loads(provider.odmrctl("usage", "--json"))
    return next((row for row in told["usage"] if row["delivered"] and
                 (row["account"], row["domain"]) == (account, domain)), None)


def nobodys_sessions(provider):
    told = json.loads(provider.odmrctl("usage", "--json"))
    return sum(row["sessions"] for row in told["usage"]
               if row["account"] in ("", None))


# ---- the server


def test_starttls_is_used_as_reverse_tls_says(provider, hold, make_customer):
    key = str(provider.directory / "etc/odmr/server")
    customer = make_customer(
        ["tls.test"], smtpd_tls_security_level="encrypt",
        smtpd_tls_chain_files=f"{key}.key, {key}.pem")
    hold("tls.test", at(customer))
    send_held(provider, "tls.test", 2)
    trigger(provider, "tls.test")
    customer.wait_for_messages(2)
    assert wait_for_session(provider, "tls.test")["tls"] == "TLSv1.3"


def test_server_that_is_away_is_named_and_the_mail_waits(
        provider, hold, make_customer):
    customer = make_customer(["away.test"])
    customer.halt()
    hold("away.test", at(customer))
    send_held(provider, "away.test", 2)
    assert trigger(provider, "away.test") == started(2, "away.test")
    provider.wait_for_log("odmrd", "unreachable: domain=away.test",
                          f'"{at(customer)}: Connection refused"')
    customer.start()
    assert trigger(provider, "away.test") == started(2, "away.test")
    customer.wait_for_messages(2)
    assert wait_for_session(provider, "away.test")["delivered"] == "2"
    assert len(provider.log_lines("unreachable: domain=away.test")) == 1


def test_what_the_server_refuses_is_refused_after_a_second_opinion(
        provider, hold, make_customer):
    domain = hold("doubted.test", "[127.0.0.1]:9")
    customer = make_customer(
        [domain], virtual_mailbox_maps="inline:{r@doubted.test=Maildir/}")
    provider.odmrctl("domain", "set", domain, "--nexthop", at(customer))
    provider.send("s@sender.test", "nobody@doubted.test", b"Subject: x\n\nx\n")
    provider.wait_until_held(domain, 1)
    wait_until_tried(provider, domain, 1)
    trigger(provider, domain)
    session = wait_for_session(provider, domain)
    assert (session["kept"], session["refused"]) == ("1", "0")
    message, = provider.queued_for(domain)
    tag, = json.loads(provider.odmrctl("queue", domain, "--json"))["messages"]
    assert tag["id"] == message["queue_id"] and tag["doubted"]


def test_two_who_ask_have_one_session(provider, hold):
    """The server greets only when both have asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        domain = hold("once.test",
                      f"[127.0.0.1]:{listener.getsockname()[1]}")
        send_held(provider, domain, 1)
        trigger(provider, domain)
        line = listener.accept()[0]
        wait_for(lambda: domain in provider.odmrctl("sessions"), 30,
                 "the session is shown")
        assert etrn(provider.odmr_port, domain).startswith("253 ")
        assert etrn(provider.port, domain) == "250 Queuing started"
        listener.settimeout(1)
        with pytest.raises(TimeoutError):
            listener.accept()
        line.close()
    wait_for_session(provider, domain)


def test_domain_that_is_removed_ends_its_session(provider, hold):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        domain = hold("removed.test",
                      f"[127.0.0.1]:{listener.getsockname()[1]}")
        send_held(provider, domain, 1)
        trigger(provider, domain)
        with listener.accept()[0]:
            wait_for(lambda: domain in provider.odmrctl("sessions"), 30,
                     "the session is shown")
            provider.odmrctl("domain", "remove", domain)
            assert wait_for_session(provider, domain)["reason"] == "withdrawn"
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d",
                    *[message["queue_id"] for message in
                      provider.queued_for(domain)]], check=False, timeout=60,
                   stderr=subprocess.DEVNULL)


# ---- without odmrd


def test_without_odmrd_nobody_can_start_it(provider, hold):
    domain = hold("alone.test", "[127.0.0.1]:9")
    send_held(provider, domain, 1)
    os.kill(provider.pid("odmrd"), 15)
    wait_for(lambda: provider.pid("odmrd") is None, 40, "odmrd ends")
    try:
        done = subprocess.run(
            [str(BUILD / "etrn-trigger"), "-c", provider.conf, domain],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False)
        answer = etrn(provider.port, domain)
    finally:
        provider.restart("odmrd")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stdout == f"458 Unable to queue messages for node {domain}\n"
    assert f"{domain}: odmrd cannot be told: " in done.stderr
    assert answer == f"458 4.3.0 <{domain}>: Etrn command rejected: " \
        "Unable to queue messages"
