# SPDX-License-Identifier: ISC
"""The customer in one session: an SMTP server in its mood of the day.

It is as strict as a server may be. A transaction begins from a known state or
it is a fault: MAIL within another one, or behind a failed BDAT without RSET, is
refused, and what was open stays open, so that the recipients that follow go
astray. What has to be waited for must have been waited for. Every reply carries
a token of its own; what was said of a message, by its sender, is in `said`."""

import asyncio

from replier import Replier
from said import OF_THE_SESSION, PERMANENT, TEMPORARY, Answer, Said, address
from wire import Closed, Wire

FLIGHT_FIRST = 4    # messages on the wire until one is taken
CALM = 15           # taken behind a broken session: then one more for each


class Farewell(Exception):
    """The session is over, from our side."""


class Customer:
    """`disturbed`: the line may break, the server may close or be muddled.
    `careful`: the last session broke with messages in flight. `suspects`:
    senders of those that were the likeliest cause."""

    def __init__(self, rng, server, dialogue, disturbed, careful, suspects):
        self.rng = rng
        self.server = server
        self.wire = Wire(dialogue, "C", "P")
        self.closing = self.muddled = 0
        if disturbed:
            self.closing = rng.choice([0, 0, 0, 0.02])  # by 421, any reply
            self.muddled = rng.choice([0, 0, 0, 0.02])
        self.disturbed = disturbed
        self.careful = careful
        self.suspects = suspects
        self.said = {}
        self.faults = []
        self.astray = None   # why odmrd may end this session
        self.tokens = 0
        self.messages = 0
        self.replies = Replier(self.wire, server.replying, rng,
                               self._all_sent)
        self.unsent = set()  # senders whose replies are held back
        self.taken = 0       # messages
        self.taken_sent = 0  # as far as odmrd may know
        self.dot_said = 0    # token of the last reply to a dot
        self.known = 0       # token of a reply that odmrd must have read
        self.wasted = set()  # senders whose recipients were all refused,
                             # and whose bodies came all the same
        self.open = None     # sender of the open transaction
        self.chunks = b""
        self.broken = False
        self.offered = set()
        self.struck = False  # by the poison
        self.struck_behind = False  # ... right behind a refusal
        self.shown = set()   # habits that have to be learnt
        self.nooped = asyncio.Event()
        self.end = None      # quit, closed (by 421), cut or dropped (by odmrd)

    def break_somewhere(self):
        """Chooses where the line will be cut, if it will be."""
        if not self.disturbed:
            return
        if self.rng.random() < 0.4:
            self.wire.cut_at(incoming=self._distance())
        elif self.rng.random() < 0.4:
            self.wire.cut_at(outgoing=1 + self.rng.randrange(2000))

    def _distance(self):
        return 1 + self.rng.randrange(self.rng.choice([200, 5000, 100000]))

    # ---- the session

    async def serve(self):
        """From the greeting to the end."""
        try:
            await self._reply(self._greeting())
            while True:
                await self._command(await self._line())
        except Farewell:
            pass
        except Closed:
            self.end = "cut" if self.wire.was_cut else "dropped"
        self.wire.close()

    def _greeting(self):
        return "220 " + ("*" * 30 if self.server.masked_banner
                         else "customer.test ESMTP")

    def _all_sent(self):
        self.unsent.clear()
        self.taken_sent = self.taken

    async def _line(self):
        if self.server.reading:
            await asyncio.sleep(self.rng.random() * self.server.reading)
        await self.replies.wait_until(lambda: b"\r\n" in self.wire.buffer)
        return await self.wire.line()

    async def _reply(self, text):
        if self.open:
            self.unsent.add(self.open)
        await self.replies.say(text)

    async def _give(self, code, what, status=None, **more):
        """A reply with a token."""
        self.tokens += 1
        token = f"token{self.tokens}."
        await self.replies.delay()
        self._waited_for(what, code)
        if self.rng.random() < self.closing:
            await self._close()
        if status is None:
            status = f"{code // 100}.0.0" if self.rng.random() < 0.8 else ""
        text = f"{code} {status} {what} {token}".replace("  ", " ")
        if self.rng.random() < 0.1:
            first = f"{code}-{status} indeed".replace("- ", "-")
            text = f"{first}\r\n{text}"
        await self._reply(text)
        return Answer(code, token, **more)

    async def _give_of_session(self, what, code=None, status=""):
        """One that is no verdict on the message."""
        if code is None:
            code, status = self.rng.choice(OF_THE_SESSION)
        self.astray = self.astray or f"{code} {status} {what}"
        return await self._give(code, what, status, verdict=False)

    async def _judge(self, stage, what, success):
        """The answer to one stage of a message."""
        if self.rng.random() < self.muddled:
            return await self._give_of_session(what)
        code = success
        if self.rng.random() < self.server.refusing[stage]:
            permanent = self.rng.random() < self.server.permanent
            code = self.rng.choice(PERMANENT if permanent else TEMPORARY)
        return await self._give(code, what,
                                crowd=stage == "RCPT" and code == 552)

    async def _close(self):
        """421: what was said before still counts, so read until the end."""
        await self._reply("421 4.3.2 customer.test closes")
        self.replies.flush()
        self.end = "closed"
        if self.wire.transport and not self.wire.was_cut:
            if self.wire.transport.can_write_eof():
                self.wire.transport.write_eof()
            self.wire.buffer.clear()
            while await self.wire.fill():
                self.wire.buffer.clear()
        if self.wire.was_cut:
            self.end = "cut"
        raise Farewell

    def _fault(self, text):
        self.faults.append(text)
        self.wire.dialogue.append(f"FAULT: {text}")

    # ---- what has to be waited for, and how much may be on its way

    def _waited_for(self, what, code):
        if not self.wire.buffer.replace(b"NOOP\r\n", b""):
            return
        if "PIPELINING" not in self.offered or \
                what in ("data", "ok", "dot", "customer.test"):
            self._fault(f"sent ahead of the reply: {code} {what}")
        elif self.open in self.suspects:
            self._fault(f"{self.open} was in flight when a session ended "
                        f"badly, but does not go in lock step: {code} {what}")

    def _count_flight(self, sender):
        """The messages that odmrd cannot yet have heard all of."""
        flight = len(self.unsent | {sender}) + \
            self.wire.buffer.count(b"MAIL FROM:<")
        limit = None
        if self.careful:
            limit = 1 + max(0, self.taken_sent - CALM)
        elif not self.taken_sent:
            limit = FLIGHT_FIRST
        if sender in self.suspects:
            limit = 1
        if limit is not None and flight > limit:
            self._fault(f"{flight} messages on their way with {sender}, "
                        f"{limit} are enough")

    def _count_waste(self):
        if not self.taken_sent and self.open and \
                self.said[self.open].hopeless():
            self.wasted.add(self.open)
            if len(self.wasted) > FLIGHT_FIRST:
                self._fault(f"{len(self.wasted)} bodies for nobody")

    # ---- commands

    async def _command(self, text):
        verb, _, argument = text.partition(" ")
        self.known = self.dot_said if "PIPELINING" in self.offered \
            else self.tokens
        handler = {"EHLO": self._ehlo, "HELO": self._helo, "RSET": self._rset,
                   "NOOP": self._noop, "MAIL": self._mail, "RCPT": self._rcpt,
                   "DATA": self._data, "BDAT": self._bdat,
                   "QUIT": self._quit}.get(verb)
        await (handler(argument) if handler else self._unknown(text))

    async def _unknown(self, text):
        """A command that is none."""
        self._fault(f"unknown command: {text[:80]}")
        await self._give(500, "what")

    def _rows(self):
        rows = ["8BITMIME", *self.server.offers]
        if self.server.size is not None:
            rows.append(f"SIZE {self.server.size}".strip())
        if self.server.utf8:
            rows.append("SMTPUTF8")
        return rows

    async def _ehlo(self, _):
        self._forget()
        self.offered.clear()
        if self.server.kind == "helo":
            await self._give(self.rng.choice([500, 502]), "what")
            return
        rows = ["customer.test", *self._rows()]
        if self.wire.buffer:
            self._fault("sent ahead of the reply to EHLO")
        self.offered = {row.partition(" ")[0] for row in rows[1:]}
        await self._reply("\r\n".join(
            [f"250-{row}" for row in rows[:-1]] + [f"250 {rows[-1]}"]))

    async def _helo(self, _):
        if not self.astray:     # else Postfix was told of them already
            self.offered.clear()
        await self._give(250, "customer.test")

    async def _noop(self, _):
        """Late, so that what does not wait for it shows."""
        self.nooped.set()
        if not self.wire.buffer:
            await asyncio.sleep(0.2)
        await self._give(250, "ok")

    async def _quit(self, _):
        if self.replies.held_back:
            self._fault("QUIT while replies are outstanding")
        await self._reply("221 bye")
        self.replies.flush()
        if self.wire.buffer:
            self._fault("something follows QUIT")
        self.end = "cut" if self.wire.was_cut else "quit"
        raise Farewell

    async def _rset(self, _):
        self._forget()
        await self._give(250, "reset")

    def _forget(self):
        self.open, self.chunks, self.broken = None, b"", False

    def _check_parameters(self, argument):
        for parameter in argument[argument.index(">") + 1:].split():
            keyword = parameter.partition("=")[0]
            if {"BODY": "8BITMIME"}.get(keyword, keyword) not in self.offered:
                self._fault(f"{parameter} is not offered")

    async def _mail(self, argument):
        sender = address(argument)
        if self.open or self.broken:
            await self._nested(sender)
            return
        if sender in self.said and self.said[sender].mail.verdict:
            self._fault(f"MAIL {sender} a second time")
        if self.server.message_limit is not None and \
                self.messages >= self.server.message_limit:
            self.said[sender] = Said()
            await self._close()
        self._check_parameters(argument)
        self._count_flight(sender)
        said = self.said[sender] = Said()
        self.open = sender
        said.mail = await self._answer_mail(argument)
        if said.mail.code != 250:
            self.open = None

    async def _nested(self, sender):
        self._fault(f"MAIL {sender} from no known state")
        await self._give(503, "nested MAIL")

    async def _answer_mail(self, argument):
        size = argument.partition(" SIZE=")[2].partition(" ")[0]
        if size and self.server.limit_size(int(size)):
            return await self._give(552, "too large", "5.3.4")
        return await self._judge("MAIL", "sender", 250)

    async def _rcpt(self, argument):
        if not self.open:
            await self._give(503, "need MAIL", "")
            return
        said = self.said[self.open]
        name = address(argument)
        said.recipients[name] = await self._answer_rcpt(said)

    async def _answer_rcpt(self, _):
        return await self._judge("RCPT", "recipient", 250)

    def _accepted(self):
        return [name for name, answer
                in self.said[self.open].recipients.items()
                if answer.code == 250] if self.open else []

    async def _data(self, _):
        self._count_waste()
        if not self.open:
            await self._give(503, "data", "")
            return
        said = self.said[self.open]
        if not self._accepted() and not self.server.lazy_data:
            await self._give(554, "data", "5.5.1")
            return
        answer = await self._judge("DATA", "data", 354)
        if answer.code != 354:
            said.body = answer
            return
        await self.replies.wait_until(lambda: False)
        body = await self.wire.to_dot()
        if self._accepted():
            await self._take(body, "dot")
        else:
            self._forget()
            await self._give(554, "no valid recipients", "5.5.1")

    async def _take(self, body, what):
        """The end of a message: the open transaction ends."""
        sender, said = self.open, self.said[self.open]
        said.content = body
        self.messages += 1
        # Said even if the line breaks within it.
        said.body = Answer(250, f"token{self.tokens + 1}.")
        said.taken = True
        try:
            said.body = await self._answer_end(body, what)
        except Farewell:
            said.taken, said.body = False, None
            raise
        said.taken = said.body.code == 250
        if what == "dot":
            self.dot_said = self.tokens
        self.open, self.chunks = None, b""
        if said.taken:
            self.taken += 1
            if not self.replies.held_back:
                self.taken_sent = self.taken
            for name, answer in said.recipients.items():
                if answer.code == 250:
                    self.server.taken[sender, name] += 1
        return said.body.code

    async def _answer_end(self, body, what):
        if self.server.limit_size(len(body)):
            return await self._give(552, what, "5.3.4")
        return await self._judge("END", what, 250)

    async def _octets(self, size):
        await self.replies.wait_until(lambda: len(self.wire.buffer) >= size)
        return await self.wire.take(size)

    async def _bdat(self, argument):
        words = argument.split(" ")
        size, last = int(words[0]), words[1:] == ["LAST"]
        data = await self._octets(size)
        if "CHUNKING" not in self.offered:
            self._fault("BDAT although CHUNKING is not offered")
        if self.open in self.suspects:
            self._fault(f"BDAT for {self.open}, which was in flight when a "
                        "session ended badly")
        self._count_waste()
        if self.broken or not self.open:
            self.broken = True
            await self._give(503, "need MAIL", "")
        elif not self._accepted():
            self.broken = True
            await self._give(554, "no valid recipients", "5.5.1")
        elif last:
            self.broken = await self._take(self.chunks + data, "chunk") != 250
        else:
            self.chunks += data
            answer = await self._judge("BDAT", "chunk", 250)
            if answer.code != 250:
                self.said[self.open].body = answer
                self.broken = True
