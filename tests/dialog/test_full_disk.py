# SPDX-License-Identifier: ISC
"""A full disk under odmr.db: mail goes on, its tags come later."""

import shutil

import pytest

from odmr.small_disk import SmallDisk
from scripted_customer import Customer


@pytest.fixture
def disk():
    small = SmallDisk()
    yield small
    small.end()


def test_mail_flows_while_the_disk_is_full(disk, make_daemon, template):
    database = disk.directory / "odmr.db"
    shutil.copy(template / "odmr.db", database)
    daemon = make_daemon(database=database)
    for number in range(30):
        daemon.tag(f"Q{number}", "example.org")
    customer = Customer(daemon.turned())
    postfix = daemon.postfix()
    disk.fill()
    for number in range(30):
        assert postfix.deliver(f"Q{number}", ["r0@example.org"]) == \
            ["250 2.0.0 taken"]
    daemon.wait_for_log(" tags wait: ", "database or disk is full")
    assert daemon.sql("SELECT DISTINCT state FROM tag") == [("held",)]
    # Who only asks is answered from what is there.
    line = daemon.known("bob")
    line.say("ATRN shared.test")
    line.expect("453 4.0.0 You have no mail")
    disk.make_room()
    daemon.wait_for_tag("Q29", "delivered")
    assert daemon.sql("SELECT DISTINCT state FROM tag") == [("delivered",)]
    customer.join()
    daemon.ended("drained", delivered=30)
    assert daemon.sql("PRAGMA integrity_check") == [("ok",)]
