# SPDX-License-Identifier: ISC
"""etrn-trigger --due with a postqueue of our own: what is due, and what is
written down of it. The time is not waited for: what the database calls the
last run lies in the past."""

import getpass
import grp
import itertools
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import time

import pytest

from odmr.sandbox import BUILD, temporary_directory
from odmr.wait import wait_for
from odmrd_alone import SANITIZED
from shortage import Shortage

DAY = 86400
YEARLY = "0 0 29 2 *"

# Notes its runs; while the file "stop" is there, a start waits in its middle.
# Exits with what "status-j" or "status-s" say.
POSTQUEUE = """\
#!/bin/sh
echo "$3 $4" >>{dir}/runs
if test "$3" = -j; then
    cat {dir}/queue
else
    while test -e {dir}/stop; do sleep 0.02; done
fi
exit $(cat {dir}/status$3)
"""


class Relay:
    """Databases, a queue, and etrn-trigger."""

    def __init__(self, directory):
        self.dir = directory
        self.children = []
        self.said = []
        self.environment = {}
        (self.dir / "postqueue").write_text(POSTQUEUE.format(dir=self.dir))
        (self.dir / "postqueue").chmod(0o755)
        (self.dir / "odmr.conf").write_text(f"""\
relay_database = {self.dir}/relay.db
state_database = {self.dir}/state.db
user = {getpass.getuser()}
postfix_user = {getpass.getuser()}
flush_group = {grp.getgrgid(os.getgid()).gr_name}
postfix_config_directory = {self.dir}
postqueue_path = {self.dir}/postqueue
log = stderr
""")
        self.postqueue_exits("-j", 0)
        self.postqueue_exits("-s", 0)
        self.queue()
        self.odmrctl("init")
        for name, mode in (("hold.test", "hold"), ("backup.test", "backup"),
                           ("collect.test", "odmr")):
            self.odmrctl("domain", "add", name, "--mode", mode)

    def odmrctl(self, *arguments):
        subprocess.run([BUILD / "odmrctl", "-c", self.dir / "odmr.conf",
                        *arguments], check=True, timeout=60)

    def sql(self, statement, *values):
        db = sqlite3.connect(self.dir / "state.db", timeout=20)
        try:
            with db:
                return db.execute(statement, values).fetchall()
        finally:
            db.close()

    # ---- the queue

    def queue(self, *messages):
        """What postqueue -j shows: each message is a list of recipients."""
        (self.dir / "queue").write_text("".join(json.dumps({
            "queue_name": "deferred", "queue_id": f"Q{number}",
            "arrival_time": 1700000000, "message_size": 330,
            "sender": "s@sender.test", "recipients": [
                {"address": address} for address in addresses]}) + "\n"
            for number, addresses in enumerate(messages)))

    def postqueue_exits(self, option, status):
        (self.dir / f"status{option}").write_text(str(status))

    def runs(self):
        """The options of each run of postqueue."""
        try:
            return (self.dir / "runs").read_text().splitlines()
        except FileNotFoundError:
            return []

    def started(self):
        return [run[3:] for run in self.runs() if run.startswith("-s ")]

    # ---- schedules

    def schedule(self, domain, fields, last):
        self.sql("INSERT INTO schedule VALUES (?, ?, ?)", domain, fields, last)

    def last(self, domain):
        """All schedules of the domain agree on it."""
        rows = self.sql("SELECT DISTINCT last FROM schedule WHERE domain = ?",
                        domain)
        assert len(rows) == 1, rows
        return rows[0][0]

    # ---- the program

    def begin(self, *options, zone="UTC"):
        self.children.append(subprocess.Popen(
            [BUILD / "etrn-trigger", "-c", self.dir / "odmr.conf", "--due",
             *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.environment, "TZ": zone}))
        return self.children[-1]

    def end(self, child):
        """What it has printed and logged, and its exit status."""
        out, log = child.communicate(timeout=60)
        self.said.append((child.returncode, out, log))
        return out, log, child.returncode

    def due(self, *options, code=0, zone="UTC"):
        """A whole run; what it has printed and logged."""
        out, log, status = self.end(self.begin(*options, zone=zone))
        assert status == code, (status, log)
        return out + log

    def remove(self):
        (self.dir / "stop").unlink(missing_ok=True)
        for child in self.children:
            child.kill()
            child.communicate()
        shutil.rmtree(self.dir)


