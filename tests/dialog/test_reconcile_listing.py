# SPDX-License-Identifier: ISC
"""odmrctl reconcile with a postqueue of our own: what its listing does to the
tags, and that a listing which cannot be trusted does nothing."""

import getpass
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from odmr import tags
from odmr.sandbox import BUILD, no_postfix
from odmr.wait import wait_for

EX_OK, EX_TEMPFAIL = 0, 75
DAY = 86400
NOTHING = {"listed": 0, "added": 0, "changed": 0, "delivered": 0, "refused": 0,
           "expired": 0, "left": 0}


def listed(queue_id, *addresses, queue="deferred", size=330, reason=None,
           arrived=None):
    """A line of postqueue -j."""
    why = {"delay_reason": reason} if reason else {}
    return json.dumps({
        "queue_name": queue, "queue_id": queue_id,
        "arrival_time": int(time.time()) if arrived is None else arrived,
        "message_size": size, "forced_expire": False, "sender": "s@sender.test",
        "recipients": [{"address": address, **why} for address in addresses]
    }) + "\n"


class World:
    """A database, and a postqueue that prints the file `queue`."""

    def __init__(self, directory):
        self.dir = directory
        directory.chmod(0o755)
        self.conf = directory / "odmr.conf"
        user = getpass.getuser()
        self.conf.write_text(f"""\
database = {directory}/odmr.db
domain_table = lmdb:{directory}/domains
etrn_table = lmdb:{directory}/etrn_names
postqueue_path = {directory}/postqueue
postconf_path = {directory}/postconf
postfix_config_directory = {directory}/postfix
user = {user}
postfix_user = {user}
""")
        self.program("postqueue", f"cat {directory}/queue")
        self.program("postconf", "echo 5d; echo 1d")
        no_postfix(directory / "postfix")
        self.run("init", status=EX_OK)
        for name, mode in (("odmr.test", "odmr"), ("other.test", "odmr"),
                           ("backup.test", "backup")):
            self.run("domain", "add", name, "--mode", mode, status=EX_OK)
        self.queue()

    def program(self, name, script):
        path = self.dir / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def queue(self, *lines):
        (self.dir / "queue").write_text("".join(lines))

    def begin(self, *arguments):
        return subprocess.Popen(
            [BUILD / "odmrctl", "-c", self.conf, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, status=None):
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=120)
        print(arguments, process.returncode, out[-2000:], err[-2000:])
        assert status is None or process.returncode == status
        return process.returncode, out, err

    def reconcile(self):
        """What it reports, without what is 0."""
        report = json.loads(self.run("reconcile", "--json", status=EX_OK)[1])
        assert report.keys() == NOTHING.keys()
        return {name: count for name, count in report.items() if count}

    def sql(self, text, *values):
        with sqlite3.connect(self.dir / "odmr.db", timeout=20) as db:
            return db.execute(text, values).fetchall()

    def tag(self, queue_id, domain="odmr.test", names=("r",), age=3600,
            size=100):
        tags.add(self.dir / "odmr.db", {
            "queue_id": queue_id, "domain": domain, "size": size,
            "recipients": [f"{name}@{domain}" for name in names],
            "client": "", "arrived": int(time.time()) - age})

    def change(self, text):
        """A change of tags that is counted."""
        tags.change(self.dir / "odmr.db", text)

    def session(self, domains):
        """One that runs; what is not told of it is 0."""
        told = {"id": "S", "account": "a", "client": "c",
                "state": "delivering"}
        names = [row[1] for row in self.sql("PRAGMA table_info(session)")]
        self.sql("INSERT INTO session VALUES (%s)" % ",".join("?" * len(names)),
                 *(told.get(name, 0) for name in names))
        for domain in domains:
            self.sql("INSERT INTO session_domain VALUES ('S', ?)", domain)

    def tags(self, fields="queue_id, domain, state"):
        return self.sql(
            f"SELECT {fields} FROM {tags.TAG} ORDER BY queue_id, domain")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# ---- what the listing does to the tags --------------------------------------

