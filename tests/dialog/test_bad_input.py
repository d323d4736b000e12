# SPDX-License-Identifier: ISC
"""Peers that are broken or mean, before the turn. Each session ends cleanly
and is logged once; the next client is served."""

import random

import pytest

from odmrd_alone import PASSWORD, b64

MALFORMED = "500 5.5.2 Line has a NUL, or no proper CRLF"


@pytest.fixture(autouse=True)
def others_are_served(daemon):
    yield
    daemon.known()


@pytest.mark.parametrize("data", [
    b"NO\0OP\r\n", b"\0\r\n", b"NOOP\n", b"NO\rOP\r\n", b"\n", b"NOOP\r\r\n",
    b"EHLO a\nATRN\n", b"AUTH CRAM-MD5\0\r\n"])
def test_nul_bare_cr_and_bare_lf_end_the_session(daemon, data):
    line = daemon.greeted()
    line.send(data)
    line.play(f"""
        P: {MALFORMED}
        P: <closed>
    """)
    daemon.wait_for_log("ended account=-", "reason=malformed-line")
    assert len(daemon.new_log().splitlines()) == 1


@pytest.mark.parametrize("size", [16385, 100_000, 2_000_000])
@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_long_line_ends_the_session(daemon, size, end):
    line = daemon.greeted()
    try:
        line.send(b"x" * size + end)
    except ConnectionError:
        pass  # it is refused before it is read
    line.play("""
        P: 500 5.5.2 Line too long
        P: <closed>
    """)
    daemon.wait_for_log("ended account=-", "reason=malformed-line")


def test_line_of_the_greatest_length_is_read(daemon):
    line = daemon.greeted()
    line.send(b"NOOP " + b"x" * (16384 - 6) + b"\r\n")
    line.expect("250 2.0.0 Ok")


def test_long_line_within_auth_ends_the_session(daemon):
    line = daemon.greeted()
    line.say("AUTH CRAM-MD5")
    line.expect("334 ...")
    line.say("A" * 20_000)
    line.play("""
        P: 500 5.5.2 Line too long
        P: <closed>
    """)


def test_garbage_before_ehlo_ends_the_session_after_too_many_errors(daemon):
    line = daemon.connect()
    line.expect("220 ...")
    line.send(b"garbage\r\n" * 11)
    for _ in range(10):
        line.expect("502 5.5.1 Command not implemented")
    line.play("""
        P: 421 4.7.0 relay.test Too many errors
        P: <closed>
    """)
    daemon.wait_for_log("ended account=-", "reason=too-many-errors")


def test_too_many_failed_logins_end_the_session(daemon):
    line = daemon.greeted()
    for _ in range(10):
        line.say("AUTH CRAM-MD5")
        line.expect("334 ...")
        line.say(b64("alice 00"))
        line.expect("535 ...")
    line.say("AUTH CRAM-MD5")
    line.expect("334 ...")
    line.say(b64("alice 00"))
    line.play("""
        P: 421 4.7.0 relay.test Too many errors
        P: <closed>
    """)


def test_binary_noise_is_survived(daemon):
    seed = random.randrange(1 << 32)
    daemon.transcript.append(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(50):
        line = daemon.connect()
        try:
            for _ in range(rng.randrange(1, 5)):
                line.send(rng.randbytes(rng.randrange(1, 3000)))
        except ConnectionError:
            pass
        line.hang_up()
    daemon.known()


def test_http_and_tls_on_the_clear_port_are_refused(daemon):
    line = daemon.connect()
    line.send(b"GET / HTTP/1.1\r\nHost: relay.test\r\n\r\n")
    line.play("""
        P: 220 ...
        P: 502 5.5.1 Command not implemented
        P: 502 5.5.1 Command not implemented
        P: 502 5.5.1 Command not implemented
    """)
    line = daemon.connect()
    line.send(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 180 +
              b"\n")
    line.play(f"""
        P: 220 ...
        P: {MALFORMED}
        P: <closed>
    """)


@pytest.mark.parametrize("data", [b"", b"EHL", b"EHLO customer.test\r\nAUTH",
                                  b"EHLO customer.test\r\nAUTH CRAM-MD5\r\n"])
def test_silence_before_authentication_times_out(make_daemon, data):
    daemon = make_daemon(auth_time_limit="1s")
    line = daemon.connect()
    line.send(data)
    while not line.line().startswith("421 4.4.2 relay.test Timeout"):
        pass
    line.expect_close()
    daemon.wait_for_log("ended account=-", "reason=timeout")
    assert len(daemon.logged("ended")) == 1


def test_slow_dripping_before_authentication_times_out(make_daemon):
    """The limit is for all of it: a byte now and then does not prolong it."""
    daemon = make_daemon(auth_time_limit="2s")
    line = daemon.connect()
    line.expect("220 ...")
    line.sock.settimeout(0.2)
    heard = b""
    while not heard:
        line.sock.sendall(b"x")
        try:
            heard = line.sock.recv(100)
        except TimeoutError:
            pass
    assert heard == b"421 4.4.2 relay.test Timeout\r\n"


def test_silence_within_a_handshake_times_out(make_daemon):
    daemon = make_daemon(auth_time_limit="1s")
    line = daemon.connect(port=daemon.tls_port)
    while line.fill():
        pass
    daemon.wait_for_log("ended account=-", "reason=timeout")
    assert not line.buffer


def test_silence_after_authentication_times_out(make_daemon):
    daemon = make_daemon(command_time_limit="1s")
    line = daemon.known()
    line.play("""
        P: 421 4.4.2 relay.test Timeout
        P: <closed>
    """)
    daemon.wait_for_log("ended account=alice", "reason=timeout")


def test_nothing_secret_is_in_the_log(daemon):
    line = daemon.greeted()
    line.say(f"PASS {PASSWORD}")
    line.expect("502 ...")
    line.close()
    daemon.wait_for_log("ended")
    assert not daemon.logged(PASSWORD)
