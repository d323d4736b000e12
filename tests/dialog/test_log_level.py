# SPDX-License-Identifier: ISC
"""log_level = debug: the log has each change of a state, and no secret."""

import re
import signal

from odmr.wait import wait_for
from odmrd_alone import PASSWORD, write_conf
from scripted_customer import Customer

# All that one message to a lone customer brings.
STATES = {
    "session": ["new -> greeted", "greeted -> asking", "asking -> greeted",
                "greeted -> asking", "asking -> sasl", "sasl -> asking",
                "asking -> known", "known -> asking", "asking -> ended"],
    "customer": ["claimed -> greeting", "greeting -> ehlo", "ehlo -> ready",
                 "ready -> quitting", "quitting -> ended"],
    "drain": ["new -> flowing", "flowing"],
    "lmtp": ["held -> greeted", "greeted -> idle", "idle -> envelope",
             "envelope -> body", "body -> answering", "answering -> judging",
             "judging -> idle", "idle -> ended"],
    "message": ["filling -> waiting", "waiting -> sending", "sending -> sent",
                "sent -> done"],
}


def collect(daemon, queue_id):
    """One message; the id of its session."""
    before = len(daemon.logged(" reason=drained"))
    daemon.tag(queue_id, "example.org")
    customer = Customer(daemon.turned())
    postfix = daemon.postfix()
    assert postfix.deliver(queue_id, ["r0@example.org"]) == ["250 2.0.0 taken"]
    customer.join()
    row = wait_for(lambda: daemon.logged(" reason=drained")[before:], 30,
                   "the end")[0]
    return re.search(r"\]: (\w+): session ", row)[1]


def changes(daemon, session):
    """Of each machine of this session, in their order."""
    found = {}
    for row in daemon.logged(f"]: {session}: debug: "):
        what, change = re.search(
            r": debug: (\w+)(?: \w+)? (\w+ -> \w+)$", row).groups()
        found.setdefault(what, []).append(change)
    # How far postqueue came before the message did is not for us to say.
    if "drain" in found:
        found["drain"] = [found["drain"][0], found["drain"][-1].split()[-1]]
    return found


def hang_up(daemon, count, **settings):
    write_conf(daemon.dir, daemon.port, daemon.tls_port, **settings)
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(daemon.logged("reloaded")) == count, 30, "reloaded")


def test_at_debug_each_change_of_a_state_is_logged_by_session(make_daemon):
    daemon = make_daemon(log_level="debug")
    session = collect(daemon, "Q1")
    assert changes(daemon, session) == STATES
    assert daemon.logged(": debug: message Q1 sending -> sent")
    assert not daemon.logged(PASSWORD)


def test_by_default_there_is_no_such_line_and_sighup_changes_it(make_daemon):
    daemon = make_daemon()
    collect(daemon, "Q1")
    assert not daemon.logged("debug")
    hang_up(daemon, 1, log_level="debug")
    session = collect(daemon, "Q2")
    assert changes(daemon, session) == STATES
    hang_up(daemon, 2)
    session = collect(daemon, "Q3")
    assert changes(daemon, session) == {}
