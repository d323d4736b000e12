# SPDX-License-Identifier: ISC
"""A customer that stalls takes neither all of Postfix's processes nor all of
its active queue: another one gets his mail beside him. Both are small here.

Domains are added before mail comes: a process of Postfix that meets a write to
its tables dies, and Postfix uses none of that kind for a minute."""

import subprocess
from pathlib import Path

import pytest

from odmr.staller import Staller
from odmr.wait import wait_for
from party import PASSWORD, text

PROCESSES = 8
ACTIVE = 10
POSTFIX = {
    "odmr_destination_concurrency_limit": 4,
    "odmr_initial_destination_concurrency": 4,
    "qmgr_message_active_limit": ACTIVE,
}
ODMRD = {
    "delivery_limit": 4,
    "delivery_total": PROCESSES,
    "drain_wait": "2s",
    "stall_time": "1s",
    "progress_rate": 0,     # slow is bad enough
}


@pytest.fixture(scope="module", autouse=True)
def small(sandbox):
    def postconf(*arguments):
        subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config,
                        *arguments], check=True, timeout=60)
    postconf("-F", f"odmr/unix/process_limit={PROCESSES}")
    postconf("-e", *(f"{name} = {value}" for name, value in POSTFIX.items()))
    with Path(sandbox.conf).open("a") as conf:
        conf.writelines(f"{name} = {value}\n" for name, value in ODMRD.items())
    sandbox.restart("odmrd")
    sandbox.restart("postfix")


@pytest.fixture
def make_staller(sandbox):
    """A function: make_staller(party, way) -> Staller, which collects."""
    made = []

    def make(party, way, **more):
        made.append(Staller(sandbox.odmr_port, party.login, PASSWORD,
                            party.domains, way, **more))
        return made[-1]
    yield make
    for staller in made:
        staller.stop()
    # What a test has left is no load for the next.
    subprocess.run(["/usr/sbin/postsuper", "-c", sandbox.config, "-d", "ALL"],
                   check=True, timeout=60, stderr=subprocess.DEVNULL)
    wait_for(lambda: not sandbox.queue(), 30, "an empty queue")


def fill(party, messages):
    """As many for each domain."""
    for domain in party.domains:
        for number in range(messages):
            party.send_to([f"r{number}@{domain}"], text(number))
    party.wait_until_held(messages * len(party.domains))


def places(party):
    return [message["queue_name"] for message in party.queue()]


def test_five_domains_that_stall_leave_processes_to_others(
        make_party, make_staller):
    good = make_party()
    bad = make_party(*[f"d{number}.stall.test" for number in range(5)])
    good.send(*map(text, range(6)))
    fill(bad, 2)
    good.wait_until_held(6)
    make_staller(bad, "silent")
    wait_for(lambda: places(bad).count("active") >= 4 or
             places(bad).count("incoming"), 30, "it has its share")
    assert good.collect() == 0
    good.expect_all_collected()
    good.expect_session(delivered=6)
    assert len(bad.queue()) == 10


def test_one_domain_with_much_mail_leaves_the_active_queue_to_others(
        make_party, make_staller):
    good, bad = make_party(), make_party()
    good.send(*map(text, range(3)))
    fill(bad, 3 * ACTIVE)
    good.wait_until_held(3)
    make_staller(bad, "drip", pause=1.0)
    wait_for(lambda: places(bad).count("active") >= ACTIVE - 1, 30,
             "it has the active queue")
    assert good.collect() == 0
    good.expect_all_collected()
    good.expect_session(delivered=3)
    assert len(bad.queue()) > ACTIVE
