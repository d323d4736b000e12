# SPDX-License-Identifier: ISC
"""Each stage of the milter protocol, in its order and out of it, from a
well-behaved mail system (miltertest(8)) and from a hostile one (raw packets).
Whatever comes: what is answered is "continue", and other connections live."""

import contextlib
import os
import pwd
import resource
import shutil
import socket
import struct
import time
from pathlib import Path

import pytest

from lone_milter import EX_OK, message
from odmr.wait import wait_for

pytestmark = pytest.mark.skipif(
    not shutil.which("miltertest"), reason="needs miltertest")

OFFERED_ACTIONS, OFFERED_STEPS = 0x1ff, 0x1fffff
NO_HELO_BODY_EOH_UNKNOWN_DATA = 0x352
MUTE_HEADER_CONNECT_MAIL_RCPT = 0xd080
SKIP = 0x400  # offered steps that leave nothing out; 0 is an old default
GATHER_SECONDS = 0.01  # the milter gathers messages so long for one commit


class Raw:
    """A mail system that sends whatever packets it is told to."""

    def __init__(self, milter, steps=OFFERED_STEPS, actions=OFFERED_ACTIONS):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(milter.socket_path))
        self.offered = struct.pack(">III", 6, actions, steps)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *packets):
        self.socket.sendall(b"".join(
            struct.pack(">I", len(packet)) + packet for packet in packets))

    def receive(self):
        """The next answer; None where the milter closed the connection."""
        try:
            head = self.socket.recv(4, socket.MSG_WAITALL)
        except ConnectionResetError:
            return None
        if not head:
            return None
        return self.socket.recv(struct.unpack(">I", head)[0],
                                socket.MSG_WAITALL)

    def negotiate(self):
        self.send(b"O" + self.offered)
        return self.receive()

    def begin(self):
        """What comes before the recipients, none of it answered."""
        self.negotiate()
        self.send(b"Cclient.test\x004\x00\x19192.0.2.7\x00",
                  b"DM{mail_addr}\x00s@sender.test\x00",
                  b"M<s@sender.test>\x00SIZE=7\x00")

    def end(self, queue_id=b"Q1"):
        self.send(b"DEi\x00" + queue_id + b"\x00", b"E")
        return self.receive()


def expect_alive(milter):
    """It still serves others, and tags."""
    milter.send(message(["<a@example.org>"], "ALIVE"))
    assert "ALIVE" in milter.column("queue_id")
    assert milter.process.poll() is None


# ---- negotiation

def test_negotiation_leaves_out_all_but_envelope_and_header_fields(milter):
    with Raw(milter) as mail_system:
        answer = mail_system.negotiate()
    version, actions, steps = struct.unpack(">III", answer[1:13])
    assert answer[:1] == b"O" and version == 6
    assert steps == NO_HELO_BODY_EOH_UNKNOWN_DATA | MUTE_HEADER_CONNECT_MAIL_RCPT
    assert actions == 0x100  # it names the macros that it wants
    lists = answer[13:]
    wanted = {}
    while lists:
        stage, = struct.unpack(">I", lists[:4])
        names, _, lists = lists[4:].partition(b"\0")
        wanted[stage] = names
    assert wanted == dict.fromkeys(range(7), b"i") | {3: b"i {rcpt_addr}"}


@pytest.mark.parametrize("theirs, ours", [(2, 2), (4, 4), (6, 6), (99, 6)])
def test_the_older_version_counts(milter, theirs, ours):
    with Raw(milter) as mail_system:
        mail_system.send(b"O" + struct.pack(">III", theirs, 0, 0))
        assert mail_system.receive()[1:5] == struct.pack(">I", ours)


@pytest.mark.parametrize("packet", [
    b"O", b"O\0\0\0\6", b"O" + struct.pack(">III", 1, 0, 0), b"X", b"\xff",
    b"M", b"Mno end"])
def test_what_cannot_be_understood_ends_that_connection_only(milter, packet):
    with Raw(milter) as mail_system:
        mail_system.send(packet)
        assert mail_system.receive() is None
    expect_alive(milter)


