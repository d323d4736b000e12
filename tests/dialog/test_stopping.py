# SPDX-License-Identifier: ISC
"""SIGTERM, kill -9, and the start after them. Each test has its own odmrd."""

import os
import pwd
import socket
import subprocess
import sys

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from scripted_customer import PLANS, SILENT, Customer

BODY = b"Subject: x\r\n\r\nhello\r\n"


def test_idle_session_hears_421_at_sigterm(make_daemon):
    daemon = make_daemon()
    line = daemon.greeted()
    daemon.terminate()
    line.play("""
        P: 421 4.3.2 relay.test is stopping
        P: <closed>
    """)
    assert daemon.wait_for_exit() == 0
    daemon.wait_for_log("ended account=-", "reason=stopping")


def test_session_within_a_handshake_does_not_delay_the_stop(make_daemon):
    daemon = make_daemon()
    daemon.connect(port=daemon.tls_port)
    daemon.greeted()
    daemon.terminate()
    assert daemon.wait_for_exit(5) == 0


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("connections", [0, 1, 2, 5])
def test_idle_customer_hears_quit_once_at_sigterm(
        make_daemon, plan, connections):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), plan)
    postfixes = [daemon.postfix() for _ in range(connections)]
    wait_for(daemon.flushed, 5, "postqueue -s")
    daemon.terminate()
    customer.join()
    for postfix in postfixes:
        postfix.expect_close()
    assert daemon.wait_for_exit() == 0
    assert customer.commands == ["EHLO relay.test", "QUIT"]
    daemon.ended("stopping", delivered=0)
    assert daemon.sockets() == []


