# SPDX-License-Identifier: ISC
"""etrn-trigger --remote: what it says to a server, what it makes of the
answers, and that no server can make it hang or give the password away."""

import base64
import hmac
import os
import shutil
import signal
import subprocess

import pytest

import flooding
from odmr.probe import free_ports
from odmr.sandbox import BUILD, temporary_directory
from odmr.wait import wait_for
from odmrd_alone import PASSWORD, plain
from scripted_server import (GREETED, QUIT, Client, Server, hello,
                             make_certificates, scram_server)

ACCEPTED, NO_MAIL = 0, 1
USAGE, BAD_NAME, NO_INPUT, LOST = 64, 65, 66, 69
NOT_WRITTEN, LATER, NONSENSE, REFUSED, CONFIG = 74, 75, 76, 77, 78


@pytest.fixture(scope="session")
def certificates():
    directory = temporary_directory()
    make_certificates(directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def transcript(show):
    class Transcript(list):
        def append(self, row):
            show("dialogue", row)
            super().append(row)
    return Transcript()


@pytest.fixture
def client(certificates, transcript):
    made = Client(certificates, transcript)
    yield made
    shutil.rmtree(made.directory)


@pytest.fixture
def serve(certificates, transcript):
    """A function: serve(dialogue...) -> Server."""
    made = []

    def make(*dialogues):
        made.append(Server(certificates, transcript, *dialogues))
        return made[-1]
    yield make
    for server in made:
        server.close()


def etrn(name, *replies):
    return "\n".join([f"C: ETRN {name}"] + [f"P: {row}" for row in replies])


def one_line(err):
    assert err.count("\n") == 1, err
    return err


# ---- the answers

@pytest.mark.parametrize("reply, status", [
    ("250 OK, queuing started", ACCEPTED),
    ("251 OK, no messages waiting", NO_MAIL),
    ("252 OK, pending messages started", ACCEPTED),
    ("253 OK, 3 pending messages started", ACCEPTED),
    ("354 Go on", NONSENSE),
    ("450 Busy", LATER),
    ("458 Unable to queue messages", LATER),
    ("459 Node not allowed", REFUSED),
    ("500 What?", REFUSED),
    ("501 Syntax error", REFUSED),
    ("502 Not here", REFUSED),
    ("530 Log in first", REFUSED),
])
def test_the_exit_status_is_the_class_of_the_answer(
        serve, client, reply, status):
    server = serve(GREETED + etrn("example.org", reply) + QUIT)
    assert client.run(server.host, "example.org") == \
        (status, f"example.org: {reply}\n", "")


@pytest.mark.parametrize("codes, status", [
    ((250, 251), ACCEPTED), ((251, 250), ACCEPTED), ((251, 251), NO_MAIL),
    ((250, 458), LATER), ((458, 251), LATER), ((458, 459), REFUSED),
    ((459, 458), REFUSED), ((459, 250), REFUSED), ((399, 459), NONSENSE),
    ((459, 399), NONSENSE)])
def test_of_several_answers_the_worst_counts(serve, client, codes, status):
    names = ["@example.org", "#queue"]
    script = "".join("\n" + etrn(name, f"{code} so")
                     for name, code in zip(names, codes))
    server = serve(GREETED + script + QUIT)
    assert client.run(server.host, *names) == \
        (status, f"@example.org: {codes[0]} so\n#queue: {codes[1]} so\n", "")


def test_the_lines_of_a_reply_are_joined_and_made_printable(serve, client):
    server = serve(GREETED + etrn(
        "example.org", "250-one", "250-\x1b[2J", "250 three") + QUIT)
    assert client.run(server.host, "example.org")[:2] == \
        (ACCEPTED, "example.org: 250 one ?[2J three\n")


@pytest.mark.parametrize("stream, reply, status", [
    (1, "250 provider.test", NOT_WRITTEN), (2, "550 No", REFUSED)])
def test_a_closed_standard_stream_does_not_become_the_connection(
        serve, client, stream, reply, status):
    """What is said there would be a command."""
    server = serve("P: 220 provider.test\nC: EHLO customer.test\n"
                   f"P: {reply}\n" + (etrn("example.org", "250 OK")
                                      if stream == 1 else "") + QUIT)
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}>&-', "sh",
         *client.command(server.host, "example.org")],
        env=client.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        check=False)
    client.finished(done.returncode, done.stdout, done.stderr)
    assert done.returncode == status


