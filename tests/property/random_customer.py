# SPDX-License-Identifier: ISC
"""The customer: an SMTP server with random abilities and moods.

It is as strict as a server may be. A transaction begins from a known state or
it is a fault: MAIL within another one, or behind a failed BDAT without RSET, is
refused, and what was open stays open, so that the recipients that follow go
astray. Every reply carries a token of its own; what was said of a message, by
its sender, is in `said`."""

import asyncio
import socket
from dataclasses import dataclass, field

from odmrd_alone import cram_md5
from wire import Closed, Wire

ABILITIES = {"chunking": ["PIPELINING", "CHUNKING"],
             "pipelining": ["PIPELINING"],
             "neither": [],
             "helo": None,
             "bdat-lockstep": ["CHUNKING"]}
WEIGHTS = [9, 5, 2, 2, 2]
TEMPORARY = [450, 451, 452, 441]
PERMANENT = [550, 552, 554, 571]


@dataclass
class Said:
    """Of one message: (code, token) of each reply that decides."""
    mail: tuple = None
    recipients: dict = field(default_factory=dict)
    body: tuple = None    # of DATA or a chunk if refused, else of the end
    content: bytes = None
    taken: bool = False   # by a 2xx at the end

    def of(self, recipient):
        """What the LMTP side has to hear; None: nothing was said."""
        for answer in (self.mail, self.recipients.get(recipient)):
            if answer and answer[0] >= 400:
                return answer
        if recipient not in self.recipients:
            return None
        return self.body


class Refused(Exception):
    """odmrd does not let us collect."""


class Farewell(Exception):
    """The session is over, from our side."""


def address(argument):
    return argument[argument.index("<") + 1:argument.index(">")]


