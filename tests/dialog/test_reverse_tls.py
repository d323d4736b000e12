# SPDX-License-Identifier: ISC
"""STARTTLS towards the customer's server, behind the turn."""

import ssl

import pytest

from odmr.wait import wait_for
from scripted_customer import Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"
OFFERS = ["PIPELINING", "STARTTLS"]


class TlsCustomer(Customer):
    """One whose server offers STARTTLS; `broken` ones then talk nonsense."""

    def __init__(self, line, directory, broken=False, reply="220 go",
                 deaf=False, **more):
        self.directory, self.nonsense, self.reply = directory, broken, reply
        self.deaf = deaf  # to what is said within TLS
        self.secure = False
        super().__init__(line, "pipelining", offers=OFFERS, **more)

    def _command(self, text):
        if text != "STARTTLS":
            return super()._command(text)
        self.commands.append(text)
        self.line.say(self.reply)
        if self.reply.startswith("220") and self.nonsense:
            self.line.send(b"this is no TLS record at all\r\n")
        elif self.reply.startswith("220"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.directory / "server.pem",
                                    self.directory / "server.key")
            self.line.sock = context.wrap_socket(self.line.sock,
                                                 server_side=True)
            self.secure = True
            self.usual["EHLO"] = "250-customer.test\r\n250 DSN"
            if self.deaf:
                self.line.line()
                return False
        return True


def collect(daemon, tls=False, **more):
    return TlsCustomer(daemon.turned(tls=tls), daemon.dir, **more)


@pytest.mark.parametrize("policy", ["may", "require"])
def test_mail_goes_over_tls_where_the_customer_offers_it(make_daemon, policy):
    daemon = make_daemon(reverse_tls=policy)
    daemon.tag("Q1", "example.org")
    customer = collect(daemon)
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", ["r0@example.org"], BODY) == \
        ["250 2.0.0 taken"]
    customer.join()
    assert customer.secure
    assert customer.commands[:3] == ["EHLO relay.test", "STARTTLS",
                                     "EHLO relay.test"]
    # What counts is what was said behind the handshake.
    assert "DSN" in postfix.extensions
    daemon.ended("drained", delivered=1, tls="TLSv1.3")


def test_none_means_never(make_daemon):
    daemon = make_daemon(reverse_tls="none")
    daemon.tag("Q1", "example.org")
    customer = collect(daemon)
    daemon.postfix().deliver("Q1", ["r0@example.org"], BODY)
    customer.join()
    assert "STARTTLS" not in customer.commands


def test_no_tls_within_tls(make_daemon):
    daemon = make_daemon(reverse_tls="require")
    daemon.tag("Q1", "example.org")
    customer = collect(daemon, tls=True)
    daemon.postfix().deliver("Q1", ["r0@example.org"], BODY)
    customer.join()
    assert "STARTTLS" not in customer.commands
    daemon.ended("drained", delivered=1)


def test_require_sends_no_mail_in_clear(make_daemon):
    daemon = make_daemon(reverse_tls="require")
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned())
    customer.join()
    assert customer.commands == ["EHLO relay.test"]
    daemon.ended("no-reverse-tls", delivered=0)


@pytest.mark.parametrize("policy, reason", [("may", "drained"),
                                            ("require", "no-reverse-tls")])
def test_refused_starttls(make_daemon, policy, reason):
    daemon = make_daemon(reverse_tls=policy)
    daemon.tag("Q1", "example.org")
    customer = collect(daemon, reply="454 4.7.0 not now")
    if policy == "may":
        daemon.postfix().deliver("Q1", ["r0@example.org"], BODY)
    customer.join()
    daemon.ended(reason)


def test_after_a_failed_handshake_the_next_session_goes_without(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    collect(daemon, broken=True).join()
    daemon.wait_for_log("workaround: no-tls account=alice",
                        "TLS with the customer's server failed")
    customer = collect(daemon, broken=True)
    assert daemon.postfix().deliver("Q1", ["r0@example.org"], BODY) == \
        ["250 2.0.0 taken"]
    customer.join()
    assert "STARTTLS" not in customer.commands


def test_server_that_is_deaf_within_tls_is_spoken_to_without(make_daemon):
    """As behind fetchmail, where the handshake comes through by chance."""
    daemon = make_daemon(customer_timeout="2s")
    daemon.tag("Q1", "example.org")
    collect(daemon, deaf=True).join()
    daemon.ended("timeout", delivered=0)
    daemon.wait_for_log("workaround: no-tls account=alice",
                        "TLS with the customer's server failed")
    customer = collect(daemon)
    assert daemon.postfix().deliver("Q1", ["r0@example.org"], BODY) == \
        ["250 2.0.0 taken"]
    customer.join()
    assert not customer.secure


def test_require_tries_again_after_a_failed_handshake(make_daemon):
    daemon = make_daemon(reverse_tls="require")
    daemon.tag("Q1", "example.org")
    for _ in range(2):
        customer = collect(daemon, broken=True)
        customer.join()
        assert customer.commands[-1] == "STARTTLS"
        wait_for(lambda: not daemon.sockets(), 10, "the session ends")


def test_what_is_said_behind_220_does_not_survive_the_handshake(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    collect(daemon, reply="220 go\r\n250 evil")
    daemon.ended("input-before-tls", delivered=0)


def test_silence_within_the_handshake_times_out(make_daemon):
    daemon = make_daemon(customer_timeout="1s")
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.say("250-customer.test\r\n250 STARTTLS")
    line.expect("STARTTLS")
    line.say("220 go")
    daemon.ended("timeout", delivered=0)
    daemon.wait_for_log("TLS with the customer's server failed")
