# SPDX-License-Identifier: ISC
"""Domains in mode hold: ETRN has odmrd connect to their server, and from there
it is a session like any other."""

import itertools
import json
import socket
import threading
import time

import pytest

from odmr.wait import wait_for
from odmrd_alone import Control
from scripted_customer import CLOSE, Customer
from scripted_line import Line

REST = 10  # seconds for which a server that could not be had is left alone
NUMBERS = itertools.count(1)


class Held:
    """A domain on hold, and its server: a listener whose connections the test
    plays."""

    def __init__(self, daemon, nexthop=None, mail=True):
        self.daemon = daemon
        self.name = f"held{next(NUMBERS)}.test"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.port = self.listener.getsockname()[1]
        daemon.sql("INSERT INTO domain (name, mode, nexthop, socket, created)"
                   " VALUES (?, 'hold', ?, ?, 0)", self.name,
                   nexthop or f"[127.0.0.1]:{self.port}", self.name)
        self.id = self.name.replace(".", "")
        if mail:
            daemon.tag(self.id, self.name)

    def etrn(self, answer="253 OK, 1 pending messages for node {} started"):
        line = self.daemon.known("carol")
        self.daemon.sql(
            "INSERT OR IGNORE INTO access SELECT id, ? FROM account"
            " WHERE login = 'carol'", self.name)
        line.say(f"ETRN {self.name}")
        line.expect(answer.format(self.name))
        line.hang_up()

    def accept(self):
        line = Line(self.listener.accept()[0], self.daemon.transcript)
        self.daemon.lines.append(line)
        return line

    def serve(self, plan="chunking", **answers):
        """Its next connection."""
        return Customer(self.accept(), plan, **answers)

    def nobody_comes(self, seconds=1):
        self.listener.settimeout(seconds)
        try:
            with pytest.raises(TimeoutError):
                self.listener.accept()
        finally:
            self.listener.settimeout(30)

    def postfix(self):
        """On its socket, which is there, and listens, a moment after the
        connection."""
        def connected():
            try:
                return self.daemon.postfix(self.name)
            except (FileNotFoundError, ConnectionRefusedError):
                return None
        return wait_for(connected, 30, f"the socket of {self.name}")

    def deliver(self, **more):
        return self.postfix().deliver(self.id, [f"r@{self.name}"], **more)

    def wait_for_session(self, state):
        wait_for(lambda: [row[0] for row in self.daemon.sql(
            "SELECT state FROM session JOIN session_domain ON session = id "
            "WHERE domain = ?", self.name)] ==
            [state], 30, f"a session that is {state}")

    def ended(self, reason, **fields):
        row = self.daemon.wait_for_log(
            ": session account=- ", f" domains={self.name} ",
            f" reason={reason}", timeout=30)
        for name, value in fields.items():
            assert f" {name}={value} " in row, row
        return row


@pytest.fixture
def held(daemon):
    made = Held(daemon)
    yield made
    made.listener.close()


# ---- the session


def test_etrn_dials_and_the_mail_is_delivered_and_settled(daemon, held):
    held.etrn()
    server = held.serve()
    daemon.wait_for_flushed(held.name)
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()
    assert len(server.accepted) == 1
    assert server.commands[0] == "EHLO relay.test"
    assert server.commands[-1] == "QUIT"
    held.ended("drained", delivered=1, plan="chunking",
               client="127.0.0.1", mech="-", tls="no")
    daemon.wait_for_tag(held.id, "delivered")