def test_message_without_tag_gets_one_for_each_domain_of_ours(world):
    world.queue(listed("Q1", "b@odmr.test", "a@ODMR.test.", "x@backup.test",
                       "y@foreign.test", size=4711, arrived=1700000000))
    assert world.reconcile() == {"listed": 1, "added": 2}
    assert world.tags("queue_id, domain, recipients, rcpts_open, size, "
                      "arrived, sender, state") == [
        ("Q1", "backup.test", "x@backup.test", 1, 4711, 1700000000,
         "s@sender.test", "held"),
        ("Q1", "odmr.test", "a@odmr.test\nb@odmr.test", 2, 4711, 1700000000,
         "s@sender.test", "held")]
    assert world.reconcile() == {"listed": 1}


def test_message_of_the_null_sender_has_an_empty_one(world):
    world.queue(listed("Q1", "a@odmr.test").replace(
        "s@sender.test", "MAILER-DAEMON"))
    world.reconcile()
    assert world.tags("sender") == [("",)]


def test_message_in_maildrop_has_not_got_its_queue_id_yet(world):
    world.queue(listed("Q1", "a@odmr.test", queue="maildrop"))
    assert world.reconcile() == {}
    assert world.tags() == []


def test_size_is_corrected_also_in_usage(world):
    world.tag("Q1", size=0)
    world.queue(listed("Q1", "r@odmr.test", size=4711))
    assert world.reconcile() == {"listed": 1, "changed": 1}
    assert world.tags("size") == [(4711,)]
    assert world.sql("SELECT held_bytes FROM domain_count") == [(4711,)]
    assert world.sql("SELECT messages, bytes FROM usage "
                     "WHERE messages > 0") == [(1, 4711)]


def test_recipient_that_is_not_listed_any_more_has_its_answer(world):
    world.tag("Q1", names="abc", size=330)
    world.queue(listed("Q1", "b@odmr.test"))
    assert world.reconcile() == {"listed": 1, "changed": 1}
    assert world.tags("rcpts_open, recipients") == [
        (1, "a@odmr.test\nb@odmr.test\nc@odmr.test")]


def test_answer_that_a_session_has_not_written_yet_is_its_to_write(world):
    """It takes one from the open recipients itself."""
    world.tag("Q1", names="ab", size=330)
    world.tag("Q2", size=330)
    world.session(["other.test", "odmr.test"])
    world.queue(listed("Q1", "b@odmr.test"), listed("Q2", "r@other.test"))
    world.reconcile()
    assert world.tags("queue_id, domain, state, rcpts_open") == [
        ("Q1", "odmr.test", "held", 2), ("Q2", "odmr.test", "left", 1),
        ("Q2", "other.test", "held", 1)]


def test_recipient_that_a_session_has_just_settled_stays_settled(world):
    """The listing is older than the settlement."""
    world.tag("Q1", names="ab", size=330)
    world.sql("UPDATE tag SET rcpts_open = 1, delivered = 1, session = 'S'")
    world.queue(listed("Q1", "a@odmr.test", "b@odmr.test"))
    assert world.reconcile() == {"listed": 1}
    assert world.tags("rcpts_open, delivered") == [(1, 1)]


def test_rewritten_recipients_take_the_place_of_those_the_milter_saw(world):
    world.tag("Q1", names=["alias"], size=330)
    world.queue(listed("Q1", "x@odmr.test", "y@odmr.test"))
    assert world.reconcile() == {"listed": 1, "changed": 1}
    assert world.tags("rcpts_open, recipients") == [
        (2, "x@odmr.test\ny@odmr.test")]


def test_domain_that_rewriting_took_from_a_message_was_never_its(world):
    world.tag("Q1", size=330)
    world.queue(listed("Q1", "r@other.test"))
    assert world.reconcile() == {"listed": 1, "added": 1, "changed": 1}
    assert world.tags() == [("Q1", "other.test", "held")]
    assert world.sql("SELECT domain, messages, removed FROM usage "
                     "WHERE messages > 0") == [("other.test", 1, 0)]