def test_answers_that_cannot_be_printed_are_an_error(serve, client):
    server = serve(GREETED + etrn("example.org", "250 OK") + QUIT)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            client.command(server.host, "example.org"), stdout=full,
            env=client.environment, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False)
    _, _, err = client.finished(done.returncode, "", done.stderr)
    assert done.returncode == NOT_WRITTEN
    assert "standard output: write error" in one_line(err)


def test_421_ends_the_asking_and_the_rest_is_named(serve, client):
    server = serve(GREETED + etrn("a.test", "250 fine") + "\n" +
                   etrn("b.test", "421 Shutting down") + "\nC: <closed>")
    status, out, err = client.run(server.host, "a.test", "b.test", "c.test")
    assert (status, out) == \
        (LATER, "a.test: 250 fine\nb.test: 421 Shutting down\n")
    assert "1 of 3 names were not asked for" in one_line(err)


def test_a_connection_lost_between_names_is_worse_than_a_refusal(
        serve, client):
    server = serve(GREETED + etrn("a.test", "459 no") + "\nC: ETRN b.test")
    status, out, err = client.run(server.host, "a.test", "b.test")
    assert (status, out) == (LOST, "a.test: 459 no\n")
    assert "127.0.0.1: " in one_line(err)


# ---- before the first name

@pytest.mark.parametrize("greeting, status, said", [
    ("554 Not for you", REFUSED, "connection refused: 554 Not for you"),
    ("554-Not\r\nP: 554 for you", REFUSED, "refused: 554 Not for you"),
    ("450 Busy", LATER, "450 Busy"),
    ("SSH-2.0-OpenSSH_9.2", NONSENSE, "no SMTP reply"),
])
def test_a_greeting_that_is_none_ends_it(
        serve, client, greeting, status, said):
    def dialogue(peer):
        for row in greeting.split("\r\nP: "):
            peer.say(row)
        assert peer.until_closed() in ([], ["QUIT"])
    server = serve(dialogue)
    result = client.run(server.host, "example.org")
    assert result[:2] == (status, "")
    assert said in one_line(result[2])


def test_421_instead_of_a_greeting_means_later(serve, client):
    server = serve("P: 421 Too many\nC: <closed>")
    status, _, err = client.run(server.host, "example.org")
    assert status == LATER and "421 Too many" in one_line(err)


def test_a_refused_ehlo_is_not_followed_by_helo(serve, client):
    server = serve("P: 220 old.test\nC: EHLO customer.test\nP: 502 No" + QUIT)
    status, _, err = client.run(server.host, "example.org")
    assert status == REFUSED and "EHLO refused: 502 No" in one_line(err)


def test_a_port_where_nobody_listens_is_unreachable(client):
    host = f"127.0.0.1:{free_ports(1)[0]}"
    status, _, err = client.run(host, "example.org")
    assert status == LOST and "Connection refused" in one_line(err)


def test_a_host_that_does_not_exist_is_unreachable(client):
    status, _, err = client.run("no.such.invalid", "example.org")
    assert status == LOST and "no.such.invalid: cannot" in one_line(err)


def test_all_addresses_of_a_host_are_tried(serve, client):
    # localhost is ::1 too, where there is one, and nobody listens there.
    server = serve(GREETED + etrn("example.org", "250 fine") + QUIT)
    assert client.run(f"localhost:{server.port}", "example.org")[0] == ACCEPTED


# ---- the command line