@pytest.fixture
def relay():
    made = Relay(temporary_directory())
    yield made
    print("runs of postqueue:", made.runs(), "\netrn-trigger:", made.said)
    made.remove()


@pytest.fixture
def waiting(relay):
    """Two messages wait for hold.test, which has missed a minute or two."""
    relay.queue(["a@hold.test", "b@hold.test"], ["c@hold.test"])
    relay.schedule("hold.test", "* * * * *", int(time.time()) - 3600)
    return relay


# ---- what is due


def test_due_domain_is_started_once_and_logged(waiting):
    before = int(time.time())
    said = waiting.due()
    assert waiting.runs() == ["-j ", "-s hold.test"]
    assert said.count("\n") == 1
    assert said.endswith(": due: domain=hold.test messages=2\n")
    assert before <= waiting.last("hold.test") <= time.time()


def test_when_nothing_is_due_no_postqueue_runs(relay):
    relay.queue(["a@hold.test"])
    now = int(time.time())
    assert relay.due() == ""
    relay.schedule("hold.test", YEARLY, now)
    relay.schedule("backup.test", "* * * * *", now + 30)
    assert relay.due() == ""
    assert relay.runs() == []
    assert relay.last("hold.test") == now


def test_minutes_that_were_missed_are_one_start(relay):
    relay.queue(["a@hold.test"], ["b@backup.test"])
    begin = int(time.time()) - 9 * 366 * DAY
    relay.schedule("hold.test", YEARLY, begin)
    relay.schedule("backup.test", "*/2 * * * *", begin)
    relay.due()
    assert relay.started() == ["backup.test", "hold.test"]
    relay.sql("UPDATE schedule SET fields = ?", YEARLY)
    relay.due()
    assert len(relay.runs()) == 3


def test_several_schedules_of_a_domain_are_one_start(relay):
    relay.queue(["a@hold.test"])
    begin = int(time.time()) - 3 * DAY
    for fields in ("* * * * *", "0 0 * * *", "0 12 * * *", YEARLY):
        relay.schedule("hold.test", fields, begin)
    assert relay.due("-n").count("hold.test is due") == 1
    said = relay.due()
    assert relay.runs() == ["-j ", "-j ", "-s hold.test"]
    assert said.count("due: domain=hold.test") == 1
    assert relay.last("hold.test") > begin


def test_domain_without_mail_is_not_started(relay):
    relay.queue(["a@backup.test"])
    begin = int(time.time()) - DAY
    relay.schedule("hold.test", "0 0 * * *", begin)
    relay.schedule("backup.test", "0 0 * * *", begin)
    relay.due()
    assert relay.started() == ["backup.test"]
    assert relay.last("hold.test") > begin


def test_mail_that_comes_after_the_minute_waits_for_the_next(relay):
    relay.schedule("hold.test", "0 0 * * *", int(time.time()) - DAY)
    relay.due()
    relay.sql("UPDATE schedule SET fields = ?", YEARLY)
    relay.queue(["a@hold.test"])
    relay.due()
    assert relay.started() == []


def test_fields_are_of_local_time(relay):
    minute = int(time.time()) // 60 * 60
    relay.queue(["a@hold.test"])
    there = time.gmtime(minute + 5 * 3600 + 45 * 60)
    relay.schedule("hold.test", f"{there.tm_min} {there.tm_hour} * * *",
                   minute - 1)
    relay.due(zone="UTC")
    assert relay.started() == []
    relay.due(zone="Asia/Kathmandu")
    assert relay.started() == ["hold.test"]


def test_domain_that_is_collected_now_is_not_started(relay):
    relay.queue(["a@collect.test"])
    relay.schedule("collect.test", "* * * * *", 0)
    relay.schedule("unknown.test", "* * * * *", 0)
    assert relay.due() == ""
    assert relay.runs() == []


