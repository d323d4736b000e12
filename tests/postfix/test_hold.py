# SPDX-License-Identifier: ISC
"""Mode hold on a real Postfix that soon retries: mail waits for etrn-trigger,
whatever else is flushed."""

import pytest

from retrying import (at, queue_runs, send, started, trigger, tries,
                      wait_until_gone, wait_until_tried)

WHILE = 240  # for which mail on hold has leave to go, in seconds


@pytest.fixture
def provider(retrying_provider):
    return retrying_provider


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