@pytest.mark.parametrize("plan", PLANS)
def test_message_in_the_middle_is_finished_at_sigterm(make_daemon, plan):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = Customer(daemon.turned(), plan)
    postfix, idle = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", ["r0@example.org"])
    postfix.line.send(b"Subject: x\r\n")
    daemon.terminate()
    daemon.wait_for_log(": stopping")
    idle.expect_close()
    postfix.line.send(b"\r\nhello\r\n.\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    postfix.expect_close()
    customer.join()
    assert daemon.wait_for_exit() == 0
    assert customer.bodies() == [BODY]
    assert customer.quit
    assert daemon.tag_state("Q1") == "delivered"
    assert daemon.tag_state("Q2") == "held"
    daemon.ended("stopping", delivered=1)


def test_no_new_message_begins_after_sigterm(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), "lockstep")
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q1", ["r0@example.org"])
    other.envelope("Q2", ["r0@example.org"])
    daemon.terminate()
    daemon.wait_for_log(": stopping")
    other.line.send(BODY + b".\r\n")
    assert other.answers(1) == ["250 2.0.0 taken"]
    other.expect_close()
    postfix.line.send(BODY + b".\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    postfix.expect_close()
    customer.join()
    assert daemon.wait_for_exit() == 0


@pytest.mark.parametrize("plan", PLANS)
def test_stalled_customer_is_left_after_stop_timeout(make_daemon, plan):
    daemon = make_daemon(stop_timeout="1s")
    daemon.tag("Q1", "example.org")
    Customer(daemon.turned(), plan, END=SILENT)
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    daemon.terminate()
    assert daemon.wait_for_exit(5) == 0
    daemon.ended("stop-timeout", delivered=0)
    daemon.wait_for_log("warning: stop_timeout: the rest goes back to Postfix")
    # 4xx or no answer: never that it was taken.
    while postfix.line.fill():
        pass
    assert not postfix.line.buffer.startswith((b"2", b"5"))
    assert daemon.tag_state("Q1") == "held"


@pytest.mark.parametrize("plan", PLANS)
def test_sigterm_while_postfix_is_gone_and_the_customer_still_answers(
        make_daemon, plan):
    """Nothing is said to the customer within a message but the message."""
    daemon = make_daemon(stop_timeout="4s")
    daemon.tag("Q1", "example.org")
    stage = "END" if plan == "chunking" else "DATA"
    asked, go = [], []

    def later(_argument):
        asked.append(1)
        wait_for(lambda: go, 10, "the test lets the customer go on")
        return None
    customer = Customer(daemon.turned(), plan, **{stage: later})
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    wait_for(lambda: asked, 5, f"the customer is at {stage}")
    postfix.close()
    daemon.terminate()
    daemon.wait_for_log(": stopping")
    go.append(1)
    customer.join()
    assert daemon.wait_for_exit() == 0
    assert not daemon.logged("stop_timeout")
    assert all(body == BODY for body in customer.bodies())


def test_sigterm_before_the_greeting_of_the_customer(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    postfix = daemon.postfix(hello=False)
    daemon.terminate()
    line.expect_close()
    assert daemon.wait_for_exit() == 0
    daemon.ended("stopping")
    while postfix.line.fill():
        pass
    assert not postfix.line.buffer.startswith(b"2")


def test_kill_9_leaves_nothing_that_the_next_start_does_not_mend(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.turned("example.org,example.net")
    (daemon.dir / "odmr" / "milter").touch()
    (daemon.dir / "odmr" / "not.a.socket").touch()
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(daemon.dir / "odmr" / "d12"))
    wait_for(lambda: daemon.sql("SELECT id FROM session"), 5, "a session")
    daemon.kill()
    assert "example.org" in daemon.sockets()
    daemon.start()
    assert daemon.sockets() == ["milter", "not.a.socket"]
    wait_for(lambda: not daemon.sql("SELECT id FROM session"), 5,
             "no session in the database")
    assert daemon.tag_state("Q1") == "held"
    customer = Customer(daemon.turned())
    daemon.postfix().deliver("Q1", ["r0@example.org"])
    customer.join()


@pytest.mark.parametrize("plan", PLANS)
def test_kill_9_in_mid_message_settles_nothing(make_daemon, plan):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(), plan, END=SILENT)
    postfix = daemon.postfix()
    postfix.begin("Q1", ["r0@example.org"], BODY)
    daemon.kill()
    postfix.expect_close()
    customer.join()
    assert daemon.tag_state("Q1", "state, attempts") == ("held", 0)


def test_second_odmrd_for_the_same_directory_is_refused(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    daemon.turned()
    second = daemon.dir / "second.conf"
    text = (daemon.dir / "odmr.conf").read_text()
    second.write_text(text.replace("odmrd.pid", "second.pid")
                      .replace("listen", "# listen") + "listen = 127.0.0.1:0\n")
    done = subprocess.run([str(BUILD / "odmrd"), "-f", "-c", str(second)],
                          stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == os.EX_TEMPFAIL
    assert f"{daemon.dir}/odmr: another odmrd is running" in done.stderr
    assert daemon.sockets() == ["example.org"]


CONNECT = """\
import os, socket, sys
os.chdir(sys.argv[1])
os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(10)
sock.connect("example.org")
print(sock.recv(100))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it becomes another "
                    "user")
def test_socket_is_for_the_user_of_postfix_only(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned())
    daemon.postfix()
    socket_file = daemon.dir / "odmr" / "example.org"
    assert socket_file.stat().st_mode & 0o777 == 0o660
    socket_file.chmod(0o666)
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        [sys.executable, "-c", CONNECT, daemon.dir / "odmr",
         str(nobody.pw_uid), str(nobody.pw_gid)],
        stdout=subprocess.PIPE, timeout=20, check=True)
    assert done.stdout == b"b''\n"
    daemon.wait_for_log(f"refused: uid {nobody.pw_uid} on the socket of "
                        "example.org is not Postfix")
    assert daemon.postfix().deliver("Q1", ["r0@example.org"]) == \
        ["250 2.0.0 taken"]
    customer.join()


def test_sigterm_while_clients_do_not_close_their_end(make_daemon):
    """They are not waited for: not as long as for stop_timeout."""
    daemon = make_daemon(stop_timeout="60s")
    for _ in range(5):
        daemon.greeted()
    daemon.terminate()
    assert daemon.wait_for_exit(5) == 0
