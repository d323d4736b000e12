# SPDX-License-Identifier: ISC
"""What a customer's server cannot do although it offers it, or needs, is
learnt from how a session goes wrong, and the next one does without."""

import json
import ssl
import subprocess
import threading

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from scripted_customer import CLOSE, OFFERS, Customer

SETTINGS = {"believe_5xx": "always", "drain_wait": "1s",
            "customer_timeout": "2s", "data_done_timeout": "2s"}
BODY = b"Subject: x\r\n\r\nhello\r\n"
A = "r0@example.org"


def known(daemon):
    return [what for what, in daemon.sql(
        "SELECT what FROM workaround ORDER BY what")]


def learnt(daemon, what):
    wait_for(lambda: what in known(daemon), 10, f"{what} is learnt")


def deliver(daemon, queue_id, count=1):
    """The answer to a message, or None where the connection ends before."""
    try:
        return daemon.postfix().deliver(queue_id, [A] * count, BODY)[0]
    except (ConnectionError, EOFError, OSError):
        return None


def session(daemon, customer, queue_ids):
    """A session that is offered these, one after the other; those that were
    taken."""
    taken = []
    postfix = None
    for queue_id in queue_ids:
        try:
            postfix = postfix or daemon.postfix()
            [answer] = postfix.deliver(queue_id, [A], BODY)
        except Exception:  # the session is over
            break
        if answer.startswith("250"):
            taken.append(queue_id)
        else:
            break
    customer.thread.join(30)
    assert not customer.faults, customer.faults
    wait_for(lambda: not daemon.sockets() and not daemon.sql(
        "SELECT id FROM session"), 20, "the session ends")
    return taken


class BadChunking(Customer):
    """CHUNKING is offered, and BDAT is answered so each time, or from some
    message on."""

    def __init__(self, line, answer, works=0, **more):
        self.bad, self.works = answer, works
        super().__init__(line, data=True, **more)

    def _bdat(self, argument):
        if self.works > 0:
            self.works -= 1
            super()._bdat(argument)
            return
        if self.bad != "commands":
            self.line.take(int(argument.split(" ")[0]))
            self._give(self.bad)
            self.broken = True
            return
        # Knows no BDAT: the octets are commands for it.
        self._give("500 what is BDAT")
        for _ in range(BODY.count(b"\r\n")):
            self.line.line()
            self._give("500 what is this")


@pytest.mark.parametrize("answer, works", [
    ("500 5.5.1 what", 0), ("502 no", 0), ("503 5.5.1 no", 0), ("504 no", 0),
    (CLOSE, 0), ("<silent>", 0), ("commands", 0), (CLOSE, 1)])
def test_broken_chunking_is_avoided(daemon, answer, works):
    names = [f"Q{i}" for i in range(5)]
    for name in names:
        daemon.tag(name, "example.org")
    taken = []
    for _ in range(3):
        left = [name for name in names if name not in taken]
        if left:
            taken += session(daemon, BadChunking(
                daemon.turned(), answer, works), left)
    assert taken == names
    assert "no-chunking" in known(daemon)
    daemon.wait_for_log("workaround: no-chunking account=alice")
    assert not daemon.sql("SELECT 1 FROM tag WHERE state = 'refused'")


def test_chunking_is_tried_again_after_a_time(daemon):
    daemon.tag("Q1", "example.org")
    session(daemon, BadChunking(daemon.turned(), "500 what"), ["Q1"])
    learnt(daemon, "no-chunking")
    daemon.tag("Q2", "example.org")
    daemon.sql("UPDATE workaround SET until = unixepoch() - 1")
    customer = Customer(daemon.turned(), data=True)
    assert session(daemon, customer, ["Q2"]) == ["Q2"]
    assert any(row.startswith("BDAT") for row in customer.commands)


