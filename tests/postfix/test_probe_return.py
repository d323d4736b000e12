# SPDX-License-Identifier: ISC
"""A backup customer who was down comes back, and his mail with him: the lines
of postfix-conf/ for cron and systemd, on a real Postfix."""

import itertools
import pwd
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from odmr.sandbox import TREE
from odmr.wait import wait_for

CONF = TREE / "postfix-conf"
MESSAGES = 50
NUMBERS = itertools.count(1)
SECONDS = 30  # from the probe that finds him up to the last message


@pytest.fixture
def customer(sandbox, make_customer):
    """His server, which is down, and what waits for him."""
    domain = f"backup{next(NUMBERS)}.test"
    made = make_customer([domain])
    made.domain = domain
    made.halt()
    sandbox.add_domain(domain, "backup", f"[127.0.0.1]:{made.port}")
    for number in range(MESSAGES):
        sandbox.sendmail("s@sender.test", [f"r{number}@{domain}"],
                         b"Subject: held\n\nThis message waited.\n")
    sandbox.wait_until_deferred(MESSAGES)
    yield made
    subprocess.run(["/usr/sbin/postsuper", "-c", sandbox.config, "-d", "ALL"],
                   stderr=subprocess.DEVNULL, check=True, timeout=60)


def shipped(sandbox, pattern, file):
    """The one command in a file of postfix-conf/, with the paths of the
    sandbox."""
    found, = re.findall(pattern, (CONF / file).read_text(), re.MULTILINE)
    found = found.replace("/usr/local/sbin", f"{sandbox.directory}/sbin")
    return found.replace("/etc/odmr/odmr.conf", sandbox.conf)


def start(sandbox, *command):
    """As the databases' user. Of a Postfix with another configuration than the
    host's, postqueue(1) must not have its set-group-id; the unit takes it too.
    """
    user = re.search(r"^user = (\S+)$", Path(sandbox.conf).read_text(),
                     re.MULTILINE)[1]
    with open(sandbox.log, "ab") as log:
        return subprocess.Popen(
            ["setpriv", "--reuid", user, "--regid",
             str(pwd.getpwnam(user).pw_gid), "--groups", "postdrop",
             "--no-new-privs", *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")


def run_from_cron(sandbox):
    command = shipped(sandbox, r"^\* \* \* \* \* odmr (.*--probe)$",
                      "odmr.cron")
    assert start(sandbox, "/bin/sh", "-c", command).wait(60) == 0


def test_all_mail_is_there_soon_after_the_probe_that_finds_him_up(
        sandbox, customer):
    run_from_cron(sandbox)
    sandbox.wait_until_deferred(MESSAGES)
    assert len(sandbox.log_lines(f"domain={customer.domain} down: ",
                                 "Connection refused")) == 1

    customer.start()
    begin = time.monotonic()
    run_from_cron(sandbox)
    customer.wait_for_messages(MESSAGES)
    took = time.monotonic() - begin
    assert took < SECONDS
    sandbox.wait_until_empty()
    assert sandbox.log_lines(f"domain={customer.domain} up, released: ",
                             f"messages={MESSAGES}")


@pytest.fixture
def service(sandbox):
    """odmr-probe.service."""
    command = shipped(sandbox, r"^ExecStart=(.*)$", "odmr-probe.service")
    running = start(sandbox, *shlex.split(command))
    yield running
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0


def test_service_brings_the_mail_without_being_asked(
        sandbox, customer, service):
    wait_for(lambda: sandbox.log_lines(f"domain={customer.domain} down: "), 20,
             "the first round")
    customer.start()
    begin = time.monotonic()
    customer.wait_for_messages(MESSAGES)
    # Two rounds at most have found him down, so the third is 10 s apart.
    assert time.monotonic() - begin < 10 + SECONDS
    sandbox.wait_until_empty()
    assert service.poll() is None


def test_watch_of_a_second_brings_the_mail_within_seconds(sandbox, customer):
    customer.start()
    begin = time.monotonic()
    running = start(sandbox, f"{sandbox.directory}/sbin/etrn-trigger", "-c",
                    sandbox.conf, "--probe", "--watch", "1")
    try:
        customer.wait_for_messages(MESSAGES)
        assert time.monotonic() - begin < SECONDS
    finally:
        running.terminate()
        assert running.wait(60) == 0