def test_dry_run_says_what_is_due_and_changes_nothing(waiting):
    last = waiting.last("hold.test")
    ahead = int(time.time()) + DAY
    waiting.schedule("backup.test", "* * * * *", ahead)
    assert (waiting.due("-n") ==
            "hold.test is due, 2 messages would be started\n")
    assert waiting.started() == []
    assert waiting.last("hold.test") == last
    assert waiting.last("backup.test") == ahead


def test_clock_that_went_back_stops_a_schedule_for_a_minute_at_most(relay):
    relay.queue(["a@hold.test"])
    relay.schedule("hold.test", "* * * * *", int(time.time()) + 365 * DAY)
    relay.due()
    assert relay.started() == []
    last = relay.last("hold.test")
    assert last <= time.time()
    relay.sql("UPDATE schedule SET last = ?", last - 60)
    relay.due()
    assert relay.started() == ["hold.test"]


def test_broken_fields_are_named_and_stop_no_other_domain(waiting):
    waiting.schedule("backup.test", "0 25 * * *", 0)
    said = waiting.due(code=os.EX_DATAERR)
    assert ('schedule "0 25 * * *" of backup.test: hour: "25" is not from 0 '
            "to 23") in said
    assert waiting.started() == ["hold.test"]


# ---- two at once, and failures


def test_two_at_once_start_once(waiting):
    (waiting.dir / "stop").touch()
    first = waiting.begin()
    wait_for(waiting.started, 20, "the first is at its start")
    assert waiting.due() == ""
    assert waiting.runs() == ["-j ", "-s hold.test"]
    (waiting.dir / "stop").unlink()
    assert waiting.end(first)[2] == 0
    assert waiting.started() == ["hold.test"]


def test_many_at_once_start_once(waiting):
    children = [waiting.begin() for _ in range(8)]
    assert [waiting.end(child)[2] for child in children] == [0] * 8
    assert waiting.started() == ["hold.test"]


def test_start_that_failed_is_made_by_the_next_run(waiting):
    last = waiting.last("hold.test")
    waiting.postqueue_exits("-s", 69)
    said = waiting.due(code=os.EX_TEMPFAIL)
    assert "postqueue -s hold.test failed" in said
    assert "due:" not in said
    assert waiting.last("hold.test") == last
    waiting.postqueue_exits("-s", 0)
    waiting.due()
    assert waiting.started() == ["hold.test"] * 3, "the first tries twice"


def test_failure_of_one_domain_does_not_keep_back_another(relay):
    relay.queue(["a@backup.test"], ["b@hold.test"])
    begin = int(time.time()) - DAY
    relay.schedule("backup.test", "0 0 * * *", begin)
    relay.schedule("hold.test", "0 0 * * *", begin)
    script = (relay.dir / "postqueue").read_text()
    (relay.dir / "postqueue").write_text(script.replace(
        "exit $(", 'test "$4" = backup.test && exit 1\nexit $('))
    relay.due(code=os.EX_TEMPFAIL)
    assert relay.started() == ["backup.test", "hold.test", "backup.test"]
    assert relay.last("backup.test") == begin
    assert relay.last("hold.test") > begin


def test_queue_that_cannot_be_read_is_later_not_empty(waiting):
    last = waiting.last("hold.test")
    waiting.postqueue_exits("-j", 69)
    assert "the queue cannot be read" in waiting.due(code=os.EX_TEMPFAIL)
    assert waiting.started() == []
    assert waiting.last("hold.test") == last
    waiting.postqueue_exits("-j", 0)
    waiting.due()
    assert waiting.started() == ["hold.test"]


def test_start_that_was_cut_off_is_made_by_the_next_run(waiting):
    (waiting.dir / "stop").touch()
    first = waiting.begin()
    wait_for(waiting.started, 20, "the first is at its start")
    first.kill()
    first.wait()
    (waiting.dir / "stop").unlink()
    waiting.due()
    assert waiting.started() == ["hold.test"] * 2


