# SPDX-License-Identifier: ISC
"""SMTPUTF8 with customers whose servers lack it: what can go without goes, and
what cannot gets a refusal that is judged like the customer's own."""

import pytest

from scripted_customer import Customer

SETTINGS = {"believe_5xx": "always", "drain_wait": "1s"}
LACKS = ["PIPELINING", "8BITMIME", "SIZE"]
BODY = b"Subject: x\r\n\r\nhello \xc3\xbc\r\n"
A = "r0@example.org"
NO = "553 5.6.7 The customer's server has no SMTPUTF8"


def u8(text):
    """As the dialogue's lines carry it."""
    return text.encode().decode("latin-1")


def deliver(daemon, recipient=A, sender="s@sender.test", body=BODY,
            offers=LACKS):
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), "pipelining", offers=offers)
    answers = daemon.postfix().deliver(
        "Q1", [u8(recipient)], body, sender=u8(sender), parameters=" SMTPUTF8")
    customer.join()
    return answers, customer


def test_where_only_the_parameter_asks_for_it_it_is_left_out(daemon):
    answers, customer = deliver(daemon)
    assert answers == ["250 2.0.0 taken"]
    [message] = customer.accepted
    assert message.mail == "FROM:<s@sender.test>" and message.body == BODY


def test_domain_goes_by_its_a_label(daemon):
    answers, customer = deliver(daemon, "r0@bücher.example",
                                "s@bücher.example")
    assert answers == ["250 2.0.0 taken"]
    [message] = customer.accepted
    assert message.mail == "FROM:<s@xn--bcher-kva.example>"
    assert message.recipients == ["TO:<r0@xn--bcher-kva.example>"]


@pytest.mark.parametrize("what", [
    {"recipient": "jürgen@example.org"}, {"sender": "jürgen@sender.test"},
    {"body": b"Subject: \xc3\xbc\r\n\r\nhello\r\n"}])
def test_what_needs_it_is_refused_and_never_sent(daemon, what):
    answers, customer = deliver(daemon, **what)
    assert answers == [NO]
    assert not customer.accepted
    assert not any(row.startswith("MAIL") for row in customer.commands)


def test_the_refusal_gets_a_second_opinion(make_daemon):
    daemon = make_daemon(believe_5xx="second-opinion", drain_wait="1s")
    answers, _ = deliver(daemon, "jürgen@example.org")
    assert answers == ["451 4.6.7 The customer's server has no SMTPUTF8 "
                       "(kept for a second opinion)"]
    daemon.wait_for_tag("Q1", "held")


def test_a_server_that_has_it_gets_all_as_it_is(daemon):
    answers, customer = deliver(daemon, "jürgen@bücher.example",
                                offers=[*LACKS, "SMTPUTF8"])
    assert answers == ["250 2.0.0 taken"]
    [message] = customer.accepted
    assert message.mail == "FROM:<s@sender.test> SMTPUTF8"
    assert message.recipients == [f"TO:<{u8('jürgen@bücher.example')}>"]
