# SPDX-License-Identifier: ISC
"""etrn-trigger --remote asks other people's servers: here a Postfix with
nothing of ours, and its own ETRN."""

import os
import shutil
import subprocess

import pytest

from odmr.sandbox import BUILD, temporary_directory

MESSAGE = b"Subject: held\n\nThis message waited.\n"
DOMAIN = "waiting.test"
ACCEPTED, LOST, REFUSED = 0, 69, 77


@pytest.fixture(scope="module")
def certificate():
    """Of 127.0.0.1, signed by itself; the key is in the file, too."""
    directory = temporary_directory()
    path = directory / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=provider.test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path, "-out", path], check=True, timeout=60,
        stderr=subprocess.DEVNULL)
    yield path
    shutil.rmtree(directory)


@pytest.fixture
def ask(show):
    """A function: ask(port, argument..., ca=file) -> (status, output, what it
    complains about)."""
    def run(port, *arguments, ca="/dev/null"):
        done = subprocess.run(
            [BUILD / "etrn-trigger", "-c", "/dev/null", "--remote",
             f"127.0.0.1:{port}", *arguments],
            env=dict(os.environ, SSL_CERT_FILE=str(ca)), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=60, check=False)
        show("etrn-trigger", f"{arguments}: exit status {done.returncode}\n"
             f"{done.stdout}{done.stderr}")
        return done.returncode, done.stdout, done.stderr
    return run


# ---- Postfix

@pytest.fixture
def customer(make_customer):
    """His server, which is down."""
    made = make_customer([DOMAIN])
    made.halt()
    return made


@pytest.fixture
def provider(make_customer, customer, certificate):
    return make_customer(
        [], name="provider.test", relay_domains=DOMAIN,
        fast_flush_domains="$relay_domains",
        transport_maps=f"inline:{{{DOMAIN}=smtp:[127.0.0.1]:{customer.port}}}",
        smtpd_tls_security_level="may", smtpd_tls_loglevel="1",
        smtpd_tls_chain_files=str(certificate))


@pytest.mark.parametrize("option", [[], ["--starttls"]])
def test_mail_at_a_postfix_comes_when_it_is_asked_for(
        provider, customer, certificate, ask, option):
    for number in range(3):
        provider.send("s@sender.test", f"r{number}@{DOMAIN}", MESSAGE)
    provider.wait_until_deferred(3)
    customer.start()

    status, out, err = ask(
        provider.port, DOMAIN, *option, ca=certificate)
    assert (status, out, err) == \
        (ACCEPTED, f"{DOMAIN}: 250 Queuing started\n", "")
    customer.wait_for_messages(3)
    provider.wait_until_empty()
    provider.wait_for_log("TLS connection established from")


def test_a_postfix_refuses_names_that_it_does_not_know(provider, ask):
    status, out, _ = ask(provider.port, DOMAIN, "other.test", "#a_queue")
    assert status == REFUSED
    assert out == f"{DOMAIN}: 250 Queuing started\n" + "".join(
        f"{name}: 459 <{name.lstrip('#')}>: service unavailable\n"
        for name in ("other.test", "#a_queue"))


def test_a_postfix_with_an_unknown_certificate_is_not_asked(provider, ask):
    status, out, err = ask(provider.port, DOMAIN, "--starttls")
    assert (status, out) == (LOST, "")
    assert "its certificate is not accepted: " in err
