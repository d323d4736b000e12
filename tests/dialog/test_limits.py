# SPDX-License-Identifier: ISC
"""The limits of odmrd, each with an odmrd that has a small one."""

import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest

from odmr.wait import wait_for
from odmrd_alone import b64, cram_md5, plain
from scripted_customer import Customer

TURNED_AWAY = "421 4.7.0 relay.test Too many connections, try again later"
WRONG = "not the password"


def fail_auth(line, login="alice"):
    """One failed AUTH; returns the answer and how long it took, at least."""
    line.say("AUTH CRAM-MD5")
    answer = cram_md5(line.expect("334 ..."), login, WRONG)
    begin = time.monotonic()
    line.say(answer)
    return line.line(), time.monotonic() - begin


# ---- sessions


def test_sessions_in_all_are_limited(make_daemon):
    odmrd = make_daemon(session_limit=3)
    lines = [odmrd.known(source=f"127.0.0.{i}") for i in (1, 2, 3)]
    refused = odmrd.connect(source="127.0.0.4")
    refused.expect(TURNED_AWAY)
    refused.expect_close()
    odmrd.wait_for_log("warning: refused: connect client=127.0.0.4 count=1: "
                       "session_limit")
    lines[0].say("QUIT")
    lines[0].expect("221 ...")
    lines[0].close()
    assert admitted_at_last(odmrd, "127.0.0.4")


def admitted_at_last(odmrd, address):
    """The place of one who left is free a moment later."""
    def admitted():
        return odmrd.connect(source=address).line().startswith("220")
    return wait_for(admitted, 10, f"{address} gets in")


def test_sessions_of_an_address_are_limited_but_not_anothers(make_daemon):
    odmrd = make_daemon(session_limit_per_address=2)
    for _ in range(2):
        odmrd.connect().expect("220 ...")
    refused = odmrd.connect()
    refused.expect(TURNED_AWAY)
    refused.expect_close()
    odmrd.connect(source="127.0.0.2").expect("220 ...")
    odmrd.wait_for_log("refused: connect client=127.0.0.1 count=1: "
                       "session_limit_per_address")


def test_turned_session_still_counts_for_its_address(make_daemon):
    odmrd = make_daemon(session_limit_per_address=1)
    odmrd.tag("AAAA", "example.org")
    line = odmrd.turned()
    odmrd.connect().expect(TURNED_AWAY)
    line.close()
    assert admitted_at_last(odmrd, "127.0.0.1")


def test_refused_client_of_the_tls_port_hears_nothing_in_clear(make_daemon):
    odmrd = make_daemon(session_limit_per_address=1)
    odmrd.connect().expect("220 ...")
    odmrd.connect(port=odmrd.tls_port).expect_close()


def test_sessions_of_an_account_are_limited_but_not_anothers(make_daemon):
    odmrd = make_daemon(session_limit_per_account=2)
    first, _ = odmrd.known("alice"), odmrd.known("alice")
    third = odmrd.greeted()
    third.say("AUTH CRAM-MD5")
    third.say(cram_md5(third.expect("334 ..."), "alice"))
    third.expect("421 4.7.0 relay.test Too many sessions of this account")
    third.expect_close()
    odmrd.wait_for_log("refused: AUTH client=127.0.0.1",
                       "session_limit_per_account")
    odmrd.wait_for_log("ended account=- ", "reason=too-many-sessions")
    odmrd.known("bob")
    first.say("QUIT")
    first.expect("221 ...")
    odmrd.known("alice")


def test_turned_session_still_counts_for_its_account(make_daemon):
    odmrd = make_daemon(session_limit_per_account=1)
    odmrd.tag("AAAA", "example.org")
    odmrd.turned()
    second = odmrd.greeted()
    second.say("AUTH CRAM-MD5")
    second.say(cram_md5(second.expect("334 ..."), "alice"))
    second.expect("421 4.7.0 ...")


def test_second_auth_of_a_session_is_no_second_session(make_daemon):
    odmrd = make_daemon(session_limit_per_account=1)
    line = odmrd.known("alice")
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("235 ...")


# ---- time


def test_time_before_auth_is_limited_whatever_is_said(make_daemon):
    odmrd = make_daemon(auth_time_limit=1, command_limit=10**9)
    line = odmrd.greeted()
    begin = time.monotonic()
    answer = "250"
    while answer.startswith("250"):
        assert time.monotonic() - begin < 10, "input keeps the session alive"
        line.say("NOOP")
        answer = line.line()
    assert answer == "421 4.4.2 relay.test Timeout"
    odmrd.wait_for_log("ended account=-", "reason=timeout")