def test_a_cut_line_is_no_fault_of_chunking_that_has_worked(daemon):
    for i in range(4):
        daemon.tag(f"Q{i}", "example.org")
    customer = Customer(daemon.turned(), END=["250 ok", "250 ok", CLOSE])
    assert session(daemon, customer, ["Q0", "Q1", "Q2"]) == ["Q0", "Q1"]
    learnt(daemon, "few-in-flight")
    assert known(daemon) == ["few-in-flight"]
    customer = Customer(daemon.turned(), data=True)
    assert session(daemon, customer, ["Q3", "Q2"]) == ["Q3", "Q2"]


def test_broken_pipelining_is_avoided(daemon):
    """A server that drops what comes ahead of its reply."""
    class Deaf(Customer):
        def _command(self, text):
            if self.line.pending():
                self._wait_for_the_end()
                return False
            return super()._command(text)

    for i in range(3):
        daemon.tag(f"Q{i}", "example.org")
    taken = []
    for _ in range(3):
        left = [f"Q{i}" for i in range(3) if f"Q{i}" not in taken]
        if left:
            taken += session(daemon, Deaf(daemon.turned(), "pipelining"), left)
    assert taken == ["Q0", "Q1", "Q2"]
    assert "no-pipelining" in known(daemon)


# ---- EHLO and HELO


def test_masked_banner_gets_helo(daemon):
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), "lockstep",
                        GREETING="220 ******************")
    assert session(daemon, customer, ["Q1"]) == ["Q1"]
    assert customer.commands[0] == "HELO relay.test"


class Guarded(Customer):
    """Behind a mail guard that hands NOOP on instead of EHLO."""

    def _command(self, text):
        if text.startswith("HELO"):
            self.greeted = True
        if text.startswith("MAIL") and not getattr(self, "greeted", False):
            self.commands.append(text)
            self._give("503 5.5.1 Error: send HELO/EHLO first")
            return True
        return super()._command(text)


@pytest.mark.parametrize("reply", ["250 2.0.0 Ok", "250 OK", "250 Fine."])
def test_mail_guard_that_answers_ehlo_itself_gets_helo(daemon, reply):
    daemon.tag("Q1", "example.org")
    customer = Guarded(daemon.turned(), "lockstep", EHLO=reply)
    assert session(daemon, customer, ["Q1"]) == ["Q1"]
    assert "HELO relay.test" in customer.commands


# ---- TLS


class TlsOnly(Customer):
    """Takes mail over TLS alone."""

    def __init__(self, line, directory, plan="pipelining", breaks=False):
        self.directory, self.secure, self.breaks = directory, False, breaks
        super().__init__(line, plan, offers=[*OFFERS[plan], "STARTTLS"],
                         data=True)

    def _command(self, text):
        if text == "STARTTLS" and self.breaks:
            self._give("220 go")
            return False
        if text == "STARTTLS":
            self.commands.append(text)
            self._give("220 go")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.directory / "server.pem",
                                    self.directory / "server.key")
            self.line.sock = context.wrap_socket(self.line.sock,
                                                 server_side=True)
            self.secure = True
            return True
        if text.split(" ")[0] in ("MAIL", "RCPT", "DATA") and not self.secure:
            self.commands.append(text)
            self._give("530 5.7.0 Must issue a STARTTLS command first")
            return True
        return super()._command(text)

    def _wait_for_the_end(self):
        if not self.breaks:
            super()._wait_for_the_end()


@pytest.mark.parametrize("plan", ["lockstep", "pipelining", "chunking"])
def test_tls_is_used_again_where_nothing_is_taken_without(daemon, plan):
    daemon.tag("Q1", "example.org")
    session(daemon, TlsOnly(daemon.turned(), daemon.dir, plan, True), [])
    learnt(daemon, "no-tls")
    customer = TlsOnly(daemon.turned(), daemon.dir, plan)
    assert session(daemon, customer, ["Q1"]) == ["Q1"]
    assert customer.secure
    learnt(daemon, "tls")
    daemon.tag("Q2", "example.org")
    customer = TlsOnly(daemon.turned(), daemon.dir, plan)
    assert session(daemon, customer, ["Q2"]) == ["Q2"]
    assert customer.commands[:2] == ["EHLO relay.test", "STARTTLS"]


