# SPDX-License-Identifier: ISC
"""odmr-milter under a real Postfix: what is said between the two, and what
becomes of the mail and its tags while the milter is restarted."""

import contextlib
import socket
import sqlite3
import struct
import subprocess
import threading

from odmr.probe import free_ports
from odmr.tags import TAG
from odmr.wait import wait_for

DOMAIN = "example.org"


class Tap:
    """Stands between Postfix and the milter, and notes every packet that Postfix
    sends."""

    def __init__(self, path):
        self.path = str(path)
        self.packets = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.server.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                postfix, _ = self.server.accept()
                milter = socket.socket(socket.AF_UNIX)
                milter.connect(self.path)
                for source, target, note in ((postfix, milter, True),
                                             (milter, postfix, False)):
                    threading.Thread(target=self._copy, daemon=True,
                                     args=(source, target, note)).start()

    def _copy(self, source, target, note):
        data = b""
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
                data += chunk if note else b""
                while len(data) > 4:
                    size, = struct.unpack(">I", data[:4])
                    if len(data) < 4 + size:
                        break
                    self.packets.append(data[4:4 + size])
                    data = data[4 + size:]
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def tags(sandbox):
    with contextlib.closing(sqlite3.connect(sandbox.env["DATABASE"])) as state:
        return {row[0] for row in state.execute("SELECT queue_id FROM tag")}


def smtp_source(port, messages, *options):
    return subprocess.Popen(
        ["/usr/sbin/smtp-source", "-m", str(messages), "-l", "1000", "-f",
         "s@sender.test", "-t", f"user@{DOMAIN}", *options,
         f"127.0.0.1:{port}"])


def postconf(sandbox, *change):
    subprocess.run(["postconf", "-c", sandbox.config, *change], check=True)


def test_postfix_sends_the_envelope_and_the_header_and_nothing_more(sandbox):
    sandbox.add_domain(DOMAIN)
    tap = Tap(sandbox.directory / "spool/odmr/milter")
    [port] = free_ports(1)
    name = f"127.0.0.1:{port}"
    postconf(sandbox, "-M", f"{name}/inet={name} inet n - n - - smtpd")
    postconf(sandbox, "-P",
             f"{name}/inet/smtpd_milters=inet:127.0.0.1:{tap.port}")
    sandbox.restart("postfix")
    try:
        assert smtp_source(port, 1).wait(60) == 0
        wait_for(lambda: len(tags(sandbox)) == 1, 20, "a tag")
    finally:
        tap.close()
    macros = [packet for packet in tap.packets if packet[:1] == b"D"]
    others = [packet[:1] for packet in tap.packets if packet not in macros]
    said = b"".join(others).replace(b"L", b"").rstrip(b"AQ")
    assert said == b"OCMRE", tap.packets
    [queue_id] = tags(sandbox)
    told = {packet[2:] for packet in macros if len(packet) > 2}
    assert told == {b"i\0" + queue_id.encode() + b"\0",
                    f"{{rcpt_addr}}\0user@{DOMAIN}\0".encode()}


def say(line, sock):
    sock.sendall(line + b"\r\n")
    return sock.recv(4096)


def test_recipients_are_tagged_as_postfix_queues_them(sandbox):
    """However the client writes them; one written in two ways is one."""
    before = tags(sandbox)
    domain = DOMAIN.encode()
    recipients = [b"<@" + domain + b">", b'<"\x01"@' + domain + b">",
                  b"<<nested@" + domain + b">>", b"<plain@" + domain + b">",
                  b'<"plain"@' + domain + b">", b'<"p\\lain"@' + domain + b">",
                  b"<a..b@" + domain + b">", b"<" + domain + b"!bang>",
                  b"<(c)comment@" + domain + b">", b'<"x y"@' + domain + b">",
                  b"<@r.test:routed@" + domain + b">"]
    with socket.create_connection(("127.0.0.1", sandbox.port)) as client:
        client.settimeout(20)
        client.recv(4096)
        say(b"HELO client.test", client)
        say(b"MAIL FROM:<s@sender.test>", client)
        for recipient in recipients:
            assert say(b"RCPT TO:" + recipient, client)[:3] == b"250", recipient
        assert say(b"DATA", client)[:3] == b"354"
        assert say(b"Subject: x\r\n\r\nx\r\n.", client)[:3] == b"250"
    [new] = wait_for(lambda: tags(sandbox) - before, 20, "a tag")
    [queued] = [one for one in sandbox.queue() if one["queue_id"] == new]
    # Postfix lists one with quotes, and when it was deferred without as well.
    listed = {one["address"].replace('"?"', "?") for one in queued["recipients"]}
    assert len(listed) == len(recipients) - 2
    with contextlib.closing(sqlite3.connect(sandbox.env["DATABASE"])) as state:
        [(tagged, count)] = state.execute(
            f"SELECT recipients, rcpts_open FROM {TAG} WHERE queue_id = ?",
            (new,))
    assert set(tagged.split("\n")) == listed
    assert count == len(listed)
    sandbox.odmrctl("reconcile")
    with contextlib.closing(sqlite3.connect(sandbox.env["DATABASE"])) as state:
        assert state.execute(
            f"SELECT recipients, rcpts_open FROM {TAG} WHERE queue_id = ?",
            (new,)).fetchall() == [(tagged, count)]


def test_the_queue_id_comes_whatever_the_macro_settings_are(sandbox):
    before = tags(sandbox)
    postconf(sandbox, "milter_end_of_data_macros=")
    sandbox.restart("postfix")
    assert smtp_source(sandbox.port, 1).wait(60) == 0
    postconf(sandbox, "-X", "milter_end_of_data_macros")
    sandbox.restart("postfix")
    [new] = wait_for(lambda: tags(sandbox) - before, 20, "a tag")
    assert new in {one["queue_id"] for one in sandbox.queue()}


def test_a_restart_under_load_refuses_and_delays_no_mail(sandbox):
    """Only what was under way at that moment has no tag."""
    messages = 600
    before = tags(sandbox)
    queued = len(sandbox.queue())
    source = smtp_source(sandbox.port, messages, "-s", "5")
    wait_for(lambda: len(tags(sandbox) - before) > messages / 6, 60, "tags")
    sandbox.restart("milter")
    assert source.poll() is None, "the restart came too late to tell"
    assert source.wait(120) == 0
    ids = {one["queue_id"] for one in sandbox.queue()}
    assert len(ids) == queued + messages
    assert not sandbox.log_lines("milter-reject")
    missing = ids - tags(sandbox)
    wait_for(lambda: len(ids - tags(sandbox)) < messages / 4, 20,
             f"tags of most messages: {len(missing)} of {messages} have none")


def test_mail_from_sendmail_is_tagged_as_local(sandbox):
    before = tags(sandbox)
    sandbox.sendmail("s@sender.test", [f'"a b"@{DOMAIN}'], b"Subject: x\n\nx\n")
    [new] = wait_for(lambda: tags(sandbox) - before, 20, "a tag")
    with contextlib.closing(sqlite3.connect(sandbox.env["DATABASE"])) as state:
        assert state.execute(
            f"SELECT client, recipients FROM {TAG} WHERE queue_id = ?",
            (new,)).fetchall() == [("127.0.0.1", f'"a b"@{DOMAIN}')]
