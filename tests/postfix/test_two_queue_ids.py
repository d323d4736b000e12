# SPDX-License-Identifier: ISC
"""One message that gets a second queue id, by a content filter or by being
requeued, is one message: it came once, is held once and delivered once."""

import json
import smtplib
import socketserver
import sqlite3
import subprocess
import threading

import pytest

from odmr import tags
from odmr.postfix import LOOPBACK
from odmr.probe import free_ports
from odmr.wait import wait_for

MESSAGES = 5
SENDER = "s@sender.test"
PIPED = """\
#!/usr/bin/python3
import socket, sys
with socket.create_connection(("127.0.0.1", {port})) as to:
    to.sendall((" ".join(sys.argv[1:]) + "\\n").encode())
    to.sendall(sys.stdin.buffer.read())
    to.shutdown(socket.SHUT_WR)
    assert to.recv(9) == b"sent"
"""


def postconf(sandbox, *change):
    subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, *change],
                   check=True, timeout=60)


class Sendmail(socketserver.StreamRequestHandler):
    """sendmail(1) for the filter that pipe(8) runs, which cannot be root and
    so may not name a configuration."""
    config = ""

    def handle(self):
        arguments = self.rfile.readline().decode("ascii").split()
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", self.config, "-G", "-i", *arguments],
            input=self.rfile.read(), check=True, timeout=60)
        self.wfile.write(b"sent")


