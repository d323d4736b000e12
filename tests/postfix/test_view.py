# SPDX-License-Identifier: ISC
"""What the operator sees and does with single messages and sessions, on a real
Postfix: usage, queue, message, release, delete, sessions."""

import contextlib
import csv
import functools
import io
import json
import os
import pty
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess

import pytest

from odmr import tags
from odmr.sandbox import BUILD
from odmr.wait import wait_for
from party import text

LINGER = "3600"


@pytest.fixture
def closed_port():
    """Nobody listens there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def usage(provider, *options):
    return json.loads(provider.odmrctl("usage", "--json", *options))["usage"]


def sums(rows, *names):
    return [sum(row[name] for row in rows) for name in names]


def messages(provider, *arguments):
    return json.loads(provider.odmrctl(*arguments, "--json"))["messages"]


def queue_ids(provider, domain):
    return sorted(message["queue_id"] for message
                  in provider.queued_for(domain))


def refused(provider, code, *arguments, text=""):
    """The one line that it says."""
    done = provider.odmrctl_run(*arguments, text=text)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert re.fullmatch(r"odmrctl: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def as_odmr(sandbox, *arguments):
    """Who may not look into Postfix's queue. With the group that odmrd has too,
    postqueue believes him where the configuration is."""
    program = sandbox.directory / "sbin" / "odmrctl"
    shutil.copy(BUILD / "odmrctl", program)
    odmr = pwd.getpwuid(os.stat(sandbox.env["DATABASE"]).st_uid)
    return subprocess.run(
        [program, "-c", sandbox.conf, *arguments],
        user=odmr.pw_uid, group="postdrop", extra_groups=[],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False)


# ---- usage


def test_a_collected_message_is_in_usage_with_its_session(sandbox, party):
    messages_sent = [text(number, b"012345678\n" * 500) for number in range(3)]
    party.send(*messages_sent)
    party.wait_until_held(3)
    assert party.collect() == 0
    party.expect_all_collected()
    def mine():
        return [row for row in usage(sandbox)
                if row["account"] == party.login]
    wait_for(lambda: sums(mine(), "sessions") == [1], 20,
             "the session in usage")
    rows = mine()
    assert sums(rows, "messages", "delivered", "refused", "expired", "left") \
        == [3, 3, 0, 0, 0]
    assert sums(rows, "delivered_bytes")[0] > 15000
    assert max(row["held_at_peak"] for row in rows) == 3
    table = sandbox.odmrctl("usage")
    assert re.search(rf"^{party.login} +3 +\S+ +3 ", table, re.MULTILINE)
    assert f"  {party.domain} " in table
    read = list(csv.DictReader(io.StringIO(
        sandbox.odmrctl("usage", "--csv"), newline="")))
    assert [{name: str(value) for name, value in row.items()}
            for row in usage(sandbox)] == read


# ---- what became of a message


def test_a_delivered_message_tells_when_in_which_session_and_what_was_said(
        sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    waiting, = messages(sandbox, "message", queue_id)
    assert (waiting["state"], waiting["settled"]) == ("held", None)
    assert party.collect() == 0
    party.expect_all_collected()
    told, = messages(sandbox, "message", queue_id)
    assert told["state"] == "delivered"
    assert sandbox.log_lines(f" {told['session']}: session ",
                             f"account={party.login} ")
    assert told["attempts"] == 1
    assert told["last_answer"].startswith("250 ")
    assert told["arrived"] <= told["settled"]
    table = sandbox.odmrctl("message", queue_id)
    assert "the customer's server has taken it" in table
    assert told["session"] in table and told["settled"] in table
    assert messages(sandbox, "queue", party.domain) == []
    assert messages(sandbox, "queue", party.domain, "--state", "delivered") \
        == messages(sandbox, "queue", party.domain, "--state", "all") == [told]


# ---- release


def test_release_has_postfix_try_this_message_and_no_other(
        sandbox, server, make_party, closed_port):
    party = make_party()
    sandbox.odmrctl("domain", "set", party.domain, "--mode", "backup",
                    "--nexthop", f"[127.0.0.1]:{closed_port}")
    party.send(text(1), text(2))
    party.wait_until_held(2)
    sandbox.odmrctl("domain", "set", party.domain, "--nexthop",
                    f"[127.0.0.1]:{server.port}")
    released, kept = queue_ids(sandbox, party.domain)
    said = sandbox.odmrctl("release", released)
    assert released in said and party.domain in said
    wait_for(lambda: queue_ids(sandbox, party.domain) == [kept], 30,
             "the released message is delivered, the other waits")
    assert not sandbox.log_lines(kept, "status=sent")


def test_release_says_that_mode_odmr_waits_for_its_customer(sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    assert "until its customer is connected" in \
        sandbox.odmrctl("release", queue_id)
    party.wait_until_held(1)


def test_release_says_that_mode_hold_waits_for_etrn(
        sandbox, server, make_party):
    party = make_party()
    sandbox.odmrctl("domain", "set", party.domain, "--mode", "hold",
                    "--nexthop", f"[127.0.0.1]:{server.port}")
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    assert "waits for ETRN" in sandbox.odmrctl("release", queue_id)
    party.wait_until_held(1)


# ---- delete


def test_delete_takes_one_message_out_and_settles_its_tag(sandbox, party):
    party.send(text(1), text(2))
    party.wait_until_held(2)
    deleted, kept = queue_ids(sandbox, party.domain)
    said = sandbox.odmrctl("delete", deleted, "--yes")
    assert said.endswith("deleted\n") and deleted in said
    assert queue_ids(sandbox, party.domain) == [kept]
    told, = messages(sandbox, "message", deleted)
    assert told["state"] == "left" and told["settled"]
    assert told["last_answer"].startswith("deleted")
    assert party.held() == 1
    row, = [row for row in usage(sandbox) if row["domain"] == party.domain]
    assert (row["messages"], row["left"], row["delivered"]) == (2, 1, 0)
    assert party.collect() == 0
    party.expect_session(delivered=1)


def test_delete_shows_all_recipients_that_the_message_still_has(
        sandbox, make_party):
    party = make_party("one.test", "two.test")
    sandbox.send("s@sender.test", ["a@one.test", "b@two.test"], text(1))
    wait_for(lambda: party.held() == 2, 30, "two tags")
    party.wait_until_tried(1)
    queue_id, = queue_ids(sandbox, "one.test")
    tags.change(sandbox.env["DATABASE"],
                "DELETE FROM tag WHERE domain = 'two.test'")
    said = sandbox.odmrctl("delete", queue_id, "--yes")
    assert re.search(r"all of these recipients:\n +a@one\.test\n +b@two\.test",
                     said), said
    assert queue_ids(sandbox, "one.test") == []
    assert party.held() == 0


def test_message_without_a_tag_can_be_deleted(sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    tags.change(sandbox.env["DATABASE"],
                f"DELETE FROM tag WHERE queue_id = '{queue_id}'")
    assert "nothing is known" in refused(
        sandbox, os.EX_NOINPUT, "message", queue_id)
    assert "has no tag" in sandbox.odmrctl("delete", queue_id, "--yes")
    assert queue_ids(sandbox, party.domain) == []


@pytest.mark.parametrize("command", [["release"], ["delete", "--yes"]])
def test_tag_without_a_message_is_said_and_left_to_reconcile(
        sandbox, party, command):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    subprocess.run(["/usr/sbin/postsuper", "-c", sandbox.config, "-d",
                    queue_id], check=True, timeout=60,
                   stderr=subprocess.DEVNULL)
    assert "reconcile" in refused(
        sandbox, os.EX_NOINPUT, *command, queue_id)
    assert party.held() == 1


@pytest.mark.parametrize("name", ["ALL", "-", "-d", "../x", "4jXJ", "",
                                  "4jXJdX1Brzz1bsXT deferred", "ALL deferred"])
@pytest.mark.parametrize("command", ["message", "release", "delete"])
def test_nothing_but_a_queue_id_reaches_postfix(sandbox, party, command, name):
    party.send(text(1))
    party.wait_until_held(1)
    options = ["--yes"] if command == "delete" else []
    assert "is no queue id" in refused(
        sandbox, os.EX_DATAERR, command, *options, "--", name)
    assert len(queue_ids(sandbox, party.domain)) == 1


def test_delete_without_a_terminal_wants_yes(sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    assert "--yes" in refused(sandbox, os.EX_USAGE, "delete", queue_id,
                              text="y\n")
    assert queue_ids(sandbox, party.domain) == [queue_id]


def converse(provider, answer, *arguments):
    """odmrctl at a terminal: (exit status, all that it showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(BUILD / "odmrctl",
                 ["odmrctl", "-c", provider.conf, *arguments])
    shown = b""
    while not shown.endswith(b"[y/N] "):
        shown += os.read(fd, 1024)
    os.write(fd, answer)
    while True:
        try:
            data = os.read(fd, 1024)
        except OSError:
            break
        if not data:
            break
        shown += data
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, shown.decode()


def test_delete_asks_at_a_terminal_after_it_has_shown_the_message(
        sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    status, shown = converse(sandbox, b"\n", "delete", queue_id)
    assert status == os.EX_DATAERR, shown
    assert shown.index(party.domain) < shown.index("[y/N]")
    assert queue_ids(sandbox, party.domain) == [queue_id]
    status, shown = converse(sandbox, b"y\n", "delete", queue_id)
    assert status == 0 and "deleted" in shown
    assert shown.count("\nmessage ") + shown.startswith("message ") == 1
    assert queue_ids(sandbox, party.domain) == []


def test_only_root_may_delete(sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    done = as_odmr(sandbox, "delete", queue_id, "--yes")
    assert done.returncode == os.EX_NOPERM, done.stderr
    assert done.stderr == \
        "odmrctl: only root may delete from the Postfix queue\n"
    assert queue_ids(sandbox, party.domain) == [queue_id]


def test_delete_refuses_while_the_database_cannot_be_read(sandbox, party):
    party.send(text(1))
    party.wait_until_held(1)
    queue_id, = queue_ids(sandbox, party.domain)
    conf = sandbox.directory / "elsewhere.conf"
    conf.write_text(open(sandbox.conf, encoding="ascii").read().replace(
        sandbox.env["DATABASE"], f"{sandbox.directory}/none/odmr.db"))
    done = subprocess.run(
        [BUILD / "odmrctl", "-c", conf, "delete", queue_id, "--yes"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        check=False)
    assert done.returncode == os.EX_TEMPFAIL and "missing" in done.stderr
    assert queue_ids(sandbox, party.domain) == [queue_id]


# ---- sessions


def sessions(provider):
    return json.loads(provider.odmrctl("sessions", "--json"))["sessions"]


def test_a_session_is_shown_with_its_figures_and_can_be_ended(
        sandbox, make_party):
    party = make_party()
    sandbox.odmrctl("account", "set", party.login, "--linger", LINGER)
    party.send(text(1), text(2))
    party.wait_until_held(2)
    fetchmail = party.begin()
    session = wait_for(
        lambda: next((row for row in sessions(sandbox)
                      if row["account"] == party.login and
                      row["state"] == "lingering" and row["delivered"] == 2),
                     None), 30, "it lingers")
    assert session["client"] == "127.0.0.1"
    assert session["domains"] == [party.domain]
    assert [session[name] for name in
            ("in_flight", "refused", "kept", "held")] == [0, 0, 0, 0]
    table = sandbox.odmrctl("sessions")
    assert session["id"] in table and party.login in table
    assert all(len(line) <= 80 for line in table.splitlines())
    assert session["id"] in sandbox.odmrctl("sessions", "end", session["id"])
    assert party.finish(fetchmail).status == 0
    wait_for(lambda: not sessions(sandbox), 20, "no session")
    assert session["id"] in refused(
        sandbox, os.EX_NOUSER, "sessions", "end", session["id"])


def test_there_is_no_session_to_end(sandbox):
    assert "no such session: NONE" in refused(
        sandbox, os.EX_NOUSER, "sessions", "end", "NONE")
    assert sandbox.odmrctl("sessions") == ""
