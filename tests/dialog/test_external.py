# SPDX-License-Identifier: ISC
"""AUTH EXTERNAL by registered client certificates, and odmrctl account cert."""

import json
import os
import socket
import ssl
import struct
import subprocess

import pytest

from odmr.sandbox import BUILD
from odmr.wait import wait_for
from odmrd_alone import PASSWORD, b64, cram_md5, plain, run
from sasl_dialogue import (REFUSED, SECURE, SETTINGS, authenticated, odmrctl,
                           offered, refused)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """(certificate, key) by name; nobody has signed them."""
    made = {}
    for name in ["one", "other"]:
        directory = tmp_path_factory.mktemp(name)
        made[name] = directory / "cert.pem", directory / "key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
            f"/CN={name}", "-keyout", made[name][1], "-out", made[name][0])
    return made


@pytest.fixture
def registered(daemon, certificates):
    """The certificate "one" is that of alice."""
    odmrctl(daemon, "account", "cert", "add", "alice", certificates["one"][0])
    yield
    daemon.sql("DELETE FROM certificate")


def shows(daemon, certificate, port=None):
    """A line under TLS where the client has shown a certificate."""
    context = ssl.create_default_context(cafile=daemon.ca)
    context.load_cert_chain(*certificate)
    line = daemon.connect(port=port or daemon.tls_port)
    line.sock = context.wrap_socket(line.sock, server_hostname="127.0.0.1")
    line.expect("220 ...")
    return line


def test_external_is_offered_for_a_registered_certificate(
        daemon, certificates, registered):
    assert offered(shows(daemon, certificates["one"])) == f"EXTERNAL {SECURE}"
    line = shows(daemon, certificates["other"])
    assert offered(line) == SECURE
    line.play("""
        C: AUTH EXTERNAL =
        P: 504 5.5.4 Mechanism is not offered
    """)


def test_external_behind_starttls(daemon, certificates, registered):
    context = ssl.create_default_context(cafile=daemon.ca)
    context.load_cert_chain(*certificates["one"])
    line = daemon.greeted()
    line.play("""
        C: STARTTLS
        P: 220 ...
    """)
    line.sock = context.wrap_socket(line.sock, server_hostname="127.0.0.1")
    assert offered(line) == f"EXTERNAL {SECURE}"
    line.play("""
        C: AUTH EXTERNAL =
        P: 235 2.7.0 Authenticated as alice
    """)


@pytest.mark.parametrize("script", [
    "C: AUTH EXTERNAL =\nP: 235 2.7.0 Authenticated as alice",
    "C: AUTH EXTERNAL\nP: 334...\nC:\nP: 235 2.7.0 Authenticated as alice",
    f"C: AUTH EXTERNAL {b64('alice')}\nP: 235 2.7.0 Authenticated as alice",
    f"C: AUTH EXTERNAL {b64('example.org')}\n"
    "P: 235 2.7.0 Authenticated as alice",
    f"C: AUTH EXTERNAL {b64('bob')}\nP: {REFUSED}",
    f"C: AUTH EXTERNAL {b64('nobody')}\nP: {REFUSED}",
])
def test_external_acts_for_its_account_only(
        daemon, certificates, registered, script):
    line = shows(daemon, certificates["one"])
    offered(line)
    line.play(script)
    line.play("""
        C: QUIT
        P: 221 ...
    """)
    if "235" in script:
        authenticated(daemon, "alice", "EXTERNAL", "TLSv1.3")


def test_external_with_openssl_s_client(daemon, certificates, registered):
    cert, key = certificates["one"]
    done = subprocess.run(
        ["openssl", "s_client", "-quiet", "-crlf", "-CAfile", str(daemon.ca),
         "-verify_return_error", "-cert", str(cert), "-key", str(key),
         "-connect", f"127.0.0.1:{daemon.tls_port}"],
        input="EHLO customer.test\nAUTH EXTERNAL =\nQUIT\n", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=True)
    assert "235 2.7.0 Authenticated as alice\n221 " in done.stdout
    authenticated(daemon, "alice", "EXTERNAL", "TLSv1.3")


def test_certificate_that_is_taken_away_is_refused_at_once(
        daemon, certificates, registered):
    line = shows(daemon, certificates["one"])
    offered(line)
    odmrctl(daemon, "account", "cert", "remove", "alice",
            certificates["one"][0])
    line.say("AUTH EXTERNAL =")
    refused(line, daemon, "certificate is no longer registered")


def test_certificate_of_a_disabled_account_is_refused(daemon, certificates):
    odmrctl(daemon, "account", "cert", "add", "off", certificates["one"][0])
    line = shows(daemon, certificates["one"])
    offered(line)
    line.say("AUTH EXTERNAL =")
    refused(line, daemon, "account is disabled")
    daemon.sql("DELETE FROM certificate")


