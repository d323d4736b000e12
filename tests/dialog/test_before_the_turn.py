# SPDX-License-Identifier: ISC
"""Port 366 up to ATRN: greetings, extensions, STARTTLS, order of commands."""

import socket
import ssl

import pytest

from odmr.wait import wait_for
from odmrd_alone import cram_md5, plain


def test_ehlo_shows_auth_and_atrn_and_starttls_until_it_is_used(daemon):
    line = daemon.connect()
    line.play("""
        P: 220 relay.test on-demand mail relay server ready
        C: EHLO customer.test
        P: 250-relay.test
        P: 250-STARTTLS
        P: 250-AUTH SCRAM-SHA-256 CRAM-MD5
        P: 250 ATRN
        C: STARTTLS
        P: 220 2.0.0 Ready to start TLS
    """)
    line.start_tls(daemon.ca)
    line.play("""
        C: EHLO customer.test
        P: 250-relay.test
        P: 250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN
        P: 250 ATRN
        C: STARTTLS
        P: 503 5.5.1 TLS is in use already
        C: QUIT
        P: 221 2.0.0 relay.test closing connection
        P: <closed>
    """)
    daemon.wait_for_log("ended account=- client=127.0.0.1 tls=TLSv1.3",
                        "reason=quit")


def test_starttls_forgets_what_was_said_before(daemon):
    line = daemon.greeted()
    line.play("""
        C: STARTTLS
        P: 220 ...
    """)
    line.start_tls(daemon.ca)
    line.play("""
        C: AUTH CRAM-MD5
        P: 503 5.5.1 Bad sequence of commands
    """)


def test_starttls_is_refused_once_authenticated(daemon):
    daemon.known().play("""
        C: STARTTLS
        P: 503 5.5.1 Bad sequence of commands
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_starttls_takes_no_argument(daemon):
    daemon.greeted().play("""
        C: STARTTLS now
        P: 501 5.5.4 STARTTLS takes no argument
    """)


def test_bytes_pipelined_behind_starttls_end_the_session(daemon):
    line = daemon.greeted()
    line.send(b"STARTTLS\r\nEHLO evil.test\r\n")
    line.play("""
        P: 503 5.5.1 Nothing may follow STARTTLS
        P: <closed>
    """)
    daemon.wait_for_log("ended", "reason=input-behind-starttls")


def test_failed_handshake_ends_the_session_and_is_logged(daemon):
    line = daemon.greeted()
    line.play("""
        C: STARTTLS
        P: 220 ...
    """)
    line.send(b"this is no ClientHello\r\n\r\n")
    while line.fill():
        pass
    daemon.wait_for_log("ended account=- client=127.0.0.1 tls=no",
                        "reason=tls-failed")


def test_implicit_tls_port_speaks_tls_first(daemon):
    daemon.connect(tls=True).play("""
        P: 220 relay.test ...
        C: EHLO customer.test
        P: 250-relay.test
        P: 250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN
        P: 250 ATRN
    """)


def test_implicit_tls_port_sends_each_line_as_its_own_record(daemon):
    line = daemon.connect(tls=True)
    line.expect("220 ...")
    line.say("EHLO customer.test")
    # One read returns at most one record.
    wait_for(lambda: line.sock.recv(0) == b"", 1, "the line is open")
    for row in (b"250-relay.test\r\n", b"250-AUTH SCRAM-SHA-256-PLUS "
                b"SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN\r\n",
                b"250 ATRN\r\n"):
        assert line.sock.recv(4096) == row


def test_clear_text_on_the_implicit_tls_port_is_logged_as_failed_tls(daemon):
    line = daemon.connect(port=daemon.tls_port)
    line.say("EHLO customer.test")
    while line.fill():
        pass
    daemon.wait_for_log("ended", "reason=tls-failed")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_1_1_is_refused(daemon):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", daemon.tls_port), 10) as sock:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(sock)
    daemon.wait_for_log("ended", "reason=tls-failed")


def test_auth_and_atrn_need_a_greeting_and_atrn_needs_auth(daemon):
    line = daemon.connect()
    line.play("""
        P: 220 ...
        C: AUTH CRAM-MD5
        P: 503 5.5.1 Bad sequence of commands
        C: ATRN example.org
        P: 530 5.7.0 Authentication required
        C: EHLO customer.test
        P: 250-relay.test
        P: 250-STARTTLS
        P: 250-AUTH SCRAM-SHA-256 CRAM-MD5
        P: 250 ATRN
        C: ATRN example.org
        P: 530 5.7.0 Authentication required
        C: ATRN
        P: 530 5.7.0 Authentication required
    """)


def test_helo_noop_rset_and_quit_work_and_verbs_have_any_case(daemon):
    line = daemon.connect()
    line.play("""
        P: 220 ...
        C: helo customer.test
        P: 250 relay.test
        C: NoOp
        P: 250 2.0.0 Ok
        C: rset
        P: 250 2.0.0 Ok
        C: auth cram-md5
        P: 334 ...
        C: *
        P: 501 5.7.0 Authentication cancelled
        C: quit
        P: 221 2.0.0 relay.test closing connection
        P: <closed>
    """)


def test_rset_keeps_the_authentication(daemon):
    daemon.known().play("""
        C: RSET
        P: 250 2.0.0 Ok
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
    """)


@pytest.mark.parametrize("command", [
    "MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>", "DATA", "VRFY root",
    "EXPN root", "HELP", "BDAT 3", "GET / HTTP/1.1", "",
    "NOOPE", "EHL"])
def test_other_commands_are_not_implemented(daemon, command):
    daemon.known().play(f"""
        C: {command}
        P: 502 5.5.1 Command not implemented
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_pipelined_commands_are_answered_in_order(daemon):
    line = daemon.connect()
    line.send(b"EHLO customer.test\r\nNOOP\r\nAUTH CRAM-MD5\r\n")
    line.play("""
        P: 220 ...
        P: 250-relay.test
        P: 250-STARTTLS
        P: 250-AUTH SCRAM-SHA-256 CRAM-MD5
        P: 250 ATRN
        P: 250 2.0.0 Ok
    """)
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("235 ...")


def test_command_that_comes_byte_by_byte_is_understood(daemon):
    line = daemon.greeted()
    for byte in b"NOOP\r\n":
        line.send(bytes([byte]))
    line.expect("250 2.0.0 Ok")


def test_client_that_closes_is_logged_once(daemon):
    daemon.greeted().close()
    daemon.wait_for_log("ended", "reason=lost")
    assert len(daemon.logged("ended")) == 1


def test_plain_password_is_never_logged(daemon):
    line = daemon.greeted(tls=True)
    line.play(f"""
        C: AUTH PLAIN {plain("alice")}
        P: 235 2.7.0 Authenticated as alice
        C: AUTH PLAIN {plain("alice", "a wrong one")}
        P: 535 5.7.8 Authentication failed
    """)
    daemon.wait_for_log("refused: AUTH PLAIN client=127.0.0.1 login=alice")
    for secret in ("sesame", "a wrong one", plain("alice")):
        assert not daemon.logged(secret)
