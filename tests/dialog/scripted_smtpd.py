# SPDX-License-Identifier: ISC
"""The smtpd at submission_server: a port of its own, and what is said on it."""

import socket

from scripted_line import TIMEOUT, Line

OFFERS = ("PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS",
          "AUTH PLAIN", "XCLIENT NAME ADDR LOGIN", "ENHANCEDSTATUSCODES",
          "8BITMIME", "DSN", "CHUNKING")


def ehlo_reply(offers):
    rows = ["mail.test", *offers]
    return "\r\n".join([f"250-{row}" for row in rows[:-1]] +
                       [f"250 {rows[-1]}"])


class Smtpd:
    """In its dialogues, "S:" is the smtpd and "O:" is odmrd."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.transcript = []
        self.lines = []

    def accept(self):
        self.server.settimeout(TIMEOUT)
        line = Line(self.server.accept()[0], self.transcript, us="S", them="O")
        self.lines.append(line)
        return line

    def greet(self, login="alice", offers=OFFERS):
        """Up to the second EHLO, which is not answered yet."""
        line = self.accept()
        line.say("220 mail.test ESMTP")
        line.expect("EHLO [127.0.0.1]")
        line.say(ehlo_reply(offers))
        line.expect(
            f"XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE] LOGIN={login}")
        line.say("220 mail.test ESMTP")
        line.expect("EHLO [127.0.0.1]")
        return line

    def hello(self, login="alice", offers=OFFERS):
        """Ready for MAIL."""
        line = self.greet(login, offers)
        line.say(ehlo_reply(offers))
        return line

    def was_asked(self):
        """Has a connection come that nobody accepted?"""
        self.server.settimeout(0)
        try:
            self.server.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def reset(self, transcript):
        self.hang_up()
        while self.was_asked():
            pass
        self.transcript = transcript

    def hang_up(self):
        for line in self.lines:
            line.sock.close()
        self.lines.clear()

    def close(self):
        self.hang_up()
        self.server.close()