def test_domain_that_has_got_its_copy_has_not_lost_it_by_rewriting(world):
    world.tag("Q1", "backup.test", size=330)
    world.queue(listed("Q1", "r@odmr.test"))
    assert world.reconcile() == {"listed": 1, "added": 1, "left": 1}
    assert ("Q1", "backup.test", "left") in world.tags()


def test_reason_of_postfix_stands_where_no_session_has_an_answer(world):
    world.tag("Q1", "odmr.test", size=330)
    world.tag("Q2", "backup.test", size=330)
    world.queue(listed("Q1", "r@odmr.test", reason="no socket"),
                listed("Q2", "r@backup.test", reason="connection refused"))
    assert world.reconcile() == {"listed": 2, "changed": 1}
    assert world.tags("last_answer") == [(None,), ("connection refused",)]
    assert world.reconcile() == {"listed": 2}


# ---- what is gone ------------------------------------------------------------

def test_tag_without_message_is_settled_by_its_age(world):
    world.tag("Q1", age=4 * DAY)
    world.tag("Q2", age=6 * DAY)
    world.tag("Q3", age=2 * DAY)
    world.sql("UPDATE tag SET sender = '' WHERE queue_id = 'Q3'")
    world.tag("Q4", names="ab")
    world.sql("UPDATE tag SET rcpts_open = 1, delivered = 1 "
              "WHERE queue_id = 'Q4'")
    assert world.reconcile() == {"left": 1, "expired": 2, "delivered": 1}
    assert world.tags("state") == [
        ("left",), ("expired",), ("expired",), ("delivered",)]
    assert world.sql("SELECT settled >= unixepoch() - 60 FROM tag") == [(1,)] * 4


def test_tag_of_a_message_that_may_not_be_in_the_queue_yet_stays(world):
    world.tag("Q1", age=0)
    world.tag("Q2", age=-DAY)
    assert world.reconcile() == {}


def test_tag_is_missing_only_if_every_listing_lacks_it(world):
    """It moves from one queue to the other while they are read."""
    world.tag("Q1", size=330)
    world.tag("Q2", size=330)
    world.queue(listed("Q1", "r@odmr.test"))
    world.program("postqueue", f"""
cd {world.dir}
echo >>runs
case $(wc -l <runs) in 1|3) ;; *) cat queue;; esac""")
    assert world.reconcile() == {"listed": 1, "left": 1}
    assert world.tags() == [("Q1", "odmr.test", "held"),
                            ("Q2", "odmr.test", "left")]


def test_while_messages_come_and_go_nothing_is_called_gone(world):
    """Each listing shows one of a hundred that was missing before."""
    for number in range(100):
        world.tag(f"Q{number}", size=330)
    (world.dir / "queue").write_text("".join(
        listed(f"Q{number}", "r@odmr.test") for number in range(100)))
    world.program("postqueue", f"""
cd {world.dir}
echo >>runs
sed -n "$(wc -l <runs)p" queue""")
    assert world.reconcile() == {"listed": 1}
    assert set(world.tags("state")) == {("held",)}


def test_lifetime_that_postconf_cannot_tell_changes_nothing(world):
    world.tag("Q1")
    world.queue(listed("Q2", "r@odmr.test"))
    world.program("postconf", "echo 5d; echo soon")
    status, _, err = world.run("reconcile")
    assert status == EX_TEMPFAIL
    assert "maximal_queue_lifetime" in err and err.count("\n") == 1
    assert world.tags() == [("Q1", "odmr.test", "held")]


# ---- what was settled falsely ------------------------------------------------

@pytest.mark.parametrize("state, age, after", [
    ("left", 5, "held"), ("expired", 5, "held"), ("delivered", 3600, "held"),
    ("refused", 3600, "held"), ("delivered", 5, "delivered"),
    ("refused", 5, "refused")])