@pytest.mark.parametrize("arguments", [
    ["--starttls", "--tls", "a.test"], ["--login", "alice", "a.test"],
    ["--password-file", "/dev/null", "a.test"], ["-n", "a.test"], [],
])
def test_options_that_do_not_go_together_are_a_usage_error(client, arguments):
    assert client.run("127.0.0.1", *arguments)[0] == USAGE


@pytest.mark.parametrize("host", [
    "", ":25", "[::1", "[]", "[::1]25", "::1", "host:", "host:0", "host:65536",
    "host:25x", "host:+25", "host: 25", "h" * 256])
def test_a_host_that_cannot_be_read_is_a_usage_error(client, host):
    status, _, err = client.run(host, "example.org")
    assert status == USAGE and "--remote" in err


@pytest.mark.parametrize("name", [
    "", "a b", "a\tb", "a\r\nQUIT", "a\x7f", "@\u00fcber", "\u00fc..test",
    "\u00fc b.test", "n" * 506])
def test_a_name_that_is_no_argument_is_refused_before_connecting(
        serve, client, name):
    server = serve()
    status, out, err = client.run(server.host, "example.org", name)
    assert (status, out) == (BAD_NAME, "")
    assert "the name " in one_line(err)
    assert not server.connections()


@pytest.mark.parametrize("name, said", [
    ("B\u00dccher.test", "xn--bcher-kva.test"),
    ("@bu\u0308cher.test", "@xn--bcher-kva.test"),
    ("#b\u00fcro", "#xn--bro-hoa")])
def test_a_name_in_utf8_is_asked_for_by_its_a_labels(
        serve, client, name, said):
    server = serve(GREETED + etrn(said, "250 OK, queuing started") + QUIT)
    assert client.run(server.host, name) == \
        (ACCEPTED, f"{name}: 250 OK, queuing started\n", "")


def test_the_longest_name_makes_a_line_of_512_bytes(serve, client):
    name = "n" * 505
    server = serve(GREETED + etrn(name, "501 Too long") + QUIT)
    assert client.run(server.host, name)[0] == REFUSED


