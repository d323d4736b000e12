# SPDX-License-Identifier: ISC
"""submission = yes, where the smtpd or the client is at fault: the client hears
451, and no half message is left to anybody."""

import threading

import pytest

from odmr.probe import free_ports
from odmrd_alone import SANITIZED
from scripted_smtpd import OFFERS, ehlo_reply
from submitting import (  # noqa: F401  (fixtures)
    BODY,
    LATER,
    LOST,
    MEGABYTE,
    begin,
    begin_data,
    begin_rcpt,
    exchange,
    goes_on,
    impatient,
    port,
    smtpd,
)

# ---- an smtpd that does not serve

NO_XCLIENT = ehlo_reply(row for row in OFFERS if "XCLIENT" not in row)
CLOSE = object()


@pytest.mark.parametrize("says, logged", [
    ([CLOSE], "closed by peer"),
    (["554 5.3.2 No service"], "refuses: 554 5.3.2 No service"),
    (["421 4.3.2 Too busy"], "refuses: 421 4.3.2 Too busy"),
    (["250 hello"], "refuses: 250 hello"),
    (["SSH-2.0-OpenSSH_9.2"], "no SMTP reply: SSH-2.0-OpenSSH_9.2"),
    (["220 " + "x" * 5000], "reply too long or malformed"),
    (["220 mail.test", CLOSE], "closed by peer"),
    (["220 mail.test", "502 5.5.2 What"], "refuses: 502 5.5.2 What"),
    (["220 mail.test", NO_XCLIENT], "smtpd_authorized_xclient_hosts"),
    (["220 mail.test", ehlo_reply(["XCLIENT NAME ADDR PROTO"])],
     "smtpd_authorized_xclient_hosts"),
    (["220 mail.test", "250 mail.test"], "smtpd_authorized_xclient_hosts"),
    (["220 mail.test", ehlo_reply(OFFERS), "550 5.7.0 Not you"],
     "XCLIENT refused: 550 5.7.0 Not you (see its "
     "smtpd_authorized_xclient_hosts)"),
    (["220 mail.test", ehlo_reply(OFFERS), "250 2.0.0 Ok"],
     "XCLIENT refused: 250 2.0.0 Ok"),
    (["220 mail.test", ehlo_reply(OFFERS), CLOSE], "closed by peer"),
    (["220 mail.test", ehlo_reply(OFFERS), "220 mail.test", "554 Go away"],
     "refuses: 554 Go away"),
    (["220 mail.test", ehlo_reply(OFFERS), "220 mail.test", CLOSE],
     "closed by peer"),
])
@pytest.mark.parametrize("command", ["MAIL FROM:<a@example.org>", "EHLO me"])
def test_an_smtpd_that_does_not_serve_is_tried_again_later(
        daemon, smtpd, says, logged, command):
    line = daemon.known()
    line.say(command)
    server = smtpd.accept()
    for number, word in enumerate(says):
        if number:
            server.line()
        if word is CLOSE:
            server.close()
        else:
            server.say(word)
    if command.startswith("EHLO"):
        reply = line.reply()
        assert reply[-1] == "250 ATRN"
        assert not any("SIZE" in row or "8BITMIME" in row for row in reply)
    else:
        line.expect(LATER)
    daemon.wait_for_log(f"warning: submission_server {smtpd.address}: ",
                        logged)
    goes_on(line)


def test_an_smtpd_that_is_down_is_tried_again_later(make_daemon):
    port, = free_ports(1)
    odmrd = make_daemon(submission="yes",
                        submission_server=f"127.0.0.1:{port}")
    line = odmrd.known()
    line.say("EHLO me")
    assert line.reply()[-1] == "250 ATRN"
    line.say("MAIL FROM:<a@example.org>")
    line.expect(LATER)
    odmrd.wait_for_log("warning: submission_server ", "Connection refused")
    line.send(b"MAIL FROM:<a@example.org>\r\n" * 100)
    for _ in range(100):
        line.expect(LATER)
    goes_on(line)


@pytest.mark.parametrize("answered", range(4))
def test_an_smtpd_that_falls_silent_is_not_waited_for(
        impatient, port, answered):
    line = impatient.known()
    line.say("MAIL FROM:<a@example.org>")
    server = port.accept()
    for word in ["220 mail.test", ehlo_reply(OFFERS), "220 mail.test"][
            :answered]:
        server.say(word)
        server.line()
    line.expect(LATER)
    impatient.wait_for_log("warning: submission_server ", ": timeout")
    goes_on(line)