def test_settled_tag_whose_message_is_there_is_held_again(
        world, state, age, after):
    """Unless a session settled it and Postfix may not have removed it yet."""
    world.tag("Q1", size=330)
    world.change(f"UPDATE tag SET state = '{state}', rcpts_open = 0, "
                 f"settled = unixepoch() - {age}")
    world.queue(listed("Q1", "r@odmr.test"))
    assert world.reconcile() == (
        {"listed": 1, "changed": 1} if after == "held" else {"listed": 1})
    assert world.tags("state, settled IS NULL") == [(after, after == "held")]
    counts = world.sql("SELECT sum(messages), sum(delivered + refused + expired"
                       " + removed) FROM usage")
    assert counts == [(1, 0 if after == "held" else 1)]
    assert world.sql("SELECT held FROM domain_count") == [(int(after == "held"),)]


# ---- history -----------------------------------------------------------------

def test_finished_tags_are_kept_history_days(world):
    for number, days in enumerate((1, 6, 8, 40)):
        world.tag(f"Q{number}", age=days * DAY)
    world.change("UPDATE tag SET state = 'delivered', settled = arrived")
    world.reconcile()
    assert world.tags("queue_id") == [("Q0",), ("Q1",), ("Q2",)]
    with world.conf.open("a") as conf:
        conf.write("history_days = 7\n")
    world.reconcile()
    assert world.tags("queue_id") == [("Q0",), ("Q1",)]
    assert world.sql("SELECT sum(delivered) FROM usage") == [(4,)]


# ---- listings that cannot be trusted -------------------------------------------

GOOD = listed("Q2", "r@odmr.test")


def test_what_postfix_says_beside_the_listing_does_not_matter(world):
    world.tag("Q1")
    world.queue(GOOD)
    world.program("postqueue", f"cd {world.dir}\n"
                  "echo 'postqueue: warning: overriding earlier entry' >&2; "
                  "cat queue")
    status, _, err = world.run("reconcile")
    assert (status, err) == (0, "")
    assert ("Q2", "odmr.test", "held") in world.tags()


@pytest.mark.parametrize("script, says", [
    ("cat queue; printf '{\"queue_id\": \"Q3\", \"recip'", "ends within a line"),
    ("cat queue; echo '{\"queue_id\": \"Q3\"'; cat queue", "no JSON object"),
    ("cat queue; echo '[]'", "no JSON object"),
    ("cat queue; exit 3", "exit status 3"),
    ("cat queue; kill -9 $$", "ended by signal 9"),
    ("echo 'postqueue: warning: bad number'; cat queue", "bad number"),
    ("cat queue; echo 'postqueue: fatal: mail system is down' >&2; exit 69",
     "mail system is down"),
    ("sed s/Q2/../ queue", "no queue id"),
    ("sed 's/\"Q2\"/\"Q2 -d ALL\"/' queue", "no queue id"),
    ("sed s/recipients/people/ queue", "no recipients"),
    ("sed s/address/name/ queue", "a recipient without address"),
    ("sed s/330/-330/ queue", "a field is negative"),
    ("sed s/message_size/size/ queue", "a field is missing"),
    ("head -c 1000000 /dev/zero", "")])
def test_listing_with_a_fault_changes_nothing(world, script, says):
    world.tag("Q1")
    world.queue(GOOD)
    world.program("postqueue", f"cd {world.dir}\n{script}")
    status, out, err = world.run("reconcile")
    assert status == EX_TEMPFAIL and out == ""
    assert err.startswith(f"odmrctl: reconcile: {world.dir}/postqueue")
    assert says in err and err.count("\n") == 1
    assert world.tags() == [("Q1", "odmr.test", "held")]
    assert world.sql("SELECT began FROM reconciled") == [(0,)]


def test_second_listing_with_a_fault_changes_nothing(world):
    world.tag("Q1")
    world.queue(GOOD)
    world.program("postqueue", f"""
cd {world.dir}
echo >>runs
cat queue
[ "$(wc -l <runs)" -lt 3 ]""")
    assert world.run("reconcile")[0] == EX_TEMPFAIL
    assert world.tags() == [("Q1", "odmr.test", "held")]


def test_postqueue_that_is_missing_is_named(world):
    (world.dir / "postqueue").unlink()
    status, _, err = world.run("reconcile")
    assert status == EX_TEMPFAIL
    assert err == f"odmrctl: reconcile: {world.dir}/postqueue: " \
        "No such file or directory\n"