def test_time_before_auth_is_limited_within_a_handshake(make_daemon):
    odmrd = make_daemon(auth_time_limit=1)
    line = odmrd.connect(port=odmrd.tls_port)
    line.send(b"\x16\x03\x01")
    line.expect_close()
    odmrd.wait_for_log("ended account=- client=127.0.0.1 tls=no",
                       "reason=timeout")


def test_idle_time_begins_anew_with_each_command(make_daemon):
    odmrd = make_daemon(command_time_limit=2, command_limit=10**9)
    line = odmrd.known()
    begin = time.monotonic()
    while time.monotonic() - begin < 3:
        line.say("NOOP")
        line.expect("250 2.0.0 Ok")
    begin = time.monotonic()
    line.expect("421 4.4.2 relay.test Timeout")
    assert time.monotonic() - begin > 1.5
    line.expect_close()


def test_half_a_command_does_not_extend_the_idle_time(make_daemon):
    odmrd = make_daemon(command_time_limit=1)
    line = odmrd.known()
    line.sock.settimeout(0.1)
    begin = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begin < 10:
            with contextlib.suppress(TimeoutError):
                line.sock.sendall(b"N")
                line.fill()
    assert line.buffer.startswith(b"421 4.4.2 ")


# ---- what is said


def test_commands_before_the_turn_are_limited(make_daemon):
    odmrd = make_daemon(command_limit=10)
    line = odmrd.greeted()
    for _ in range(9):
        line.say("NOOP")
        line.expect("250 ...")
    line.say("NOOP")
    line.expect("421 4.7.0 relay.test Too many commands")
    line.expect_close()
    odmrd.wait_for_log("ended account=-", "reason=too-many-commands")


def test_pipelined_commands_are_limited_too(make_daemon):
    odmrd = make_daemon(command_limit=10)
    line = odmrd.connect()
    line.expect("220 ...")
    line.send(b"NOOP\r\n" * 1000)
    for _ in range(10):
        line.expect("250 ...")
    line.expect("421 4.7.0 relay.test Too many commands")
    line.expect_close()


def test_errors_are_limited(make_daemon):
    odmrd = make_daemon(error_limit=2)
    line = odmrd.greeted()
    for _ in range(2):
        line.say("FOO")
        line.expect("502 ...")
    line.say("FOO")
    line.expect("421 4.7.0 relay.test Too many errors")
    line.expect_close()


@pytest.mark.parametrize("length, answer", [(512, "501 ..."), (513, "500 ...")])
def test_length_of_a_line_is_limited(make_daemon, length, answer):
    odmrd = make_daemon(line_length_limit=512)
    line = odmrd.known()
    line.say("ATRN " + "x" * (length - len("ATRN \r")))
    line.expect(answer)


# ---- failed AUTH


def test_answer_to_a_failed_auth_is_held_back_longer_and_longer(make_daemon):
    odmrd = make_daemon(auth_failure_delay=1, auth_failure_limit=10)
    took = []
    for _ in range(4):
        line = odmrd.greeted()
        answer, seconds = fail_auth(line)
        assert answer == "535 5.7.8 Authentication failed"
        took.append(seconds)
    # Not longer: tests/unit/test_peers.c.
    for seconds, least in zip(took[1:], (1, 2, 4)):
        assert seconds > least - 0.1, took
    line = odmrd.known()
    line.say("QUIT")
    line.expect("221 ...")


def test_others_do_not_wait_for_one_who_failed(make_daemon):
    odmrd = make_daemon(auth_failure_delay=60)
    fail_auth(odmrd.greeted())
    waiting = odmrd.greeted()
    waiting.say("AUTH CRAM-MD5")
    waiting.say(cram_md5(waiting.expect("334 ..."), "alice", WRONG))
    wait_for(lambda: len(odmrd.logged("refused: AUTH")) == 2, 10, "two fail")
    odmrd.known()
    assert not waiting.pending()


def test_client_that_waits_for_its_penalty_is_not_heard(make_daemon):
    odmrd = make_daemon(auth_failure_delay=2)
    fail_auth(odmrd.greeted())
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice", WRONG))
    line.say("NOOP")
    begin = time.monotonic()
    line.expect("535 ...")
    assert time.monotonic() - begin > 1.5
    line.expect("250 2.0.0 Ok")