@pytest.mark.parametrize("replies", range(4))
def test_a_reply_that_never_comes_is_not_waited_for(impatient, port, replies):
    line = impatient.known()
    line.say("MAIL FROM:<a@example.org>")
    server = port.hello()
    commands = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@elsewhere.test>",
                "DATA", None]
    for number, reply in enumerate(["250 Ok", "250 Ok", "354 Go"][:replies]):
        exchange(line, server, commands[number] if number else None,
                 commands[number], reply)
    if replies == 3:
        line.send(BODY)
    elif replies:
        line.say(commands[replies])
    line.expect(LATER)
    goes_on(line)
    impatient.wait_for_log(" submitted=0 ", " reason=quit")


# ---- an smtpd that is lost

@pytest.mark.parametrize("replies", range(4))
def test_a_lost_smtpd_is_451_until_the_client_begins_again(
        daemon, smtpd, replies):
    line = daemon.known()
    line.say("MAIL FROM:<a@example.org>")
    server = smtpd.hello()
    commands = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@elsewhere.test>",
                "DATA", None]
    for number, reply in enumerate(["250 Ok", "250 Ok", "354 Go"][:replies]):
        exchange(line, server, commands[number] if number else None,
                 commands[number], reply)
    if replies == 3:
        line.send(BODY)
        server.take(len(BODY))
    else:
        if replies:
            line.say(commands[replies])
        server.expect(commands[replies])
    server.close()
    line.expect(LATER)
    if replies in (1, 2):
        line.play(f"""
            C: RCPT TO:<c@elsewhere.test>
            P: {LOST}
            C: DATA
            P: {LOST}
        """)
        line.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        line.expect(LOST)
    line.say("MAIL FROM:<d@example.org>")
    exchange(line, smtpd.hello(), None, "MAIL FROM:<d@example.org>", "250 Ok")