def test_bytes_that_are_no_utf_8_become_question_marks(world):
    (world.dir / "queue").write_bytes(
        listed("Q1", "r@odmr.test").encode().replace(b"s@s", b"\xe9@s"))
    assert world.reconcile() == {"listed": 1, "added": 1}
    assert world.tags("sender") == [("?@sender.test",)]


def test_database_of_a_newer_version_is_left_alone(world):
    world.sql("PRAGMA user_version = 99")
    status, _, err = world.run("reconcile")
    assert status == EX_TEMPFAIL
    assert "newer than this program" in err and err.count("\n") == 1


def test_message_to_10000_recipients_is_one_tag(world):
    names = [f"{number:05}@odmr.test" for number in range(10000)]
    world.queue(listed("Q1", *names, reason="x" * 400))
    assert world.reconcile() == {"listed": 1, "added": 1}
    assert world.tags("rcpts_open, length(recipients)") == [
        (10000, 10000 * len(names[0]) + 9999)]
    assert world.reconcile() == {"listed": 1}


# ---- beside others, and interrupted ----------------------------------------------

def opens(process, name):
    """Whether it has a file of this name open."""
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return any(os.readlink(link).endswith(name) for link in links)


def pauses_of(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status,
                         re.MULTILINE)[1])


def test_second_reconcile_waits_for_the_first(world):
    """The first one's listing takes long, and notes how many it is that have
    begun by its end."""
    world.program("postqueue", f"""
cd {world.dir}
echo >>begun
while [ ! -e go ]; do sleep 0.1; done
cat queue
wc -l <begun >>ended""")
    world.queue(GOOD)
    first = world.begin("reconcile", "--json")
    wait_for((world.dir / "begun").exists, 20, "the first listing")
    second = world.begin("reconcile", "--json")
    wait_for(lambda: opens(second, "odmr.db.reconcile"), 20, "the second")
    pauses = pauses_of(second)
    wait_for(lambda: pauses_of(second) > pauses + 5, 20, "that it waits")
    (world.dir / "go").touch()
    reports = [json.loads(process.communicate(timeout=20)[0])
               for process in (first, second)]
    assert [report["added"] for report in reports] == [1, 0]
    assert (world.dir / "ended").read_text().split() == ["1", "2"]


MANY, BATCH = 10000, 200


@pytest.fixture
def many(world):
    world.queue(*(listed(f"Q{number}", f"r{number}@odmr.test")
                  for number in range(MANY)))
    return world


def test_killed_at_any_moment_it_leaves_whole_batches(many):
    """And the next run does the rest."""
    for number in range(20):
        many.tag(f"G{number}")
    delay, killed = 0.01, 0
    while True:
        process = many.begin("reconcile")
        try:
            process.wait(delay)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        held = many.sql("SELECT count(*), sum(rcpts_open) FROM tag "
                        "WHERE state = 'held' AND queue_id LIKE 'Q%'")[0]
        assert held[0] % BATCH == 0 and (held[1] or 0) == held[0]
        assert many.sql("PRAGMA integrity_check") == [("ok",)]
        delay += 0.03
    process.communicate()
    assert killed > 1
    assert many.tags("count(*), state")[0][0] == MANY + 20
    assert many.sql("SELECT held, held_bytes FROM domain_count") == [(MANY, MANY * 330)]
    assert many.sql("SELECT messages, removed FROM usage") == [
        (MANY + 20, 20)]


def test_others_write_while_it_changes_thousands_of_tags(many):
    """Between its transactions, which are short."""
    seen, stop = set(), threading.Event()

    def write():
        with sqlite3.connect(many.dir / "odmr.db", timeout=20,
                             isolation_level=None) as db:
            while not stop.is_set():
                db.execute("UPDATE reconciled SET began = began")
                seen.add(db.execute("SELECT count(*) FROM tag").fetchone()[0])
    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert many.reconcile() == {"listed": MANY, "added": MANY}
    finally:
        stop.set()
        writer.join()
    assert seen - {0, MANY}, seen
    assert {count % BATCH for count in seen} == {0}
