#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The other end of the relay's wire: who sends mail, and who collects it.

    far.py sink PORT DIRECTORY           takes all mail, a file for each
    far.py send HOST SENDER RECIPIENT    prints the answer to RCPT, or to the mail
    far.py say HOST COMMAND              prints the answer after EHLO
    far.py certificate HOST PORT         prints the hash of what it shows
"""

import hashlib
import smtplib
import socketserver
import ssl
import sys
import tempfile
from pathlib import Path


class Sink(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 sink.test ESMTP")
        for line in self.rfile:
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self.say("354 go on")
                self.say(f"250 taken {self.take()}")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 sink.test")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def take(self):
        """Whole or not at all."""
        with tempfile.NamedTemporaryFile(
                dir=self.server.directory, prefix=".", delete=False) as file:
            for line in iter(self.rfile.readline, b".\r\n"):
                file.write(line)
        path = Path(file.name)
        return path.rename(path.with_name("mail" + path.name)).name


def sink(port, directory):
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("", int(port)), Sink) as server:
        server.daemon_threads = True
        server.directory = directory
        server.serve_forever()


def show(answer):
    code, text = answer
    print(code, text.decode(errors="replace").splitlines()[-1])


def send(host, sender, recipient):
    with smtplib.SMTP(host, timeout=120) as smtp:
        smtp.ehlo("far.test")
        answers = [smtp.mail(sender), smtp.rcpt(recipient)]
        if all(code == 250 for code, _ in answers):
            answers.append(smtp.data(
                f"From: {sender}\nTo: {recipient}\nSubject: tried\n\nHello.\n"))
        show(answers[-1])


def say(host, command):
    with smtplib.SMTP(host, timeout=120) as smtp:
        smtp.ehlo("far.test")
        show(smtp.docmd(command))


def certificate(host, port):
    text = ssl.get_server_certificate((host, int(port)), timeout=60)
    print(hashlib.sha256(text.encode()).hexdigest())


if __name__ == "__main__":
    {"sink": sink, "send": send, "say": say,
     "certificate": certificate}[sys.argv[1]](*sys.argv[2:])