class Customer:
    def __init__(self, rng, dialogue):
        self.rng = rng
        self.wire = Wire(dialogue, "C", "P")
        self.kind = rng.choices(list(ABILITIES), WEIGHTS)[0]
        self.offers = ABILITIES[self.kind] or []
        self.refusing = self._random_refusals()
        self.closing = rng.choice([0, 0, 0, 0, 0, 0.02])  # by 421, any reply
        self.message_limit = rng.choice([None] * 5 + [rng.randrange(1, 15)])
        self.replying = rng.choice(["at once", "at once", "bytes", "burst",
                                    "late"])
        self.lazy_data = rng.random() < 0.5  # DATA without RCPT: 354
        self.reading = rng.choice([0, 0, 0, 0.002])  # pause before reading
        self.said = {}
        self.faults = []
        self.tokens = 0
        self.messages = 0
        self.held_back = []  # replies of a burst
        self.open = None     # sender of the open transaction
        self.chunks = b""
        self.broken = False
        self.end = None      # quit, closed (by 421), cut or dropped (by odmrd)

    def _random_refusals(self):
        often = self.rng.choice([0, 0.03, 0.3])
        likely = {stage: self.rng.choice([0, often, often])
                  for stage in ("MAIL", "RCPT", "DATA", "BDAT", "END")}
        self.permanent = self.rng.choice([0.1, 0.5, 0.9])
        return likely

    def break_somewhere(self):
        """Chooses where the line will be cut, if it will be."""
        if self.rng.random() < 0.15:
            self.wire.cut_at(incoming=self._distance())
        elif self.rng.random() < 0.1:
            self.wire.cut_at(outgoing=1 + self.rng.randrange(2000))

    def _distance(self):
        return 1 + self.rng.randrange(self.rng.choice([200, 5000, 100000]))

    # ---- the session

    async def connect(self, port):
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.reading:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.create_connection(lambda: self.wire, sock=sock)

    async def turn(self, login, domains):
        """Asks for the mail; then the line is turned."""
        await self._ask(None, "220")
        await self._ask("EHLO customer.test", "250")
        challenge = await self._ask("AUTH CRAM-MD5", "334")
        await self._ask(cram_md5(challenge, login), "235")
        await self._ask(f"ATRN {','.join(domains)}", "250")

    async def _ask(self, command, code):
        if command:
            self.wire.send(command.encode() + b"\r\n")
        line = await self.wire.line()
        while line[3:4] == "-":
            line = await self.wire.line()
        if line[:3] != code:
            raise Refused(f"{command}: {line}")
        return line

    async def serve(self):
        """From the greeting to the end."""
        try:
            await self._reply("220 customer.test ESMTP")
            while True:
                await self._command(await self._line())
        except Farewell:
            pass
        except Closed:
            self.end = "cut" if self.wire.was_cut else "dropped"
        self.wire.close()

    async def _more(self):
        """Nothing is left to read: then a burst goes out."""
        if self.held_back:
            before = len(self.wire.buffer)
            await asyncio.sleep(0.003)
            if len(self.wire.buffer) == before:
                self.wire.send(b"".join(self.held_back))
                self.held_back = []

    async def _line(self):
        if self.reading:
            await asyncio.sleep(self.rng.random() * self.reading)
        while b"\r\n" not in self.wire.buffer and self.held_back:
            await self._more()
        return await self.wire.line()

    async def _reply(self, text):
        """A whole reply."""
        self.wire.note("C", text.encode())
        data = text.encode() + b"\r\n"
        if self.replying == "burst":
            self.held_back.append(data)
        elif self.replying == "bytes":
            for byte in data:
                self.wire.send(bytes([byte]))
                if self.rng.random() < 0.05:
                    await asyncio.sleep(0)
        else:
            self.wire.send(data)

    async def _give(self, code, what):
        """A reply with a token: (code, token)."""
        self.tokens += 1
        token = f"token{self.tokens}."
        if self.replying == "late":
            await asyncio.sleep(self.rng.random() * 0.004)
        if self.wire.buffer and \
                ("PIPELINING" not in self.offers or what == "data"):
            self._fault(f"sent ahead of the reply: {code} {what}")
        if self.rng.random() < self.closing:
            await self._close()
        status = f"{code // 100}.0.0 " if self.rng.random() < 0.8 else ""
        text = f"{status}{what} {token}"
        if self.rng.random() < 0.1:
            text = f"indeed\r\n{code} {text}"
            await self._reply(f"{code}-{text}")
        else:
            await self._reply(f"{code} {text}")
        return code, token

    async def _close(self):
        """421: what was said before still counts, so read until the end."""
        await self._reply("421 4.3.2 customer.test closes")
        self.wire.send(b"".join(self.held_back))
        self.end = "closed"
        if self.wire.transport and not self.wire.was_cut:
            self.wire.transport.write_eof()
            self.wire.buffer.clear()
            while await self.wire.fill():
                self.wire.buffer.clear()
        if self.wire.was_cut:
            self.end = "cut"
        raise Farewell

    def _choose(self, stage, success):
        if self.rng.random() >= self.refusing[stage]:
            return success
        codes = PERMANENT if self.rng.random() < self.permanent else TEMPORARY
        return self.rng.choice(codes)

    def _fault(self, text):
        self.faults.append(text)
        self.wire.dialogue.append(f"FAULT: {text}")

    # ---- commands

    async def _command(self, text):
        verb, _, argument = text.partition(" ")
        handler = {"EHLO": self._ehlo, "HELO": self._helo, "RSET": self._rset,
                   "NOOP": self._noop, "MAIL": self._mail, "RCPT": self._rcpt,
                   "DATA": self._data, "BDAT": self._bdat,
                   "QUIT": self._quit}.get(verb)
        if handler is None:
            self._fault(f"unknown command: {text[:80]}")
            await self._give(500, "what")
            return
        await handler(argument)

    async def _ehlo(self, _):
        if self.kind == "helo":
            await self._give(self.rng.choice([500, 502]), "what")
            return
        rows = ["customer.test", "8BITMIME", "SIZE", *self.offers]
        await self._reply("\r\n".join(
            [f"250-{row}" for row in rows[:-1]] + [f"250 {rows[-1]}"]))

    async def _helo(self, _):
        await self._give(250, "customer.test")

    async def _noop(self, _):
        await self._give(250, "ok")

    async def _quit(self, _):
        await self._reply("221 bye")
        self.wire.send(b"".join(self.held_back))
        if self.wire.buffer:
            self._fault("something follows QUIT")
        self.end = "cut" if self.wire.was_cut else "quit"
        raise Farewell

    async def _rset(self, _):
        self._forget()
        await self._give(250, "reset")

    def _forget(self):
        self.open, self.chunks, self.broken = None, b"", False

    async def _mail(self, argument):
        sender = address(argument)
        if self.open or self.broken:
            self._fault(f"MAIL {sender} from no known state")
            await self._give(503, "nested MAIL")
            return
        if sender in self.said:
            self._fault(f"MAIL {sender} a second time")
        if self.message_limit is not None and \
                self.messages >= self.message_limit:
            await self._close()
        said = self.said[sender] = Said()
        said.mail = await self._give(self._choose("MAIL", 250), "sender")
        if said.mail[0] == 250:
            self.open = sender

    async def _rcpt(self, argument):
        if not self.open:
            await self._give(503, "need MAIL")
            return
        said = self.said[self.open]
        answer = await self._give(self._choose("RCPT", 250), "recipient")
        said.recipients[address(argument)] = answer

    def _accepted(self):
        return [name for name, answer
                in self.said[self.open].recipients.items()
                if answer[0] == 250] if self.open else []

    async def _data(self, _):
        if not self.open:
            await self._give(503, "data")
            return
        said = self.said[self.open]
        if not self._accepted() and not self.lazy_data:
            await self._give(554, "data")
            return
        code = self._choose("DATA", 354)
        answer = await self._give(code, "data")
        if code != 354:
            said.body = answer
            return
        await self._more_if_any()
        body = await self.wire.to_dot()
        if self._accepted():
            await self._take(body)
        else:
            self._forget()
            await self._give(554, "no valid recipients")

    async def _more_if_any(self):
        while self.held_back:
            await self._more()

    async def _take(self, body):
        """The end of a message: the open transaction ends."""
        said = self.said[self.open]
        said.content = body
        code = self._choose("END", 250)
        self.open, self.chunks = None, b""
        self.messages += 1
        # Said even if the line breaks within it.
        said.taken = code == 250
        said.body = (code, f"token{self.tokens + 1}.")
        try:
            await self._give(code, "message")
        except Farewell:
            said.taken, said.body = False, None
            raise
        return code

    async def _bdat(self, argument):
        words = argument.split(" ")
        size, last = int(words[0]), words[1:] == ["LAST"]
        while len(self.wire.buffer) < size and self.held_back:
            await self._more()
        data = await self.wire.take(size)
        if "CHUNKING" not in self.offers:
            self._fault("BDAT although CHUNKING is not offered")
        if self.broken or not self.open:
            self.broken = True
            await self._give(503, "need MAIL")
        elif not self._accepted():
            self.broken = True
            await self._give(554, "no valid recipients")
        elif last:
            self.broken = await self._take(self.chunks + data) != 250
        else:
            self.chunks += data
            answer = await self._give(self._choose("BDAT", 250), "chunk")
            if answer[0] != 250:
                self.said[self.open].body = answer
                self.broken = True