def test_session_and_its_usage_are_shown(daemon, held):
    held.etrn()
    line = held.accept()
    held.wait_for_session("greeting")
    row, = json.loads(daemon.odmrctl("sessions", "--json"))["sessions"]
    assert (row["account"], row["client"], row["domains"], row["held"]) == \
        (None, "127.0.0.1", [held.name], 1)
    assert f"    dialled 127.0.0.1\n    {held.name}\n" in \
        daemon.odmrctl("sessions")
    server = Customer(line)
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()
    held.ended("drained")
    rows = wait_for(lambda: [list(usage) for usage in daemon.sql(
        "SELECT account, domain, delivered, 0 FROM usage WHERE domain = ? "
        "UNION ALL SELECT account, '', 0, sessions FROM session_usage "
        "WHERE account = ''", held.name)
        if usage[2] or usage[3]], 20, "usage")
    assert ["carol", held.name, 1, 0] in rows
    assert [row[3] for row in rows if row[:2] == ["", ""]][0] > 0


def test_session_without_mail_for_it_ends_with_quit(daemon, held):
    held.etrn()
    line = held.accept()
    daemon.sql("DELETE FROM tag WHERE queue_id = ?", held.id)
    server = Customer(line)
    server.join()
    held.ended("drained", delivered=0)
    assert server.commands == ["EHLO relay.test", "QUIT"]


def test_nothing_is_dialled_where_nothing_waits(daemon):
    held = Held(daemon, mail=False)
    held.etrn("251 OK, no messages waiting for node {}")
    held.nobody_comes()


def test_refusal_is_answered_to_postfix_and_settles_the_tag(daemon, held):
    held.etrn()
    server = held.serve(RCPT="550 5.1.1 nobody of that name")
    assert held.deliver() == ["550 5.1.1 nobody of that name"]
    server.join()
    held.ended("drained", refused=1)
    daemon.wait_for_tag(held.id, "refused")


def test_what_the_server_cannot_do_is_learnt_for_the_domain(daemon, held):
    held.etrn()
    server = held.serve(END="502 5.5.1 no such command")
    assert held.deliver()[0].startswith("4")
    server.join()
    held.ended("out-of-step")
    told = wait_for(lambda: json.loads(daemon.odmrctl(
        "domain", "show", held.name, "--json"))["workarounds"], 20,
        "a workaround")
    assert "no-chunking" in [row["what"] for row in told]
    assert "workaround no-chunking until" in daemon.odmrctl(
        "domain", "show", held.name)
    time.sleep(REST)
    held.etrn()
    server = held.serve("chunking", data=True)
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()
    assert "DATA" in server.commands


# ---- one at a time


def test_etrn_during_a_session_does_not_dial_again(daemon, held):
    held.etrn()
    line = held.accept()
    held.etrn()
    server = Customer(line)
    assert held.deliver() == ["250 2.0.0 taken"]
    held.nobody_comes(0.2)
    server.join()
    held.ended("drained", delivered=1)
    held.nobody_comes()


def test_etrn_while_a_session_says_quit_has_the_next_one_dialled(daemon, held):
    may_quit = threading.Event()
    held.etrn()
    server = held.serve(QUIT=lambda _: may_quit.wait(30) and "221 bye")
    assert held.deliver() == ["250 2.0.0 taken"]
    held.wait_for_session("quitting")
    held.id += "x"
    daemon.tag(held.id, held.name)
    held.etrn()
    held.nobody_comes(0.2)
    may_quit.set()
    server.join()
    server = held.serve()
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()


def test_each_owner_has_a_share_of_the_deliveries(make_daemon):
    """Two domains are one account's, and another is nobody's."""
    daemon = make_daemon(delivery_limit=1)
    first, second, other = (Held(daemon) for _ in range(3))
    may_end = threading.Event()
    first.etrn()
    second.etrn()
    assert daemon.control().ask(f"dial {other.name}") == ["ok"]
    servers = [held.serve(END=lambda _: may_end.wait(30) and "250 taken")
               for held in (first, second, other)]
    begun = [held.postfix() for held in (first, other)]
    for postfix, held in zip(begun, (first, other)):
        postfix.begin(held.id, [f"r@{held.name}"], b"hello\r\n")
    beyond = second.postfix()
    beyond.line.say(f"MAIL FROM:<s@s.test>\r\nRCPT TO:<r@{second.name}>")
    beyond.line.expect("450 4.3.2 Enough mail of this customer is on its way")
    may_end.set()
    for postfix in begun:
        assert postfix.answers(1) == ["250 taken"]
    servers[2].join()


