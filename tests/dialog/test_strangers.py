# SPDX-License-Identifier: ISC
"""Room for customers, whoever else would have it."""

from odmr.wait import wait_for
from odmrd_alone import cram_md5
from scripted_line import LineClosed

TURNED_AWAY = "421 4.7.0 relay.test Too many connections, try again later"


def flood(odmrd, each=5):
    """Ten addresses, each with all that one may have."""
    for address in range(10):
        for _ in range(each):
            odmrd.connect(source=f"127.0.1.{address}")


def test_customer_logs_in_though_ten_addresses_take_all_they_get(make_daemon):
    odmrd = make_daemon(session_limit=20, session_limit_per_address=5)
    customers = [odmrd.known("bob") for _ in range(2)]
    flood(odmrd)
    line = odmrd.greeted(source="127.0.0.2")
    flood(odmrd)
    line.say("AUTH CRAM-MD5")
    answer = cram_md5(line.expect("334 ..."), "alice")
    flood(odmrd)
    line.say(answer)
    line.expect("235 2.7.0 Authenticated as alice")
    flood(odmrd)
    # Nor does it matter to those who were there before.
    for known in [*customers, line]:
        known.say("NOOP")
        known.expect("250 2.0.0 Ok")
    assert odmrd.logged("refused: connect client=127.0.1.", "stranger_share")
    odmrd.wait_for_log("ended account=- client=127.0.1.",
                       "reason=lost (gave way to others)")


def test_strangers_leave_room_for_those_who_log_in(make_daemon):
    odmrd = make_daemon(session_limit=6, stranger_share=50)
    strangers = [odmrd.greeted(source=f"127.0.1.{i}") for i in range(3)]
    odmrd.connect(source="127.0.1.0").expect(TURNED_AWAY)
    for i in range(4):
        odmrd.known(source=f"127.0.2.{i}")
    # Full of customers and strangers: the latter give way.
    odmrd.known("bob", source="127.0.2.4")
    gone = 0
    for line in strangers:
        try:
            line.say("NOOP")
            line.expect("250 2.0.0 Ok")
        except (LineClosed, OSError):
            gone += 1
    assert gone == 2


def test_who_will_not_go_gives_way_too(make_daemon):
    """Sessions have ended, and their clients do not close."""
    odmrd = make_daemon(session_limit=4, stranger_share=50)
    for i in range(2):
        line = odmrd.greeted(source=f"127.0.1.{i}")
        line.say("QUIT")
        line.expect("221 ...")
    odmrd.connect(source="127.0.1.2").expect("220 ...")
    wait_for(lambda: len(odmrd.logged("reason=quit")) == 2, 10, "both ended")
    assert not odmrd.logged("gave way")