class Filters:
    """As FILTER_README has them: `ports` leads from a filter's name to an
    smtpd(8) whose mail it gets."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        ports = free_ports(6)
        self.ports = dict(zip(("smtp", "xforward", "milter", "pipe"), ports))
        again = self.service(ports[4], content_filter="",
                             smtpd_authorized_xforward_hosts="127.0.0.0/8",
                             receive_override_options="no_milters")
        milter = self.service(ports[5], content_filter="")
        postconf(sandbox, "-M", "scan/unix=scan unix - - n - 10 smtp")
        postconf(sandbox, "-M", "xscan/unix=xscan unix - - n - 10 smtp")
        postconf(sandbox, "-P", "xscan/unix/smtp_send_xforward_command=yes")
        self.program = sandbox.directory / "sbin" / "filter"
        postconf(sandbox, "-M", "filter/unix=filter unix - n n - 10 pipe "
                 f"flags=Rq user=nobody argv={self.program} "
                 "-f ${sender} -- ${recipient}")
        for name, leads in (("smtp", f"scan:[{again}]"),
                            ("xforward", f"xscan:[{again}]"),
                            ("milter", f"scan:[{milter}]"),
                            ("pipe", "filter:dummy")):
            self.service(self.ports[name],
                         content_filter=leads.replace(":[127.0.0.1:",
                                                      ":[127.0.0.1]:")
                         .rstrip("]"))
        sandbox.restart("postfix")
        Sendmail.config = sandbox.config
        self.server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Sendmail)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.program.write_text(
            PIPED.format(port=self.server.server_address[1]))
        self.program.chmod(0o755)

    def service(self, port, **settings):
        name = f"{LOOPBACK}:{port}"
        postconf(self.sandbox, "-M",
                 f"{name}/inet={name} inet n - n - 10 smtpd")
        for setting, value in settings.items():
            postconf(self.sandbox, "-P", f"{name}/inet/{setting}={value}")
        return name

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def filters(sandbox):
    with open(sandbox.conf, "a", encoding="ascii") as conf:
        conf.write(f"mail_log = {sandbox.log}\n")
    running = Filters(sandbox)
    yield running
    running.close()


@pytest.fixture
def unseen(sandbox):
    """The milter is not asked about mail by sendmail(1)."""
    postconf(sandbox, "non_smtpd_milters=")
    sandbox.restart("postfix")
    yield
    postconf(sandbox, "non_smtpd_milters=$smtpd_milters")
    sandbox.restart("postfix")


def send(party, port, count=MESSAGES):
    """All of one envelope. The queue ids that the sender was told."""
    told = []
    for number in range(count):
        message = b"Subject: %d\r\n\r\nhello\r\n" % number
        with smtplib.SMTP(LOOPBACK, port, timeout=60) as smtp:
            smtp.ehlo()
            smtp.mail(SENDER)
            assert smtp.rcpt(f"r@{party.domain}")[0] == 250
            code, text = smtp.data(message)
            assert code == 250
        told.append(text.split()[-1].decode("ascii"))
        party.note([f"r@{party.domain}"], message.replace(b"\r\n", b"\n"))
    return told


def wait_until_filtered(party, told, count=MESSAGES):
    party.wait_until_tried(count)
    assert not {one["queue_id"] for one in party.queue()} & set(told)


def figures(sandbox, domain):
    """What usage says of all days: messages that came, that were delivered,
    and that had another end."""
    with sqlite3.connect(sandbox.env["DATABASE"], timeout=30) as db:
        [row] = db.execute(
            "SELECT sum(messages), sum(delivered), sum(refused + expired + "
            "removed) FROM usage WHERE domain = ?", [domain]).fetchall()
    db.close()
    return row


def expect(party, held, delivered):
    assert figures(party.provider, party.domain) == (MESSAGES, delivered, 0)
    assert party.held() == held


def reconcile(party, times=2):
    for _ in range(times):
        party.provider.odmrctl("reconcile")


def expect_held(party):
    """The tags are those of the queue."""
    expect(party, MESSAGES, 0)
    assert {tag["id"] for tag in party.tags()} == \
        {one["queue_id"] for one in party.queue()}


def age(party):
    """What is not in the queue counts as missing only after a minute."""
    with sqlite3.connect(party.provider.env["DATABASE"], timeout=30) as db:
        db.execute(f"UPDATE tag SET arrived = {tags.EARLIER} "
                   "WHERE domain = ?", [100, party.domain])
    db.close()


def collect(party):
    assert party.collect() == 0
    party.expect_all_collected()
    expect(party, 0, MESSAGES)
    age(party)
    reconcile(party)
    expect(party, 0, MESSAGES)


@pytest.mark.parametrize("name", ["milter", "pipe"])
def test_filtered_mail_counts_once_when_the_milter_sees_it_twice(
        filters, party, name):
    told = send(party, filters.ports[name])
    wait_until_filtered(party, told)
    wait_for(lambda: {tag["id"] for tag in party.tags()} ==
             {one["queue_id"] for one in party.queue()}, 30, "the tags' move")
    expect_held(party)
    reconcile(party)
    expect_held(party)
    collect(party)


@pytest.mark.parametrize("name", ["smtp", "xforward"])
@pytest.mark.parametrize("old", [False, True])
def test_filtered_mail_counts_once_when_reconcile_sees_it_first(
        filters, party, name, old):
    told = send(party, filters.ports[name])
    wait_until_filtered(party, told)
    if old:
        age(party)
    reconcile(party)
    expect_held(party)
    collect(party)


@pytest.mark.parametrize("name", ["smtp", "xforward"])
def test_filtered_mail_counts_once_when_it_is_collected_at_once(
        filters, party, name):
    told = send(party, filters.ports[name])
    wait_until_filtered(party, told)
    expect(party, MESSAGES, 0)
    collect(party)


@pytest.mark.parametrize("first", [reconcile, collect])
def test_piped_mail_counts_once_when_the_milter_is_not_asked(
        filters, unseen, party, first):
    told = send(party, filters.ports["pipe"])
    wait_until_filtered(party, told)
    first(party)
    if first is reconcile:
        expect_held(party)
        collect(party)


@pytest.mark.parametrize("meanwhile", [False, True])
def test_requeued_mail_counts_once(filters, party, meanwhile):
    provider = party.provider
    told = send(party, provider.port)
    party.wait_until_held(MESSAGES)
    age(party)
    for queue_id in told:
        subprocess.run(
            ["/usr/sbin/postsuper", "-c", provider.config, "-r", queue_id],
            check=True, timeout=60, stderr=subprocess.DEVNULL)
    if meanwhile:
        reconcile(party)
        expect(party, MESSAGES, 0)
    subprocess.run(["/usr/sbin/postkick", "-c", provider.config, "public",
                    "pickup", "W"], check=True, timeout=60)
    wait_until_filtered(party, told)
    reconcile(party)
    expect_held(party)
    collect(party)


@pytest.mark.parametrize("name", ["smtp", "milter", "pipe"])
def test_backup_mail_that_the_filter_took_is_not_delivered(
        filters, sandbox, name):
    domain = f"{name}.backup.test"
    port, = free_ports(1)
    sandbox.add_domain(domain, "backup", f"[{LOOPBACK}]:{port}")
    with smtplib.SMTP(LOOPBACK, filters.ports[name], timeout=60) as smtp:
        smtp.sendmail(SENDER, [f"r@{domain}"], b"Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: [one["queue_name"] for one in sandbox.queued_for(domain)]
             == ["deferred"], 30, "one deferred message")
    for _ in range(2):
        sandbox.odmrctl("reconcile")
        assert figures(sandbox, domain) == (1, 0, 0)
        [one] = json.loads(sandbox.odmrctl(
            "queue", domain, "--json"))["messages"]
        assert one["id"] == sandbox.queued_for(domain)[0]["queue_id"]
