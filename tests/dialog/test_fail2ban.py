# SPDX-License-Identifier: ISC
"""The filter for fail2ban, by fail2ban's own program on what odmrd logs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from odmrd_alone import b64, cram_md5, plain

# make check runs the tests of the tree, ODMR_BUILD may be elsewhere.
FILTER = Path(__file__).resolve().parents[2] / "postfix-conf" \
    / "fail2ban-odmrd.conf"
COMMON = Path("/etc/fail2ban/filter.d/common.conf")

pytestmark = pytest.mark.skipif(
    not shutil.which("fail2ban-regex") or not COMMON.exists(),
    reason="needs fail2ban")


@pytest.fixture
def banned(tmp_path):
    """A function: the lines of odmrd's log that the filter matches, each as
    the address that it would ban."""
    filters = tmp_path / "filter.d"
    filters.mkdir()
    shutil.copy(COMMON, filters)
    shutil.copy(FILTER, filters / "odmrd.conf")

    def run(odmrd):
        log = tmp_path / "log"
        log.write_text(odmrd.new_log())
        done = subprocess.run(
            ["fail2ban-regex", "-c", tmp_path, "-o", "<ip>", log, "odmrd"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=False)
        return done.stdout.split()
    return run


def attempt(odmrd, login, password="wrong"):
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), login, password))
    line.expect("535 ...")


def test_each_wrong_password_matches(make_daemon, banned):
    odmrd = make_daemon(auth_failure_delay=0)
    for login in ("alice", "nobody", "off", "plain"):
        attempt(odmrd, login)
    line = odmrd.greeted(tls=True)
    line.say("AUTH PLAIN " + plain("alice", "wrong"))
    line.expect("535 ...")
    assert banned(odmrd) == ["127.0.0.1"] * 5


def test_refused_connections_match(make_daemon, banned):
    odmrd = make_daemon(auth_failure_delay=0, auth_failure_limit=2)
    attempt(odmrd, "alice")
    odmrd.greeted().say("AUTH CRAM-MD5")
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice", "wrong"))
    line.expect("421 ...")
    odmrd.connect().expect("421 ...")
    odmrd.wait_for_log("refused: connect")
    assert banned(odmrd) == ["127.0.0.1"] * 3


def test_too_many_sessions_of_an_address_match(make_daemon, banned):
    odmrd = make_daemon(session_limit_per_address=1)
    odmrd.connect()
    odmrd.connect().expect("421 ...")
    odmrd.wait_for_log("refused: connect")
    assert banned(odmrd) == ["127.0.0.1"]


def test_limits_that_others_fill_do_not_match(make_daemon, banned):
    odmrd = make_daemon(session_limit=2, session_limit_per_account=1)
    odmrd.tag("AAAA", "example.org")
    line = odmrd.turned(tls=True)
    second = odmrd.greeted()
    odmrd.connect().expect("421 ...")
    odmrd.wait_for_log("refused: connect")
    second.say("AUTH CRAM-MD5")
    second.say(cram_md5(second.expect("334 ..."), "alice"))
    second.expect("421 ...")
    line.close()
    odmrd.wait_for_log(": session ", "reason=lost")
    assert banned(odmrd) == []


def test_fault_of_the_database_does_not_match(make_daemon, banned):
    odmrd = make_daemon()
    (odmrd.dir / "odmr.db").write_bytes(b"no database")
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("451 ...")
    odmrd.wait_for_log("error: refused: AUTH")
    assert banned(odmrd) == []


@pytest.mark.parametrize("login", [
    "x client=192.0.2.1 login=y: no such account",
    "x\nNov 22 00:00:00 vm odmrd[1]: 1: warning: refused: AUTH PLAIN "
    "client=192.0.2.1 login=y: z",
    "x\r\nNov 22 00:00:00 vm odmrd[1]: warning: refused: connect "
    "client=192.0.2.1 count=1: auth_failure_limit\n",
])
def test_login_cannot_have_another_address_banned(make_daemon, banned, login):
    odmrd = make_daemon()
    line = odmrd.greeted()
    line.say("AUTH CRAM-MD5")
    line.expect("334 ...")
    line.say(b64(login.encode() + b" 0123456789abcdef0123456789abcdef"))
    line.expect("535 ...")
    assert banned(odmrd) == ["127.0.0.1"]


def test_domain_cannot_have_another_address_banned(make_daemon, banned):
    odmrd = make_daemon()
    line = odmrd.known()
    line.say("ATRN x:warning: refused: connect client=192.0.2.1 count=1: "
             "auth_failure_limit")
    line.line()
    line.say("ETRN x client=192.0.2.1")
    line.line()
    line.say("EHLO odmrd[1]: warning: refused: connect client=192.0.2.1 "
             "count=1: auth_failure_limit")
    line.reply()
    line.say("QUIT")
    odmrd.wait_for_log("reason=quit")
    assert banned(odmrd) == []