# ---- the stages

def test_every_stage_of_a_session_lets_the_mail_go_on(milter):
    """Of a mail system that leaves nothing out and wants every answer."""
    with Raw(milter, steps=SKIP) as mail_system:
        mail_system.negotiate()
        for packet in (b"Cclient.test\x004\x00\x19192.0.2.7\x00",
                       b"Hclient.test\x00", b"M<s@sender.test>\x00",
                       b"R<a@example.org>\x00", b"R<b@example.org>\x00",
                       b"T", b"LSubject\x00hello\x00", b"N",
                       b"B" + b"x" * 65000, b"DEi\x00Q1\x00", b"E"):
            mail_system.send(packet)
            assert packet[:1] == b"D" or mail_system.receive() == b"c", packet
        mail_system.send(b"A")
    assert milter.tags() == [
        ("Q1", "example.org", "a@example.org\nb@example.org", 2)]


# ---- orders

def test_a_second_mail_forgets_the_first_and_its_queue_id(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"R<a@example.org>\x00", b"DEi\x00OLD\x00",
                         b"DMx\x00y\x00", b"M<t@sender.test>\x00",
                         b"R<b@example.org>\x00", b"E")
        assert mail_system.receive() == b"c"
    assert milter.tags() == []
    [line] = milter.complaints()
    assert "gives no queue id" in line


def test_abort_forgets_the_message_and_its_queue_id(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"R<a@example.org>\x00", b"DEi\x00GONE\x00", b"A",
                         b"M<s@sender.test>\x00", b"R<b@example.org>\x00",
                         b"E")
        assert mail_system.receive() == b"c"
    assert milter.tags() == []
    [line] = milter.complaints()
    assert "gives no queue id" in line


def test_a_next_session_on_the_connection_starts_anew(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"R<a@example.org>\x00")
        assert mail_system.end(b"Q1") == b"c"
        mail_system.send(b"K",
                         b"Cother.test\x006\x00\x19IPv6:2001:db8::7\x00",
                         b"M<s@sender.test>\x00", b"R<b@example.org>\x00")
        assert mail_system.end(b"Q2") == b"c"
    assert milter.column("queue_id") == ["Q1", "Q2"]
    assert milter.column("client") == ["192.0.2.7", "2001:db8::7"]


@pytest.mark.parametrize("last", ["negotiation", "mail", "end", "half"])
def test_a_connection_that_breaks_anywhere_harms_nobody(milter, last):
    with Raw(milter) as mail_system:
        if last == "negotiation":
            mail_system.negotiate()
        else:
            mail_system.begin()
            mail_system.send(b"R<a@example.org>\x00")
        if last == "end":
            mail_system.send(b"E")
        if last == "half":
            mail_system.socket.sendall(b"\0\0\1\0Rhalf")
    expect_alive(milter)


def test_quit_closes_the_connection(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"Q")
        assert mail_system.receive() is None