def test_client_may_go_while_it_waits_for_its_penalty(make_daemon):
    odmrd = make_daemon(auth_failure_delay=1, command_limit=10**9)
    fail_auth(odmrd.greeted())
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice", WRONG))
    wait_for(lambda: len(odmrd.logged("refused: AUTH")) == 2, 10, "two fail")
    line.close()
    odmrd.wait_for_log("ended account=-", "reason=lost")
    other, begin = odmrd.known(), time.monotonic()
    while time.monotonic() - begin < 1.5:
        other.say("NOOP")
        other.expect("250 2.0.0 Ok")


def test_too_many_failed_auths_bar_the_address_for_a_time(make_daemon):
    odmrd = make_daemon(auth_failure_delay=0, auth_failure_limit=3,
                        auth_failure_time=5)
    bystander = odmrd.greeted()
    line = odmrd.greeted()
    for _ in range(2):
        answer, _ = fail_auth(line)
        assert answer == "535 5.7.8 Authentication failed"
    answer, _ = fail_auth(line)
    assert answer == "421 4.7.0 relay.test Too many failed authentications"
    line.expect_close()
    odmrd.wait_for_log("ended account=-", "reason=too-many-failures")
    odmrd.connect().expect(TURNED_AWAY)
    odmrd.wait_for_log("refused: connect client=127.0.0.1 count=1: "
                       "auth_failure_limit")
    # Nor does a session help that was there before.
    bystander.say("AUTH CRAM-MD5")
    bystander.expect("421 4.7.0 relay.test Too many failed authentications")
    odmrd.connect(source="127.0.0.2").expect("220 ...")
    assert admitted_at_last(odmrd, "127.0.0.1")


def test_known_session_goes_on_though_its_address_is_barred(make_daemon):
    odmrd = make_daemon(auth_failure_delay=0, auth_failure_limit=1)
    odmrd.tag("AAAA", "example.org")
    known = odmrd.known()
    fail_auth(odmrd.greeted())
    odmrd.connect().expect(TURNED_AWAY)
    known.say("ATRN example.org")
    known.expect("250 ...")
    customer = Customer(known, "chunking")
    wait_for(lambda: odmrd.sockets() == ["example.org"], 10, "the socket")
    assert odmrd.postfix().deliver("AAAA", ["r0@example.org"])[0][0] == "2"
    assert len(customer.accepted) == 1


@pytest.mark.parametrize("script", [
    ["AUTH CRAM-MD5", "*"],
    ["AUTH CRAM-MD5", "%"],
    ["AUTH NOSUCH"],
])
def test_what_is_no_wrong_password_does_not_bar(make_daemon, script):
    odmrd = make_daemon(auth_failure_limit=1)
    line = odmrd.greeted()
    for text in script:
        line.say(text)
        answer = line.line()
    assert answer.startswith("50")
    odmrd.known()


def test_fault_of_the_database_does_not_bar(make_daemon):
    odmrd = make_daemon(auth_failure_limit=1)
    hidden = odmrd.dir / "hidden.db"
    (odmrd.dir / "odmr.db").rename(hidden)
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("451 ...")
    hidden.rename(odmrd.dir / "odmr.db")
    odmrd.known()
    assert odmrd.logged("error: refused: AUTH CRAM-MD5 client=127.0.0.1")


def test_wrong_password_of_plain_bars_like_any(make_daemon):
    odmrd = make_daemon(auth_failure_limit=1)
    line = odmrd.greeted(tls=True)
    line.say("AUTH PLAIN " + plain("alice", WRONG))
    line.expect("421 ...")
    odmrd.connect().expect(TURNED_AWAY)


# ---- many


def test_10000_connects_and_nothing_else_cost_little(make_daemon):
    odmrd = make_daemon()
    need, have = 10300, resource.getrlimit(resource.RLIMIT_NOFILE)
    if have[0] < need:
        pytest.skip(f"needs {need} open files, has {have[0]}")
    odmrd.known().close()
    before = odmrd.peak_memory()
    socks = []
    try:
        for _ in range(10000):
            socks.append(socket.create_connection(
                ("127.0.0.1", odmrd.port), 20, source_address=("127.0.0.2", 0)))
        answers = [sock.recv(3) for sock in socks]
        assert answers.count(b"220") == 100
        assert answers.count(b"421") == 9900
        assert odmrd.peak_memory() - before < 4 << 20
        odmrd.known()
    finally:
        for sock in socks:
            sock.close()
    wait_for(lambda: len(odmrd.logged("ended", "client=127.0.0.2")) == 100, 20,
             "all sessions end")
    refusals = odmrd.logged("refused: connect")
    assert 2 <= len(refusals) <= 10, refusals
    counts = [int(row.split(" count=")[1].split(":")[0]) for row in refusals]
    assert sum(counts) == 9900
    assert len(odmrd.new_log().splitlines()) < 100 + 30


