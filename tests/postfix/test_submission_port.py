# SPDX-License-Identifier: ISC
"""Submission on the same login with a real Postfix: its smtpd is the service of
postfix-conf/master.cf, and what it passes on arrives at a second Postfix."""

import os
import re
import smtplib
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from odmr import probe
from odmr.sandbox import TREE
from odmr.wait import wait_for

PASSWORD = "open sesame"
CLIENT = "127.0.0.2"  # to be told from odmrd, which is 127.0.0.1 to Postfix
TO = "someone@elsewhere.test"
MAIL = "MAIL FROM:<boss@example.org>"
TEXT = (b"From: boss@example.org\r\nSubject: %s\r\n\r\n"
        b"A line.\r\n.\r\n..\r\nThe end.\r\n")


def submission_service(port):
    """The service that is shipped as a comment, on a port of its own."""
    text = Path(TREE, "postfix-conf", "master.cf").read_text()
    begin = text.index("#127.0.0.1:10587 ")
    rows = [row[1:] for row in text[begin:].splitlines()]
    return "\n".join(rows).replace(":10587 ", f":{port} ", 1) + "\n"


def configure(provider, server):
    """Submission to that smtpd."""
    conf = Path(provider.conf)
    text = re.sub("^submission.*\n", "", conf.read_text(), flags=re.MULTILINE)
    conf.write_text(text + "submission = yes\n"
                    f"submission_server = {server}\n")
    provider.restart("odmrd")


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain("example.org")
    sandbox.add_account("alice", PASSWORD, ["example.org"])
    sandbox.service, = probe.free_ports(1)
    with open(os.path.join(sandbox.config, "master.cf"), "a") as master_cf:
        master_cf.write(submission_service(sandbox.service))
    # What a provider may well have, and what must not touch customers.
    for setting in (
            "smtpd_client_restrictions = check_client_access "
            f"inline:{{ {{ {CLIENT} = REJECT by a blocklist }} }}",
            "smtpd_sender_restrictions = check_sender_access "
            "inline:{ { boss@example.org = REJECT forged } }"):
        subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, "-e",
                        setting], check=True, timeout=60)
    sandbox.restart("postfix")
    configure(sandbox, f"127.0.0.1:{sandbox.service}")
    return sandbox


@pytest.fixture
def elsewhere(provider, make_customer):
    """The rest of the world."""
    made = make_customer(["elsewhere.test"])
    subprocess.run(["/usr/sbin/postconf", "-c", provider.config, "-e",
                    f"default_transport = smtp:[127.0.0.1]:{made.port}"],
                   check=True, timeout=60)
    provider.restart("postfix")
    yield made
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)


@pytest.fixture
def client(provider):
    """Connected, not yet authenticated."""
    smtp = smtplib.SMTP("127.0.0.1", provider.odmr_port, timeout=60,
                        source_address=(CLIENT, 0))
    yield smtp
    smtp.close()


def known(client):
    client.login("alice", PASSWORD)
    client.ehlo()  # what the smtpd offers is known only now
    return client


def submissions(provider):
    """What Postfix's log says of the client of each message."""
    return [row.split(": client=")[1] for row in
            provider.log_lines("odmr-submission/smtpd", ": client=")]


def bodies(customer, count):
    """Below the trace headers."""
    return sorted(message[message.index(b"From: boss@"):].replace(
        b"\n", b"\r\n") for message in customer.wait_for_messages(count))


def turn(client, customer):
    """TURN; then the line is the customer's server's, to its end."""
    code, text = client.docmd("TURN")
    assert code == 250, text
    with socket.create_connection(("127.0.0.1", customer.port), 60) as local:
        def copy(source, sink):
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        upward = threading.Thread(target=copy, args=[local, client.sock])
        upward.start()
        copy(client.sock, local)
        upward.join()