def test_no_configuration_is_needed_but_one_that_is_named_is(
        serve, client, transcript):
    if os.path.exists("/etc/odmr/odmr.conf"):
        pytest.skip("there is an /etc/odmr/odmr.conf")
    server = serve(GREETED.replace("EHLO customer.test", "EHLO ...") +
                   etrn("example.org", "250 fine") + QUIT)
    done = subprocess.run(
        [BUILD / "etrn-trigger", "--remote", server.host, "example.org"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        check=False)
    assert client.finished(done.returncode, done.stdout, done.stderr)[0] == \
        ACCEPTED
    client.conf.unlink()
    assert client.run("127.0.0.1", "example.org")[0] == CONFIG


# ---- bad servers

@pytest.mark.parametrize("said, status", [
    (b"250-more\r\n" * 1000, NONSENSE),
    (b"250 " + b"x" * (2 << 20) + b"\r\n", NONSENSE),
    (b"250 a\0b\r\n", NONSENSE),
    (b"250-one\r\n251 two\r\n", NONSENSE),
    (b"25", LOST),
    (b"250-one\r\n", LOST),
    (b"\r\n", NONSENSE),
    (b"999 no\r\n", NONSENSE),
    (b"\x16\x03\x01\x02\x00\x01\r\n", NONSENSE),
    (b"", LOST),
], ids=["too many lines", "too long a line", "NUL", "changing codes",
        "cut in a code", "cut in a reply", "empty line", "no code", "TLS",
        "nothing"])
@pytest.mark.parametrize("before", [
    "", "P: 220 provider.test\nC: EHLO customer.test",
    GREETED + "C: ETRN example.org"], ids=["greeting", "EHLO", "ETRN"])
def test_what_is_no_reply_ends_it_with_one_line(
        serve, client, before, said, status):
    def dialogue(peer):
        peer.play(before)
        try:
            peer.send(said)
        except ConnectionError:
            pass  # it may stop listening before it has heard all
    server = serve(dialogue)
    result = client.run(server.host, "example.org")
    assert result[:2] == (status, "")
    assert "127.0.0.1: " in one_line(result[2])


def test_a_server_that_says_nothing_is_given_up_when_time_is_up(
        serve, client, transcript):
    """The alarm comes from the test: it has not ten minutes."""
    heard = []

    def dialogue(peer):
        peer.say("220 provider.test")
        heard.append(peer.line())
        heard.extend(peer.until_closed())
    server = serve(dialogue)
    with subprocess.Popen(client.command(server.host, "example.org"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        wait_for(lambda: heard, 20, "EHLO")
        process.send_signal(signal.SIGALRM)
        out, err = process.communicate(timeout=20)
    assert client.finished(process.returncode, out, err)[:2] == (LOST, "")
    assert "given up" in one_line(err)


# ---- TLS

def test_starttls_is_used_where_it_is_offered_whoever_has_signed(
        serve, client):
    def dialogue(peer):
        peer.starts_tls(certificate="other")
        peer.play(etrn("example.org", "250 fine") + QUIT)
    client.environment["SSL_CERT_FILE"] = "/dev/null"
    server = serve(dialogue)
    assert client.run(server.host, "example.org") == \
        (ACCEPTED, "example.org: 250 fine\n", "")


def test_refused_starttls_is_done_without_unless_it_is_demanded(
        serve, client):
    script = hello("STARTTLS") + "\nC: STARTTLS\nP: 454 Not now\n"
    server = serve(script + etrn("example.org", "250 fine") + QUIT,
                   script + QUIT)
    assert client.run(server.host, "example.org")[0] == ACCEPTED
    status, out, err = client.run(server.host, "example.org", "--starttls")
    assert (status, out) == (LATER, "")
    assert "STARTTLS refused: 454 Not now" in one_line(err)


def garbled(peer):
    peer.play(hello("STARTTLS") + "\nC: STARTTLS\nP: 220 Go ahead")
    peer.take(1)
    peer.send(b"250 this is no TLS\r\n")


def test_a_failed_handshake_is_done_without_unless_tls_is_demanded(
        serve, client):
    in_clear = hello("STARTTLS") + "\n" + etrn("example.org", "250 ok") + QUIT
    server = serve(garbled, in_clear, garbled)
    status, out, err = client.run(server.host, "example.org")
    assert (status, out) == (ACCEPTED, "example.org: 250 ok\n")
    assert "TLS: " in err and "once more, without TLS" in err
    status, out, err = client.run(server.host, "example.org", "--starttls")
    assert (status, out) == (LOST, "")
    assert "TLS: " in one_line(err)


def test_demanded_starttls_that_is_not_offered_ends_it(serve, client):
    server = serve(GREETED + QUIT)
    status, out, err = client.run(server.host, "example.org", "--starttls")
    assert (status, out) == (LOST, "")
    assert "offers no STARTTLS" in one_line(err)


@pytest.mark.parametrize("option", [[], ["--starttls"]])
def test_what_comes_in_clear_after_starttls_is_an_injection(
        serve, client, option):
    def dialogue(peer):
        peer.play(hello("STARTTLS") + "\nC: STARTTLS")
        peer.send(b"220 Go ahead\r\n250 forged\r\n")
        assert peer.until_closed() == []
    server = serve(dialogue)
    status, out, err = client.run(server.host, "example.org", *option)
    assert (status, out) == (NONSENSE, "")
    assert "in clear after STARTTLS" in one_line(err)


@pytest.mark.parametrize("option", ["--starttls", "--tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_demanded_tls_goes_on_with_a_good_certificate(
        serve, client, option, host):
    def dialogue(peer):
        if option == "--tls":
            peer.encrypt()
            peer.play(hello("STARTTLS"))
        else:
            peer.starts_tls()
        peer.play(etrn("example.org", "250 fine") + QUIT)
    server = serve(dialogue)
    assert client.run(f"{host}:{server.port}", option, "example.org") == \
        (ACCEPTED, "example.org: 250 fine\n", "")


def test_tls_records_without_end_are_an_end(serve, client):
    def dialogue(peer):
        peer.encrypt()
        flooding.send(peer, flooding.key_updates(peer.sock, 20000))
    status, out, err = client.run(serve(dialogue).host, "--tls", "example.org")
    assert (status, out) == (LOST, "")
    assert "TLS: too many records without data" in one_line(err)


@pytest.mark.parametrize("option", ["--starttls", "--tls"])
@pytest.mark.parametrize("certificate, authorities, why", [
    ("other", None, "IP address mismatch"),
    ("good", "/dev/null", "unable to get local issuer certificate"),
])
def test_a_demanded_tls_ends_with_a_bad_certificate(
        serve, client, option, certificate, authorities, why):
    def dialogue(peer):
        with pytest.raises(OSError):
            if option == "--tls":
                peer.encrypt(certificate)
                peer.fill()
                raise ConnectionError("the handshake was over first")
            peer.starts_tls(certificate=certificate)
    client.environment["SSL_CERT_FILE"] = \
        authorities or client.environment["SSL_CERT_FILE"]
    server = serve(dialogue)
    status, out, err = client.run(server.host, option, "example.org")
    assert (status, out) == (LOST, "")
    assert f"its certificate is not accepted: {why}" in one_line(err)


# ---- logging in

AUTH_ALL = "AUTH LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256"


def first_message(row, mechanism):
    verb, name, text = row.split(" ")
    assert (verb, name) == ("AUTH", mechanism), row
    return base64.b64decode(text).decode()


def plays_scram(*offers, **more):
    """A dialogue in clear, up to the proof."""
    def dialogue(peer):
        peer.play(hello(*offers))
        header, first = first_message(
            peer.line(), "SCRAM-SHA-256").split(",,", 1)
        assert header == "n"
        scram_server(peer, first, **more)
        if "claim" in more:
            peer.play("C: *\nP: 501 Cancelled" + QUIT)
        else:
            peer.play("C: \nP: 235 Welcome")
            peer.play(etrn("example.org", "250 fine") + QUIT)
    return dialogue


def test_scram_is_the_best_in_clear(serve, client):
    server = serve(plays_scram(AUTH_ALL))
    assert client.run(server.host, "example.org", *client.login()) == \
        (ACCEPTED, "example.org: 250 fine\n", "")


def test_a_scram_server_that_does_not_know_the_account_is_left(serve, client):
    server = serve(plays_scram(AUTH_ALL, claim=b"0" * 32))
    status, out, err = client.run(
        server.host, "example.org", *client.login())
    assert (status, out) == (NONSENSE, "")
    assert "AUTH SCRAM-SHA-256: " in one_line(err)


def test_a_scram_server_that_skips_its_proof_is_left(serve, client):
    def dialogue(peer):
        peer.play(hello(AUTH_ALL))
        peer.line()
        peer.say("235 Welcome, whoever you are")
        assert peer.until_closed() in ([], ["QUIT"])
    server = serve(dialogue)
    status, out, err = client.run(
        server.host, "example.org", *client.login())
    assert (status, out) == (NONSENSE, "")
    assert "without having shown" in one_line(err)


def test_cram_md5_is_answered(serve, client):
    challenge = b"<1.2@provider.test>"
    digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest()
    answer = base64.b64encode(f"alice {digest}".encode()).decode()
    server = serve(hello("AUTH=PLAIN CRAM-MD5") + f"""
        C: AUTH CRAM-MD5
        P: 334 {base64.b64encode(challenge).decode()}
        C: {answer}
        P: 235 Welcome
    """ + etrn("example.org", "250 fine") + QUIT)
    assert client.run(server.host, "example.org", *client.login())[0] == \
        ACCEPTED


PLAIN = f"""
    C: AUTH PLAIN {plain("alice")}
    P: 235 Welcome
"""
LOGIN = f"""
    C: AUTH LOGIN
    P: 334 VXNlcm5hbWU6
    C: {base64.b64encode(b"alice").decode()}
    P: 334 UGFzc3dvcmQ6
    C: {base64.b64encode(PASSWORD.encode()).decode()}
    P: 235 Welcome
"""


@pytest.mark.parametrize("offer, script", [
    ("AUTH LOGIN PLAIN", PLAIN), ("AUTH LOGIN", LOGIN)])
@pytest.mark.parametrize("option", [[], ["--starttls"]])
def test_the_password_is_shown_under_verified_tls(
        serve, client, offer, script, option):
    def dialogue(peer):
        peer.starts_tls(offer)
        peer.play(script + etrn("example.org", "250 fine") + QUIT)
    server = serve(dialogue)
    assert client.run(
        server.host, "example.org", *option, *client.login())[0] == ACCEPTED


@pytest.mark.parametrize("tls", [False, True])
def test_the_password_is_not_shown_in_clear_nor_to_anybody(
        serve, client, tls):
    def dialogue(peer):
        if tls:
            peer.starts_tls("AUTH PLAIN LOGIN", certificate="other")
        else:
            peer.play(hello("AUTH PLAIN LOGIN"))
        peer.play(QUIT)
    server = serve(dialogue)
    status, out, err = client.run(server.host, "example.org", *client.login())
    assert (status, out) == (REFUSED, "")
    assert "it offers: PLAIN LOGIN" in one_line(err)


def test_a_server_without_auth_ends_it(serve, client):
    server = serve(GREETED + QUIT)
    status, out, err = client.run(server.host, "example.org", *client.login())
    assert (status, out) == (REFUSED, "")
    assert "it offers: none" in one_line(err)


@pytest.mark.parametrize("reply, status", [
    ("535 5.7.8 Wrong", REFUSED), ("454 4.7.0 Later", LATER),
    ("504 What?", REFUSED)])
def test_a_refused_login_ends_it(serve, client, reply, status):
    server = serve(hello("AUTH CRAM-MD5") +
                   f"\nC: AUTH CRAM-MD5\nP: {reply}" + QUIT)
    result = client.run(server.host, "example.org", *client.login())
    assert result[:2] == (status, "")
    assert f"login refused: {reply}" in one_line(result[2])


def challenge_of(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("mechanism, challenge", [
    ("SCRAM-SHA-256", "%%% no base64"),
    ("SCRAM-SHA-256", ""),
    ("SCRAM-SHA-256", challenge_of("r=mine,s=c2FsdA==,i=4096")),
    ("SCRAM-SHA-256", challenge_of("e=unknown-user")),
    ("SCRAM-SHA-256", "A" * 12000),
    ("CRAM-MD5", "%%% no base64"),
], ids=["SCRAM garbled", "SCRAM empty", "foreign nonce", "SCRAM error",
        "long", "CRAM garbled"])
def test_a_bad_challenge_cancels_the_exchange(
        serve, client, mechanism, challenge):
    def dialogue(peer):
        peer.play(hello(f"AUTH {mechanism}"))
        peer.line()
        peer.say(f"334 {challenge}")
        peer.play("C: *\nP: 501 Cancelled" + QUIT)
    server = serve(dialogue)
    status, out, err = client.run(server.host, "example.org", *client.login())
    assert (status, out) == (NONSENSE, "")
    assert f"AUTH {mechanism}: " in one_line(err)


@pytest.mark.parametrize("iterations", ["2147483647", "99999999999999999999"])
def test_a_server_cannot_have_the_password_hashed_for_minutes(
        serve, client, iterations):
    def dialogue(peer):
        peer.play(hello("AUTH SCRAM-SHA-256"))
        first = first_message(peer.line(), "SCRAM-SHA-256")
        nonce = first.rsplit("r=", 1)[1]
        peer.say("334 " + challenge_of(f"r={nonce}x,s=c2FsdA==,i={iterations}"))
        peer.play("C: *\nP: 501 Cancelled" + QUIT)
    server = serve(dialogue)
    assert client.run(
        server.host, "example.org", *client.login())[0] == NONSENSE


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "LOGIN"])
def test_challenges_without_end_are_cancelled(serve, client, mechanism):
    def dialogue(peer):
        peer.starts_tls(f"AUTH {mechanism}")
        peer.line()
        for _ in range(20):
            peer.say("334 ")
            if peer.line() == "*":
                break
        peer.play("P: 501 Cancelled" + QUIT)
    server = serve(dialogue)
    status, out, _ = client.run(
        server.host, "example.org", "--starttls", *client.login())
    assert (status, out) == (NONSENSE, "")


# ---- the password file

@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_password_that_others_may_read_is_refused_before_connecting(
        serve, client, mode):
    server = serve()
    client.write_password(PASSWORD, mode)
    status, _, err = client.run(server.host, "example.org", *client.login())
    assert status == NO_INPUT and f"mode {mode:04o}" in one_line(err)
    assert not server.connections()


@pytest.mark.parametrize("text, why", [
    ("", "empty"), ("\nsecond\n", "empty"), ("\r\n", "empty"),
    ("p" * 1024 + "\n", "too long"), ("pass\0word\n", "NUL")])
def test_a_password_file_without_a_password_is_refused(client, text, why):
    client.write_password(text)
    status, _, err = client.run("127.0.0.1", "example.org", *client.login())
    assert status == NO_INPUT and why in one_line(err)


def test_a_missing_password_file_is_refused(client):
    client.password_file.unlink()
    status, _, err = client.run("127.0.0.1", "example.org", *client.login())
    assert status == NO_INPUT and "No such file" in one_line(err)


@pytest.mark.parametrize("text", [
    PASSWORD, PASSWORD + "\r\n", PASSWORD + "\nwhatever\n"])
def test_the_password_is_the_first_line_without_its_end(serve, client, text):
    client.write_password(text)
    server = serve(plays_scram(AUTH_ALL))
    assert client.run(
        server.host, "example.org", *client.login())[0] == ACCEPTED


# ---- our own odmrd

def test_odmrd_is_asked_in_clear(client, make_daemon):
    odmrd = make_daemon(tls_cert_file="", tls_key_file="", listen_tls="")
    host = f"127.0.0.1:{odmrd.port}"
    assert client.run(host, "example.org", *client.login())[:2] == (
        NO_MAIL, "example.org: 251 OK, no messages waiting for node "
        "example.org\n")
    odmrd.wait_for_log("account=alice", " tls=no mech=SCRAM-SHA-256 ",
                       "reason=quit")
    assert client.run(host, "example.org")[0] == REFUSED


@pytest.mark.parametrize("option", ["--starttls", "--tls"])
def test_odmrd_is_asked_under_tls(client, daemon, option):
    port = daemon.tls_port if option == "--tls" else daemon.port
    client.environment["SSL_CERT_FILE"] = str(daemon.ca)
    status, out, _ = client.run(
        f"127.0.0.1:{port}", option, "example.org", "other.test",
        *client.login())
    assert status == REFUSED
    assert [row[:17] for row in out.splitlines()] == \
        ["example.org: 251 ", "other.test: 459 N"]
    daemon.wait_for_log("account=alice", " tls=TLSv1.3 mech=SCRAM-SHA-256-PLUS ",
                        "reason=quit")


def test_odmrd_refuses_a_wrong_password(client, daemon):
    client.write_password("a wrong one\n")
    status, out, err = client.run(
        f"127.0.0.1:{daemon.port}", "example.org", *client.login())
    assert (status, out) == (REFUSED, "")
    assert "login refused: 535 " in one_line(err)
