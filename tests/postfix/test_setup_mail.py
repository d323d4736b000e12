# SPDX-License-Identifier: ISC
"""A real relay that has customers in hash: tables and a milter of its own:
after odmrctl setup it takes their mail as before, and holds that of ours; after
--undo it is what it was."""

import re
import shutil
import smtplib
import socketserver
import struct
import subprocess
import threading

import pytest

from odmr.postfix import Postfix
from odmr.probe import free_ports
from odmr.sandbox import BUILD, age
from odmr.wait import wait_for
from relay import Relay

MAIN = """
relay_domains = hash:{0}/odmr/relay
transport_maps = hash:{0}/odmr/transport
smtpd_milters = inet:127.0.0.1:{1}
milter_default_action = tempfail
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
default_transport = retry:4.4.1 nothing goes outside
local_recipient_maps =
alias_maps =
alias_database =
"""
MESSAGE = b"Subject: held\n\nThis message waits.\n"


class Signer(socketserver.ThreadingTCPServer):
    """A milter that passes all, in the place of opendkim."""
    daemon_threads = True
    messages = 0

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            while len(head := self._read(4)) == 4:
                command = self._read(struct.unpack("!I", head)[0])
                if command[:1] == b"O":
                    self._answer(b"O" + struct.pack("!III", 6, 0, 0))
                elif command[:1] == b"Q":
                    return
                elif command[:1] not in b"DA":
                    self.server.messages += command[:1] == b"E"
                    self._answer(b"c")

        def _read(self, size):
            data = b""
            while len(data) < size and (
                    chunk := self.request.recv(size - len(data))):
                data += chunk
            return data

        def _answer(self, data):
            self.request.sendall(struct.pack("!I", len(data)) + data)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def signer():
    server = Signer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def milter(relay):
    spool = relay.directory / "spool/odmr"
    spool.mkdir()
    shutil.chown(spool, "nobody", "postfix")
    spool.chmod(0o2750)
    with open(relay.directory / "log/milter.log", "wb") as log, \
            subprocess.Popen([str(BUILD / "odmr-milter"), "-f", "-c",
                              str(relay.conf)], stdin=subprocess.DEVNULL,
                             stdout=log, stderr=log) as process:
        wait_for((spool / "milter").exists, 20, "the milter's socket")
        yield process
        process.terminate()


@pytest.fixture
def relay(signer):
    made = Relay()
    with made.main.open("a") as file:
        file.write(MAIN.format(made.directory, signer.server_address[1]))
    for name, text in (("relay", "alpha.test x\n"),
                       ("transport", "alpha.test smtp:[127.0.0.1]:1\n")):
        path = made.directory / "odmr" / name
        path.write_text(text)
        subprocess.run(["/usr/sbin/postmap", "-c", made.config,
                        f"hash:{path}"], check=True, timeout=60)
    made.port = free_ports(1)[0]
    made.master.write_text(re.sub(
        r"^(\S+ +\w+ +[-ny] +[-ny] +)y", r"\1n", re.sub(
            r"^smtp +inet", f"{made.port} inet", made.master.read_text(),
            flags=re.MULTILINE), flags=re.MULTILINE))
    with made.conf.open("a") as file:
        file.write(f"milter_pid_file = {made.directory}/log/milter.pid\n"
                   "log = stderr\n")
    made.program("postfix", '#!/bin/sh\ntouch -d @1 "$2"/*.cf\n'
                            'exec /usr/sbin/postfix "$@"\n')
    made.odmrctl("domain", "add", "ours.test", check=True)
    age(made.config)
    subprocess.run([str(made.directory / "sbin/postfix"), "-c", made.config,
                    "start"], check=True, timeout=60,
                   stdin=subprocess.DEVNULL)
    yield made
    subprocess.run(["/usr/sbin/postfix", "-c", made.config, "stop"],
                   check=False, timeout=60, stdin=subprocess.DEVNULL)
    made.remove()


def answer(relay, recipient):
    """What RCPT TO gets."""
    def ask():
        try:
            with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as smtp:
                smtp.ehlo()
                smtp.mail("s@sender.test")
                return smtp.rcpt(recipient)[0]
        except OSError:
            return None
    return wait_for(ask, 30, "a Postfix that answers")


def test_customers_keep_their_mail_and_ours_is_held(relay, signer, milter):
    assert answer(relay, "info@alpha.test") == 250
    assert answer(relay, "info@ours.test") == 554
    before = relay.files()
    said = relay.setup("--yes")
    assert "done, Postfix has reloaded\n" in said
    wait_for(lambda: answer(relay, "info@ours.test") == 250, 30,
             "mail for our domain to be taken")
    assert answer(relay, "info@alpha.test") == 250
    assert answer(relay, "info@sub.ours.test") == 554

    postfix = Postfix(relay.config, relay.port,
                      relay.directory / "log/mail.log")
    count = signer.messages
    for domain in "alpha.test", "ours.test":
        postfix.send("s@sender.test", f"info@{domain}", MESSAGE)
    assert signer.messages == count + 2
    postfix.wait_until_deferred(2)
    reasons = {message["recipients"][0]["address"]:
               message["recipients"][0]["delay_reason"]
               for message in postfix.queue()}
    assert "Connection refused" in reasons["info@alpha.test"]
    assert "odmr/ours.test" in reasons["info@ours.test"]
    wait_for(lambda: " 1 " in relay.odmrctl("status", check=True).stdout, 20,
             "the tag of our message")

    said = relay.setup("--undo", "--yes")
    assert "held mail: 1 message of ours.test\n" in said
    assert {name: value for name, value in relay.files().items()
            if name.endswith(".cf")} == {
                name: value for name, value in before.items()
                if name.endswith(".cf")}
    wait_for(lambda: answer(relay, "info@ours.test") == 554, 30,
             "mail for our domain to be refused")
    assert answer(relay, "info@alpha.test") == 250
