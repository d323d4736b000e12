# SPDX-License-Identifier: ISC
"""etrn-trigger NAME...: who may, what is answered, what is started. It needs
no odmrd; its postqueue is a script."""

import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from odmr import tags
from odmr.sandbox import BUILD, FAULT, temporary_directory
from odmrd_alone import write_conf
from scripted_odmrd import control_socket

ALLOWED, FOREIGN = "192.0.2.7", "198.51.100.7"

# Notes its runs. The files listing and flushing, where there are any, are
# commands that come before its work.
POSTQUEUE = """\
#!/bin/sh
test "$1 $2" = "-c {dir}/postfix" || exit 64
shift 2
echo "$@" >>{dir}/runs
if test "$1" = -j; then
    test ! -e {dir}/listing || . {dir}/listing
    cat {dir}/queue
else
    test ! -e {dir}/flushing || . {dir}/flushing
fi
"""


class Trigger:
    def __init__(self, template):
        self.dir = temporary_directory()
        shutil.copy(template / "odmr.db", self.dir / "odmr.db")
        write_conf(self.dir, flush_timeout=1)
        script = self.dir / "postqueue"
        script.write_text(POSTQUEUE.format(dir=self.dir))
        script.chmod(0o755)
        self.queue()

    def queue(self, *messages):
        """What postqueue -j shows: each message is a list of recipients."""
        rows = [json.dumps({
            "queue_name": "deferred", "queue_id": f"Q{number}",
            "arrival_time": 1700000000, "message_size": 330,
            "sender": "s@sender.test",
            "recipients": [{"address": address} for address in addresses]})
            for number, addresses in enumerate(messages)]
        (self.dir / "queue").write_text("".join(row + "\n" for row in rows))

    def before(self, action, command):
        (self.dir / action).write_text(command + "\n")

    def runs(self):
        try:
            return (self.dir / "runs").read_text().splitlines()
        except FileNotFoundError:
            return []

    def flushed(self):
        return [row[len("-s "):] for row in self.runs()
                if row.startswith("-s ")]

    def sql(self, statement, *values):
        with sqlite3.connect(self.dir / "odmr.db") as db:
            db.execute(statement, values)
        db.close()

    def allow(self, domain, who):
        self.sql("INSERT INTO etrn VALUES (?, ?)", domain, who)

    def name_queue(self, name, *domains):
        for domain in domains:
            self.sql("INSERT INTO queue_name VALUES (?, ?)", name, domain)

    def tag(self, domain, count=1):
        tags.add(self.dir / "odmr.db", *(
            {"queue_id": f"Q{number}", "domain": domain}
            for number in range(count)))

    def run(self, *arguments, stdout=subprocess.PIPE):
        done = subprocess.run(
            [str(BUILD / "etrn-trigger"), "-c", str(self.dir / "odmr.conf"),
             *arguments], stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        print("$ etrn-trigger", *arguments)
        print(done.stdout, done.stderr, f"exit status {done.returncode}")
        assert not FAULT.search(done.stderr), done.stderr
        return done

    def says(self, answer, *arguments, status=os.EX_OK):
        """Runs it; it must print just this, and nothing to complain of."""
        done = self.run(*arguments)
        assert (done.stdout, done.stderr) == (answer + "\n", "")
        assert done.returncode == status

    def complains(self, answer, said, *arguments, status):
        """It must print just this, and one line on standard error with
        `said`."""
        done = self.run(*arguments)
        assert done.stdout == (answer + "\n" if answer else "")
        assert said in done.stderr
        assert done.returncode == status


@pytest.fixture
def trigger(template):
    made = Trigger(template)
    yield made
    print("postqueue:", *made.runs(), sep="\n")  # shown with a failure
    shutil.rmtree(made.dir)


def pending(count, node, fate="started"):
    return f"253 OK, {count} pending messages for node {node} {fate}"


def none(node):
    return f"251 OK, no messages waiting for node {node}"


def unable(node):
    return f"458 Unable to queue messages for node {node}"


# ---- what is said and started


@pytest.mark.parametrize("domain", ["backup.test", "branch.test"])
def test_mail_that_waits_is_counted_and_started(trigger, domain):
    trigger.queue([f"r@{domain}"], ["r@other.test", f"r@{domain}"],
                  [f"a@{domain}", f"b@{domain.upper()}"], ["r@other.test"],
                  [f"r@sub.{domain}"])
    trigger.says(pending(3, domain), domain.upper())
    assert trigger.runs() == ["-j", f"-s {domain}"]


def test_nothing_is_started_where_nothing_waits(trigger):
    trigger.tag("branch.test")
    trigger.queue(["r@other.test"])
    trigger.says(none("branch.test"), "branch.test")
    assert trigger.runs() == ["-j"]


def test_mail_for_atrn_is_counted_and_left_alone(trigger):
    trigger.queue(["r@example.org"])
    trigger.says(none("example.org"), "example.org")
    trigger.tag("example.org", 3)
    trigger.says(pending(3, "example.org", "wait for ATRN"), "example.org")
    assert trigger.runs() == []


def test_domain_on_hold_is_counted_by_tags_and_odmrd_is_asked_to_dial(trigger):
    trigger.tag("hold.test", 3)
    heard = control_socket(trigger.dir / "odmrd.sock", "ok\n", "ok\n")
    trigger.says(pending(3, "hold.test"), "hold.test")
    trigger.name_queue("mine", "hold.test", "backup.test")
    trigger.queue(["r@backup.test"], ["r@hold.test"])
    trigger.says(pending(4, "mine"), "mine")
    assert heard == ["dial hold.test\n"] * 2
    assert trigger.flushed() == ["backup.test"]


def test_domain_on_hold_without_mail_is_not_dialled(trigger):
    trigger.queue(["r@hold.test"])
    trigger.says(none("hold.test"), "hold.test")
    trigger.says(none("hold.test") + "\n\thold.test: none waiting", "-n",
                 "hold.test")
    assert trigger.runs() == []


def test_domain_on_hold_without_an_odmrd_is_458(trigger):
    trigger.tag("hold.test")
    trigger.complains(
        unable("hold.test"), f"hold.test: odmrd cannot be told: {trigger.dir}"
        "/odmrd.sock: No such file or directory", "hold.test",
        status=os.EX_UNAVAILABLE)
    trigger.says(pending(1, "hold.test", "would be started") +
                 "\n\thold.test: 1 would be started", "-n", "hold.test")


def test_odmrd_that_refuses_to_dial_makes_it_458(trigger):
    trigger.tag("hold.test")
    control_socket(trigger.dir / "odmrd.sock", "error odmrd stops\n")
    trigger.complains(unable("hold.test"), ": odmrd stops\n", "hold.test",
                      status=os.EX_UNAVAILABLE)


def test_queue_name_starts_all_its_domains_that_have_mail(trigger):
    trigger.name_queue("mine", "backup.test", "branch.test", "own.test")
    trigger.queue(["r@backup.test"], ["r@own.test"])
    trigger.says(pending(1, "#mine"), "#Mine")
    assert trigger.flushed() == ["backup.test"]
    trigger.tag("own.test", 2)
    trigger.queue(["r@backup.test"], ["r@branch.test", "r@backup.test"])
    trigger.says(pending(2, "mine", "started, 2 wait for ATRN"), "mine")
    assert trigger.flushed() == ["backup.test", "backup.test", "branch.test"]


def test_address_is_a_queue_name(trigger):
    trigger.name_queue("[192.0.2.1]", "backup.test")
    trigger.queue(["r@backup.test"])
    trigger.says(pending(1, "[192.0.2.1]"), "192.0.2.1")
    trigger.says(pending(1, "[192.0.2.1]"), "[192.0.2.1]")
    assert trigger.flushed() == ["backup.test"] * 2


@pytest.mark.parametrize("node", ["@backup.test", "_at.backup.test"])
def test_at_starts_the_domain_and_those_below(trigger, node):
    trigger.sql("INSERT INTO domain (name, mode, socket, created)"
                " VALUES ('sub.backup.test', 'backup', 'x', 0)")
    trigger.queue(["r@backup.test", "r@sub.backup.test"], ["r@branch.test"])
    trigger.says(pending(1, "@backup.test"), node)
    assert trigger.flushed() == ["backup.test", "sub.backup.test"]


def test_each_name_has_its_line_and_the_first_failure_its_status(trigger):
    trigger.queue(["r@branch.test"])
    done = trigger.run("backup.test", "unknown.test", "a..b", "branch.test")
    assert done.stdout.splitlines() == [
        none("backup.test"),
        "459 Node unknown.test not allowed: unknown",
        "501 Syntax error in parameters: the node has an empty label",
        pending(1, "branch.test")]
    assert done.returncode == os.EX_NOHOST
    assert trigger.flushed() == ["branch.test"]


# ---- who may


def refused(node):
    return f"459 Node {node} not allowed: unknown, or not theirs to start"


def test_operator_may_start_all_and_hears_what_is_unknown(trigger):
    trigger.says(none("backup.test"), "backup.test")
    for node in ("unknown.test", "@unknown.test", "#unknown", "unknown"):
        trigger.says(f"459 Node {node} not allowed: unknown", node,
                     status=os.EX_NOHOST)


@pytest.mark.parametrize("node", ["backup.test", "@backup.test", "#mine",
                                  "unknown.test", "unknown"])
def test_client_may_start_what_its_network_is_allowed_for(trigger, node):
    trigger.name_queue("mine", "backup.test", "branch.test")
    trigger.allow("backup.test", "192.0.2.0/24")
    trigger.queue(["r@backup.test"], ["r@branch.test"])
    known = not node.startswith("unknown")
    for address in (ALLOWED, f"::ffff:{ALLOWED}"):
        if known:
            trigger.says(pending(1, node), "-a", address, node)
        else:
            trigger.says(refused(node), "-a", address, node,
                         status=os.EX_NOPERM)
    assert trigger.flushed() == ["backup.test"] * (2 * known)
    trigger.says(refused(node), "-a", FOREIGN, node, status=os.EX_NOPERM)
    assert trigger.flushed() == ["backup.test"] * (2 * known)


def test_login_may_start_what_it_is_allowed_for(trigger):
    trigger.allow("backup.test", "login:alice")
    trigger.says(none("backup.test"), "-l", "alice", "backup.test")
    trigger.says(none("backup.test"), "-a", FOREIGN, "-l", "alice",
                 "backup.test")
    for login in ("bob", "Alice", ""):
        trigger.says(refused("backup.test"), "-l", login, "backup.test",
                     status=os.EX_NOPERM)


def test_login_has_no_grants_of_the_account_of_that_name(trigger):
    trigger.says(refused("backup.test"), "-l", "carol", "backup.test",
                 status=os.EX_NOPERM)


def test_address_or_login_is_enough(trigger):
    trigger.allow("backup.test", f"{ALLOWED}/32")
    trigger.says(none("backup.test"), "-a", ALLOWED, "-l", "bob",
                 "backup.test")


@pytest.mark.parametrize("address", ["", "host.test", "192.0.2.0/24", "1.2.3"])
def test_address_that_is_none_is_a_usage_error(trigger, address):
    trigger.complains("", f"-a {address}: not an IP address", "-a", address,
                      "backup.test", status=os.EX_USAGE)
    assert trigger.runs() == []


def test_without_a_name_it_tells_its_usage(trigger):
    trigger.complains("", "a name is missing\nusage: ", "-a", ALLOWED,
                      status=os.EX_USAGE)


# ---- -n


def test_dry_run_shows_each_domain_and_starts_nothing(trigger):
    trigger.name_queue("mine", "backup.test", "branch.test", "own.test",
                       "example.org")
    trigger.queue(["r@branch.test"], ["r@branch.test"])
    trigger.tag("own.test", 2)
    trigger.says(
        pending(2, "mine", "would be started, 2 wait for ATRN") + "\n"
        "\tbackup.test: none waiting\n"
        "\tbranch.test: 2 would be started\n"
        "\texample.org: none waiting\n"
        "\town.test: 2 wait for ATRN", "-n", "mine")
    assert trigger.runs() == ["-j"]


def test_dry_run_answers_refusals_as_ever(trigger):
    trigger.says(refused("backup.test"), "-n", "-a", FOREIGN, "backup.test",
                 status=os.EX_NOPERM)


# ---- bad names


@pytest.mark.parametrize("name, fault", [
    ("", "is empty"),
    ("@", "is empty"),
    ("@test", "has only one label"),
    ("x" * 300, "is longer than 253 octets"),
    ("a" * 64 + ".test", "has a label of more than 63 octets"),
    ("backup..test", "has an empty label"),
    ("../backup.test", "has an empty label"),
    ("backup.test;reboot", "has a character that"),
    ("$(touch x).test", "has a character that"),
    ("`id`.test", "has a character that"),
    ("a|b", "has a character that"),
    ("backup.test\n", "has a character that"),
    ("12345", "is a number"),
    ("[192.0.2.999]", "is no address such as"),
])
@pytest.mark.parametrize("options", [[], ["-a", ALLOWED]])
def test_bad_name_is_told_what_is_wrong_and_runs_nothing(
        trigger, name, fault, options):
    done = trigger.run(*options, "--", name)
    assert re.fullmatch("501 Syntax error in parameters: the node "
                        rf"{re.escape(fault)}[^\n]*\n", done.stdout)
    assert done.returncode == os.EX_DATAERR
    assert trigger.runs() == []


# ---- faults


@pytest.mark.parametrize("options", [[], ["-a", ALLOWED]])
def test_missing_database_is_neither_yes_nor_no(trigger, options):
    trigger.allow("backup.test", f"{ALLOWED}/32")
    (trigger.dir / "odmr.db").unlink()
    trigger.complains(unable("backup.test"), "odmr.db: missing", *options, "backup.test", status=os.EX_TEMPFAIL)
    assert trigger.runs() == []


@pytest.mark.parametrize("damage", [
    "DROP TABLE etrn", "DROP TABLE queue_name"])
def test_damaged_database_is_neither_yes_nor_no(trigger, damage):
    trigger.name_queue("mine", "backup.test")
    trigger.allow("backup.test", f"{ALLOWED}/32")
    trigger.sql(damage)
    trigger.complains(unable("mine"), "odmr.db", "-a", ALLOWED, "mine",
                      status=os.EX_TEMPFAIL)
    assert trigger.runs() == []


def test_queue_that_tells_nothing_leaves_the_number_open(trigger):
    trigger.name_queue("mine", "backup.test", "branch.test", "own.test")
    trigger.before("listing", "exit 69")
    trigger.tag("backup.test", 2)
    said = "postqueue -j: the queue cannot be read"
    trigger.complains("250 OK, queuing for node mine started", said, "mine",
                      status=os.EX_OK)
    assert trigger.flushed() == ["backup.test"]
    trigger.tag("own.test", 4)
    trigger.complains(
        "252 OK, pending messages for node mine started, 4 wait for ATRN",
        said, "mine", status=os.EX_OK)
    assert trigger.flushed() == ["backup.test"] * 2
    trigger.complains(
        "252 OK, pending messages for node mine would be started, "
        "4 wait for ATRN\n\tbackup.test: would be started\n"
        "\tbranch.test: none waiting\n\town.test: 4 wait for ATRN", said, "-n",
        "mine", status=os.EX_OK)


def test_queue_that_tells_nothing_and_no_tags_are_458(trigger):
    trigger.before("listing", "exit 69")
    trigger.complains(unable("backup.test"), "the queue cannot be read",
                      "backup.test", status=os.EX_TEMPFAIL)
    assert trigger.flushed() == []


def test_flush_that_fails_is_458_and_tells_why(trigger):
    trigger.name_queue("mine", "backup.test", "branch.test")
    trigger.queue(["r@backup.test"], ["r@branch.test"])
    trigger.before("flushing", "test $2 = branch.test || "
                   "{ echo postqueue: fatal: system is down >&2; exit 69; }")
    trigger.complains(
        unable("mine"), f"postqueue -s backup.test failed: {trigger.dir}"
        "/postqueue: postqueue: fatal: system is down\n", "mine",
        status=os.EX_TEMPFAIL)
    # One domain's fault is none of the other's.
    assert trigger.flushed() == ["backup.test", "branch.test"]


def test_flush_that_does_not_end_is_killed(trigger):
    trigger.queue(["r@backup.test"])
    trigger.before("flushing", "exec sleep 50")
    trigger.complains(unable("backup.test"), "no end for 1s, killed",
                      "backup.test", status=os.EX_TEMPFAIL)


def test_postqueue_that_is_not_there_is_458(trigger):
    (trigger.dir / "postqueue").unlink()
    trigger.tag("backup.test")
    trigger.complains(unable("backup.test"), "No such file or directory",
                      "backup.test", status=os.EX_TEMPFAIL)


def test_output_that_cannot_be_written_is_an_error(trigger):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = trigger.run("backup.test", stdout=full)
    assert done.returncode == os.EX_IOERR
    assert "standard output: write error" in done.stderr