def test_starttls_that_is_swallowed_takes_seconds_and_is_remembered(
        make_daemon):
    """As behind fetchmail, which hands on whole lines only."""
    daemon = make_daemon(drain_wait="1s", customer_timeout="15m")
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.say("250-customer.test\r\n250 STARTTLS")
    line.expect("STARTTLS")
    line.say("220 go")
    daemon.ended("timeout", timeout=60, delivered=0)
    learnt(daemon, "no-tls")
    customer = Customer(daemon.turned(), "lockstep", offers=["STARTTLS"])
    assert session(daemon, customer, ["Q1"]) == ["Q1"]


# ---- NOOP and RSET


def test_noop_at_which_the_server_closes_is_not_said_again(make_daemon):
    daemon = make_daemon(noop_interval="1s", drain_wait="1s")
    daemon.sql("UPDATE account SET linger = 600 WHERE login = 'alice'")
    customer = Customer(daemon.turned(), NOOP="421 4.7.0 too many NOOPs")
    learnt(daemon, "no-noop")
    customer.line.sock.close()
    daemon.hang_up()
    wait_for(lambda: not daemon.sockets(), 10, "the end")
    customer = Customer(daemon.turned(), NOOP="421 4.7.0 too many")
    wait_for(lambda: daemon.sql("SELECT 1 FROM session WHERE state = "
                                "'lingering'"), 10, "it lingers")
    threading.Event().wait(2.5)  # two of its intervals: nothing is said
    daemon.tag("Q1", "example.org")
    assert deliver(daemon, "Q1") == "250 2.0.0 taken"
    assert "NOOP" not in customer.commands


def test_rset_that_is_counted_is_said_only_where_it_must_be(daemon):
    for i in range(6):
        daemon.tag(f"Q{i}", "example.org")
    customer = Customer(daemon.turned(), data=True, **{
        "END": ["250 ok", "550 5.7.1 no"],
        "RSET": "421 4.7.0 too many nonmail commands"})
    session(daemon, customer, ["Q0"])
    assert customer.quit or True
    customer = Customer(daemon.turned(), data=True, **{
        "END m1@s.test": "550 5.7.1 no",
        "RSET": "421 4.7.0 too many nonmail commands"})
    postfix = daemon.postfix()
    assert postfix.deliver("Q1", [A], BODY, sender="m0@s.test") == \
        ["250 2.0.0 taken"]
    assert postfix.deliver("Q2", [A], BODY, sender="m1@s.test") == \
        ["550 5.7.1 no"]
    postfix.begin("Q3", [A], BODY, sender="m2@s.test")
    daemon.ended("closed-by-customer", delivered=1)
    learnt(daemon, "few-rset")


# ---- what the operator sees


def test_account_show_tells_what_was_learnt(daemon):
    daemon.tag("Q1", "example.org")
    session(daemon, BadChunking(daemon.turned(), "500 what"), ["Q1"])
    learnt(daemon, "no-chunking")
    odmrctl = [BUILD / "odmrctl", "-c", daemon.dir / "odmr.conf"]
    text = subprocess.run([*odmrctl, "account", "show", "alice"],
                          capture_output=True, text=True, check=True).stdout
    assert "workaround no-chunking until 20" in text and "BDAT" in text
    account = json.loads(subprocess.run(
        [*odmrctl, "account", "show", "alice", "--json"], capture_output=True,
        check=True).stdout)
    [row] = [row for row in account["workarounds"]
             if row["what"] == "no-chunking"]
    assert row["why"] == "BDAT is refused"
    # It goes with the account.
    subprocess.run([*odmrctl, "account", "remove", "alice"], check=True)
    assert known(daemon) == []
    subprocess.run([*odmrctl, "account", "add", "alice", "--cram-md5"],
                   input="open sesame\n", text=True, check=True)
    subprocess.run([*odmrctl, "account", "grant", "alice", "example.org",
                    "example.net", "shared.test"], check=True)
