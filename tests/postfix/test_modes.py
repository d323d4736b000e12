# SPDX-License-Identifier: ISC
"""Modes backup and hold on a real Postfix that soon retries: what it
delivers by itself, what waits for etrn-trigger, and where it goes."""

import itertools
import os
import socket
import subprocess

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for

MESSAGE = b"Subject: held\n\nThis message waited.\n"
# Mail that is tried again before smtp(8) has closed it, which it does after it
# has told the queue manager, is "skipped, still being delivered" for 300 s. So
# there is more than a second between queue runs.
# Without the DNS: "localhost" comes from /etc/hosts, and there is no MX.
SETTINGS = ["queue_run_delay=2s", "minimal_backoff_time=1s",
            "maximal_backoff_time=1s", "smtp_dns_support_level=disabled"]
NUMBERS = itertools.count()
WHILE = 240  # for which mail on hold has leave to go, in seconds


@pytest.fixture(scope="module")
def clock(sandbox):
    """The provider, with mail for a host that is always down: each time it is
    tried again, a queue run has passed."""
    subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, "-e",
                    *SETTINGS], check=True, timeout=60)
    sandbox.restart("postfix")
    with socket.socket() as down:
        down.bind(("127.0.0.1", 0))
        sandbox.add_domain("clock.test", "backup",
                           f"[127.0.0.1]:{down.getsockname()[1]}")
        sandbox.send("s@sender.test", "tick@clock.test", MESSAGE)
        yield sandbox


@pytest.fixture
def provider(clock):
    """Without what a test before has started: the next queue run after a flush
    tries all mail on hold that has its route."""
    queue_runs(clock, 1)
    yield clock
    for message in clock.queue():
        if message["recipients"][0]["address"] != "tick@clock.test":
            subprocess.run(["/usr/sbin/postsuper", "-c", clock.config, "-d",
                            message["queue_id"]], check=False, timeout=60,
                           stderr=subprocess.DEVNULL)
    for domain in clock.status()["domains"]:
        if domain["domain"] != "clock.test":
            clock.odmrctl("domain", "remove", domain["domain"])


def queue_runs(provider, count):
    """Waits until so many have passed from beginning to end."""
    def ticks():
        return len(provider.log_lines("to=<tick@clock.test>"))
    end = ticks() + count + 1
    wait_for(lambda: ticks() >= end, 60, f"{count} queue runs")


def send(provider, domain, count):
    for number in itertools.islice(NUMBERS, count):
        provider.send("s@sender.test", f"r{number}@{domain}", MESSAGE)


def wait_until_tried(provider, domain, count):
    """All are there, and each was tried or put off."""
    wait_for(lambda: len(deferred(provider, domain)) == count, 30,
             f"{count} deferred messages for {domain}")


def deferred(provider, domain):
    """Those that wait. When it is tried again, a message is in the active
    queue for a moment."""
    return [message for message in provider.queued_for(domain)
            if "delay_reason" in message["recipients"][0]]


def wait_until_gone(provider, domain):
    wait_for(lambda: not provider.queued_for(domain), 30,
             f"no mail for {domain}")


def tries(provider, domain, transport):
    """Deliveries that were attempted, whatever came of them."""
    return len(provider.log_lines(f"postfix/{transport}[", f"@{domain}>"))