def test_shortage_of_descriptors_is_said_at_start(make_daemon):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    odmrd = make_daemon(session_limit=hard * 20)
    if not odmrd.logged("warning: open files:"):
        pytest.skip("may raise its limit as far as it likes")
    assert odmrd.logged(f"open files: {hard} is the limit, session_limit = "
                        f"{hard * 20} may need {hard * 40 + 2048} ")


def test_limit_of_descriptors_is_raised_to_what_is_needed(make_daemon):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2448:
        pytest.skip("cannot be raised to 2448")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        odmrd = make_daemon(session_limit=200)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limit = resource.prlimit(odmrd.process.pid, resource.RLIMIT_NOFILE)
    assert limit[0] == 2448
    assert not odmrd.logged("open files")


def test_shortage_of_descriptors_is_outlived(make_daemon):
    """How many it has open changes while it starts: some get in, more do not,
    and those follow when others have gone."""
    odmrd = make_daemon()
    directory = f"/proc/{odmrd.process.pid}/fd"
    # A thread opens it, and keeps it, when odmrd has started already.
    wait_for(lambda: any(name.endswith("odmr.db-shm") for name in
                         map(os.path.realpath, Path(directory).iterdir())),
             20, "the database is open")
    used = len(os.listdir(directory))
    resource.prlimit(odmrd.process.pid, resource.RLIMIT_NOFILE,
                     (used + 20, used + 20))
    begin = time.monotonic()
    waiting = [odmrd.connect() for _ in range(60)]
    odmrd.wait_for_log("error: accept: Too many open files")
    rounds = 0

    def all_were_greeted():
        nonlocal rounds
        greeted = [line for line in waiting if line.pending()]
        rounds += bool(greeted)
        for line in greeted:
            line.expect("220 ...")
            line.close()
            waiting.remove(line)
        return not waiting
    wait_for(all_were_greeted, 60, "all are greeted")
    assert rounds > 1
    # One line in ten seconds.
    complaints = len(odmrd.logged("error: accept:"))
    assert complaints <= 1 + (time.monotonic() - begin) / 10


# ---- the log


def test_every_session_ends_with_one_line_of_the_same_keys(make_daemon):
    odmrd = make_daemon()
    odmrd.tag("AAAA", "example.org")
    odmrd.greeted(tls=True).say("QUIT")
    odmrd.turned(tls=True).close()
    before = odmrd.wait_for_log(": ended ", "reason=quit")
    after = odmrd.wait_for_log(": session ", "reason=lost")
    keys = [[word.split("=")[0] for word in row.split(" ") if "=" in word]
            for row in (before, after)]
    assert keys[0] == keys[1] == [
        "account", "client", "tls", "mech", "domains", "plan", "delivered",
        "kept", "refused", "bytes", "submitted", "seconds", "reason"]
    assert " account=alice client=127.0.0.1 tls=TLSv1.3 mech=CRAM-MD5 " \
        "domains=example.org plan=" in after
    assert " account=- client=127.0.0.1 tls=TLSv1.3 mech=- domains=- plan=- " \
        "delivered=0 kept=0 refused=0 bytes=0 submitted=0 seconds=" in before
    ids = [row.split(": ")[1] for row in odmrd.logged(" reason=")]
    assert len(ids) == len(set(ids)) == 2


@pytest.mark.parametrize("login", [
    "x client=192.0.2.1 login=y: no such account",
    "x\nodmrd[1]: 1: warning: refused: AUTH PLAIN client=192.0.2.1 login=y: z",
    "x\r\nodmrd[1]: warning: refused: connect client=192.0.2.1 count=1: "
    "auth_failure_limit",
    "=\t\"\\\x7f\u00fc",
])
def test_login_stays_one_word_of_the_log(make_daemon, login):
    odmrd = make_daemon()
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.expect("334 ...")
    line.say(b64(login.encode() + b" 0123456789abcdef0123456789abcdef"))
    line.expect("535 ...")
    row = odmrd.wait_for_log("refused: AUTH CRAM-MD5 client=127.0.0.1 login=")
    word = row.split(" login=")[1].split(": ")[0]
    assert set(word) <= set("abcdefghijklmnopqrstuvwxyzAUTHPLIN0123456789"
                            "\\@.-_+"), word
    assert row.count("=") == 2
    assert not odmrd.logged("client=192.0.2.1")
