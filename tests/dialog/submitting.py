# SPDX-License-Identifier: ISC
"""A client that submits, on the one side of an odmrd, and the smtpd on the
other: what the tests of submission share."""

import pytest

from scripted_smtpd import Smtpd

LATER = "451 4.3.0 Cannot submit mail now, try again later"
LOST = "451 4.3.0 The mail server was lost, begin again"
SEQUENCE = "503 5.5.1 Bad sequence of commands"
BODY = b"Subject: x\r\n\r\n..dot\r\n.. \r\nbye\r\n.\r\n"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def port(request):
    smtpd = Smtpd()
    request.module.SETTINGS = {"submission": "yes",
                               "submission_server": smtpd.address}
    yield smtpd
    smtpd.close()


@pytest.fixture
def smtpd(port, daemon):
    port.reset(daemon.transcript)
    return port


@pytest.fixture
def impatient(port, make_daemon):
    """An odmrd that gives the smtpd a second."""
    odmrd = make_daemon(submission="yes", submission_server=port.address,
                        submission_timeout="1s", data_done_timeout="1s")
    port.reset(odmrd.transcript)
    return odmrd


def begin(daemon, smtpd, **more):
    """Both ends of a submission whose MAIL was taken."""
    line = daemon.known(**more)
    line.say("MAIL FROM:<a@example.org>")
    server = smtpd.hello()
    exchange(line, server, None, "MAIL FROM:<a@example.org>", "250 2.1.0 Ok")
    return line, server


def exchange(line, server, said, passed, reply):
    if said:
        line.say(said)
    server.expect(passed)
    server.say(reply)
    line.expect(reply)


def begin_rcpt(daemon, smtpd, **more):
    """The same with a recipient."""
    line, server = begin(daemon, smtpd, **more)
    exchange(line, server, "RCPT TO:<b@elsewhere.test>",
             "RCPT TO:<b@elsewhere.test>", "250 2.1.5 Ok")
    return line, server


def begin_data(daemon, smtpd, **more):
    """The same up to the 354."""
    line, server = begin_rcpt(daemon, smtpd, **more)
    exchange(line, server, "DATA", "DATA", "354 End with a dot")
    return line, server


def goes_on(line):
    """The session is as useful as before."""
    line.play("""
        C: ATRN
        P: 453 4.0.0 You have no mail
        C: QUIT
        P: 221 ...
        P: <closed>
    """)
