# SPDX-License-Identifier: ISC
"""ETRN on odmrd's port with a real Postfix on both sides: mail for a customer
who was away is delivered when he is back and asks for it."""

import base64
import itertools
import json
import os
import pwd
import re
import shutil
import smtplib
import subprocess

import pytest

from odmr import probe
from odmr.sandbox import temporary_directory
from odmr.wait import wait_for

PASSWORD = "open sesame"
ALLOWED, FOREIGN = "127.0.0.2", "127.0.0.3"
MESSAGE = b"Subject: held\n\nThis message waited.\n"


@pytest.fixture(scope="module")
def provider(sandbox):
    """The account and what belongs to it; next hops come with the customer."""
    for name, mode in (("backup.test", "backup"), ("hold.test", "hold"),
                       ("collect.test", "odmr"), ("other.test", "backup")):
        sandbox.add_domain(name, mode)
    sandbox.add_account("carol", PASSWORD,
                        ["backup.test", "hold.test", "collect.test"])
    for name in ("backup.test", "hold.test"):
        sandbox.odmrctl("etrn", "allow", name, f"{ALLOWED}/32")
    return sandbox


@pytest.fixture(autouse=True)
def queue_is_empty(provider):
    yield
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)


@pytest.fixture
def customer(provider, make_customer):
    """His server, which is stopped; both domains lead there."""
    made = make_customer(["backup.test", "hold.test"])
    postfix(made, "stop")
    wait_for(lambda: not answers(made), 20, "the customer's Postfix is down")
    for name in ("backup.test", "hold.test"):
        provider.odmrctl("domain", "set", name, "--nexthop",
                         f"[127.0.0.1]:{made.port}")
    return made


def postfix(customer, command):
    subprocess.run(["/usr/sbin/postfix", "-c", customer.config, command],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60, check=True)


def answers(customer):
    try:
        return probe.greets(customer.port)
    except OSError:
        return False


def bring_up(customer):
    postfix(customer, "start")
    wait_for(lambda: answers(customer), 20, "the customer's Postfix is up")


def etrn(provider, *nodes, address=FOREIGN, login=None):
    """The answers to ETRN for each node."""
    with smtplib.SMTP("127.0.0.1", provider.odmr_port, timeout=30,
                      source_address=(address, 0)) as smtp:
        smtp.ehlo("customer.test")
        if login:
            code, challenge = smtp.docmd("AUTH", "CRAM-MD5")
            assert code == 334
            smtp.user, smtp.password = login, PASSWORD
            answer = smtp.auth_cram_md5(base64.b64decode(challenge))
            assert smtp.docmd(base64.b64encode(
                answer.encode()).decode())[0] == 235
        answers_ = [smtp.docmd("ETRN", node) for node in nodes]
    return [f"{code} {text.decode()}" for code, text in answers_]


def started(count, node):
    return f"253 OK, {count} pending messages for node {node} started"


def none(node):
    return f"251 OK, no messages waiting for node {node}"


NUMBERS = itertools.count()


def send(provider, domain, count):
    """Never to one recipient twice: the queue manager keeps the last answer of
    the transport table for a while, and next hops change here."""
    for number in itertools.islice(NUMBERS, count):
        provider.send("s@sender.test", f"r{number}@{domain}", MESSAGE)


def test_customer_who_is_back_and_asks_gets_his_mail_at_once(
        provider, customer):
    send(provider, "backup.test", 3)
    provider.wait_until_deferred(3)

    assert etrn(provider, "backup.test", login="carol") == [
        started(3, "backup.test")]
    provider.wait_until_deferred(3)

    # While it is away, asking changes nothing; when it is back, nothing but
    # asking brings the mail before the retry in some minutes.
    bring_up(customer)
    assert etrn(provider, "backup.test", address=FOREIGN) == [
        "459 Node backup.test not allowed: unknown, or not yours to start"]
    assert etrn(provider, "backup.test", address=ALLOWED) == [
        started(3, "backup.test")]
    customer.wait_for_messages(3)
    provider.wait_until_empty()
    assert etrn(provider, "backup.test", address=ALLOWED) == [
        none("backup.test")]


def test_mail_on_hold_waits_for_etrn_though_the_customer_is_up(
        provider, customer):
    bring_up(customer)
    send(provider, "hold.test", 2)
    provider.wait_until_deferred(2)
    provider.wait_until_held("hold.test", 2)
    assert etrn(provider, "@hold.test", address=ALLOWED) == [
        started(2, "@hold.test")]
    customer.wait_for_messages(2)
    provider.wait_until_empty()
    provider.wait_until_held("hold.test", 0)
    assert etrn(provider, "hold.test", login="carol") == [none("hold.test")]


