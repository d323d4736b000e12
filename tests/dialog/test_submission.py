# SPDX-License-Identifier: ISC
"""submission = yes: the client's mail goes to the smtpd and nowhere else, and
nothing is taken that the smtpd did not take."""

import hashlib
import itertools
import socket
import subprocess
import threading

import pytest

from odmr.probe import free_ports, has_ipv6
from odmr.sandbox import BUILD
from odmr.wait import wait_for
from odmrd_alone import SANITIZED, cram_md5, run, write_conf
from scripted_customer import Customer
from scripted_line import Line
from scripted_smtpd import OFFERS, ehlo_reply
from submitting import (  # noqa: F401  (fixtures)
    BODY,
    MEGABYTE,
    SEQUENCE,
    begin,
    begin_data,
    begin_rcpt,
    exchange,
    goes_on,
    port,
    smtpd,
)

EX_CONFIG = 78


# ---- the good case

def test_a_message_goes_to_the_smtpd_and_its_replies_come_back(daemon, smtpd):
    line, server = begin_data(daemon, smtpd)
    line.send(BODY)
    assert server.take(len(BODY)) == BODY
    server.say("250 2.0.0 Ok: queued as 4711")
    line.expect("250 2.0.0 Ok: queued as 4711")
    line.say("ATRN")
    server.play("""
        O: QUIT
        O: <closed>
    """)
    line.expect("453 4.0.0 You have no mail")
    line.say("QUIT")
    daemon.wait_for_log(": ended account=alice ", " submitted=1 ",
                        " reason=quit")


def test_several_messages_and_then_the_held_mail_on_one_connection(
        daemon, smtpd):
    daemon.tag("4Zq1aB0001z", "example.org")
    line, server = begin_data(daemon, smtpd)
    line.send(b".\r\n")
    assert server.take(3) == b".\r\n"
    server.say("250 2.0.0 Ok")
    line.expect("250 2.0.0 Ok")
    exchange(line, server, "mail from: <c@example.org> SIZE=5",
             "MAIL FROM:<c@example.org> SIZE=5", "250 2.1.0 Ok")
    exchange(line, server, "rcpt to:<d@elsewhere.test>",
             "RCPT TO:<d@elsewhere.test>", "250 2.1.5 Ok")
    exchange(line, server, "data", "DATA", "354 Go")
    line.send(b"x\r\n.\r\n")
    server.take(6)
    server.say("250 2.0.0 Ok")
    line.play("""
        P: 250 2.0.0 Ok
        C: turn \t
        P: 250 2.0.0 OK now reversing the connection
    """)
    server.expect("QUIT")
    customer = Customer(line)
    wait_for(daemon.flushed, 10, "Postfix is told")
    [answer] = daemon.postfix().deliver("4Zq1aB0001z", ["r0@example.org"])
    assert answer.startswith("250 ")
    daemon.ended("drained", delivered=1, submitted=2)
    customer.join()


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_message_arrives_unchanged_in_little_memory(
        daemon, smtpd, tls):
    line, server = begin_data(daemon, smtpd, tls=tls)
    before = daemon.peak_memory()
    block = b"".join(b"%06d " % n + b"\xe4" * 91 + b"\r\n"
                     for n in range(10486))
    count = 32

    def send():
        for _ in range(count):
            line.sock.sendall(block)
        line.send(b".\r\n")
    writer = threading.Thread(target=send)
    writer.start()
    got, seen = hashlib.sha256(), 0
    while seen < count * len(block) + 3:
        data = server.take(min(len(block), count * len(block) + 3 - seen))
        seen += len(data)
        got.update(data)
    writer.join()
    server.say("250 2.0.0 Ok")
    line.expect("250 2.0.0 Ok")
    assert got.digest() == hashlib.sha256(block * count + b".\r\n").digest()
    assert SANITIZED or daemon.peak_memory() - before < 4 * MEGABYTE


