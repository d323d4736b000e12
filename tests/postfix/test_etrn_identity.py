# SPDX-License-Identifier: ISC
"""ETRN on Postfix's port for whom Postfix knows by a login or by a TLS client
certificate: what its smtpd tells etrn-trigger --policy of them."""

import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

CLIENT = "127.0.0.3"  # no network of anybody
STARTED = "250 Queuing started"
PASSWORDS = {"carol": "open sesame", "dave": "open barley"}
REALM = "provider.test"
CAROL = f"carol@{REALM}"  # as Postfix knows her: with a realm
MECHANISMS = ["PLAIN", "CRAM-MD5"]


def run(*command, text=None):
    subprocess.run(command, input=text, text=True, check=True, timeout=60,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def add_logins(directory):
    """The configuration of Cyrus SASL, and its database, in `directory`."""
    directory.mkdir()
    database = directory / "sasldb2"
    (directory / "smtpd.conf").write_text(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
        f"sasldb_path: {database}\nmech_list: {' '.join(MECHANISMS)}\n")
    for login, password in PASSWORDS.items():
        run("/usr/sbin/saslpasswd2", "-c", "-p", "-f", database, "-u",
            REALM, login, text=password)
    # smtpd(8) reads it as the user postfix.
    database.chmod(0o644)


@pytest.fixture(scope="module")
def provider(sandbox):
    etc = sandbox.directory / "etc"
    # Debian's smtpd(8) looks here whatever cyrus_sasl_config_path is.
    sasl = Path(sandbox.config, "sasl")
    add_logins(sasl)
    run("/usr/sbin/postconf", "-c", sandbox.config, "-e",
        "smtpd_sasl_auth_enable = yes",
        f"smtpd_sasl_local_domain = {REALM}",
        f"cyrus_sasl_config_path = {sasl}",
        "smtpd_tls_security_level = may",
        f"smtpd_tls_cert_file = {etc}/odmr/server.pem",
        f"smtpd_tls_key_file = {etc}/odmr/server.key",
        "smtpd_tls_ask_ccert = yes")
    sandbox.restart("postfix")
    sandbox.add_domain("login.test", "backup")
    sandbox.add_domain("account.test", "backup")
    sandbox.add_account(CAROL, "at port 366", ["account.test"])
    return sandbox


@pytest.fixture(scope="module")
def certificates(provider, tmp_path_factory):
    """(certificate, key) by name; nobody has signed them. "known" is that of
    Carol's account."""
    directory, made = tmp_path_factory.mktemp("certificates"), {}
    for name in ("known", "unknown"):
        made[name] = (directory / f"{name}.pem", directory / f"{name}.key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-out", made[name][0], "-keyout", made[name][1])
    provider.odmrctl("account", "cert", "add", CAROL, str(made["known"][0]))
    return made


@pytest.fixture
def client(provider):
    with smtplib.SMTP("127.0.0.1", provider.port, timeout=60,
                      source_address=(CLIENT, 0)) as smtp:
        smtp.ehlo("customer.test")
        yield smtp


def log_in(client, login, mechanism="PLAIN", password=None):
    client.user, client.password = login, password or PASSWORDS[login]
    respond = {"PLAIN": client.auth_plain, "CRAM-MD5": client.auth_cram_md5}
    client.auth(mechanism, respond[mechanism])


def start_tls(client, provider, certificate=None):
    context = ssl.create_default_context(cafile=provider.tls_ca)
    context.check_hostname = False  # it is for localhost
    if certificate:
        context.load_cert_chain(*certificate)
    client.starttls(context=context)
    client.ehlo("customer.test")


def etrn(client, domain):
    code, text = client.docmd("ETRN", domain)
    return f"{code} {text.decode()}"


def refused(domain):
    return f"459 4.7.1 <{domain}>: Etrn command rejected: " \
        "Unknown, or not yours to start"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_login_starts_what_it_is_allowed(provider, client, mechanism):
    provider.odmrctl("etrn", "allow", "login.test", f"login:{CAROL}")
    assert etrn(client, "login.test") == refused("login.test")
    log_in(client, "carol", mechanism)
    assert etrn(client, "login.test") == STARTED
    provider.wait_for_log(f"ETRN login.test client={CLIENT} login={CAROL} "
                          "domains=1: allowed")
    # A login at Postfix is not the account of the same name.
    assert etrn(client, "account.test") == refused("account.test")

    provider.odmrctl("etrn", "deny", "login.test", f"login:{CAROL}")
    assert etrn(client, "login.test") == refused("login.test")


def test_other_login_and_wrong_password_start_nothing(provider, client):
    provider.odmrctl("etrn", "allow", "login.test", f"login:{CAROL}")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        log_in(client, "carol", password=PASSWORDS["dave"])
    assert etrn(client, "login.test") == refused("login.test")
    log_in(client, "dave")
    assert etrn(client, "login.test") == refused("login.test")
    provider.wait_for_log("refused: ETRN login.test", f"login=dave@{REALM}")


def test_certificate_of_an_account_starts_what_the_account_may(
        provider, client, certificates):
    start_tls(client, provider, certificates["known"])
    assert etrn(client, "account.test") == STARTED
    provider.wait_for_log(f"ETRN account.test client={CLIENT} login={CAROL} "
                          "domains=1: allowed")
    provider.odmrctl("account", "revoke", CAROL, "account.test")
    assert etrn(client, "account.test") == refused("account.test")
    provider.odmrctl("account", "grant", CAROL, "account.test")


def test_no_certificate_or_an_unknown_one_starts_nothing(
        provider, client, certificates):
    assert etrn(client, "account.test") == refused("account.test")
    start_tls(client, provider)
    assert etrn(client, "account.test") == refused("account.test")
    with smtplib.SMTP("127.0.0.1", provider.port, timeout=60,
                      source_address=(CLIENT, 0)) as other:
        start_tls(other, provider, certificates["unknown"])
        assert etrn(other, "account.test") == refused("account.test")