def test_mail_that_comes_after_etrn_is_brought_by_the_next(provider, customer):
    bring_up(customer)
    for round_ in (1, 2, 3):
        send(provider, "hold.test", 1)
        provider.wait_until_deferred(1)
        provider.wait_until_held("hold.test", 1)
        assert etrn(provider, "hold.test", address=ALLOWED) == [
            started(1, "hold.test")]
        customer.wait_for_messages(round_)
        provider.wait_until_empty()
        provider.wait_until_held("hold.test", 0)


def test_mail_for_atrn_is_counted_and_stays(provider):
    send(provider, "collect.test", 2)
    provider.wait_until_deferred(2)
    assert etrn(provider, "collect.test", login="carol") == [
        started(2, "collect.test")]
    assert [message["queue_name"] for message in provider.queue()] == [
        "deferred"] * 2


def test_permissions_are_listed_and_denied(provider):
    network = f"{FOREIGN}/32"
    assert etrn(provider, "other.test")[0].startswith("459 ")
    provider.odmrctl("etrn", "allow", "other.test", FOREIGN)
    assert json.loads(
        provider.odmrctl("etrn", "list", "other.test", "--json")) == {
            "etrn": [{"domain": "other.test", "who": network}]}
    assert re.search(rf"^other\.test +{re.escape(network)}$",
                     provider.odmrctl("etrn", "list"), re.MULTILINE)
    assert etrn(provider, "other.test") == [none("other.test")]
    provider.odmrctl("etrn", "deny", "other.test", FOREIGN)
    assert etrn(provider, "other.test")[0].startswith("459 ")


@pytest.mark.parametrize("arguments, status, said", [
    (["allow", "other.test", "127.0.0.1/8"], os.EX_DATAERR, "bits set behind"),
    (["allow", "other.test", "127.0.0.0/33"], os.EX_DATAERR, "number of bits"),
    (["allow", "other.test", "host.test"], os.EX_DATAERR, "no IPv4 or IPv6"),
    (["allow", "other.test", "login:"], os.EX_DATAERR, "is empty"),
    (["allow", "other.test", "login:a b"], os.EX_DATAERR, "printable ASCII"),
    (["allow", "other.test", "login:" + "x" * 255], os.EX_DATAERR, "longer"),
    (["allow", "unknown.test", "::1"], os.EX_NOHOST, "unknown.test"),
    (["allow", "localname", "::1"], os.EX_DATAERR, "only one label"),
    (["deny", "unknown.test", "::1"], os.EX_NOHOST, "unknown.test"),
    (["deny", "other.test", "::1"], os.EX_DATAERR, "no permission"),
    (["list", "unknown.test"], os.EX_NOHOST, "unknown.test"),
])
def test_bad_permission_is_refused_in_one_line(
        provider, arguments, status, said):
    done = provider.odmrctl_run("etrn", *arguments)
    assert done.returncode == status
    assert re.fullmatch(rf"odmrctl: [^\n]*{said}[^\n]*\n", done.stderr)
    assert done.stdout == ""


@pytest.mark.skipif(not shutil.which("fetchmail"), reason="needs fetchmail")
def test_fetchmail_in_etrn_mode_starts_the_mail(provider, customer, show):
    bring_up(customer)
    send(provider, "hold.test", 2)
    provider.wait_until_deferred(2)
    provider.wait_until_held("hold.test", 2)
    provider.odmrctl("etrn", "allow", "hold.test", "127.0.0.1/32")
    home = temporary_directory()
    nobody = pwd.getpwnam("nobody")
    rc = home / "fetchmailrc"
    rc.write_text(f"poll 127.0.0.1 protocol ETRN port {provider.odmr_port}\n"
                  "    fetchdomains hold.test\n")
    rc.chmod(0o600)
    for path in (home, rc):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    try:
        done = subprocess.run(
            ["fetchmail", "-v", "--nosyslog", "--nodetach", "-f", str(rc)],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C",
                 "HOME": str(home), "FETCHMAILHOME": str(home)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])
    finally:
        shutil.rmtree(home)
    show("fetchmail", done.stdout)
    assert done.returncode == 0
    assert started(2, "hold.test") in done.stdout
    customer.wait_for_messages(2)
    provider.wait_until_empty()
