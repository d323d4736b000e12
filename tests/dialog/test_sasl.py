# SPDX-License-Identifier: ISC
"""The SASL mechanisms: what is offered when, each with a client that is not
ours where there is one, and what each refuses."""

import shutil
import smtplib
import ssl
import subprocess

import pytest

from odmrd_alone import PASSWORD, b64, plain
from sasl_dialogue import (BAD_LOGINS, CLEAR, REFUSED, SECURE, SETTINGS,
                           authenticated, offered, refused)
from scram_client import Scram
from scripted_line import LineClosed


# ---- what is offered


def test_passwords_are_shown_under_tls_only(daemon):
    line = daemon.connect()
    line.expect("220 ...")
    assert offered(line) == CLEAR
    line.play("""
        C: STARTTLS
        P: 220 ...
    """)
    line.start_tls(daemon.ca)
    assert offered(line) == SECURE


@pytest.mark.parametrize("mechanism", [
    "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "EXTERNAL"])
def test_what_is_not_offered_is_refused(daemon, mechanism):
    line = daemon.greeted()
    line.play(f"""
        C: AUTH {mechanism} {plain("alice")}
        P: 504 5.5.4 Mechanism is not offered
        C: AUTH {mechanism}
        P: 504 5.5.4 Mechanism is not offered
    """)


def test_allow_plaintext_auth_shows_passwords_in_clear(make_daemon):
    daemon = make_daemon(allow_plaintext_auth="yes", **SETTINGS)
    line = daemon.connect()
    line.expect("220 ...")
    assert offered(line) == f"{CLEAR} PLAIN LOGIN"
    line.say(f"AUTH PLAIN {plain('alice')}")
    line.expect("235 2.7.0 Authenticated as alice")


def test_mechanisms_in_any_case(daemon):
    line = daemon.greeted(tls=True)
    for name in ["plain", "Plain", "PLAIN"]:
        line.say(f"auth {name} {plain('alice')}")
        line.expect("235 2.7.0 Authenticated as alice")


# ---- PLAIN and LOGIN


def smtplib_client(daemon, tls):
    context = ssl.create_default_context(cafile=daemon.ca)
    if tls:
        client = smtplib.SMTP_SSL("127.0.0.1", daemon.tls_port, "c.test",
                                  timeout=20, context=context)
    else:
        client = smtplib.SMTP("127.0.0.1", daemon.port, "c.test", timeout=20)
    client.ehlo()
    return client


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism, tls", [
    ("CRAM-MD5", False), ("CRAM-MD5", True), ("PLAIN", True), ("LOGIN", True)])
def test_smtplib_authenticates(daemon, mechanism, tls, initial):
    with smtplib_client(daemon, tls) as client:
        client.user, client.password = "alice", PASSWORD
        method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
        code, _ = client.auth(mechanism, method, initial_response_ok=initial)
        assert code == 235
    authenticated(daemon, "alice", mechanism, "TLSv1.3" if tls else "no")


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "PLAIN", "LOGIN"])
@pytest.mark.parametrize("login, password", BAD_LOGINS)
def test_smtplib_is_refused(daemon, mechanism, login, password):
    with smtplib_client(daemon, True) as client:
        client.user, client.password = login, password
        method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.auth(mechanism, method)
    assert f"{refusal.value.smtp_code} {refusal.value.smtp_error.decode()}" \
        == REFUSED


def test_login_prompts_are_those_that_old_clients_look_for(daemon):
    daemon.greeted(tls=True).play(f"""
        C: AUTH LOGIN
        P: 334 {b64("Username:")}
        C: {b64("alice")}
        P: 334 {b64("Password:")}
        C: {b64(PASSWORD)}
        P: 235 2.7.0 Authenticated as alice
    """)


def test_login_takes_the_login_with_the_command(daemon):
    daemon.greeted(tls=True).play(f"""
        C: AUTH LOGIN {b64("alice")}
        P: 334 {b64("Password:")}
        C: {b64(PASSWORD)}
        P: 235 2.7.0 Authenticated as alice
    """)


def test_blanks_behind_a_response_do_not_matter(daemon):
    line = daemon.greeted(tls=True)
    line.send(f"AUTH PLAIN \r\n{plain('alice')} \t\r\n".encode())
    line.expect("334 ")
    line.expect("235 2.7.0 Authenticated as alice")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_empty_responses_end_the_exchange(daemon, mechanism):
    line = daemon.greeted(tls=True)
    line.play(f"""
        C: AUTH {mechanism}
        P: 334 ...
        C:
        P: {REFUSED}
        C: NOOP
        P: 250 2.0.0 Ok
        C: AUTH {mechanism} =
        P: {REFUSED}
    """)


# ---- acting for another


@pytest.mark.parametrize("act_as, works", [
    ("alice", True), ("alice@provider.test", True), ("bob", False),
    ("nobody", False)])