def test_packets_may_come_octet_by_octet(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        packet = b"R<a@example.org>\x00"
        for octet in struct.pack(">I", len(packet)) + packet:
            mail_system.socket.sendall(bytes([octet]))
        assert mail_system.end() == b"c"
    assert len(milter.tags()) == 1


def test_messages_that_do_not_wait_for_answers_are_answered_in_turn(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        for number in range(50):
            mail_system.send(b"M<s@sender.test>\x00", b"R<a@example.org>\x00",
                             b"DEi\x00Q%d\x00" % number, b"E")
        assert [mail_system.receive() for _ in range(50)] == [b"c"] * 50
    assert len(milter.tags()) == 50


# ---- answers come at once, and tags a little later

def exchange(milter, count):
    """So many messages, each sent when the one before is answered: seconds."""
    start = time.monotonic()
    with Raw(milter) as mail_system:
        mail_system.begin()
        for number in range(count):
            mail_system.send(b"M<s@sender.test>\x00", b"R<a@example.org>\x00")
            assert mail_system.end(b"Q%d" % number) == b"c"
    return time.monotonic() - start


def test_no_message_waits_for_its_tag(milter):
    # The best of some: the machine may have other work.
    assert min(exchange(milter, 40) for _ in range(10)) < \
        40 * GATHER_SECONDS / 2
    wait_for(lambda: len(milter.tags()) == 40, 10, "all tags")


def test_messages_of_the_same_milliseconds_share_a_commit(milter):
    """The log ahead of the database grows with every commit."""
    log = milter.database.with_name(milter.database.name + "-wal")
    exchange(milter, 1)
    milter.settle()
    before = log.stat().st_size
    milter.settle()
    alone = log.stat().st_size - before
    seconds = exchange(milter, 50)
    milter.settle()
    commits = (log.stat().st_size - before - alone) / alone
    assert commits < 2 * (2 + seconds / GATHER_SECONDS)


def test_sigterm_right_after_an_answer_costs_no_tag(milter):
    exchange(milter, 50)
    assert milter.stop() == EX_OK
    assert len(milter.tags()) == 50


# ---- hostile arguments

def test_addresses_of_a_thousand_characters_are_kept_whole(milter):
    local = b"x" * 1000
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"R<" + local + b"@example.org>\x00",
                         b"R<a@" + local + b">\x00")
        assert mail_system.end() == b"c"
    assert milter.column("recipients") == [
        local.decode() + "@example.org"]


def test_octets_beyond_ascii_pass(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send("R<jörg@example.org>\x00".encode(),
                         b"R<\xff\xfe@\xff.example.org>\x00",
                         b"R<a\nb@example.org>\x00")
        assert mail_system.end() == b"c"
    assert milter.column("recipients") == ["a?b@example.org\njörg@example.org"]


def test_a_packet_of_any_length_costs_no_memory(milter):
    """What is announced is believed only as far as it comes."""
    with Raw(milter) as mail_system:
        mail_system.negotiate()
        mail_system.socket.sendall(b"\xff\xff\xff\xffR")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                mail_system.socket.sendall(b"x" * 65536)
    expect_alive(milter)


@pytest.mark.parametrize("connect", [
    b"Cc\x00L\x00\x00/path\x00", b"Cclient.test\x00U\x00"])
def test_a_client_without_an_address_counts_as_local(milter, connect):
    with Raw(milter) as mail_system:
        mail_system.negotiate()
        mail_system.send(connect, b"M<>\x00", b"R<a@example.org>\x00")
        assert mail_system.end() == b"c"
    assert milter.column("client") == ["localhost"]


def test_a_macro_packet_cut_short_is_passed_over(milter):
    with Raw(milter) as mail_system:
        mail_system.begin()
        mail_system.send(b"R<a@example.org>\x00", b"DE", b"DEi", b"DEi\x00",
                         b"DEi\x00no end")
        assert mail_system.end() == b"c"
    assert milter.column("queue_id") == ["Q1"]


def test_beyond_its_file_descriptors_mail_passes_at_once(stopped):
    milter = stopped
    milter.start(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
    served = [Raw(milter) for _ in range(8)]
    try:
        assert all(connection.negotiate() for connection in served)
        for _ in range(20):
            with Raw(milter) as refused:
                assert refused.negotiate() is None
        wait_for(milter.complaints, 10, "a line in the log")
        [line] = milter.complaints()
        assert "too many connections" in line
        for connection in served:
            connection.send(b"M<s@sender.test>\x00")
    finally:
        for connection in served:
            connection.socket.close()
    wait_for(lambda: can_negotiate(milter), 20, "a free place")
    expect_alive(milter)


def can_negotiate(milter):
    with Raw(milter) as mail_system, contextlib.suppress(OSError):
        return mail_system.negotiate()


def threads(milter):
    return len(list(Path(f"/proc/{milter.process.pid}/task").iterdir()))


def test_idle_connections_keep_no_threads(milter):
    idle = [Raw(milter) for _ in range(200)]
    try:
        assert all(connection.negotiate() for connection in idle)
        wait_for(lambda: threads(milter) < 20, 60, "few threads")
        expect_alive(milter)
    finally:
        for connection in idle:
            connection.socket.close()
