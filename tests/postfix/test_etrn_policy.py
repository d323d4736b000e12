# SPDX-License-Identifier: ISC
"""ETRN on Postfix's port, with etrn-trigger --policy behind it and a customer's
Postfix to which the mail goes."""

import contextlib
import re
import smtplib
import sqlite3
import subprocess

import pytest

from odmr import tags
from odmr.message import recipient_of
from odmr.wait import wait_for

ALLOWED, FOREIGN = "127.0.0.2", "127.0.0.3"
MESSAGE = b"Subject: held\n\nThis message waited.\n"
STARTED = "250 Queuing started"
DOMAINS = {"hold.test": "hold", "a.hold.test": "hold", "b.hold.test": "hold",
           "backup.test": "backup"}


@pytest.fixture(scope="module")
def provider(sandbox):
    for name, mode in DOMAINS.items():
        sandbox.add_domain(name, mode)
        if name != "b.hold.test":
            sandbox.odmrctl("etrn", "allow", name, ALLOWED)
    return sandbox


@pytest.fixture(autouse=True)
def nothing_is_left(provider):
    yield
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)
    tags.change(provider.env["DATABASE"], "DELETE FROM tag")
    forget_starts(provider)


@pytest.fixture
def customer(provider, make_customer):
    """His server; all domains lead there."""
    made = make_customer(list(DOMAINS))
    for name in DOMAINS:
        provider.odmrctl("domain", "set", name, "--nexthop",
                         f"[127.0.0.1]:{made.port}")
    # The queue manager's and smtp(8)'s last answers of the transport table.
    provider.restart("postfix")
    return made


def forget_starts(provider):
    """As if etrn_min_interval had passed."""
    with contextlib.closing(sqlite3.connect(provider.env["DATABASE"])) as state:
        with state:
            state.execute("UPDATE etrn_last SET at = at - 11")


def etrn(provider, *nodes, address=ALLOWED):
    """The answers to ETRN for each node."""
    with smtplib.SMTP("127.0.0.1", provider.port, timeout=60,
                      source_address=(address, 0)) as smtp:
        smtp.ehlo("customer.test")
        answers = [smtp.docmd("ETRN", node) for node in nodes]
    return [f"{code} {text.decode()}" for code, text in answers]


def refused(name):
    return f"459 4.7.1 <{name}>: Etrn command rejected: " \
        "Unknown, or not yours to start"


def unable(name):
    return f"458 4.3.0 <{name}>: Etrn command rejected: " \
        "Unable to queue messages"


def send(provider, *domains):
    """All wait, and each has its tag."""
    for domain in domains:
        provider.send("s@sender.test", f"r@{domain}", MESSAGE)
    provider.wait_until_deferred(len(provider.queue()))
    for domain in domains:
        provider.wait_until_held(domain, domains.count(domain))


def waiting(provider):
    return sorted(message["recipients"][0]["address"]
                  for message in provider.queue())


# ---- the answers

def test_allowed_client_may_and_others_hear_459(provider):
    assert etrn(provider, "backup.test", "BACKUP.test", "#backup.test",
                "@backup.test") == [STARTED] * 4
    assert etrn(provider, "backup.test", "unknown.test", "@backup.test",
                "@unknown.test", address=FOREIGN) == [
                    refused("backup.test"), refused("unknown.test"),
                    refused("_at.backup.test"), refused("_at.unknown.test")]
    assert etrn(provider, "b.hold.test", "@b.hold.test", "@test.test") == [
        refused("b.hold.test"), refused("_at.b.hold.test"),
        refused("_at.test.test")]


def test_bad_syntax_is_501(provider):
    answers = etrn(provider, "a;b", "a..b", "@", "$(id).test", "@@hold.test",
                   "x" * 300 + ".test", "_at.localname")
    assert [answer[:3] for answer in answers] == ["501"] * 7
    assert answers[-1] == "501 5.5.4 <_at.localname>: Etrn command " \
        "rejected: The node has only one label"


def test_each_decision_is_logged_once(provider):
    etrn(provider, "@A.hold.test")
    etrn(provider, "hold.test", address=FOREIGN)
    assert len(provider.wait_for_log(
        "etrn-trigger", ": ETRN @a.hold.test client=127.0.0.2 login=- "
        "domains=1: allowed")) == 1
    assert len(provider.wait_for_log(
        "etrn-trigger", "warning: refused: ETRN hold.test client=127.0.0.3 "
        "login=-: not allowed")) == 1


def test_fault_of_a_database_is_458_and_passes(provider):
    state = provider.directory / "lib/odmr.db"
    state.rename(state.with_suffix(".away"))
    try:
        answers = etrn(provider, "backup.test", "@hold.test")
        stranger = etrn(provider, "backup.test", address=FOREIGN)
    finally:
        state.with_suffix(".away").rename(state)
    assert answers == [unable("backup.test"), unable("_at.hold.test")]
    assert stranger == [unable("backup.test")]
    assert etrn(provider, "backup.test") == [STARTED]


def test_without_the_service_nobody_may(provider):
    program = provider.directory / "sbin/etrn-trigger"
    program.rename(program.with_suffix(".away"))
    provider.restart("postfix")
    try:
        assert etrn(provider, "backup.test") == [unable("backup.test")]
        assert etrn(provider, "@hold.test", address=FOREIGN) == [
            unable("_at.hold.test")]
    finally:
        program.with_suffix(".away").rename(program)
        provider.restart("postfix")
    assert etrn(provider, "backup.test") == [STARTED]