def test_certificate_without_its_key_proves_nothing(daemon, certificates,
                                                    registered):
    """The registered certificate, but another's key."""
    with pytest.raises(ssl.SSLError):
        shows(daemon, (certificates["one"][0], certificates["other"][1]))
    daemon.known()


def test_client_that_goes_while_its_certificate_is_looked_up_does_no_harm(
        daemon, certificates, registered):
    for _ in range(40):
        context = ssl.create_default_context(cafile=daemon.ca)
        context.load_cert_chain(*certificates["one"])
        line = daemon.connect(port=daemon.tls_port)
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        line.sock = context.wrap_socket(line.sock,
                                        server_hostname="127.0.0.1")
        line.sock.close()
    wait_for(lambda: len(daemon.logged("ended account=- ")) == 40, 20,
             "all have gone")
    assert offered(shows(daemon, certificates["one"])).startswith("EXTERNAL")


def test_database_fault_costs_only_the_offer(make_daemon, certificates):
    daemon = make_daemon(**SETTINGS)
    odmrctl(daemon, "account", "cert", "add", "alice", certificates["one"][0])
    (daemon.dir / "odmr.db").rename(daemon.dir / "away")
    line = shows(daemon, certificates["one"])
    assert offered(line) == SECURE
    daemon.wait_for_log("error: client certificate: ", "odmr.db: missing")
    line.play(f"""
        C: AUTH PLAIN {plain("alice")}
        P: 451 4.3.0 Cannot authenticate now, try again later
    """)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_tls_session_is_ever_resumed(daemon, certificates, registered,
                                        version, tmp_path):
    """A resumed one would show no certificate and bind to other bytes. A
    client that tries gets a full handshake."""
    cert, key = certificates["one"]
    for option in ["-sess_out", "-sess_in"]:
        done = subprocess.run(
            ["openssl", "s_client", "-crlf", version, "-CAfile",
             str(daemon.ca), "-cert", str(cert), "-key", str(key), "-ign_eof",
             option, str(tmp_path / "session"), "-connect",
             f"127.0.0.1:{daemon.tls_port}"],
            input="EHLO customer.test\nAUTH EXTERNAL =\nQUIT\n", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
            check=True)
        assert "235 2.7.0 Authenticated as alice" in done.stdout
        assert "\nNew, TLS" in done.stdout and "\nReused" not in done.stdout
        # TLS 1.3 hands sessions out behind the handshake, and we do not.
        (tmp_path / "session").touch()
        if (tmp_path / "session").stat().st_size == 0:
            return


# ---- odmrctl account cert


