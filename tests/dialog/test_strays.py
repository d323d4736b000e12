# SPDX-License-Identifier: ISC
"""Mail that the tags know and Postfix does not bring: where is it?"""

import pytest

from odmr.wait import wait_for
from scripted_customer import Customer

SETTINGS = {"drain_wait": "1s"}
A = "a@example.org"
IDS = ["4XyZ1234567z0", "4XyZ1234567z1", "4XyZ1234567z2"]
AGAIN = "flushing once more"
WAITS = "waits for Postfix: "


def tag(daemon, *ids, domain="example.org"):
    for queue_id in ids:
        daemon.tag(queue_id, domain)


def wait_for_id(daemon, *ids):
    wait_for(lambda: set(daemon.asked_for("-i")) == set(ids), 20,
             f"{ids} are asked for by id")


@pytest.mark.parametrize("name", ["active", "incoming"])
def test_mail_on_its_way_is_waited_for(daemon, collect, name):
    tag(daemon, IDS[0])
    daemon.queue((IDS[0], name, A))
    customer = collect()
    daemon.wait_for_log(WAITS + "it has mail that it does not send yet")
    # As long as it takes to see three pauses come and go.
    listed = daemon.dir / "listed"
    daemon.postqueue("#!/bin/sh\ncase \"$*\" in *\" -j\") echo >>{dir}/listed;"
                     " cat {dir}/queue ;; *) echo \"$@\" >>{dir}/flushed ;; "
                     "esac\n")
    wait_for(lambda: listed.exists() and len(listed.read_text()) >= 2, 30,
             "the queue is looked at again")
    assert len(daemon.logged(WAITS)) == 1
    assert not daemon.logged(AGAIN)
    assert daemon.postfix().deliver(IDS[0], [A]) == ["250 2.0.0 taken"]
    customer.join()
    daemon.ended("drained", delivered=1)
    assert daemon.flushed() == ["example.org"]
    assert set(daemon.asked_for("-i")) == \
        ({IDS[0]} if name == "incoming" else set())


def test_deferred_mail_is_asked_for_by_id(daemon, collect):
    tag(daemon, *IDS)
    daemon.queue((IDS[0], "deferred", A), (IDS[1], "deferred", A))
    customer = collect()
    wait_for_id(daemon, *IDS[:2])
    daemon.wait_for_flushed("example.org", "example.org")
    postfix = daemon.postfix()
    for queue_id in IDS:
        postfix.deliver(queue_id, [A])
    customer.join()
    daemon.ended("drained", delivered=3)


def test_what_becomes_deferred_while_it_is_waited_for_is_asked_for(
        daemon, collect):
    """As a message that the session before had still in its hands."""
    tag(daemon, *IDS[:2])
    daemon.queue((IDS[0], "active", A), (IDS[1], "deferred", A))
    collect()
    daemon.wait_for_log(WAITS)
    wait_for_id(daemon, IDS[1])
    assert daemon.flushed() == ["example.org"]
    daemon.queue((IDS[0], "deferred", A))
    wait_for_id(daemon, *IDS[:2])
    daemon.postfix().deliver(IDS[0], [A])
    daemon.postfix().deliver(IDS[1], [A])
    daemon.ended("drained", delivered=2)


def test_what_the_customer_did_not_take_is_not_asked_for(daemon, collect):
    tag(daemon, *IDS[:2])
    daemon.queue((IDS[0], "deferred", A), (IDS[1], "deferred", A))
    collect(RCPT=["450 4.2.1 not now"])
    assert daemon.postfix().deliver(IDS[0], [A])[0].startswith("450")
    wait_for_id(daemon, IDS[1])
    daemon.ended("tags-without-mail", kept=1)
    assert daemon.asked_for("-i") == [IDS[1]]


def test_mail_of_others_is_not_waited_for(daemon, collect):
    tag(daemon, IDS[0])
    daemon.queue((IDS[1], "active", "a@shared.test"))
    collect()
    daemon.ended("tags-without-mail", delivered=0)
    assert not daemon.logged(WAITS)
    daemon.wait_for_flushed("example.org", "example.org")


def test_mail_that_is_gone_after_all_is_waited_for_no_longer(daemon, collect):
    tag(daemon, IDS[0])
    daemon.queue((IDS[0], "active", A))
    customer = collect()
    daemon.wait_for_log(WAITS)
    daemon.queue()
    customer.join()
    daemon.ended("tags-without-mail", delivered=0)
    assert daemon.logged(AGAIN)


def test_queue_that_cannot_be_listed_is_waited_for(daemon, collect):
    daemon.postqueue("#!/bin/sh\ncase \"$*\" in *\" -j\") [ -e {dir}/queue ] && "
                     "cat {dir}/queue ;; *) echo \"$@\" >>{dir}/flushed ;; "
                     "esac\n")
    (daemon.dir / "queue").unlink()
    tag(daemon, IDS[0])
    customer = collect()
    daemon.wait_for_log(WAITS + "its queue cannot be listed")
    daemon.wait_for_flushed("example.org", "example.org")
    daemon.queue((IDS[0], "deferred", A))
    wait_for(lambda: daemon.postfix().deliver(IDS[0], [A]), 20, "delivery")
    customer.join()
    daemon.ended("drained", delivered=1)


def test_lingering_session_asks_by_id_when_it_looks(make_daemon):
    daemon = make_daemon(drain_wait="1s")
    daemon.sql("UPDATE account SET linger = 300 WHERE login = 'alice'")
    tag(daemon, IDS[0])
    daemon.queue((IDS[0], "deferred", A))
    Customer(daemon.turned())
    wait_for(lambda: daemon.sql("SELECT id FROM session WHERE state = "
                                "'lingering'"), 20, "it lingers")
    assert daemon.asked_for("-i") == [IDS[0]]


# ---- on hold (postsuper -h)


def test_mail_on_hold_is_found_and_not_waited_for(daemon, collect):
    tag(daemon, *IDS)
    daemon.queue(*((queue_id, "hold", A) for queue_id in IDS))
    customer = collect()
    customer.join()
    daemon.ended("drained", delivered=0)
    assert not daemon.logged(AGAIN)
    assert daemon.sql("SELECT sum(on_hold) FROM tag") == [(3,)]
    daemon.known().play("""
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
    """)


def test_mail_beside_what_is_on_hold_is_brought(daemon, collect):
    tag(daemon, *IDS[:2])
    daemon.queue((IDS[0], "hold", A), (IDS[1], "deferred", A))
    customer = collect()
    wait_for_id(daemon, IDS[1])
    daemon.postfix().deliver(IDS[1], [A])
    customer.join()
    daemon.ended("drained", delivered=1)


def test_mail_that_is_delivered_is_on_hold_no_more(daemon, collect):
    tag(daemon, *IDS[:2])
    daemon.sql("UPDATE tag SET on_hold = 1 WHERE queue_id = ?", IDS[0])
    customer = collect(RCPT=["450 4.2.1 not now"])
    postfix = daemon.postfix()
    assert postfix.deliver(IDS[0], [A])[0].startswith("450")
    daemon.wait_for_tag(IDS[0], ("held", 0), "state, on_hold")
    postfix.deliver(IDS[1], [A])
    customer.join()
    daemon.ended("drained", delivered=1, kept=1)