def test_two_domains_of_one_next_hop_are_two_sessions(daemon, held):
    other = Held(daemon, f"[127.0.0.1]:{held.port}")
    held.etrn()
    other.etrn()
    servers = [held.serve(), held.serve()]
    assert held.deliver() == ["250 2.0.0 taken"]
    assert other.deliver() == ["250 2.0.0 taken"]
    for server in servers:
        server.join()
    held.ended("drained", delivered=1)
    other.ended("drained", delivered=1)


def test_mail_that_comes_after_a_session_is_brought_by_the_next_at_once(
        daemon, held):
    for number in range(3):
        held.etrn()
        server = held.serve()
        assert held.deliver() == ["250 2.0.0 taken"]
        server.join()
        wait_for(lambda: len(daemon.logged(": session ", held.name)) ==
                 number + 1, 20, "its end")
        held.id += "x"
        daemon.tag(held.id, held.name)


def dial_many(daemon, count):
    """Domains of one next hop, which is whose they are: no account has them.
    Its server greets none."""
    first = Held(daemon)
    first.listener.listen(200)
    names = [first.name] + [
        Held(daemon, f"[127.0.0.1]:{first.port}").name
        for _ in range(count - 1)]
    for name in names:
        assert daemon.control().ask(f"dial {name}") == ["ok"]
    return first, names


def in_session(daemon, names):
    shown = {row[0] for row in daemon.sql(
        "SELECT domain FROM session_domain")}
    return [name for name in names if name in shown]


def all_places(daemon):
    """Four owners have them."""
    owners = [dial_many(daemon, 25) for _ in range(4)]
    names = [name for _, some in owners for name in some]
    wait_for(lambda: len(in_session(daemon, names)) == 100, 60,
             "100 sessions")
    return owners


def test_owner_with_many_domains_has_a_quarter_of_the_places(make_daemon):
    daemon = make_daemon()
    first, names = dial_many(daemon, 101)
    wait_for(lambda: len(in_session(daemon, names)) == 25, 60, "25 sessions")
    other = Held(daemon)
    other.etrn()
    server = other.serve()
    assert other.deliver() == ["250 2.0.0 taken"]
    server.join()
    begun = in_session(daemon, names)
    assert len(begun) == 25
    first.accept().close()
    wait_for(lambda: set(in_session(daemon, names)) - set(begun), 30,
             "the turn of one more")
    assert len(in_session(daemon, names)) == 25


def test_domains_of_one_account_have_one_owner(make_daemon):
    daemon = make_daemon()
    some = [Held(daemon) for _ in range(26)]
    for held in some:
        held.etrn()
    names = [held.name for held in some]
    wait_for(lambda: len(in_session(daemon, names)) == 25, 60, "25 sessions")
    later, = set(names) - set(in_session(daemon, names))
    first = next(held for held in some if held.name != later)
    last = next(held for held in some if held.name == later)
    last.nobody_comes()
    first.accept().close()
    last.accept()


def test_session_that_is_ready_needs_no_place(make_daemon):
    daemon = make_daemon()
    owners = all_places(daemon)
    other = Held(daemon)
    other.etrn()
    other.nobody_comes()
    line = owners[0][0].accept()
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    line.say("250 customer.test")
    server = other.serve()
    assert other.deliver() == ["250 2.0.0 taken"]
    server.join()


def test_server_that_does_not_greet_makes_room_for_who_waits(make_daemon):
    daemon = make_daemon()
    owners = all_places(daemon)
    other = Held(daemon)
    other.listener.settimeout(60)
    other.etrn()
    server = other.serve()
    assert other.deliver() == ["250 2.0.0 taken"]
    server.join()
    assert daemon.logged(": session account=- ", " reason=greeting-timeout")
    for first, _ in owners:
        first.listener.close()


