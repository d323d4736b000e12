# SPDX-License-Identifier: ISC
"""Mail on hold is started by the clock: the commands of postfix-conf/odmr.cron
and odmr-etrn@.service as cron and systemd would run them. The clock itself is
theirs."""

import grp
import itertools
import os
import pwd
import re
import shutil
import subprocess

import pytest

from odmr import tags
from odmr.sandbox import BUILD, TREE

CONF = TREE / "postfix-conf"
INSTALLED = "/usr/local/sbin/etrn-trigger"
MESSAGE = b"Subject: held\n\nThis message waited.\n"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def provider(sandbox, server):
    for name in "hold.test", "other.test":
        sandbox.add_domain(name, "hold", f"[127.0.0.1]:{server.port}")
    return sandbox


@pytest.fixture(autouse=True)
def nothing_is_left(provider, server):
    yield
    subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)
    tags.change(provider.env["DATABASE"], "DELETE FROM tag")
    for path in server.maildir.glob("new/*"):
        path.unlink()


def send(provider, domain, count):
    for number in itertools.islice(NUMBERS, count):
        provider.send("s@sender.test", f"r{number}@{domain}", MESSAGE)


# ---- the shipped commands


def cron_line(ending):
    """The fields for the time, the user and the command of the one line whose
    command ends so. It may stand behind the "#" that is to be taken away."""
    found = re.findall(rf"^#?((?:[\d*][\w*/,-]*[ \t]+){{4}}[\w*/,-]+)[ \t]+"
                       rf"(\S+)[ \t]+(/.*{re.escape(ending)})$",
                       (CONF / "odmr.cron").read_text(), re.MULTILINE)
    assert len(found) == 1, found
    return found[0]


def unit():
    """Its directives."""
    text = (CONF / "odmr-etrn@.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def here(provider, command, domain):
    """The same with the paths of the sandbox, and its domain."""
    program = provider.directory / "etrn-trigger"
    if not program.exists():
        shutil.copy(BUILD / "etrn-trigger", program)
    command = command.replace("/etc/odmr/odmr.conf", str(provider.conf))
    command = command.replace("%i", domain).replace("example.com", domain)
    assert command.startswith(INSTALLED + " ")
    return command.replace(INSTALLED, str(program), 1)


def daemon_user(provider):
    """Who stands for the user odmr in the sandbox."""
    status = os.stat(provider.env["DATABASE"])
    return pwd.getpwuid(status.st_uid)


def run_from_cron(provider, ending, domain=""):
    """What cron would mail. With postqueue's group from the beginning: by its
    set-group-id bit it would get it too, but then trusts no configuration but
    /etc/postfix."""
    _, user, command = cron_line(ending)
    assert user == "odmr"
    someone = daemon_user(provider)
    return subprocess.run(
        ["/bin/sh", "-c", here(provider, command, domain)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, user=someone.pw_uid,
        group="postdrop", extra_groups=[], check=True, timeout=60).stdout


def run_line(provider, domain):
    assert run_from_cron(provider, " example.com >/dev/null", domain) == ""


def run_unit(provider, domain):
    directives = unit()
    assert directives["User"] == "odmr"
    assert directives["NoNewPrivileges"] == "yes"
    someone = daemon_user(provider)
    group = grp.getgrnam(directives["SupplementaryGroups"])
    command = here(provider, directives["ExecStart"], domain)
    subprocess.run(
        ["setpriv", "--no-new-privs", *command.split()],
        stdin=subprocess.DEVNULL, user=someone.pw_uid, group=someone.pw_gid,
        extra_groups=[group.gr_gid], check=True, timeout=60)


# ---- the tests


def test_shipped_line_is_for_each_ten_minutes_of_a_working_day():
    assert cron_line(" example.com >/dev/null")[0] == "*/10 8-17 * * mon-fri"


@pytest.mark.parametrize("run", [run_line, run_unit])
def test_mail_on_hold_goes_at_its_minute_and_no_other_domain_s(
        provider, server, run):
    send(provider, "hold.test", 3)
    send(provider, "other.test", 1)
    provider.wait_until_deferred(4)
    provider.wait_until_held("hold.test", 3)
    assert server.messages() == []
    run(provider, "hold.test")
    server.wait_for_messages(3)
    provider.wait_until_deferred(1)
    assert provider.queued_for("other.test")


@pytest.mark.parametrize("run", [run_line, run_unit])
def test_minute_without_mail_is_silent_and_does_not_let_the_next_mail_go(
        provider, server, run):
    run(provider, "hold.test")
    send(provider, "hold.test", 1)
    provider.wait_until_deferred(1)
    assert server.messages() == []