def test_every_form_of_a_name_passes_smtpd_and_flush(provider):
    provider.odmrctl("queue-name", "add", "sales_dept", "hold.test")
    for name in ("sales_dept", "Sales_Dept", "_at.example.org",
                 "_ip.24.248.49.26", "_ip.2001_db8__1", "_ip.__"):
        provider.flush(name)
    with pytest.raises(AssertionError, match="not configured"):
        provider.flush("other_dept")

    number = "24.248.49.26"
    for form in (number, f"#{number}", f"[{number}]"):
        etrn(provider, form)
        provider.wait_for_log(
            f'replacing command "ETRN {form}" with "ETRN _ip.{number}"')
    assert not provider.log_lines("midna_domain_to_ascii")


@pytest.mark.parametrize("address", [
    "::1", "2001:DB8::1", "1:2:3::", "1::4:5", "1:2::4:5", "1:2:3:4:5::",
    "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::ffff:192.0.2.1"])
def test_address_with_colons_passes_with_underscores(provider, address):
    node = "_ip." + address.replace(":", "_")
    assert etrn(provider, f"[IPv6:{address}]", f"#[ipv6:{address}] ") == [
        refused(node)] * 2
    provider.wait_for_log(
        f'replacing command "ETRN [IPv6:{address}]" with "ETRN {node}"')


def test_what_is_no_address_with_colons_starts_nothing(provider):
    garbage = ["[IPv6:fe80::1%eth0]", "[IPv6:]", "[IPv6:2001:db8::1",
               "[IPv6:a:b]", "[2001:db8::1]", "[IPv6:2001:db8::1].x",
               "[IPv6:2001:db8::$(id)]", "[IPv6:a_b:c:d]"]
    assert [answer[:3] for answer in etrn(provider, *garbage)] == [
        "501"] * len(garbage)
    assert etrn(provider, "[IPv6:2001:db8::1] x")[0].startswith("500 ")
    for node in garbage:
        assert not provider.log_lines(f'replacing command "ETRN {node}"')
    # These look like one, until somebody counts.
    assert etrn(provider, "[IPv6:1::2::3]", "[IPv6:1:2:3:4:5:6:7:8:9]",
                "_ip.1_2") == [
        f"501 5.5.4 <{node}>: Etrn command rejected: The node is no address "
        "such as [192.0.2.1] or [IPv6:2001:db8::1]"
        for node in ("_ip.1__2__3", "_ip.1_2_3_4_5_6_7_8_9", "_ip.1_2")]


# ---- what is started

def test_customer_who_is_back_gets_his_mail_when_he_asks(provider, customer):
    customer.halt()
    send(provider, *["backup.test"] * 3)
    customer.start()
    assert etrn(provider, "backup.test", address=FOREIGN) == [
        refused("backup.test")]
    assert etrn(provider, "Backup.Test") == [STARTED]
    customer.wait_for_messages(3)
    provider.wait_until_empty()


def test_at_starts_the_domains_below_of_those_that_the_client_may(
        provider, customer):
    send(provider, "hold.test", "a.hold.test", "b.hold.test")
    assert etrn(provider, "@hold.test", address=FOREIGN) == [
        refused("_at.hold.test")]
    assert etrn(provider, "@hold.test") == [STARTED]
    messages = customer.wait_for_messages(2)
    assert sorted(map(recipient_of, messages)) == [
        "r@a.hold.test", "r@hold.test"]
    provider.wait_for_log("ETRN @hold.test ", "domains=2: allowed")
    provider.wait_until_deferred(1)
    assert waiting(provider) == ["r@b.hold.test"]


def test_queue_of_an_ipv6_address_is_started_in_any_spelling(
        provider, customer):
    provider.odmrctl("queue-name", "add", "[IPv6:2001:db8:0::1]", "hold.test",
                     "b.hold.test")
    send(provider, "hold.test", "b.hold.test")
    assert etrn(provider, "[IPv6:2001:db8::1]", address=FOREIGN) == [
        refused("_ip.2001_db8__1")]
    assert etrn(provider, "[IPv6:2001:db8::1]") == [STARTED]
    customer.wait_for_messages(1)
    assert etrn(provider, "#[ipv6:2001:DB8:0::1]",
                "[IPv6:2001:0db8:0:0:0:0:0:1]") == [STARTED] * 2
    node = "ETRN [IPv6:2001:db8::1]"
    provider.wait_for_log(f"refused: {node} client={FOREIGN} ")
    assert len(provider.wait_for_log(f"{node} client={ALLOWED} ",
                                     "domains=1: allowed")) == 3
    # The queue has another domain, which is not his.
    provider.wait_until_deferred(1)
    assert waiting(provider) == ["r@b.hold.test"]


def test_repeats_within_the_interval_start_nothing(provider, customer):
    customer.halt()
    send(provider, "backup.test")
    assert etrn(provider, "@backup.test") == [STARTED]
    provider.wait_for_log("ETRN @backup.test: 1 messages started")
    provider.wait_until_deferred(1)
    customer.start()
    assert etrn(provider, "@backup.test", "@BACKUP.test") == [STARTED] * 2
    wait_for(lambda: len(provider.log_lines(
        "ETRN @backup.test ", "nothing to start again")) == 2, 30,
        "the log has both")
    provider.wait_until_deferred(1)
    assert customer.messages() == []

    forget_starts(provider)
    assert etrn(provider, "@backup.test") == [STARTED]
    customer.wait_for_messages(1)


def test_policy_process_is_not_root_and_may_use_postqueue(provider):
    etrn(provider, "@backup.test")
    line = provider.log_lines("ETRN @backup.test client=")[-1]
    pid = re.search(r"\[(\d+)\]: ", line).group(1)
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        uids = re.search(r"^Uid:\t(.+)$", status.read(), re.MULTILINE)
    assert "0" not in uids.group(1).split("\t")
    provider.wait_for_log(f"[{pid}]: ETRN @backup.test: 0 messages started")
