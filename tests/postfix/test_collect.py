# SPDX-License-Identifier: ISC
"""Mail that waits in a real Postfix, collected by a real fetchmail into
another real Postfix."""

import pytest

from odmr.customer import Customer
from odmr.wait import wait_for
from party import SENDER, text

PLANS = {
    "chunking": {},
    "pipelining": {"smtpd_discard_ehlo_keywords": "chunking"},
    "lockstep": {"smtpd_discard_ehlo_keywords": "chunking, pipelining"},
    # EHLO becomes a word that no server knows.
    "helo-only": {"smtpd_command_filter": "regexp:{{/^EHLO/ NOEHLO}}"},
}

LONG = b"x" * 20000
BODIES = {
    "8-bit": "Grüße aus Zürich\n".encode() + bytes(range(128, 256)) + b"\n",
    "long lines": LONG + b"\n" + LONG + b"y\n",
    "dots": b".\n..\n...\n.hidden\n\n.\n" + b"." * 1200 + b"\n.\n",
    "dot last": b"and then\n.\n",
    "binary-ish": bytes(c for c in range(1, 256) if c not in b"\r\n") + b"\n",
    "blank lines": b"\n\n\n",
    "empty": b"",
    "commands": b"RSET\nQUIT\nBDAT 5 LAST\n250 ok\nDATA\n",
    "chunk edges": b"".join(b"z" * n + b"\n" for n in range(1, 900)),
}


def samples():
    return [text(number, body) for number, body in
            enumerate(BODIES.values())]


# ---- bytes

@pytest.mark.parametrize("plan", PLANS)
def test_all_octets_arrive_whatever_the_customer_can_do(
        make_party, shared_policy, plan):
    server = Customer(["static:all"], **PLANS[plan],
                      **shared_policy.settings())
    try:
        party = make_party(server=server)
        party.send(*samples(), *(text(n, b"a line\n" * n * 50)
                                 for n in range(21)))
        party.wait_until_held(30)
        assert party.collect() == 0
        party.expect_all_collected()
        party.expect_session(delivered=30)
        assert party.session()["plan"] == \
            ("lockstep" if plan == "helo-only" else plan)
        refused = server.log_lines("postfix/smtpd", "NOEHLO")
        assert bool(refused) == (plan == "helo-only")
    finally:
        server.stop()


def test_fetchmail_over_openssl_s_client_collects_under_tls(party):
    party.send(*samples())
    party.wait_until_held(len(BODIES))
    assert party.collect(tls=True) == 0
    party.expect_all_collected()
    party.expect_session(delivered=len(BODIES))
    assert party.session()["tls"].startswith("TLSv1.")


# ---- which mail

def test_neighbouring_names_get_their_own_copy_of_one_message(make_party):
    good = make_party("example.org")
    evil = make_party("example.org.evil.test")
    recipients = ["a@example.org", "b@example.org",
                  "c@example.org.evil.test"]
    good.send_to(recipients, text(1))
    evil.note(recipients, text(1))
    good.wait_until_held(1)
    evil.wait_until_held(1)

    assert evil.collect() == 0
    evil.expect_all_collected()
    evil.expect_session(delivered=1)
    assert good.arrived() == {}
    assert set(good.queued()) == {"a@example.org", "b@example.org"}
    [tag] = good.tags()
    assert tag["recipients"] == ["a@example.org", "b@example.org"]
    assert tag["attempts"] == 0

    assert good.collect() == 0
    good.expect_all_collected()
    good.expect_session(delivered=1)
    evil.expect_arrived()
    evil.session(count=1)


@pytest.mark.parametrize("own, named", [
    ("case.example", "CASE.EXAMPLE"), ("Mixed.Example", "mIXED.eXAMPLE")])
def test_the_case_of_a_domain_does_not_matter(make_party, own, named):
    party = make_party(own.lower())
    party.send_to([f"bob@{own.swapcase()}"], text(1))
    party.wait_until_held(1)
    assert party.collect(domains=[named]) == 0
    party.expect_all_collected()
    party.expect_session(delivered=1)


def test_two_domains_of_one_account_come_in_one_session(make_party):
    party = make_party("one.example", "two.example")
    both = ["a@one.example", "b@two.example", "c@one.example"]
    party.send_to(both, text(1))
    party.send_to(["d@two.example"], text(2))
    party.send_to(["e@one.example"], text(3))
    party.wait_until_tried(3)
    # The message to both has two tags.
    wait_for(lambda: party.held() == 4, 20, "4 open tags")
    assert len(party.queued()) == 5
    assert party.collect() == 0
    party.expect_all_collected()
    # The message to both goes once for each next hop.
    party.expect_session(delivered=4)
    assert party.session()["domains"] == "one.example,two.example"


def test_a_domain_that_is_not_asked_for_stays(make_party):
    party = make_party("asked.example", "unasked.example")
    party.send_to(["a@asked.example", "b@unasked.example"], text(1))
    party.wait_until_tried(1)
    wait_for(lambda: party.held() == 2, 20, "2 open tags")
    assert party.collect(domains=["asked.example"]) == 0
    party.expect_arrived([("a@asked.example", text(1))])
    party.expect_session(delivered=1)
    assert set(party.queued()) == {"b@unasked.example"}
    assert party.provider.status("asked.example")["held"] == 0
    assert party.provider.status("unasked.example")["held"] == 1
    assert party.collect() == 0
    party.expect_all_collected()


def test_a_message_to_250_recipients_reaches_each_of_them_once(party):
    recipients = [f"user{n}@{party.domain}" for n in range(250)]
    party.send_to(recipients, text(1))
    party.wait_until_held(1)
    assert party.collect() == 0
    party.expect_all_collected()
    # Postfix makes transactions of 100 recipients at most.
    party.expect_session(delivered=3)


def test_mail_by_sendmail_is_tagged_and_collected(party):
    recipient = f"bob@{party.domain}"
    party.provider.sendmail(SENDER, [recipient], text(1))
    party.wait_until_held(1)
    [tag] = party.tags()
    assert (tag["sender"], tag["client"]) == (SENDER, "127.0.0.1")
    assert party.collect() == 0
    party.provider.wait_until_empty()
    # Postfix adds Date, From and Message-Id for its own users.
    [(name, [message])] = party.arrived().items()
    assert name == recipient and message.endswith(b"\n\nhello\n")
    party.expect_nothing_held()
    party.expect_session(delivered=1)


# ---- fetchmail's exit status

def test_fetchmail_says_with_0_that_there_was_no_mail(party):
    assert party.collect() == 0
    assert party.sessions() == []


def test_fetchmail_says_with_4_that_a_domain_is_not_granted(
        make_party, party):
    other = make_party()
    for each in (party, other):
        each.send(text(1))
        each.wait_until_held(1)
    assert party.collect(domains=[party.domain, other.domain]) == 4
    assert party.sessions() == []
    assert party.arrived() == other.arrived() == {}
    assert party.held() == other.held() == 1
    for each in (party, other):
        assert each.collect() == 0
        each.expect_all_collected()


def test_fetchmail_says_with_128_that_the_password_is_wrong(party):
    party.send(text(1))
    party.wait_until_held(1)
    assert party.collect(password="incorrect horse") == 128
    assert party.sessions() == []
    assert party.held() == sum(party.queued().values()) == 1
    assert party.collect() == 0
    party.expect_all_collected()
