# SPDX-License-Identifier: ISC
"""The customer after the turn: an SMTP server that answers as the test says.

It is as strict as a server may be: commands out of order are refused, a
transaction ends only at RSET or a body, BDAT after a failure is refused but its
octets are read, and a client that goes ahead of a reply without having heard
of PIPELINING is a fault, as is anything in the same packet behind DATA."""

import threading
from dataclasses import dataclass, field

from scripted_line import LineClosed

OFFERS = {
    "chunking": ["PIPELINING", "CHUNKING", "8BITMIME", "SIZE 52428800"],
    "pipelining": ["PIPELINING", "8BITMIME", "SIZE 52428800"],
    "lockstep": ["8BITMIME", "SIZE 52428800"],
}
PLANS = list(OFFERS)

# What an answer may be instead of a reply.
CLOSE = "<close>"
SILENT = "<silent>"


class Enough(Exception):
    """The test wants no more to be said."""


@dataclass
class Message:
    mail: str
    recipients: list = field(default_factory=list)
    body: bytes = b""


def address(argument):
    return argument[argument.index("<") + 1:argument.index(">")]


class Customer:
    """`answers` maps a stage to a reply, to CLOSE, to SILENT (nothing more is
    read), to a list of these that is used up before the usual answers come, or
    to a function of the argument. Stages: GREETING EHLO HELO RSET MAIL RCPT
    DATA BDAT END NOOP QUIT; "RCPT a@b" and "END <sender>" are for one recipient or
    sender. BDAT is for a chunk that is not the last, END for the last one and
    for the dot. `data`: DATA may come although CHUNKING is offered, as it does
    after a session that broke. `accepted` are the messages that were answered 2xx."""

    def __init__(self, line, plan="chunking", offers=None, data=False,
                 **answers):
        self.line = line
        self.data = data
        self.plan = plan
        offers = OFFERS[plan] if offers is None else offers
        rows = ["customer.test", *offers]
        self.usual = {
            "GREETING": "220 customer.test ESMTP",
            "EHLO": "\r\n".join(
                [f"250-{row}" for row in rows[:-1]] + [f"250 {rows[-1]}"]),
            "HELO": "250 customer.test", "RSET": "250 reset",
            "MAIL": "250 2.1.0 sender ok", "RCPT": "250 2.1.5 recipient ok",
            "DATA": "354 go ahead", "BDAT": "250 chunk ok",
            "END": "250 2.0.0 taken", "QUIT": "221 bye", "NOOP": "250 ok",
        }
        self.answers_lock = threading.Lock()
        self.answers = {stage.replace("__", " "): answer
                        for stage, answer in answers.items()}
        self.accepted = []
        self.commands = []
        self.faults = []
        self.failure = None
        self.message = None   # after a MAIL that was taken
        self.broken = False   # a chunk has failed
        self.largest_chunk = 0
        self.quit = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # ---- for the test

    def join(self, timeout=20):
        """Waits for the end of the session; nothing may have been amiss."""
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "the customer's session goes on"
        if self.failure:
            raise self.failure
        assert not self.faults, self.faults

    def bodies(self):
        return [message.body for message in self.accepted]

    # ---- the server

    def _answer(self, stage, argument="", particular=None):
        with self.answers_lock:
            for key in ([f"{stage} {particular}"] if particular else []) + \
                    [stage]:
                answer = self.answers.get(key)
                if isinstance(answer, list):
                    answer = answer.pop(0) if answer else None
                if callable(answer):
                    answer = answer(argument)
                if answer is not None:
                    return answer
        return self.usual[stage]

    def _give(self, answer):
        """True if it was a 2xx or 3xx."""
        if answer == CLOSE:
            raise Enough
        if answer == SILENT:
            self._wait_for_the_end()
            raise Enough
        if isinstance(answer, bytes):
            self.line.send(answer)
            return False
        self.line.say(answer)
        if answer.startswith("421"):
            self._wait_for_the_end()  # RFC 5321 3.8: the connection closes
            raise Enough
        return answer[:1] in "23"

    def _wait_for_the_end(self):
        while self.line.buffer or self.line.fill():
            if self.quit:
                self.faults.append(f"behind QUIT: {self.line.buffer[:100]}")
            self.line.buffer = b""

    def _run(self):
        try:
            if self._give(self._answer("GREETING")):
                while self._command(self.line.line()):
                    pass
            self._wait_for_the_end()
        except (Enough, LineClosed, ConnectionError):
            pass
        except Exception as error:  # join() shows it
            self.failure = error
        finally:
            self.line.close()

    def _in_order(self, command):
        if self.plan == "lockstep" and self.line.pending():
            self.faults.append(f"sent ahead of the reply to {command}")

    def _command(self, text):
        self.commands.append(text)
        verb, _, argument = text.partition(" ")
        if verb != "BDAT":
            self._in_order(text)
        if verb in ("EHLO", "HELO"):
            self._give(self._answer(verb))
        elif verb == "NOOP":
            self._give(self._answer(verb))
        elif verb == "RSET":
            self.message, self.broken = None, False
            self._give(self._answer(verb))
        elif verb == "MAIL":
            self._mail(argument)
        elif verb == "RCPT":
            self._rcpt(argument)
        elif verb == "DATA":
            self._data()
        elif verb == "BDAT":
            self._bdat(argument)
        elif verb == "QUIT":
            self.quit = True
            self._give(self._answer(verb))
            return False
        else:
            self.faults.append(f"unknown command: {text[:100]}")
            self._give("500 what")
        return True

    def _mail(self, argument):
        if self.message or self.broken:
            self.faults.append("MAIL within a transaction")
            self._give("503 nested MAIL")
        elif self._give(self._answer("MAIL", argument, address(argument))):
            self.message = Message(argument)

    def _rcpt(self, argument):
        if not self.message:
            self._give("503 need MAIL")
        elif self._give(self._answer("RCPT", argument, address(argument))):
            self.message.recipients.append(argument)

    def _data(self):
        if self.line.pending():
            self.faults.append("something follows DATA")
        if self.plan == "chunking" and not self.data:
            self.faults.append("DATA although CHUNKING is there")
        if not self.message:
            self._give("503 need MAIL")
        elif not self.message.recipients and "DATA" not in self.answers:
            self._give("554 no valid recipients")
        elif self._give(self._answer("DATA")):
            body = self._read_to_dot()
            if not self.message.recipients:
                self.message = None
                self._give("554 no valid recipients")
                return
            self._end(body)

    def _read_to_dot(self):
        # As if behind a line, so that a dot at the beginning is like any other.
        buffer, seen = bytearray(b"\r\n" + self.line.buffer), 0
        while (end := buffer.find(b"\r\n.\r\n", seen)) < 0:
            seen = max(0, len(buffer) - 4)
            self.line.buffer = b""
            if not self.line.fill():
                raise LineClosed("closed within a body")
            buffer += self.line.buffer
        self.line.buffer = bytes(buffer[end + 5:])
        self.line.transcript.append(f"P: <a body of {end} bytes, and the dot>")
        return bytes(buffer[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]

    def _bdat(self, argument):
        words = argument.split(" ")
        size, last = int(words[0]), words[1:] == ["LAST"]
        self.largest_chunk = max(self.largest_chunk, size)
        data = self.line.take(size)
        if self.plan != "chunking":
            self.faults.append("BDAT although CHUNKING is not there")
        if self.broken or not self.message:
            self._give("503 need MAIL")
        elif not self.message.recipients:
            self.broken = True
            self._give("554 no valid recipients")
        elif not last:
            self.message.body += data
            self.broken = not self._give(
                self._answer("BDAT", particular=address(self.message.mail)))
        else:
            self._end(self.message.body + data)

    def _end(self, body):
        message, self.message = self.message, None
        message.body = body
        answer = self._answer("END", body, address(message.mail))
        # Before it is given: whoever waits for what comes of it looks here.
        if isinstance(answer, str) and answer.startswith("2"):
            self.accepted.append(message)
        if not self._give(answer) and self.plan == "chunking":
            self.broken = True
