# SPDX-License-Identifier: ISC
"""Mail that is queued already goes where its domain says today."""

import pytest

from odmr.wait import wait_for
from retrying import (at, deferred, queue_runs, send, started, trigger, tries,
                      wait_until_gone, wait_until_tried)


@pytest.fixture
def provider(retrying_provider):
    return retrying_provider


def test_mail_that_waits_goes_to_the_next_hop_of_today(
        provider, make_customer):
    old, new = make_customer(["moved.test"]), make_customer(["moved.test"])
    old.halt()
    provider.add_domain("moved.test", "backup", at(old))
    send(provider, "moved.test", 5)
    wait_until_tried(provider, "moved.test", 5)
    provider.odmrctl("domain", "set", "moved.test", "--nexthop", at(new))
    # The queue manager takes the last address that it looked up from memory,
    # for 30 s at most, if it is the next one as well.
    queue_runs(provider, 1)
    old.start()
    new.wait_for_messages(5)
    wait_until_gone(provider, "moved.test")
    assert old.messages() == []


def test_mail_on_hold_goes_to_the_next_hop_of_today(
        provider, make_customer):
    old, new = make_customer(["dialled.test"]), make_customer(["dialled.test"])
    provider.add_domain("dialled.test", "hold", at(old))
    send(provider, "dialled.test", 5)
    wait_until_tried(provider, "dialled.test", 5)
    provider.wait_until_held("dialled.test", 5)
    provider.odmrctl("domain", "set", "dialled.test", "--nexthop", at(new))
    assert trigger(provider, "dialled.test") == started(5, "dialled.test")
    new.wait_for_messages(5)
    wait_until_gone(provider, "dialled.test")
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
    provider.wait_until_held("collected.test", 2)
    provider.odmrctl("domain", "set", "collected.test", "--mode", "odmr",
                     "--nexthop", "")
    assert trigger(provider, "collected.test") == (
        "253 OK, 2 pending messages for node collected.test wait for ATRN\n")
    wait_for(lambda: tries(provider, "collected.test", "odmr/lmtp"), 30,
             "it is tried by LMTP")
    assert len(deferred(provider, "collected.test")) == 2
    assert customer.messages() == []
