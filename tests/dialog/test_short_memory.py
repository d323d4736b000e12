# SPDX-License-Identifier: ISC
"""Any piece of memory may be refused while a message is on its way: odmrd
lives, and Postfix hears 250 only for what the customer took."""

import contextlib
import itertools
import os
import socket

import pytest

from odmr.wait import wait_for
from odmrd_alone import SANITIZED
from scripted_customer import Customer
from scripted_line import LineClosed
from scripted_postfix import stuffed
from shortage import Shortage

RECIPIENTS = ["r0@example.org", "r1@example.org", "r2@example.org"]
BODY = stuffed(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n")

pytestmark = pytest.mark.skipif(
    SANITIZED, reason="a sanitizer has an allocator of its own")


def deliver(postfix, queue_id):
    """As lmtp(8) does; the answers by recipient, as far as they came."""
    line, answers = postfix.line, {}

    def ask(command):
        line.say(command)
        return line.line()[0] in "23"
    try:
        ask(f"XFORWARD IDENT={queue_id}")
        if not ask("MAIL FROM:<s@sender.test>"):
            return answers
        taken = [name for name in RECIPIENTS if ask(f"RCPT TO:<{name}>")]
        if taken and ask("DATA"):
            line.send(BODY)
            for name in taken:
                answers[name] = line.line()
    except (LineClosed, ConnectionError):
        pass
    return answers


def run_short(daemon, shortage, number):
    """One message in a session of its own; True where memory was refused."""
    daemon.tag(f"Q{number}", "example.org", 3)
    line = daemon.turned()
    customer = Customer(line, data=True, **{
        "RCPT__r1@example.org": "550 5.1.1 no such user"})
    postfix = daemon.postfix()
    shortage.begin(number)
    answers = deliver(postfix, f"Q{number}")
    had = shortage.end()
    with contextlib.suppress(OSError):
        line.sock.shutdown(socket.SHUT_RDWR)
    customer.join()
    daemon.hang_up()
    wait_for(lambda: not daemon.sockets(), 10, "the session's end")
    taken = {name for message in customer.accepted
             for name in RECIPIENTS if f"TO:<{name}>" in message.recipients}
    told = {name for name, answer in answers.items() if answer[0] == "2"}
    assert told <= taken, (number, answers)
    assert had or len(answers) == 3
    assert daemon.process.poll() is None, number
    return had


def test_no_shortage_of_memory_makes_an_answer_another_ones(
        make_daemon, tmp_path):
    shortage = Shortage(tmp_path)
    daemon = make_daemon(environment=shortage.environment)
    for number in itertools.count(1):
        if not run_short(daemon, shortage, number):
            break
    assert number > 15, "nothing was refused"


def sockets(daemon):
    count, directory = 0, f"/proc/{daemon.process.pid}/fd"
    for name in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"{directory}/{name}").startswith("socket:")
    return count


def test_no_shortage_of_memory_keeps_a_connection_open(make_daemon, tmp_path):
    """Whatever is refused to the end of a session, it ends."""
    shortage = Shortage(tmp_path)
    daemon = make_daemon(environment=shortage.environment)
    before = sockets(daemon)
    for number in itertools.count(1):
        line = daemon.greeted()
        shortage.begin(number)
        line.hang_up()
        wait_for(lambda: sockets(daemon) <= before, 15,
                 f"the end of the connection, without piece {number}")
        if not shortage.end():
            break
    assert number > 3, "nothing was refused"