def test_a_client_submits_and_then_collects_on_one_connection(
        provider, elsewhere, make_customer, client):
    home = make_customer(["example.org"])
    provider.send("friend@outside.test", "boss@example.org",
                  b"From: boss@held\r\n\r\nThis one waited.\r\n")
    provider.wait_until_deferred(1)
    provider.wait_until_held("example.org", 1)
    large = b"From: boss@example.org\r\n\r\n" + b"".join(
        b"%07d " % number + b"\xe4.." * 30 + b"\r\n"
        for number in range(210_000))
    assert len(large) > 20_000_000

    known(client)
    assert client.has_extn("chunking") and client.has_extn("8bitmime")
    client.sendmail("boss@example.org", [TO], TEXT % b"by DATA")
    for command in (MAIL, f"RCPT TO:<{TO}>"):
        code, text = client.docmd(command)
        assert code == 250, text
    chunks = TEXT % b"by BDAT"
    client.send(b"BDAT 40\r\n" + chunks[:40])
    assert client.getreply()[0] == 250
    client.send(b"BDAT %d LAST\r\n" % len(chunks[40:]) + chunks[40:])
    assert client.getreply()[0] == 250
    client.sendmail("boss@example.org", [TO], large, ["BODY=8BITMIME"])
    turn(client, home)

    assert bodies(elsewhere, 3) == sorted(
        [TEXT % b"by DATA", chunks, large])
    assert bodies(home, 1) == [b"From: boss@held\r\n\r\nThis one waited.\r\n"]
    assert submissions(provider)[-3:] == [
        f"unknown[{CLIENT}], sasl_method=XCLIENT, sasl_username=alice"] * 3
    provider.wait_for_log("account=alice", f"client={CLIENT}", "delivered=1",
                          "submitted=3", "reason=drained")
    provider.wait_until_empty()


def test_trace_headers_tell_the_clients_address(provider, elsewhere, client):
    known(client).sendmail("boss@example.org", [TO], TEXT % b"x")
    [message] = elsewhere.wait_for_messages(1)
    assert f"Received: from [{CLIENT}] (unknown [{CLIENT}])".encode() \
        in message


def test_a_client_that_vanishes_in_mid_message_has_sent_nothing(
        provider, elsewhere, client):
    before = len(provider.log_lines("lost connection after DATA"))
    known(client)
    for command in (MAIL, f"RCPT TO:<{TO}>", "DATA"):
        client.docmd(command)
    client.send(b"Subject: half\r\n\r\nThis is")
    client.close()
    wait_for(lambda: len(provider.log_lines(
        "odmr-submission/smtpd", "lost connection after DATA")) > before, 20,
        "Postfix hears of it")
    assert provider.queue() == [] and elsewhere.messages() == []


def test_without_a_login_nobody_submits(provider, client):
    client.ehlo()
    for command in (MAIL, f"RCPT TO:<{TO}>", "DATA"):
        assert client.docmd(command)[0] == 530
    assert provider.queue() == []


@pytest.mark.parametrize("recipient", [TO, "boss@example.org"])
def test_the_service_takes_nothing_without_a_login(provider, recipient):
    """From this very host, which is in mynetworks."""
    with smtplib.SMTP("127.0.0.1", provider.service, timeout=60) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.docmd("MAIL FROM:<boss@example.org>")[0] == 250
        assert smtp.docmd(f"RCPT TO:<{recipient}>")[0] == 554


def test_an_smtpd_without_xclient_is_not_used(provider, client):
    """It would take the customer for a program of this host."""
    configure(provider, f"127.0.0.1:{provider.port}")
    try:
        with smtplib.SMTP("127.0.0.1", provider.odmr_port, timeout=60) as smtp:
            smtp.login("alice", PASSWORD)
            assert smtp.docmd(MAIL)[0] == 451
            assert smtp.docmd("TURN")[0] == 453
        provider.wait_for_log("odmrd", "warning: submission_server",
                              "set its smtpd_authorized_xclient_hosts")
        assert provider.queue() == []
    finally:
        configure(provider, f"127.0.0.1:{provider.service}")
