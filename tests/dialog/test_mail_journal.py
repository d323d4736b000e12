# SPDX-License-Identifier: ISC
"""mail_log = journal: a real journald of our own, in a mount namespace where
odmrctl finds it as the system's, and a postqueue that lists nothing."""

import os
import shutil
import subprocess
import time

import pytest

from odmr.sandbox import BUILD, temporary_directory
from odmr.wait import wait_for
from test_reconcile_listing import World, listed

JOURNALD = "/lib/systemd/systemd-journald"
GROUP = "systemd-journal"
# Its own sockets and files; and it leaves the kernel's messages alone.
PLACE = f"""
mount -t tmpfs tmpfs /run/systemd && mkdir -p /run/log /var/log/journal &&
mount -t tmpfs tmpfs /run/log && mount -t tmpfs tmpfs /var/log/journal &&
install -d /run/systemd/journald.conf.d && install -d -m 2755 -g {GROUP} \
    /run/log/journal /run/log/journal/$(cat /etc/machine-id) &&
printf '[Journal]\\nStorage=volatile\\nAudit=no\\nReadKMsg=no\\n' \
    >/run/systemd/journald.conf.d/test.conf && exec {JOURNALD}
"""
TIMES = ", relay=mx.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
SENT = TIMES + "dsn=2.0.0, status=sent (250 2.0.0 Ok)"
DEFERRED = TIMES + "dsn=4.4.1, status=deferred (connect to mx: refused)"
POSTFIX, STRANGER = "daemon", "nobody"
GONE = "journal: what was read last is gone from it"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces"),
    pytest.mark.skipif(not os.path.exists(JOURNALD), reason="needs journald"),
    pytest.mark.skipif(
        subprocess.run(["pkg-config", "--exists", "libsystemd"],
                       check=False).returncode != 0,
        reason="needs libsystemd"),
]


class Journal:
    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", PLACE], stderr=subprocess.PIPE)
        wait_for(self.answers, 30, "journald")

    def answers(self):
        assert self.process.poll() is None, self.process.stderr.read()
        return self.run("test", "-S", "/run/systemd/journal/dev-log").returncode == 0

    def enter(self, *command):
        return ["nsenter", "-m", "-t", str(self.process.pid), *map(str, command)]

    def run(self, *command):
        return subprocess.run(
            self.enter(*command), stdout=subprocess.PIPE, check=False,
            stderr=subprocess.STDOUT, text=True, timeout=60)

    def write(self, text, user=POSTFIX, name="postfix/smtp", facility="mail"):
        """The journal has it at return."""
        self.log(text, user, name, facility)
        mark = f"mark {time.monotonic_ns()}"
        self.log(mark, "root", "test", "user")
        wait_for(lambda: mark in self.run("journalctl", "-o", "cat").stdout, 30,
                 "the entry")

    def log(self, text, user, name, facility):
        done = self.run(
            "setpriv", f"--reuid={user}", "--clear-groups", "logger", "-u",
            "/run/systemd/journal/dev-log", "-t", name, "-p",
            f"{facility}.info", "--", text)
        assert done.returncode == 0, done.stdout

    def vacuum(self):
        """All that was written until now is gone."""
        assert self.run("journalctl", "--rotate").returncode == 0
        done = self.run("sh", "-c", "rm /run/log/journal/*/system@*.journal")
        assert done.returncode == 0, done.stdout

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=60)


@pytest.fixture
def journal():
    made = Journal()
    yield made
    made.stop()