def test_start_that_cannot_be_written_down_is_made_again(waiting):
    (waiting.dir / "stop").touch()
    first = waiting.begin()
    wait_for(waiting.started, 20, "the first is at its start")
    waiting.sql("CREATE TRIGGER broken BEFORE UPDATE ON schedule"
                " BEGIN SELECT RAISE(ABORT, 'disk is gone'); END")
    (waiting.dir / "stop").unlink()
    assert "state.db: disk is gone" in first.communicate(timeout=60)[1]
    assert first.returncode == os.EX_TEMPFAIL
    waiting.sql("DROP TRIGGER broken")
    waiting.due()
    assert waiting.started() == ["hold.test"] * 2
    waiting.sql("UPDATE schedule SET fields = ?", YEARLY)
    waiting.due()
    assert waiting.started() == ["hold.test"] * 2


@pytest.mark.parametrize("name", ["relay.db", "state.db"])
def test_database_that_is_missing_is_later_and_starts_nothing(waiting, name):
    (waiting.dir / name).rename(waiting.dir / "away")
    said = waiting.due(code=os.EX_TEMPFAIL)
    assert re.search(rf"{waiting.dir}/{re.escape(name)}: missing\n", said)
    assert waiting.started() == []
    (waiting.dir / "away").rename(waiting.dir / name)
    waiting.due()
    assert waiting.started() == ["hold.test"]


def test_what_cron_would_mail_goes_to_syslog(waiting):
    conf = waiting.dir / "odmr.conf"
    conf.write_text(conf.read_text().replace("stderr", "syslog"))
    waiting.postqueue_exits("-j", 69)
    assert waiting.due(code=os.EX_TEMPFAIL) == ""
    assert "the queue cannot be read" in waiting.due("-n",
                                                     code=os.EX_TEMPFAIL)


def test_lock_that_cannot_be_made_is_named(waiting):
    (waiting.dir / "state.db-due").mkdir()
    said = waiting.due(code=os.EX_CANTCREAT)
    assert f"{waiting.dir}/state.db-due: Is a directory\n" in said
    assert waiting.runs() == []


@pytest.mark.parametrize("arguments, fault", [
    (["hold.test"], '"hold.test": this mode takes no names'),
    (["-l", "alice"], "an option does not go with this mode"),
])
def test_due_takes_neither_names_nor_clients(waiting, arguments, fault):
    assert fault in waiting.due(*arguments, code=os.EX_USAGE)
    assert waiting.runs() == []


# Memory gets short when the queue is read.
SHORT_POSTQUEUE = """\
#!/bin/sh
test -z "$LD_PRELOAD" || exec env -u LD_PRELOAD "$0" "$@"
echo "$3 $4" >>{dir}/runs
test "$3" = -j || exit 0
dd if={dir}/number of={dir}/countdown conv=notrunc 2>{dir}/said
cat {dir}/queue
"""


@pytest.mark.skipif(
    SANITIZED, reason="a sanitizer has an allocator of its own")
def test_no_shortage_of_memory_lets_a_schedule_pass_without_a_start(relay):
    """Nor is a name misread, by which the mail would be another domain's."""
    long_ago = int(time.time()) - 3600
    relay.schedule("hold.test", "* * * * *", long_ago)
    relay.queue(["somebody.with.a.long.name@hold.test"])
    shortage = Shortage(relay.dir)
    relay.environment = shortage.environment
    (relay.dir / "postqueue").write_text(
        SHORT_POSTQUEUE.format(dir=relay.dir))
    for number in itertools.count(5, 5):
        (relay.dir / "number").write_bytes(struct.pack("i", number))
        _, log, status = relay.end(relay.begin())
        done = relay.last("hold.test") > long_ago
        assert done or status != 0, (number, log)
        # A flush that fails is made once more.
        assert not done or set(relay.started()) == {"hold.test"}, (number, log)
        assert status in (0, os.EX_TEMPFAIL, os.EX_OSERR), (number, log)
        if not shortage.end():
            break
        (relay.dir / "runs").unlink()
        relay.sql("UPDATE schedule SET last = ?", long_ago)
    assert number > 20, "nothing was refused"