def cert_command(daemon, *arguments):
    done = subprocess.run(
        [str(BUILD / "odmrctl"), "-c", str(daemon.dir / "odmr.conf"),
         "account", "cert", *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def openssl_fingerprint(cert):
    """As "AB:CD:..."; not by our own code."""
    done = subprocess.run(
        ["openssl", "x509", "-in", str(cert), "-noout", "-fingerprint",
         "-sha256"], text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.strip().split("=")[1]


@pytest.mark.parametrize("form", ["file", "colons", "hex", "upper"])
def test_certificate_is_added_and_removed_in_every_form(
        daemon, certificates, form):
    cert = certificates["one"][0]
    colons = openssl_fingerprint(cert)
    plain_hex = colons.replace(":", "").lower()
    given = {"file": cert, "colons": colons, "hex": plain_hex,
             "upper": plain_hex.upper()}[form]
    assert cert_command(daemon, "add", "alice", given) == \
        (os.EX_OK, f"alice: certificate {plain_hex}\n", "")
    listed = cert_command(daemon, "list")[1]
    assert f"    {plain_hex}\n" in listed and "\nalice " in listed
    assert cert_command(daemon, "list", "alice")[1] == listed
    assert plain_hex not in cert_command(daemon, "list", "bob")[1]
    rows = json.loads(cert_command(daemon, "list", "--json")[1])
    assert [(row["login"], row["fingerprint"]) for row in
            rows["certificates"]] == [("alice", plain_hex)]
    rows = json.loads(cert_command(daemon, "list", "bob", "--json")[1])
    assert rows == {"certificates": []}
    assert offered(shows(daemon, certificates["one"])).startswith("EXTERNAL")
    assert cert_command(daemon, "remove", "alice", given) == (os.EX_OK, "", "")
    assert plain_hex not in cert_command(daemon, "list")[1]


def test_certificate_names_one_account(daemon, certificates, registered):
    cert = certificates["one"][0]
    name = openssl_fingerprint(cert).replace(":", "").lower()
    for login in ["alice", "bob"]:
        assert cert_command(daemon, "add", login, cert) == (
            os.EX_DATAERR, "", f"odmrctl: certificate {name} is registered "
            "already, for alice\n")
    assert cert_command(daemon, "remove", "bob", cert) == (
        os.EX_DATAERR, "", f"odmrctl: bob does not have certificate {name}\n")


def test_certificates_go_with_their_account(make_daemon, certificates):
    daemon = make_daemon(**SETTINGS)
    assert cert_command(daemon, "add", "alice", certificates["one"][0])[0] == 0
    odmrctl(daemon, "account", "remove", "alice")
    assert daemon.sql("SELECT * FROM certificate") == []
    assert offered(shows(daemon, certificates["one"])) == SECURE


@pytest.mark.parametrize("text, why", [
    ("", "No such file or directory"),
    ("ab" * 31, "No such file or directory"),
    ("ab" * 33, "No such file or directory"),
    ("ab:" * 32, "No such file or directory"),
    ("ab:" + "ab" * 31, "No such file or directory"),
    ("ab:" + "ab;" * 30 + "ab", "No such file or directory"),
    ("zz" * 32, "No such file or directory"),
    ("/dev/null", "holds no certificate in PEM"),
    ("/", "holds no certificate in PEM"),
])
def test_what_is_no_certificate_is_refused(daemon, text, why):
    code, out, error = cert_command(daemon, "add", "alice", text)
    assert (code, out) == (os.EX_DATAERR, "")
    assert error == (f'odmrctl: "{text}" is no SHA-256 fingerprint (64 hex '
                     f'digits), and as a file: {why}\n')


def test_private_key_alone_is_no_certificate(daemon, certificates):
    code, _, error = cert_command(daemon, "add", "alice",
                                  certificates["one"][1])
    assert code == os.EX_DATAERR
    assert error.endswith(": holds no certificate in PEM\n")


@pytest.mark.parametrize("arguments", [
    ["add", "nobody", "ab" * 32], ["remove", "nobody", "ab" * 32],
    ["list", "nobody"]])
def test_unknown_account_has_no_certificates(daemon, arguments):
    assert cert_command(daemon, *arguments) == \
        (os.EX_NOUSER, "", "odmrctl: no such account: nobody\n")


@pytest.mark.parametrize("arguments", [
    [], ["frob"], ["add"], ["add", "alice"], ["list", "alice", "bob"]])
def test_usage(daemon, arguments):
    code, out, error = cert_command(daemon, *arguments)
    assert (code, out) == (os.EX_USAGE, "")
    assert "account cert " in error


def test_failures_at_once_count_like_one_by_one(make_daemon, certificates):
    daemon = make_daemon(auth_failure_limit=3)
    odmrctl(daemon, "account", "cert", "add", "alice", certificates["one"][0])
    lines = [shows(daemon, certificates["one"]) for _ in range(8)]
    for line in lines:
        assert offered(line) == f"EXTERNAL {SECURE}"
    daemon.sql("DELETE FROM certificate")
    for line in lines:
        line.say("AUTH EXTERNAL =")
    answers = [line.line() for line in lines]
    assert answers.count(REFUSED) <= 2
    assert {answer[:3] for answer in answers} <= {"535", "421"}
    assert len(daemon.logged("refused: AUTH")) == 3


def known_by(daemon, certificate):
    line = shows(daemon, certificate)
    offered(line)
    line.play("""
        C: AUTH EXTERNAL =
        P: 235 2.7.0 Authenticated as alice
    """)
    return line


def test_session_ends_with_its_certificate_and_no_other(
        daemon, certificates, registered):
    line, other = known_by(daemon, certificates["one"]), daemon.known()
    said = odmrctl(daemon, "account", "cert", "remove", "alice",
                   certificates["one"][0])
    assert said.count(" of account alice ended\n") == 1
    line.play("""
        P: 421 4.7.0 relay.test The operator ends this session
        P: <closed>
    """)
    other.play("""
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_session_by_certificate_stays_when_the_password_changes(
        daemon, certificates, registered):
    line, other = known_by(daemon, certificates["one"]), daemon.known()
    said = odmrctl(daemon, "account", "passwd", "alice", "--cram-md5",
                   text=PASSWORD + "\n")
    assert said.count(" of account alice ended\n") == 1
    other.expect("421 ...")
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
        C: AUTH CRAM-MD5
    """)
    # From now on the password counts.
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("235 2.7.0 Authenticated as alice")
    odmrctl(daemon, "account", "cert", "remove", "alice",
            certificates["one"][0])
    line.play("""
        C: ATRN
        P: 453 ...
    """)


def test_certificate_that_goes_untold_collects_nothing(
        make_daemon, certificates):
    daemon = make_daemon()
    odmrctl(daemon, "account", "cert", "add", "alice", certificates["one"][0])
    daemon.tag("Q1", "example.org")
    line = known_by(daemon, certificates["one"])
    daemon.sql("DELETE FROM certificate")
    line.say("ATRN")
    line.expect("421 ...")