# ---- TLS


def test_server_without_tls_gets_no_mail_where_it_is_required(make_daemon):
    daemon = make_daemon(reverse_tls="require")
    held = Held(daemon)
    held.etrn()
    held.serve().join()
    held.ended("no-reverse-tls", delivered=0)
    assert daemon.tag_state(held.id) == "held"


# ---- who cannot be had


def test_unreachable_server_is_one_line_and_is_left_alone_for_a_while(
        daemon, held):
    held.listener.close()
    began = time.monotonic()
    held.etrn()
    daemon.wait_for_log(
        "warning: unreachable: domain=" + held.name,
        f'reason="[127.0.0.1]:{held.port}: Connection refused"')
    held.listener = socket.create_server(("127.0.0.1", held.port))
    held.listener.settimeout(30)
    for _ in range(3):
        held.etrn()
    server = held.serve()
    assert time.monotonic() - began >= REST
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()
    assert len(daemon.logged("unreachable:", held.name)) == 1


def test_server_that_took_nothing_is_left_alone_for_a_while(daemon, held):
    held.etrn()
    server = held.serve(GREETING="554 5.3.2 not now")
    held.ended("greeting-refused", delivered=0)
    held.etrn()
    held.nobody_comes()
    server.join()
    assert held.accept()


def test_nobody_is_dialled_after_a_rest_in_which_nobody_asked(daemon, held):
    held.etrn()
    held.serve(GREETING=CLOSE).join()
    held.ended("lost")
    held.nobody_comes(REST + 2)


# ---- what ends it


def test_session_ends_when_its_domain_is_removed(daemon, held):
    held.etrn()
    server = held.serve(END=lambda body: time.sleep(1) or "250 taken")
    postfix = held.postfix()
    postfix.begin(held.id, [f"r@{held.name}"], b"hello\r\n")
    held.wait_for_session("delivering")
    said = daemon.odmrctl("domain", "remove", held.name)
    assert " of account - ended\n" in said
    assert postfix.answers(1) == ["250 taken"]
    server.join()
    held.ended("withdrawn", delivered=1)


def test_session_ends_when_its_domain_gets_another_mode(daemon, held):
    held.etrn()
    held.accept()
    held.wait_for_session("greeting")
    assert " of account - ended\n" in daemon.odmrctl(
        "domain", "set", held.name, "--mode", "odmr")
    held.ended("withdrawn")
    wait_for(lambda: held.name not in daemon.sockets(), 20, "no socket")


def test_operator_ends_the_session(daemon, held):
    held.etrn()
    server = held.serve()
    held.wait_for_session("delivering")
    (session,), = daemon.sql("SELECT id FROM session")
    assert daemon.odmrctl("sessions", "end", session) == \
        f"{session}: odmrd ends it\n"
    server.join()
    held.ended("ended-by-operator")


def test_odmrd_that_stops_ends_the_session(make_daemon):
    daemon = make_daemon(stop_timeout=1)
    held, resting = Held(daemon), Held(daemon)
    resting.listener.close()
    resting.etrn()
    daemon.wait_for_log("unreachable:", resting.name)
    held.etrn()
    server = held.serve()
    held.wait_for_session("delivering")
    daemon.terminate()
    assert daemon.wait_for_exit() == 0
    server.join()
    held.listener.close()


# ---- the control socket


def test_who_may_speak_to_odmrd_can_have_a_domain_dialled(daemon, held):
    control = daemon.control()
    assert control.ask(f"dial {held.name.upper()}") == ["ok"]
    assert control.ask("dial example.org") == ["ok"]
    daemon.wait_for_log("not dialled: example.org is not on hold any more")
    server = held.serve()
    assert held.deliver() == ["250 2.0.0 taken"]
    server.join()
    assert control.ask("dial no..domain") == ["error no domain"]
    assert Control(daemon.dir / "odmrd.sock").ask("dial") == [
        "error no such command"]
