# SPDX-License-Identifier: ISC
"""Hands messages to the provider by SMTP, octet for octet: smtplib makes line
ends of its own."""

import re
import socket

from interop.corpus import DOMAIN
from odmr.postfix import LOOPBACK

DOT = re.compile(rb"(?:\A|(?<=\n))\.")


class Refused(Exception):
    pass


class Line:
    def __init__(self, port):
        self.socket = socket.create_connection((LOOPBACK, port), 60)
        self.replies = self.socket.makefile("rb")
        self.expect("220")
        self.say("EHLO sender.test", "250")

    def expect(self, code):
        reply = ""
        while not re.match(r"\d{3} ", reply):
            reply = self.replies.readline().decode("utf-8", "replace")
            if not reply:
                raise Refused("the provider closed")
        if not reply.startswith(code):
            raise Refused(f"{reply.rstrip()} instead of {code}")
        return reply

    def say(self, command, code):
        self.socket.sendall(command.encode() + b"\r\n")
        return self.expect(code)

    def send(self, message):
        """Its id in the provider's queue is noted in it."""
        self.say(" ".join([f"MAIL FROM:<{message.sender}>",
                           *message.options]), "250")
        for local in message.recipients:
            self.say(" ".join([f"RCPT TO:<{local}@{DOMAIN}>",
                               *message.rcpt_options]), "250")
        octets = message.octets
        if message.chunked:
            self.socket.sendall(b"BDAT %d LAST\r\n%b" % (len(octets), octets))
        else:
            self.say("DATA", "354")
            if octets and not octets.endswith(b"\r\n"):
                octets += b"\r\n"
            self.socket.sendall(DOT.sub(b"..", octets) + b".\r\n")
        message.queue_id = self.expect("250").rpartition(" ")[2].strip()

    def close(self):
        self.say("QUIT", "221")
        self.replies.close()
        self.socket.close()


def inject(port, messages):
    line = Line(port)
    for message in messages:
        line.send(message)
    line.close()
