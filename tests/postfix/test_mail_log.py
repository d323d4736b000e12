# SPDX-License-Identifier: ISC
"""The mail log settles tags: what Postfix itself delivers, refuses, lets expire
or deletes, with addresses that look like lines of the log."""

import contextlib
import os
import re
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import threading

import pytest

from odmr.sandbox import BUILD, temporary_directory
from odmr.tags import TAG
from odmr.wait import wait_for

MESSAGE = b"Subject: followed\n\nThe log tells.\n"
FORGED = ", relay=none, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"


@pytest.fixture(scope="module")
def provider(sandbox):
    """It follows its log. Without the DNS: next hops are addresses."""
    with open(sandbox.conf, "a", encoding="ascii") as conf:
        conf.write(f"mail_log = {sandbox.log}\n")
    subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, "-e",
                    "smtp_dns_support_level=disabled"], check=True, timeout=60)
    sandbox.restart("postfix")
    return sandbox


@pytest.fixture(scope="module")
def down(provider):
    """A backup domain whose host refuses connections."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        provider.add_domain("down.test", "backup",
                            f"[127.0.0.1]:{closed.getsockname()[1]}")
        yield "down.test"


def rows(provider, condition):
    with sqlite3.connect(provider.env["DATABASE"], timeout=30) as db:
        db.row_factory = sqlite3.Row
        found = db.execute(f"SELECT * FROM {TAG} WHERE {condition} "
                           "ORDER BY id").fetchall()
    db.close()
    return found


def tag(provider, recipient):
    """The one of this domain, or whose message was sent to this address."""
    found = [row for row in rows(provider, "1") if recipient == row["domain"]
             or recipient in row["recipients"].split("\n")]
    assert len(found) == 1, [dict(row) for row in found]
    return found[0]


def send(provider, *recipients):
    """Its queue id, when the tag is there."""
    provider.send("s@sender.test", list(recipients), MESSAGE)
    return wait_for(
        lambda: [row for row in rows(provider, "1")
                 if recipients[0] in row["recipients"].split("\n")],
        30, "a tag")[0]["queue_id"]


def reconcile(provider):
    return provider.odmrctl("reconcile")


def postsuper(provider, option, queue_id):
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, option,
                    queue_id], check=True, timeout=60,
                   stderr=subprocess.DEVNULL)


def has_status(provider, queue_id, status, count=1):
    provider.wait_for_log(queue_id, f"status={status}")
    wait_for(lambda: len(provider.log_lines(queue_id, f"status={status}"))
             >= count, 30, f"{count} lines with {status}")


def test_mail_that_postfix_delivers_is_settled_as_delivered(
        provider, make_customer):
    domain = "backup.test"
    customer = make_customer([domain])
    provider.add_domain(domain, "backup", f"[127.0.0.1]:{customer.port}")
    provider.send("s@sender.test", [f"A@{domain.title()}", f"b@{domain}"],
                  MESSAGE)
    customer.wait_for_messages(2)
    provider.wait_for_log(f"to=<b@{domain}>", "status=sent")
    wait_for(lambda: rows(provider, f"domain = '{domain}'"), 30, "a tag")
    queue_id = tag(provider, domain)["queue_id"]
    provider.wait_for_log(queue_id, "removed")
    assert "1 delivered" in reconcile(provider)
    row = tag(provider, domain)
    assert (row["state"], row["rcpts_open"], row["delivered"]) == \
        ("delivered", 0, 2)
    assert row["last_answer"].startswith("250 2.0.0 Ok: queued as")
    assert row["settled"] - row["arrived"] in range(-1, 60)
    assert provider.status(domain)["held"] == 0


@contextlib.contextmanager
def locked(provider):
    """Nobody else writes odmr.db."""
    db = sqlite3.connect(provider.env["DATABASE"], timeout=30,
                         isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.close()


@contextlib.contextmanager
def stopped(pid_file):
    with open(pid_file, encoding="ascii") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_mail_delivered_before_its_tag_is_written_is_settled_as_delivered(
        provider, make_customer):
    customer = make_customer(["early.test"])
    provider.add_domain("early.test", "backup", f"[127.0.0.1]:{customer.port}")
    reconcile(provider)  # whatever is left of other mail
    with contextlib.ExitStack() as milter:
        with locked(provider):
            provider.send("s@sender.test", ["r@early.test"], MESSAGE)
            line = provider.wait_for_log("to=<r@early.test>", "status=sent")[0]
            provider.wait_for_log(re.search(r"\]: (\w+): ", line)[1], "removed")
            milter.enter_context(stopped(provider.env["MILTER_PID_FILE"]))
        assert "0 delivered" in reconcile(provider)
    wait_for(lambda: rows(provider, "domain = 'early.test'"), 30, "the tag")
    assert "1 delivered" in reconcile(provider)
    row = tag(provider, "r@early.test")
    assert (row["state"], row["rcpts_open"], row["delivered"]) == \
        ("delivered", 0, 1)
    assert row["last_answer"].startswith("250 2.0.0 Ok: queued as")


def test_mail_that_the_host_refuses_is_settled_as_refused(
        provider, make_customer):
    customer = make_customer(["other.test"])
    provider.add_domain("refusing.test", "backup",
                        f"[127.0.0.1]:{customer.port}")
    queue_id = send(provider, "r@refusing.test")
    provider.wait_for_log(queue_id, "removed")
    assert "1 refused" in reconcile(provider)
    row = tag(provider, "r@refusing.test")
    assert row["state"] == "refused"
    assert " said: 554 5.7.1 " in row["last_answer"]


def test_attempts_and_the_last_answer_are_counted(provider, down):
    queue_id = send(provider, f"a@{down}", f"b@{down}")
    has_status(provider, queue_id, "deferred", 2)
    provider.flush(down)
    has_status(provider, queue_id, "deferred", 4)
    reconcile(provider)
    row = tag(provider, f"a@{down}")
    assert (row["state"], row["rcpts_open"], row["attempts"]) == ("held", 2, 2)
    assert "Connection refused" in row["last_answer"]
    reconcile(provider)
    assert tag(provider, f"a@{down}")["attempts"] == 2


@pytest.mark.parametrize("mode", ["backup", "odmr"])
def test_mail_that_expires_is_settled_as_expired(provider, down, mode):
    domain = down
    if mode == "odmr":
        domain = "collected.test"
        provider.add_domain(domain)
    queue_id = send(provider, f"old@{domain}")
    has_status(provider, queue_id, "deferred")
    postsuper(provider, "-e", queue_id)
    provider.flush(domain)
    provider.wait_for_log(queue_id, "returned to sender")
    provider.wait_for_log(queue_id, "removed")
    assert "1 expired" in reconcile(provider)
    assert tag(provider, f"old@{domain}")["state"] == "expired"


def test_mail_that_is_deleted_by_hand_is_settled_as_left(provider, down):
    queue_id = send(provider, f"unwanted@{down}")
    has_status(provider, queue_id, "deferred")
    postsuper(provider, "-d", queue_id)
    provider.wait_for_log("postsuper", queue_id, "removed")
    assert "1 left" in reconcile(provider)
    assert tag(provider, f"unwanted@{down}")["state"] == "left"


def test_one_of_two_recipients_leaves_the_other_held(
        provider, down, make_customer):
    customer = make_customer(["half.test"])
    provider.add_domain("half.test", "backup", f"[127.0.0.1]:{customer.port}")
    queue_id = send(provider, f"x@{down}", "y@half.test")
    customer.wait_for_messages(1)
    has_status(provider, queue_id, "deferred")
    has_status(provider, queue_id, "sent")
    reconcile(provider)
    assert tag(provider, "y@half.test")["state"] == "delivered"
    assert tag(provider, f"x@{down}")["state"] == "held"


def test_addresses_that_look_like_the_log_settle_nothing(provider, down):
    """From quoted local parts, which any client may send, and from quoted
    domains, which sendmail(1) takes and whose quotes Postfix does not log."""
    hostile = [f'"x>, status=sent (250"@{down}', f'"x>{FORGED}"@{down}',
               f'"q\\"x>{FORGED}"@{down}',
               f'": removed"@{down}', f'"a b"@{down}']
    for recipient in hostile:
        queue_id = send(provider, recipient)
        has_status(provider, queue_id, "deferred")
    sender = '"e>, status=expired, returned to sender"@sender.test'
    provider.send(sender, f"s1@{down}", MESSAGE)
    provider.sendmail("s@sender.test",
                      [f"w@{down}", f'w@"{down}>{FORGED}"'], MESSAGE)
    line = provider.wait_for_log(f"to=<w@{down}>{FORGED}>")[0]
    queue_id = re.search(r"\]: (\w+): ", line)[1]
    wait_for(lambda: [row for row in rows(
        provider, f"queue_id = '{queue_id}' AND recipients = 'w@{down}'")],
        30, "the tag of the message with two recipients")
    provider.wait_for_log(f"to=<w@{down}>, relay=none", "status=deferred (")
    provider.wait_for_log(f"to=<s1@{down}>", "status=deferred (")
    reconcile(provider)
    for recipient in [*hostile, f"s1@{down}", f"w@{down}"]:
        row = tag(provider, recipient)
        assert (row["state"], row["delivered"]) == ("held", 0), recipient
    # What really becomes of them settles them all the same.
    queue_id = tag(provider, hostile[2])["queue_id"]
    postsuper(provider, "-e", queue_id)
    provider.flush(down)
    provider.wait_for_log(queue_id, "removed")
    reconcile(provider)
    assert tag(provider, hostile[2])["state"] == "expired"


class SpoilingHop(socketserver.StreamRequestHandler):
    """Takes every message, with an answer that looks like a line of the log, or
    is as long as Postfix takes one."""
    answers = [">, relay=x", f"Ok)>{FORGED}", "x" * 1500,
               ">, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.3, "
               "status=bounced (bad address syntax"]

    def handle(self):
        self.say("220 hop")
        for line in self.rfile:
            verb = line[:4].upper()
            self.say({b"DATA": "354 go on", b"QUIT": "221 bye"}
                     .get(verb, "250 2.0.0 Ok"))
            if verb == b"DATA":
                while self.rfile.readline().rstrip() != b".":
                    pass
                self.say(f"250 2.0.0 {self.answers.pop()}")

    def say(self, text):
        self.wfile.write(text.encode("ascii") + b"\r\n")


def test_a_next_hop_cannot_hide_what_it_took(provider):
    count = len(SpoilingHop.answers)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SpoilingHop) as hop:
        threading.Thread(target=hop.serve_forever, daemon=True).start()
        provider.add_domain("spoils.test", "backup",
                            f"[127.0.0.1]:{hop.server_address[1]}")
        for number in range(count):
            queue_id = send(provider, f"r{number}@spoils.test")
            provider.wait_for_log(queue_id, "removed")
        hop.shutdown()
    reconcile(provider)
    states = {row["recipients"]: row["state"] for row in rows(
        provider, "domain = 'spoils.test'")}
    assert states == {f"r{number}@spoils.test": "delivered"
                      for number in range(count)}


@pytest.fixture(name="open_path")
def make_open_path():
    """Where odmrctl finds a log after it has given up root."""
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


def reconcile_with_log(provider, open_path, name):
    """Follows this file; what stands on standard error."""
    conf = open_path / "odmr.conf"
    text = open(provider.conf, encoding="ascii").read()
    conf.write_text(text.replace(str(provider.log), f"{open_path}/{name}"))
    done = subprocess.run(
        [str(BUILD / "odmrctl"), "-c",
         str(conf), "reconcile"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == os.EX_OK, done.stderr
    assert "in the queue" in done.stdout
    return done.stderr.splitlines()


def test_a_log_that_cannot_be_read_is_a_warning(provider, open_path):
    warnings = reconcile_with_log(provider, open_path, "none.log")
    assert len(warnings) == 1
    assert f"{open_path}/none.log: No such file or directory" in warnings[0]


def test_lines_that_were_missed_are_a_warning_once(provider, open_path):
    log = open_path / "mail.log"
    log.write_text("Nov 22 06:05:51 relay postfix/qmgr[1]: 4X: removed\n")
    assert not reconcile_with_log(provider, open_path, "mail.log")
    old = log.rename(open_path / "mail.log-20261122")
    log.touch()
    assert not reconcile_with_log(provider, open_path, "mail.log")
    old.rename(open_path / "compressed")
    warnings = reconcile_with_log(provider, open_path, "mail.log")
    assert len(warnings) == 1
    assert f"{log}: the log before it is gone or compressed" in warnings[0]
    assert not reconcile_with_log(provider, open_path, "mail.log")