def test_plain_acts_for_nobody_else(daemon, act_as, works):
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('alice', act_as=act_as)}")
    if works:
        line.expect("235 2.7.0 Authenticated as alice")
    else:
        refused(line, daemon, "may not act for another")


@pytest.mark.parametrize("act_as, works", [("alice", True), ("bob", False)])
def test_scram_acts_for_nobody_else(daemon, act_as, works):
    line = daemon.greeted()
    answer = Scram("alice", act_as=act_as).log_in(line)
    assert answer.startswith("235 " if works else "535 "), answer


# ---- gsasl(1)


def gsasl(daemon, mechanism, login="alice", password=PASSWORD, tls=True,
          *more):
    if not shutil.which("gsasl"):
        pytest.skip("needs gsasl")
    secure = ["--x509-ca-file", str(daemon.ca)] if tls else ["--no-starttls"]
    done = subprocess.run(
        ["gsasl", "--smtp", "-m", mechanism, "-a", login, "-p", password,
         *secure, *more, "--connect", f"127.0.0.1:{daemon.port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("mechanism, tls", [
    ("CRAM-MD5", False), ("SCRAM-SHA-256", False), ("CRAM-MD5", True),
    ("SCRAM-SHA-256-PLUS", True), ("PLAIN", True), ("LOGIN", True)])
def test_gsasl_authenticates(daemon, show, mechanism, tls):
    status, transcript = gsasl(daemon, mechanism, tls=tls)
    show("gsasl", transcript)
    assert status == 0
    assert "235 2.7.0 Authenticated as alice" in transcript
    authenticated(daemon, "alice", mechanism, "TLSv1.3" if tls else "no")


def test_gsasl_binds_to_tls_1_2(daemon, show):
    status, transcript = gsasl(daemon, "SCRAM-SHA-256-PLUS", "alice", PASSWORD,
                               True, "--priority", "NORMAL:-VERS-TLS1.3")
    show("gsasl", transcript)
    assert status == 0
    authenticated(daemon, "alice", "SCRAM-SHA-256-PLUS", "TLSv1.2")


@pytest.mark.parametrize("mechanism", [
    "CRAM-MD5", "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"])
@pytest.mark.parametrize("login, password", BAD_LOGINS)
def test_gsasl_is_refused(daemon, show, mechanism, login, password):
    status, transcript = gsasl(daemon, mechanism, login, password)
    show("gsasl", transcript)
    assert status != 0
    assert REFUSED in transcript


# ---- lines


def test_responses_of_12288_octets(daemon):
    """RFC 4954 4: what a line of the exchange may have, CRLF included."""
    line = daemon.greeted(tls=True)
    line.say("AUTH PLAIN " + "A" * 12286)
    line.expect(REFUSED)
    line.play(f"""
        C: AUTH PLAIN
        P: 334 ...
        C: {"A" * 12286}
        P: {REFUSED}
        C: NOOP
        P: 250 2.0.0 Ok
    """)


@pytest.mark.parametrize("length", [12287, 16000])
def test_longer_responses_are_refused(daemon, length):
    line = daemon.greeted(tls=True)
    line.play("""
        C: AUTH PLAIN
        P: 334 ...
    """)
    line.say("A" * length)
    line.play("""
        P: 500 5.5.6 The response is too long
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    line.say("AUTH PLAIN " + "A" * length)
    line.play("""
        P: 500 5.5.6 The response is too long
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_response_of_megabytes_ends_the_session(daemon):
    line = daemon.greeted(tls=True)
    line.play("""
        C: AUTH PLAIN
        P: 334 ...
    """)
    try:
        line.send(b"A" * (1 << 21))
        line.expect("500 5.5.2 Line too long")
        line.expect_close()
    except (LineClosed, OSError):
        pass
    daemon.wait_for_log("ended ", "reason=malformed-line")


def test_long_nonce_comes_back_whole(daemon):
    line = daemon.greeted()
    exchange = Scram("alice")
    exchange.bare += "n" * 900
    assert exchange.log_in(line).startswith("235 ")


@pytest.mark.parametrize("mechanism", [
    "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5"])
@pytest.mark.parametrize("response", [
    b"\0", b"\0" * 9000, b"\xff" * 9000, b",", b"n,,", b"n,,n=alice,r=",
    b"p=tls-exporter,,n=alice,r=x", b"n,,n==,r=x", b"alice\0alice\0",
    b"\0alice\0", b"\0\0" + PASSWORD.encode(), b"y,a=,n=,r=" + b"r" * 9000],
    ids=lambda response: repr(response[:12]) if isinstance(response, bytes)
    else response)
def test_senseless_responses_do_no_harm(daemon, mechanism, response):
    line = daemon.greeted(tls=True)
    line.say(f"AUTH {mechanism}")
    answer = line.expect("334 ...")
    while answer.startswith("334 "):
        line.say(b64(response))
        answer = line.line()
    assert answer.startswith("5"), answer
    line.play("""
        C: ATRN
        P: 530 ...
    """)
