# SPDX-License-Identifier: ISC
"""When a session is done, and how Postfix is asked for the mail."""

from odmr.wait import wait_for

SETTINGS = {"drain_wait": "1s", "flush_timeout": "1s"}
A = "a@example.org"
LISTS = "#!/bin/sh\ncase \"$*\" in *\" -j\") exit 0 ;; esac\n"
AGAIN = "mail remains but Postfix is silent, flushing once more"


def test_tags_without_mail_are_flushed_once_more_then_the_session_ends(
        daemon, collect):
    daemon.tag("Q1", "example.org")
    customer = collect()
    customer.join()
    assert customer.quit
    daemon.ended("tags-without-mail", delivered=0)
    daemon.wait_for_flushed("example.org", "example.org")
    assert len(daemon.logged(AGAIN)) == 1
    assert daemon.tag_state("Q1") == "held"


def test_tags_that_vanish_are_waited_for_no_longer(daemon, collect):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect()
    daemon.sql("DELETE FROM tag WHERE queue_id = 'Q2'")
    daemon.postfix().deliver("Q1", [A])
    customer.join()
    daemon.ended("drained", delivered=1)
    daemon.wait_for_flushed("example.org")


def test_second_flush_brings_the_rest(daemon, collect):
    for i in range(2):
        daemon.tag(f"Q{i}", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    postfix.deliver("Q0", [A])
    daemon.wait_for_log(AGAIN)
    postfix.deliver("Q1", [A])
    customer.join()
    daemon.ended("drained", delivered=2)
    daemon.wait_for_flushed("example.org", "example.org")


def test_mail_that_arrives_during_the_session_is_delivered_in_it(
        daemon, collect):
    daemon.tag("Q1", "example.org")
    arrived = []

    def on_end(_body):
        if len(arrived) < 5:
            arrived.append(f"new{len(arrived)}")
            daemon.tag(arrived[-1], "example.org")
        return None
    customer = collect(END=on_end)
    postfix = daemon.postfix()
    postfix.deliver("Q1", [A])
    for i in range(5):
        assert arrived[i:], "the message before it is answered"
        postfix.deliver(f"new{i}", [A])
    customer.join()
    daemon.ended("drained", delivered=6)
    daemon.wait_for_flushed("example.org")


def test_message_that_takes_its_time_is_waited_for(daemon, collect):
    """The session is not over while Postfix is within a message."""
    daemon.tag("Q1", "example.org")
    customer = collect()
    postfix, other = daemon.postfix(), daemon.postfix()
    postfix.envelope("Q9", [A])
    other.deliver("Q1", [A])
    daemon.wait_for_tag("Q1", "delivered")
    postfix.line.send(b"Subject: late\r\n\r\n")
    assert not customer.quit
    postfix.line.send(b".\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained", delivered=2)


def test_connection_of_postfix_that_is_idle_is_closed_at_the_end(
        daemon, collect):
    daemon.tag("Q1", "example.org")
    customer = collect()
    idle, busy = daemon.postfix(), daemon.postfix()
    busy.deliver("Q1", [A])
    customer.join()
    idle.expect_close()
    busy.expect_close()


def test_domains_of_a_session_are_flushed_one_by_one(daemon, collect):
    daemon.tag("Q1", "example.net")
    customer = collect(domains="example.org,example.net,shared.test")
    daemon.postfix("example.net").deliver("Q1", ["a@example.net"])
    customer.join()
    daemon.wait_for_flushed("example.net", "example.org", "shared.test")


# ---- postqueue -------------------------------------------------------------


def test_postqueue_that_is_missing_is_logged_and_the_session_ends(
        daemon, collect):
    (daemon.dir / "postqueue").unlink()
    daemon.tag("Q1", "example.org")
    customer = collect()
    customer.join()
    daemon.ended("tags-without-mail", delivered=0)
    daemon.wait_for_log(f"error: {daemon.dir}/postqueue: "
                        "No such file or directory")


def test_postqueue_that_fails_is_logged_with_what_it_said(daemon, collect):
    daemon.postqueue(LISTS + "echo 'Cannot flush mail queue - mail system is "
                     "down' >&2\nexit 69\n")
    daemon.tag("Q1", "example.org")
    customer = collect()
    customer.join()
    daemon.ended("tags-without-mail", delivered=0)
    daemon.wait_for_log("warning: postqueue -s example.org: exit status 69: "
                        "Cannot flush mail queue - mail system is down")


def test_postqueue_that_does_not_end_is_killed_and_logged(daemon, collect):
    daemon.postqueue(LISTS + "echo $$ >>{dir}/pids\nexec sleep 60\n")
    daemon.tag("Q1", "example.org")
    customer = collect()
    # Mail flows meanwhile.
    daemon.tag("Q2", "example.org")
    assert daemon.postfix().deliver("Q1", [A]) == ["250 2.0.0 taken"]
    daemon.wait_for_log("postqueue -s example.org: no end after 1s, killed")
    daemon.wait_for_log("postqueue -s example.org: signal 9")
    customer.join()
    daemon.ended("tags-without-mail", delivered=1)
    pids = (daemon.dir / "pids").read_text().split()
    wait_for(lambda: not any(is_postqueue(pid) for pid in pids), 5,
             "every postqueue is gone")


def is_postqueue(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            return cmdline.read() == b"sleep\x0060\0"
    except OSError:
        return False


def test_postqueue_that_talks_without_end_does_no_harm(daemon, collect):
    daemon.postqueue(LISTS + "head -c 1000000 /dev/zero\nexit 1\n")
    daemon.tag("Q1", "example.org")
    customer = collect()
    assert daemon.postfix().deliver("Q1", [A]) == ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained")
