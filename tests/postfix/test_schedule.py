# SPDX-License-Identifier: ISC
"""Mail on hold is delivered at the minutes of its schedule, by the commands of
postfix-conf/odmr.cron and odmr-due.service as their programs would run them.
What the database calls the last run is set, so that no minute is waited for."""

import grp
import itertools
import os
import pwd
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from odmr.sandbox import BUILD, TREE
from odmr.wait import wait_for

CONF = TREE / "postfix-conf"
INSTALLED = "/usr/local/sbin/etrn-trigger"
MESSAGE = b"Subject: held\n\nThis message waited.\n"
NUMBERS = itertools.count()
YEARLY = "0 0 29 2 *"


@pytest.fixture(scope="module")
def provider(sandbox, server):
    for name, mode in (("hold.test", "hold"), ("other.test", "hold")):
        sandbox.add_domain(name, mode, f"[127.0.0.1]:{server.port}")
    return sandbox


@pytest.fixture(autouse=True)
def nothing_is_left(provider, server):
    yield
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)
    for path in server.maildir.glob("new/*"):
        path.unlink()
    sql(provider, "DELETE FROM schedule")


def sql(provider, statement, *values):
    db = sqlite3.connect(provider.env["STATE_DB"], timeout=20)
    try:
        with db:
            db.execute(statement, values)
    finally:
        db.close()


def send(provider, domain, count):
    for number in itertools.islice(NUMBERS, count):
        provider.send("s@sender.test", f"r{number}@{domain}", MESSAGE)


def schedule(provider, domain, fields, ago):
    """As if it had run last `ago` seconds ago."""
    provider.odmrctl("schedule", "add", domain, fields)
    sql(provider, "UPDATE schedule SET last = ? WHERE domain = ?",
        int(time.time()) - ago, domain)


# ---- the shipped commands


def cron_command():
    """The user and the command of the line for --due, and that it is run each
    minute."""
    lines = [line for line in (CONF / "odmr.cron").read_text().splitlines()
             if line and not line.startswith("#") and "--due" in line]
    assert len(lines) == 1, lines
    *fields, user, command = lines[0].split(None, 6)
    assert fields == ["*"] * 5
    return user, command


def unit():
    """Its directives."""
    text = (CONF / "odmr-due.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def here(provider, command):
    """The same with the paths of the sandbox."""
    program = provider.directory / "etrn-trigger"
    if not program.exists():
        shutil.copy(BUILD / "etrn-trigger", program)
    command = command.replace("/etc/odmr/odmr.conf", str(provider.conf))
    assert command.startswith(INSTALLED + " ")
    conf = "" if " -c " in command else f" -c {provider.conf}"
    return command.replace(INSTALLED, f"{program}{conf}", 1)


def daemon_user(provider):
    """Who stands for the user odmr in the sandbox."""
    status = os.stat(provider.env["STATE_DB"])
    return pwd.getpwuid(status.st_uid)


def begin_cron(provider):
    """With postqueue's group from the beginning: by its set-group-id bit it
    would get it too, but then trusts no configuration but /etc/postfix."""
    user, command = cron_command()
    assert user == "odmr"
    someone = daemon_user(provider)
    return subprocess.Popen(
        ["/bin/sh", "-c", here(provider, command)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        user=someone.pw_uid, group="postdrop", extra_groups=[])


def begin_unit(provider):
    directives = unit()
    assert directives["User"] == "odmr"
    assert directives["NoNewPrivileges"] == "yes"
    someone = daemon_user(provider)
    group = grp.getgrnam(directives["SupplementaryGroups"])
    command = here(provider, directives["ExecStart"])
    return subprocess.Popen(
        ["setpriv", "--no-new-privs", *command.split()],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, user=someone.pw_uid,
        group=someone.pw_gid, extra_groups=[group.gr_gid])


def end(process):
    """What it has said."""
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def starts(*said):
    """The domains and numbers of messages in the lines of the log."""
    return re.findall(r"due: domain=(\S+) messages=(\d+)$", "".join(said),
                      re.MULTILINE)


# ---- the tests


@pytest.mark.parametrize("begin", [begin_cron, begin_unit])
def test_mail_on_hold_is_silent_until_its_minute(provider, server, begin):
    send(provider, "hold.test", 3)
    provider.wait_until_deferred(3)
    schedule(provider, "hold.test", YEARLY, 60)
    assert end(begin(provider)) == ""
    provider.wait_until_deferred(3)
    assert server.messages() == []

    schedule(provider, "hold.test", "* * * * *", 60)
    assert starts(end(begin(provider))) == [("hold.test", "3")]
    server.wait_for_messages(3)
    provider.wait_until_empty()


def test_minutes_that_were_missed_run_once(provider, server):
    send(provider, "hold.test", 1)
    provider.wait_until_deferred(1)
    schedule(provider, "hold.test", YEARLY, 9 * 366 * 86400)
    assert starts(end(begin_cron(provider))) == [("hold.test", "1")]
    server.wait_for_messages(1)
    send(provider, "hold.test", 1)
    provider.wait_until_deferred(1)
    assert end(begin_cron(provider)) == ""
    provider.wait_until_deferred(1)
    assert len(server.messages()) == 1


def test_two_at_once_start_once(provider, server):
    send(provider, "hold.test", 2)
    provider.wait_until_deferred(2)
    schedule(provider, "hold.test", "*/2 * * * *", 3600)
    running = [begin_cron(provider), begin_unit(provider)]
    assert starts(*map(end, running)) == [("hold.test", "2")]
    server.wait_for_messages(2)


def test_minute_without_mail_does_not_let_the_next_mail_go(provider, server):
    schedule(provider, "hold.test", "0 * * * *", 7200)
    assert end(begin_cron(provider)) == ""
    sql(provider, "UPDATE schedule SET fields = ?", YEARLY)
    send(provider, "hold.test", 1)
    provider.wait_until_deferred(1)
    assert server.messages() == []


def test_other_domains_on_hold_stay(provider, server):
    send(provider, "hold.test", 1)
    send(provider, "other.test", 1)
    provider.wait_until_deferred(2)
    schedule(provider, "hold.test", "0 0 * * *", 2 * 86400)
    assert starts(end(begin_cron(provider))) == [("hold.test", "1")]
    server.wait_for_messages(1)
    provider.wait_until_deferred(1)
    assert provider.queued_for("other.test")


# ---- what was let go


def test_mail_that_came_just_before_it_was_let_go_goes_with_the_next_run(
        provider, server):
    """The queue manager remembers where it sent the last address."""
    provider.let_pass(300)
    send(provider, "hold.test", 1)
    provider.wait_until_deferred(1)
    subprocess.run([str(BUILD / "etrn-trigger"), "-c", provider.conf,
                    "hold.test"], stdout=subprocess.DEVNULL, check=True,
                   timeout=60)
    remembered, = provider.queued_for("hold.test")
    queue_id = remembered["queue_id"]
    wait_for(lambda: len(provider.log_lines(queue_id, "mode=hold")) == 2, 30,
             "it is put off once more")

    assert end(begin_cron(provider)) == ""
    provider.wait_until_deferred(1)
    provider.let_pass(31)
    send(provider, "other.test", 1)  # what it remembers now
    provider.wait_until_deferred(2)
    assert end(begin_cron(provider)) == ""
    server.wait_for_messages(1)
    assert [message["queue_id"] for message in provider.queue()] != [queue_id]
    assert len(provider.queued_for("other.test")) == 1
