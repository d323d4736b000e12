# SPDX-License-Identifier: ISC
"""The control socket: who is heard, what can be said, and what it withstands.
"""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from odmr.probe import free_ports
from odmr.wait import wait_for
from odmrd_alone import BUILD, write_conf

DISMISSED = "421 4.7.0 relay.test The operator ends this session"
CONNECTIONS = 100

# What somebody who is not the operator gets.
CLIENT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
try:
    sock.sendall(b"sessions\\n")
    sys.stdout.write(repr(sock.recv(100)))
except OSError:
    sys.stdout.write("b''")
"""


def listed(daemon):
    return json.loads(daemon.odmrctl("sessions", "--json"))


def test_sessions_before_the_turn_are_shown_and_strangers_counted(daemon):
    assert listed(daemon) == {"sessions": [], "strangers": 0}
    daemon.known()
    daemon.greeted()
    daemon.greeted()
    told = listed(daemon)
    (row,) = told["sessions"]
    assert told["strangers"] == 2
    assert [row[name] for name in ("account", "client", "state", "domains",
                                   "delivered")] == \
        ["alice", "127.0.0.1", "idle", [], 0]
    table = daemon.odmrctl("sessions")
    assert f"{row['id']}  " in table and "alice from 127.0.0.1" in table
    assert "connections that have not logged in: 2\n" in table
    assert row["id"] in daemon.odmrctl("status")


def test_session_before_the_turn_can_be_ended(daemon):
    line, other = daemon.known(), daemon.known("bob")
    (alice,) = [row["id"] for row in listed(daemon)["sessions"]
                if row["account"] == "alice"]
    assert daemon.odmrctl("sessions", "end", alice) == \
        f"{alice}: odmrd ends it\n"
    line.expect(DISMISSED)
    line.expect_close()
    daemon.wait_for_log("ended account=alice", "reason=ended-by-operator")
    other.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)


@pytest.mark.parametrize("name", ["NONE", "", "x" * 1000, "a b", "a\nrecheck",
                                  "\x1b[2J"])
def test_session_that_nobody_has_is_not_ended(daemon, name):
    daemon.known()
    status, said = daemon.odmrctl_fails("sessions", "end", name)
    assert status == os.EX_NOUSER and "no such session: " in said
    assert len(listed(daemon)["sessions"]) == 1


def test_several_commands_are_answered_on_one_connection(daemon):
    daemon.greeted()
    control = daemon.control()
    control.sock.sendall(b"recheck\nsessions\r\nend X\nrecheck\n")
    assert [control.answer() for _ in range(4)] == [
        ["ok"], ["strangers 1", "ok"], ["ok"], ["ok"]]


@pytest.mark.parametrize("garbage", [
    b"\n", b"recheck now\n", b"end\n", b"RECHECK\n", b" recheck\n",
    b"\0\n", b"x" * 400, b"x" * 100000, os.urandom(5000) + b"\n"],
    ids=range(9))
def test_garbage_ends_the_connection_and_nothing_else(daemon, garbage):
    line = daemon.known()
    control = daemon.control()
    try:
        control.sock.sendall(garbage)
        assert control.sock.recv(100).startswith(b"error ")
    except ConnectionError:
        pass  # it had not read all
    wait_for(lambda: not control.sock.recv(100), 20, "it closes")
    assert daemon.control().ask("recheck") == ["ok"]
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_half_a_line_and_a_client_that_is_gone_hold_nobody_up(daemon):
    slow = daemon.control()
    slow.sock.sendall(b"rech")
    for _ in range(50):
        gone = daemon.control()
        gone.say("recheck")
        gone.close()
    assert daemon.control().ask("recheck") == ["ok"]
    slow.sock.sendall(b"eck\n")
    assert slow.answer() == ["ok"]


def test_client_that_does_not_read_is_not_listened_to(daemon):
    for _ in range(15):
        daemon.known("none")
    greedy = daemon.control()
    greedy.sock.settimeout(1)
    with pytest.raises(socket.timeout):
        for _ in range(10000):
            greedy.sock.sendall(b"sessions\n" * 100)
    assert daemon.control().ask("recheck") == ["ok"]
    assert daemon.peak_memory() < 200 << 20


def test_connections_are_bounded_and_come_back(daemon):
    open_ones = [daemon.control() for _ in range(CONNECTIONS)]
    for control in open_ones:
        assert control.ask("recheck") == ["ok"]
    assert daemon.control().sock.recv(100) == b""
    daemon.wait_for_log("refused: more than 100 connections")
    for control in open_ones:
        control.close()

    def has_room():
        with contextlib.suppress(ConnectionError):
            return daemon.control().ask("recheck") == ["ok"]
    wait_for(has_room, 20, "there is room again")


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_another_user_is_not_heard(daemon):
    path = daemon.dir / "odmrd.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    path.chmod(0o666)
    said = subprocess.run(
        [sys.executable, "-c", CLIENT, path], user=65534, group=65534,
        stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    assert said == "b''"
    daemon.wait_for_log("refused: uid 65534 on the control socket")


def start_another(daemon, **settings):
    """A second odmrd; returns its status and what it says."""
    for name in ("odmr", "postfix"):
        (daemon.dir / "other" / name).mkdir(parents=True, exist_ok=True)
    port, tls_port = free_ports(2)
    write_conf(daemon.dir / "other", port, tls_port,
               tls_cert_file="", tls_key_file="", listen_tls="", **settings)
    done = subprocess.run(
        [BUILD / "odmrd", "-f", "-c", daemon.dir / "other" / "odmr.conf"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def test_second_odmrd_does_not_take_the_socket_away(daemon):
    path = daemon.dir / "odmrd.sock"
    status, said = start_another(daemon, control_socket=path)
    assert status == os.EX_CANTCREAT
    assert f"control_socket: {path}: Address already in use" in said
    assert daemon.control().ask("recheck") == ["ok"]


def test_file_that_is_no_socket_is_not_replaced(daemon):
    path = daemon.dir / "precious"
    path.write_text("gold")
    status, said = start_another(daemon, control_socket=path)
    assert status == os.EX_CANTCREAT
    assert f"control_socket: {path}: File exists" in said
    assert path.read_text() == "gold"


@pytest.mark.parametrize("path, fault", [
    ("odmrd.sock", "is no absolute path"),
    ("", "is no absolute path"),
    ("/tmp/" + "x" * 200, "is longer than 107 octets")])
def test_path_that_no_socket_can_have_is_said_at_the_start(
        daemon, path, fault):
    status, said = start_another(daemon, control_socket=path)
    assert status == os.EX_CONFIG
    assert "control_socket: " in said and fault in said


def test_socket_of_a_killed_odmrd_is_replaced_and_goes_with_the_next(
        make_daemon):
    daemon = make_daemon()
    daemon.kill()
    assert (daemon.dir / "odmrd.sock").exists()
    assert daemon.odmrctl("account", "disable", "alice") == ""
    daemon.start()
    assert daemon.control().ask("recheck") == ["ok"]
    idle = daemon.control()  # does not hold up the end
    daemon.terminate()
    assert idle.sock.recv(100) == b""
    idle.close()
    assert daemon.wait_for_exit() == 0
    assert not (daemon.dir / "odmrd.sock").exists()


# ---- another process of odmrd's user has its socket

class Impostor:
    """Answers each command on the control socket by answer(connection)."""

    def __init__(self, daemon, answer):
        path = daemon.dir / "odmrd.sock"
        path.unlink()
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            sock = self.listener.accept()[0]
            try:
                sock.recv(100)
                self.answer(sock)
            except OSError:
                pass  # it has had enough
            sock.close()


def drip(sock):
    while True:
        sock.sendall(b"x\n")
        time.sleep(0.2)  # the rate, not a wait for something


def endless(text):
    def answer(sock):
        while True:
            sock.sendall(text * 1000)
    return answer


@pytest.mark.parametrize("answer, why", [
    (drip, "no answer in time"),
    (endless(b"session A idle 1 ::1 alice\n"), "its answer does not end"),
    (endless(b"x"), "a line of its answer does not end")], ids=range(3))
def test_odmrctl_does_not_listen_for_ever(daemon, answer, why):
    Impostor(daemon, answer)
    begin = time.monotonic()
    status, said = daemon.odmrctl_fails("sessions", "end", "A")
    assert status == os.EX_UNAVAILABLE and why in said
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize("order", ["\x1b[2J", "\a", "\r", "\x9b2J", "\x7f"])
def test_no_answer_reaches_the_terminal_as_its_orders(daemon, order):
    text = f"ended {order}A {order}alice\nok\n".encode()
    Impostor(daemon, lambda sock: sock.sendall(text))
    said = daemon.odmrctl("account", "disable", "alice")
    assert "session \\" in said and "alice ended\n" in said
    assert all(" " <= c <= "~" or c == "\n" for c in said)