def test_an_smtpd_that_is_lost_between_two_commands_is_451(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    server.close()
    daemon.wait_for_log("warning: submission_server ", "closed by peer")
    line.say("RCPT TO:<b@elsewhere.test>")
    line.expect(LOST)
    line.say("RSET")
    line.expect("250 2.0.0 Ok")
    line.say("RCPT TO:<b@elsewhere.test>")
    line.expect("503 5.5.1 Need MAIL command")
    goes_on(line)


def test_an_smtpd_that_tires_of_waiting_is_opened_again(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    server.say("421 4.4.2 Timeout")
    server.expect_close()
    line.say("MAIL FROM:<c@example.org>")
    exchange(line, smtpd.hello(), None, "MAIL FROM:<c@example.org>", "250 Ok")
    assert not daemon.logged("warning")


@pytest.mark.parametrize("said", [
    None, "250 2.0.0 Ok: queued as 4711", "421 4.3.2 Stopping", "552 Too big"])
def test_a_message_whose_smtpd_is_lost_within_it_is_451(daemon, smtpd, said):
    """Also where the smtpd says 250 to what it cannot have."""
    line, server = begin_data(daemon, smtpd)
    line.send(BODY[:-5])
    server.take(len(BODY) - 5)
    if said:
        server.say(said)
        server.expect_close()
    server.close()
    daemon.wait_for_log("warning: submission_server ")
    line.send(BODY[-5:])
    line.expect(LATER)
    goes_on(line)
    daemon.wait_for_log(" submitted=0 ", " reason=quit")


def test_a_chunk_whose_smtpd_is_lost_within_it_is_451(daemon, smtpd):
    line, server = begin_rcpt(daemon, smtpd)
    line.send(b"BDAT 10\r\n12345")
    server.expect("BDAT 10")
    server.take(5)
    server.close()
    daemon.wait_for_log("warning: submission_server ")
    line.send(b"QUIT\r")
    line.expect(LATER)
    line.send(b"BDAT 6 LAST\r\nQUIT\r\n")
    line.expect(LOST)
    goes_on(line)


def test_a_reply_that_comes_before_its_command_is_no_answer(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    line.send(b"RCPT TO:<b@elsewhere.test>\r\nDATA\r\n" + BODY)
    server.expect("RCPT TO:<b@elsewhere.test>")
    server.say("250 Ok\r\n354 Go\r\n250 2.0.0 Ok: queued as 4711")
    line.expect("250 Ok")
    line.expect(LOST)
    server.expect_close()


def test_a_reply_that_comes_with_the_one_before_is_no_answer_to_mail(
        daemon, smtpd):
    line = daemon.known()
    line.say("MAIL FROM:<a@example.org>")
    server = smtpd.greet()
    server.say(ehlo_reply(OFFERS) + "\r\n250 2.1.0 Ok")
    line.expect(LATER)
    server.expect_close()
    goes_on(line)


@pytest.mark.parametrize("replies, reply", [
    (0, "354 Go"), (1, "334 What"), (2, "250 Ok"), (2, "334 What"),
    (3, "354 Go"), (3, "999 x"), (3, "250-a\r\n251 b")])
def test_a_reply_that_makes_no_sense_is_451(daemon, smtpd, replies, reply):
    line = daemon.known()
    line.say("MAIL FROM:<a@example.org>")
    server = smtpd.hello()
    commands = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@elsewhere.test>",
                "DATA", None]
    for number, word in enumerate(["250 Ok", "250 Ok", "354 Go"][:replies]):
        exchange(line, server, commands[number] if number else None,
                 commands[number], word)
    if replies == 3:
        line.send(BODY)
        server.take(len(BODY))
    elif replies:
        line.say(commands[replies])
        server.expect(commands[replies])
    else:
        server.expect(commands[0])
    server.say(reply)
    line.expect(LATER)
    server.expect_close()
    goes_on(line)


def test_421_of_the_smtpd_ends_the_session(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    line.say("RCPT TO:<b@elsewhere.test>")
    server.expect("RCPT TO:<b@elsewhere.test>")
    server.say("421 4.7.0 mail.test Too many errors")
    line.play("""
        P: 421 4.7.0 mail.test Too many errors
        P: <closed>
    """)
    daemon.wait_for_log(" reason=closed-by-smtpd")


def test_a_stalled_smtpd_holds_its_client_and_then_loses_the_message(
        impatient, port):
    line, server = begin_data(impatient, port)
    before = impatient.peak_memory()
    block = b"x" * 998 + b"\r\n"

    def send():
        for _ in range(40000):
            line.sock.sendall(block)
        line.send(b".\r\n")
    writer = threading.Thread(target=send)
    writer.start()
    impatient.wait_for_log("warning: submission_server ", ": timeout")
    writer.join()
    line.expect(LATER)
    assert SANITIZED or impatient.peak_memory() - before < 4 * MEGABYTE
    passed = 0
    while server.fill():
        passed, server.buffer = passed + len(server.buffer), b""
    assert passed < 40000 * len(block)
    goes_on(line)


# ---- a client that is lost

def test_a_client_that_vanishes_leaves_half_a_message_to_nobody(daemon, smtpd):
    line, server = begin_data(daemon, smtpd)
    line.send(b"Subject: x\r\n\r\nhalf a line")
    server.take(25)
    line.close()
    while server.fill():
        pass
    assert b"\r\n.\r\n" not in server.buffer
    daemon.wait_for_log(" submitted=0 ", " reason=lost")


def test_a_client_that_vanishes_in_a_chunk_leaves_it_short(daemon, smtpd):
    line, server = begin_rcpt(daemon, smtpd)
    line.send(b"BDAT 100 LAST\r\nhalf")
    server.expect("BDAT 100 LAST")
    line.close()
    while server.fill():
        pass
    assert server.buffer == b"half"


def test_a_client_that_falls_silent_is_given_up_with_its_message(
        make_daemon, port):
    odmrd = make_daemon(submission="yes", submission_server=port.address,
                        command_time_limit="1s")
    line, server = begin_data(odmrd, port)
    line.send(b"half")
    server.take(4)
    line.play("""
        P: 421 4.4.2 relay.test Timeout
        P: <closed>
    """)
    server.expect_close()


def test_the_time_that_the_smtpd_takes_is_not_the_clients(make_daemon, port):
    odmrd = make_daemon(submission="yes", submission_server=port.address,
                        command_time_limit="1s")
    line, server = begin_data(odmrd, port)
    line.send(BODY)
    server.take(len(BODY))
    line.sock.settimeout(2)
    with pytest.raises(TimeoutError):
        line.line()
    line.sock.settimeout(20)
    server.say("250 2.0.0 Ok")
    line.expect("250 2.0.0 Ok")


def test_a_stop_within_a_message_leaves_nothing_to_the_smtpd(
        make_daemon, port):
    odmrd = make_daemon(submission="yes", submission_server=port.address)
    line, server = begin_data(odmrd, port)
    line.send(b"half")
    server.take(4)
    odmrd.terminate()
    line.expect("421 4.3.2 relay.test is stopping")
    server.expect_close()
    line.close()
    assert odmrd.wait_for_exit() == 0