class Provider(World):
    """Its odmrctl is where the journal is."""

    def __init__(self, directory, journal):
        self.journal = journal
        super().__init__(directory)
        self.set("postfix_user", POSTFIX)
        self.set("mail_log", "journal")

    def set(self, name, value):
        lines = [line for line in self.conf.read_text().splitlines()
                 if not line.startswith(f"{name} =")]
        self.conf.write_text("\n".join([*lines, f"{name} = {value}\n"]))

    def give_to(self, user):
        self.set("user", user)
        for path in (self.dir, *self.dir.iterdir()):
            shutil.chown(path, user)

    def begin(self, *arguments, before=()):
        return subprocess.Popen(
            self.journal.enter(*before, BUILD / "odmrctl", "-c", self.conf,
                               *arguments),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def attempts(self):
        return self.tags("attempts")


@pytest.fixture
def provider(journal):
    directory = temporary_directory()
    yield Provider(directory, journal)
    shutil.rmtree(directory)


def waits(provider, *ids):
    """Mail for backup.test that is in the queue."""
    for queue_id in ids:
        provider.tag(queue_id, "backup.test")
    provider.queue(*(listed(queue_id, "r@backup.test") for queue_id in ids))


def test_what_postfix_wrote_settles_tags_and_is_read_once(provider, journal):
    waits(provider, "A1", "A2")
    provider.queue(listed("A2", "r@backup.test"))
    journal.write("A1: to=<r@backup.test>" + SENT)
    journal.write("A2: to=<r@backup.test>" + DEFERRED)
    assert provider.reconcile() == {"listed": 1, "changed": 1, "delivered": 1}
    assert provider.reconcile() == {"listed": 1}
    journal.write("A2: to=<r@backup.test>" + DEFERRED)
    journal.write("A2: from=<s@sender.test>, status=expired, returned to "
                  "sender", name="postfix-out/qmgr")
    provider.queue()
    assert provider.reconcile() == {"expired": 1}
    assert provider.tags("queue_id, state, attempts, last_answer") == [
        ("A1", "delivered", 1, "250 2.0.0 Ok"),
        ("A2", "expired", 2, "connect to mx: refused")]
    settled, = provider.sql("SELECT settled FROM tag WHERE queue_id = 'A1'")
    assert abs(settled[0] - time.time()) < 600


def test_what_somebody_else_wrote_counts_for_nothing(provider, journal):
    waits(provider, "A1")
    for writer in ({"user": STRANGER}, {"facility": "user"}):
        journal.write("A1: to=<r@backup.test>" + SENT, **writer)
    provider.reconcile()
    assert provider.tags("state, attempts") == [("held", 0)]
    journal.write("A1: to=<r@backup.test>" + DEFERRED, user="root")
    provider.reconcile()
    assert provider.tags("state, attempts") == [("held", 1)]


def test_a_journal_that_was_vacuumed_is_read_on_from_what_is_there(
        provider, journal):
    waits(provider, "A1")
    journal.write("A1: to=<r@backup.test>" + DEFERRED)
    provider.reconcile()
    assert provider.attempts() == [(1,)]
    journal.vacuum()
    _, _, err = provider.run("reconcile", status=0)
    assert GONE not in err
    for _ in range(2):
        journal.write("A1: to=<r@backup.test>" + DEFERRED)
    _, _, err = provider.run("reconcile", status=0)
    assert err.count(GONE) == 1
    assert provider.attempts() == [(3,)]
    _, _, err = provider.run("reconcile", status=0)
    assert GONE not in err
    assert provider.attempts() == [(3,)]


def test_a_journal_that_was_rotated_is_read_on(provider, journal):
    waits(provider, "A1")
    journal.write("A1: to=<r@backup.test>" + DEFERRED)
    provider.reconcile()
    journal.write("A1: to=<r@backup.test>" + DEFERRED)
    assert journal.run("journalctl", "--rotate").returncode == 0
    journal.write("A1: to=<r@backup.test>" + DEFERRED)
    _, _, err = provider.run("reconcile", status=0)
    assert GONE not in err
    assert provider.attempts() == [(3,)]


def test_who_may_not_read_it_settles_nothing_that_is_gone(provider, journal):
    """Run by root, it becomes the user, and keeps the group that reads it."""
    waits(provider, "A1")
    provider.queue()
    provider.give_to(STRANGER)
    journal.write("A1: to=<r@backup.test>" + SENT)
    process = provider.begin("reconcile", before=(
        "setpriv", f"--reuid={STRANGER}", "--regid=nogroup", "--clear-groups"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert f"journal: nothing in it is readable for this user: see group {GROUP}" in err
    assert provider.tags("state") == [("held",)]
    assert provider.reconcile() == {"delivered": 1}


def test_doctor_finds_a_journal_without_postfix(provider, journal):
    def findings():
        return provider.run("doctor")[1]

    assert "mail-log-unreadable\n    journal\n" in findings()
    journal.write("A1: removed", name="postfix/qmgr")
    assert "mail-log-unreadable" not in findings()