def test_a_client_that_sends_ahead_is_taken_at_the_smtpds_pace(daemon, smtpd):
    line = daemon.known()
    line.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@elsewhere.test>\r\n"
              b"DATA\r\n" + BODY + b"RSET\r\nNOOP\r\nQUIT\r\n")
    server = smtpd.hello()
    for passed, reply in (("MAIL FROM:<a@example.org>", "250 2.1.0 Ok"),
                          ("RCPT TO:<b@elsewhere.test>", "250 2.1.5 Ok"),
                          ("DATA", "354 Go")):
        server.expect(passed)
        assert not server.pending(), "sent ahead"
        server.say(reply)
        line.expect(reply)
    assert server.take(len(BODY)) == BODY
    assert not server.pending()
    server.say("250 2.0.0 Ok")
    server.play("""
        O: RSET
        S: 250 2.0.0 reset
        O: NOOP
        S: 250 2.0.0 nothing
        O: QUIT
    """)
    line.play("""
        P: 250 2.0.0 Ok
        P: 250 2.0.0 reset
        P: 250 2.0.0 nothing
        P: 221 2.0.0 relay.test closing connection
        P: <closed>
    """)


def test_refusals_are_the_smtpds_own(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    exchange(line, server, "RCPT TO:<b@elsewhere.test>",
             "RCPT TO:<b@elsewhere.test>", "550 5.1.1 Unknown")
    line.say("RCPT TO:<c@elsewhere.test>")
    server.expect("RCPT TO:<c@elsewhere.test>")
    server.say("450-4.2.0 Not\r\n450 4.2.0 now")
    line.expect("450 4.2.0 Not 4.2.0 now")
    exchange(line, server, "DATA", "DATA", "554 5.5.1 No valid recipients")
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    goes_on(line)


def test_a_refused_message_is_not_counted_as_submitted(daemon, smtpd):
    line, server = begin_data(daemon, smtpd)
    line.send(BODY)
    server.take(len(BODY))
    server.say("552 5.3.4 Too big")
    line.expect("552 5.3.4 Too big")
    goes_on(line)
    daemon.wait_for_log(" submitted=0 ", " reason=quit")


# ---- what is offered

def keywords(line):
    line.say("EHLO customer.test")
    return [row[4:] for row in line.reply()[1:]]


def test_ehlo_after_auth_shows_what_the_smtpd_can(daemon, smtpd):
    line = daemon.known()
    answer = []
    asking = threading.Thread(target=lambda: answer.extend(keywords(line)))
    asking.start()
    server = smtpd.hello()
    asking.join()
    ours = ("STARTTLS", "AUTH SCRAM-SHA-256 CRAM-MD5", "ETRN")
    assert [row for row in answer if row not in ours] == [
        "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "CHUNKING",
        "ATRN"]
    # The same link is asked again, and is good for MAIL.
    line.say("EHLO customer.test")
    server.expect("EHLO [127.0.0.1]")
    server.say(ehlo_reply(["SMTPUTF8"]))
    assert "250-SMTPUTF8" in line.reply()
    exchange(line, server, "MAIL FROM:<>", "MAIL FROM:<>", "250 2.1.0 Ok")


def test_ehlo_ends_a_transaction(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    line.say("EHLO customer.test")
    server.expect("EHLO [127.0.0.1]")
    server.say(ehlo_reply(OFFERS))
    line.reply()
    line.say("RCPT TO:<b@elsewhere.test>")
    line.expect("503 5.5.1 Need MAIL command")
    goes_on(line)


def test_helo_ends_a_transaction(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    line.say("HELO customer.test")
    line.expect("250 relay.test")
    server.expect("QUIT")
    goes_on(line)


def test_before_auth_only_the_usual_is_shown_and_the_smtpd_not_asked(
        daemon, smtpd):
    line = daemon.connect()
    line.expect("220 ...")
    offered = keywords(line)
    assert "SIZE" in offered and "8BITMIME" in offered
    assert "CHUNKING" not in offered
    for command in ("MAIL FROM:<a@example.org>", "RCPT TO:<b@x.test>", "DATA",
                    "BDAT 0 LAST", "TURN", "turn"):
        line.say(command)
        line.expect("530 5.7.0 Authentication required")
    assert not smtpd.was_asked()


def test_without_submission_there_are_no_such_commands(make_daemon):
    odmrd = make_daemon()
    for line in (odmrd.greeted(), odmrd.known()):
        assert not {"SIZE", "8BITMIME"} & set(keywords(line))
        for command in ("MAIL FROM:<a@example.org>", "RCPT TO:<b@x.test>",
                        "DATA", "BDAT 0 LAST"):
            line.say(command)
            line.expect("502 5.5.1 Command not implemented")


def test_the_smtpd_is_asked_by_those_only_who_submit(daemon, smtpd):
    line = daemon.known()
    line.play("""
        C: NOOP
        P: 250 2.0.0 Ok
        C: RSET
        P: 250 2.0.0 Ok
        C: RCPT TO:<b@elsewhere.test>
        P: 503 5.5.1 Need MAIL command
        C: DATA
        P: 503 5.5.1 Need MAIL command
    """)
    goes_on(line)
    assert not smtpd.was_asked()


# ---- TURN, ATRN, AUTH

def test_turn_takes_no_argument(daemon, smtpd):
    daemon.known().play("""
        C: TURN example.org
        P: 501 5.5.4 TURN takes no argument
        C: Turn
        P: 453 4.0.0 You have no mail
    """)


def test_the_line_is_not_turned_within_a_transaction(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    for command in ("ATRN", "TURN", "ATRN example.org", "AUTH CRAM-MD5"):
        line.say(command)
        line.expect(SEQUENCE)
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    goes_on(line)


def test_what_follows_turn_ends_the_session(daemon, smtpd):
    daemon.tag("4Zq1aB0001z", "example.org")
    line = daemon.known()
    line.send(b"TURN\r\nMAIL FROM:<a@example.org>\r\n")
    line.play("""
        P: 503 5.5.1 Nothing may follow ATRN
        P: <closed>
    """)
    assert not smtpd.was_asked()


def test_who_logs_in_anew_submits_under_the_new_name(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    line.say("AUTH CRAM-MD5")
    server.expect("QUIT")
    line.say(cram_md5(line.expect("334 ..."), "bob"))
    line.expect("235 2.7.0 Authenticated as bob")
    line.say("MAIL FROM:<a@example.org>")
    smtpd.hello(login="bob").expect("MAIL FROM:<a@example.org>")


def test_a_login_is_told_to_the_smtpd_in_xtext(make_daemon, port):
    odmrd = make_daemon(submission="yes", submission_server=port.address)
    port.reset(odmrd.transcript)
    run(BUILD / "odmrctl", "-c", odmrd.dir / "odmr.conf", "account", "add",
        "a+b=c", "--cram-md5", text="open sesame\n")
    odmrd.known("a+b=c").say("MAIL FROM:<>")
    port.hello(login="a+2Bb+3Dc").expect("MAIL FROM:<>")


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_an_ipv6_client_is_told_to_the_smtpd_as_such(make_daemon, port):
    ipv6_port, = free_ports(1)
    odmrd = make_daemon(submission="yes", submission_server=port.address,
                        listen=f"[::1]:{ipv6_port}")
    port.reset(odmrd.transcript)
    line = Line(socket.create_connection(("::1", ipv6_port), 20),
                odmrd.transcript)
    odmrd.lines.append(line)
    line.play("""
        P: 220 ...
        C: EHLO customer.test
    """)
    line.reply()
    line.say("AUTH CRAM-MD5")
    line.say(cram_md5(line.expect("334 ..."), "alice"))
    line.expect("235 ...")
    line.say("MAIL FROM:<>")
    server = port.accept()
    server.say("220 mail.test")
    server.expect("EHLO [IPv6:::1]")
    server.say(ehlo_reply(OFFERS))
    server.expect("XCLIENT ADDR=IPV6:::1 NAME=[UNAVAILABLE] LOGIN=alice")


# ---- what goes through

@pytest.mark.parametrize("said, passed", [
    ("MAIL FROM:<a@x.test> AUTH=<> BODY=8BITMIME", "<a@x.test> BODY=8BITMIME"),
    ("MAIL FROM:<a@x.test>  SIZE=1  auth=b+40x.test  RET=HDRS",
     "<a@x.test> SIZE=1 RET=HDRS"),
    ("Mail From:<a@x.test> AUTH", "<a@x.test>"),
    ("MAIL FROM:<a@x.test> AUTHOR=x", "<a@x.test> AUTHOR=x"),
    ("MAIL\tFROM: <>\t", "<>"),
    ('MAIL FROM:<"a > AUTH=b"@x.test> AUTH=c', '<"a > AUTH=b"@x.test>'),
    ('MAIL FROM:<"a\\" AUTH=b> "@x.test>', '<"a\\" AUTH=b> "@x.test>'),
    ("MAIL FROM:<j\xc3\xb6@x.test> SMTPUTF8", "<j\xc3\xb6@x.test> SMTPUTF8"),
])
def test_mail_goes_through_without_its_auth_parameter(
        daemon, smtpd, said, passed):
    line = daemon.known()
    line.say(said)
    server = smtpd.hello()
    exchange(line, server, None, "MAIL FROM:" + passed, "250 2.1.0 Ok")


@pytest.mark.parametrize("command", [
    "MAIL", "MAIL FROM", "MAIL FROM:", "MAIL FROM:a@x.test",
    "MAIL FROM:<a@x.test", 'MAIL FROM:<"a@x.test>', "MAIL TO:<a@x.test>",
    "MAIL FROM:<a@x.test>AUTH=<>", "MAIL FROM:<a@x.test>>"])
def test_what_is_no_mail_command_goes_nowhere(daemon, smtpd, command):
    line = daemon.known()
    line.say(command)
    line.expect("501 5.5.4 Syntax: MAIL FROM:<address>")
    assert not smtpd.was_asked()


def test_what_is_no_rcpt_or_data_command_goes_nowhere(daemon, smtpd):
    line, server = begin(daemon, smtpd)
    line.play(f"""
        C: RCPT FROM:<b@x.test>
        P: 501 5.5.4 Syntax: RCPT TO:<address>
        C: RCPT TO:<{"b" * 2000}@x.test>
        P: 500 5.5.2 Line too long
        C: DATA now
        P: 501 5.5.4 DATA takes no argument
        C: XCLIENT LOGIN=bob
        P: 502 5.5.1 Command not implemented
        C: VRFY b
        P: 502 5.5.1 Command not implemented
    """)
    assert not server.pending()


def test_commands_that_the_smtpd_takes_do_not_count_towards_the_limit(
        make_daemon, port):
    odmrd = make_daemon(submission="yes", submission_server=port.address,
                        command_limit=20)
    line, server = begin(odmrd, port)
    for number in range(40):
        exchange(line, server, f"RCPT TO:<{number}@x.test>",
                 f"RCPT TO:<{number}@x.test>", "250 2.1.5 Ok")
    for number in itertools.count():
        line.say(f"RCPT TO:<{number}@x.test>")
        passed = server.line()
        if passed == "QUIT":
            break
        assert passed == f"RCPT TO:<{number}@x.test>"
        server.say("550 5.1.1 Unknown")
        line.expect("550 5.1.1 Unknown")
    assert number < 20
    line.expect("421 4.7.0 relay.test Too many commands")


# ---- BDAT

def test_chunks_go_through_by_their_count(daemon, smtpd):
    line, server = begin_rcpt(daemon, smtpd)
    first = b"a\r\n.\r\nRSET\r\n\0\n\r\n"
    line.send(b"BDAT %d\r\n" % len(first) + first)
    server.expect(f"BDAT {len(first)}")
    assert server.take(len(first)) == first
    server.say("250 2.0.0 so far")
    line.expect("250 2.0.0 so far")
    line.send(b"bdat 3  last\r\nxyzBDAT 0 LAST\r\n")
    server.expect("BDAT 3 LAST")
    assert server.take(3) == b"xyz"
    assert not server.pending()
    server.say("250 2.0.0 Ok")
    line.play("""
        P: 250 2.0.0 Ok
        P: 503 5.5.1 Need MAIL command
    """)
    goes_on(line)
    daemon.wait_for_log(" submitted=1 ", " reason=quit")


def test_an_empty_last_chunk_ends_the_message(daemon, smtpd):
    line, server = begin_rcpt(daemon, smtpd)
    exchange(line, server, "BDAT 0 LAST", "BDAT 0 LAST", "250 2.0.0 Ok")
    goes_on(line)


def test_a_refused_chunk_leaves_the_transaction_to_rset(daemon, smtpd):
    line, server = begin_rcpt(daemon, smtpd)
    line.send(b"BDAT 2\r\nab")
    server.expect("BDAT 2")
    server.take(2)
    server.say("452 4.3.1 Full")
    line.expect("452 4.3.1 Full")
    line.say("ATRN")
    line.expect(SEQUENCE)
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    goes_on(line)


def test_chunks_that_nobody_takes_are_read_and_refused(daemon, smtpd):
    line = daemon.known()
    line.send(b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    line.play("""
        P: 503 5.5.1 Need MAIL command
        P: 503 5.5.1 Need MAIL command
        P: 250 2.0.0 Ok
    """)
    assert not smtpd.was_asked()


def test_chunks_are_refused_where_the_smtpd_knows_none(daemon, smtpd):
    """It would take the octets for commands."""
    offers = [row for row in OFFERS if row != "CHUNKING"]
    line = daemon.known()
    line.say("MAIL FROM:<a@example.org>")
    server = smtpd.hello(offers=offers)
    exchange(line, server, None, "MAIL FROM:<a@example.org>", "250 2.1.0 Ok")
    line.send(b"BDAT 19 LAST\r\nXCLIENT LOGIN=bob\r\n")
    line.expect("502 5.5.1 BDAT is not offered")
    exchange(line, server, "RSET", "RSET", "250 2.0.0 Ok")
    goes_on(line)


@pytest.mark.parametrize("argument", [
    "", "LAST", "-1", "1x", "1 FIRST", "0x10", "1 LAST LAST",
    "1000000000000000000"])
def test_octets_of_unknown_count_end_the_session(daemon, smtpd, argument):
    line, server = begin(daemon, smtpd)
    line.say(f"BDAT {argument}")
    line.play("""
        P: 501 5.5.4 Syntax: BDAT count [LAST]
        P: <closed>
    """)
    server.expect("QUIT")
    daemon.wait_for_log(" reason=octets-of-unknown-count")


# ---- no message may hold commands of ours

@pytest.mark.parametrize("gap", [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n", b"\r.\r\n",
    b"\n", b"\r", b"\r\r\n", b"\n\r\n"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_bare_cr_and_lf_are_refused_and_never_passed(
        daemon, smtpd, gap, bytewise):
    smuggled = b"XCLIENT LOGIN=bob\r\nMAIL FROM:<evil@x.test>\r\n"
    line, server = begin_data(daemon, smtpd)
    message = b"x" + gap + smuggled + b".\r\n"
    for data in [message[i:i + 1] for i in range(len(message))] \
            if bytewise else [message]:
        line.send(data)
    line.expect("550 5.6.0 The message has a CR or LF that is not part of a "
                "CRLF")
    passed = b""
    while server.fill():
        passed, server.buffer = passed + server.buffer, b""
    assert b"XCLIENT" not in passed
    assert b"\n" not in passed.replace(b"\r\n", b"")
    # One lost link, one refused message; the next is welcome.
    line.say("MAIL FROM:<c@example.org>")
    again = smtpd.hello()
    exchange(line, again, None, "MAIL FROM:<c@example.org>", "250 2.1.0 Ok")


# ---- configuration

@pytest.mark.parametrize("server, fault", [
    ("mail.example.org:25", '"mail.example.org:25" is no address'),
    ("127.0.0.1", '"127.0.0.1" is no address'),
    ("127.0.0.1:25, 127.0.0.1:26",
     '"127.0.0.1:25, 127.0.0.1:26" is more than one address'),
    ("", "no address"),
])
def test_t_refuses_what_is_no_submission_server(template, tmp_path, server,
                                                fault):
    (tmp_path / "odmr").mkdir()

    def check(submission):
        write_conf(tmp_path, 1, 2, submission=submission,
                   submission_server=server, database=template / "odmr.db",
                   domain_table=f"lmdb:{template}/domains",
                   etrn_table=f"lmdb:{template}/etrn_names",
                   tls_cert_file=template / "server.pem",
                   tls_key_file=template / "server.key")
        return subprocess.run(
            [BUILD / "odmrd", "-t", "-c", tmp_path / "odmr.conf"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20,
            check=False)
    assert check("no").returncode == 0
    done = check("yes")
    assert done.returncode == EX_CONFIG
    assert f"submission_server: {fault}" in done.stdout
