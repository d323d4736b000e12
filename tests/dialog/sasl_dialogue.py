# SPDX-License-Identifier: ISC
"""What the tests of AUTH have in common."""

from odmrd_alone import PASSWORD

CLEAR = "SCRAM-SHA-256 CRAM-MD5"
SECURE = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN"
# The tests say much, and fail often, from one address.
SETTINGS = {"auth_failure_delay": 0, "auth_failure_limit": 1000000,
            "session_limit_per_account": 1000, "command_limit": 1000000}

REFUSED = "535 5.7.8 Authentication failed"
BAD_LOGINS = [("alice", "a wrong one"), ("nobody", PASSWORD),
              ("off", PASSWORD)]


def odmrctl(daemon, *arguments, text=""):
    return daemon.odmrctl(*arguments, text=text)


def offered(line):
    line.say("EHLO customer.test")
    lists = [row[9:] for row in line.reply() if row[4:].startswith("AUTH ")]
    assert len(lists) == 1, lists
    return lists[0]


def authenticated(daemon, login, mechanism, tls="no"):
    daemon.wait_for_log(f"ended account={login} client=127.0.0.1 tls={tls} "
                        f"mech={mechanism} ")


def refused(line, daemon, why):
    line.expect(REFUSED)
    row = daemon.wait_for_log("warning: refused: AUTH ", "client=127.0.0.1")
    assert row.endswith((f": {why}", f"({why})")), row
    line.play("""
        C: ATRN example.org
        P: 530 ...
    """)