def trigger(provider, *arguments, status=os.EX_OK):
    done = subprocess.run(
        [str(BUILD / "etrn-trigger"), "-c", provider.conf, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, ""), done
    return done.stdout


def started(count, node):
    return f"253 OK, {count} pending messages for node {node} started\n"


def at(customer):
    return f"[127.0.0.1]:{customer.port}"


# ---- hold


def test_mail_on_hold_waits_through_queue_runs_until_it_is_triggered(
        provider, make_customer):
    customer = make_customer(["hold.test"])
    provider.add_domain("hold.test", "hold", at(customer))
    send(provider, "hold.test", 20)
    queue_runs(provider, 3)
    wait_until_tried(provider, "hold.test", 20)
    assert tries(provider, "hold.test", "etrn-hold/smtp") == 0
    assert customer.messages() == []

    assert trigger(provider, "HOLD.test") == started(20, "hold.test")
    customer.wait_for_messages(20)
    wait_until_gone(provider, "hold.test")

    # It was let go for a while, not for good.
    provider.let_pass(WHILE)
    assert trigger(provider, "hold.test") == (
        "251 OK, no messages waiting for node hold.test\n")
    send(provider, "hold.test", 1)
    queue_runs(provider, 2)
    wait_until_tried(provider, "hold.test", 1)
    assert len(customer.messages()) == 20


@pytest.mark.parametrize("flush", [
    lambda provider: trigger(provider, "started.test"),
    lambda provider: provider.flush("started.test"),
    lambda provider: provider.flush("held.test"),
    lambda provider: provider.flush_all()])
def test_mail_on_hold_waits_whatever_else_is_flushed(
        provider, make_customer, flush):
    """Any flush lifts defer_transports for Postfix's next queue run."""
    customer = make_customer(["held.test", "started.test"])
    for name in ("held.test", "started.test"):
        provider.add_domain(name, "hold", at(customer))
    provider.let_pass(WHILE)
    send(provider, "held.test", 3)
    send(provider, "started.test", 1)
    wait_until_tried(provider, "held.test", 3)
    wait_until_tried(provider, "started.test", 1)
    flush(provider)
    queue_runs(provider, 3)
    assert len(provider.queued_for("held.test")) == 3
    assert tries(provider, "held.test", "etrn-hold/smtp") == 0


def test_dry_run_lets_no_mail_on_hold_go(provider, make_customer):
    customer = make_customer(["dry.test"])
    provider.add_domain("dry.test", "hold", at(customer))
    send(provider, "dry.test", 2)
    wait_until_tried(provider, "dry.test", 2)
    assert trigger(provider, "-n", "dry.test") == (
        "253 OK, 2 pending messages for node dry.test would be started\n"
        "\tdry.test: 2 would be started\n")
    queue_runs(provider, 2)
    assert tries(provider, "dry.test", "etrn-hold/smtp") == 0


@pytest.mark.parametrize("node", ["mine", "@family.test"])
def test_trigger_starts_all_domains_of_a_node(provider, make_customer, node):
    names = [f"{label}.family.test" for label in "ab"]
    customer = make_customer(names)
    for name in names:
        provider.add_domain(name, "hold", at(customer))
        send(provider, name, 2)
    for name in names:
        wait_until_tried(provider, name, 2)
    provider.odmrctl("queue-name", "add", "mine", *names)
    assert trigger(provider, node) == started(4, node)
    customer.wait_for_messages(4)


# ---- backup


@pytest.mark.parametrize("number, host", enumerate(
    ["[127.0.0.1]", "127.0.0.1", "[localhost]", "localhost"]))
def test_backup_reaches_a_host_that_comes_up_by_itself(
        provider, make_customer, number, host):
    domain = f"backup{number}.test"
    customer = make_customer([domain])
    customer.halt()
    provider.add_domain(domain, "backup", f"{host}:{customer.port}")
    send(provider, domain, 3)
    wait_until_tried(provider, domain, 3)
    assert tries(provider, domain, "relay/smtp") > 0
    customer.start()
    customer.wait_for_messages(3)
    wait_until_gone(provider, domain)


def test_no_next_hop_is_the_mx(provider):
    for name, mode in (("mx.test", "backup"), ("held-mx.test", "hold")):
        provider.add_domain(name, mode)
    table = provider.directory / "etc" / "odmr" / "transport.cf"
    for name, expected in (("mx.test", "relay:"),
                           ("held-mx.test", "etrn-hold:")):
        done = subprocess.run(
            ["/usr/sbin/postmap", "-c", provider.config, "-q", name,
             f"sqlite:{table}"], stdout=subprocess.PIPE, text=True,
            timeout=60, check=True)
        assert done.stdout == expected + "\n"


# ---- changes reach what is queued


@pytest.mark.parametrize("mode", ["backup", "hold"])
def test_mail_that_waits_goes_to_the_next_hop_of_today(
        provider, make_customer, mode):
    domain = f"moved-{mode}.test"
    old, new = make_customer([domain]), make_customer([domain])
    old.halt()
    provider.add_domain(domain, mode, at(old))
    send(provider, domain, 5)
    wait_until_tried(provider, domain, 5)
    provider.odmrctl("domain", "set", domain, "--nexthop", at(new))
    # The queue manager takes the last address that it looked up from memory,
    # for 30 s at most, if it is the next one as well.
    queue_runs(provider, 1)
    old.start()
    if mode == "hold":
        assert trigger(provider, domain) == started(5, domain)
    new.wait_for_messages(5)
    wait_until_gone(provider, domain)
    assert old.messages() == []


def test_mail_on_hold_goes_when_its_domain_becomes_backup(
        provider, make_customer):
    customer = make_customer(["opened.test"])
    provider.add_domain("opened.test", "hold", at(customer))
    send(provider, "opened.test", 3)
    wait_until_tried(provider, "opened.test", 3)
    provider.odmrctl("domain", "set", "opened.test", "--mode", "backup")
    customer.wait_for_messages(3)


def test_mail_of_a_backup_domain_stops_when_it_becomes_hold(
        provider, make_customer):
    customer = make_customer(["closed.test"])
    customer.halt()
    provider.add_domain("closed.test", "backup", at(customer))
    send(provider, "closed.test", 3)
    wait_until_tried(provider, "closed.test", 3)
    provider.odmrctl("domain", "set", "closed.test", "--mode", "hold")
    queue_runs(provider, 2)
    customer.start()
    queue_runs(provider, 2)
    assert len(deferred(provider, "closed.test")) == 3
    assert customer.messages() == []
    assert trigger(provider, "closed.test") == started(3, "closed.test")
    customer.wait_for_messages(3)


def test_mail_on_hold_waits_for_atrn_when_its_domain_becomes_odmr(
        provider, make_customer):
    customer = make_customer(["collected.test"])
    provider.add_domain("collected.test", "hold", at(customer))
    send(provider, "collected.test", 2)
    wait_until_tried(provider, "collected.test", 2)
    provider.odmrctl("domain", "set", "collected.test", "--mode", "odmr",
                     "--nexthop", "")
    assert trigger(provider, "collected.test") == (
        "253 OK, 2 pending messages for node collected.test wait for ATRN\n")
    wait_for(lambda: tries(provider, "collected.test", "odmr/lmtp"), 30,
             "it is tried by LMTP")
    assert len(deferred(provider, "collected.test")) == 2
    assert customer.messages() == []
