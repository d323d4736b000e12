# SPDX-License-Identifier: ISC
"""Postfix's side: for each domain some lmtp(8) that deliver one message after
another, write bodies in random pieces, and may vanish at any point."""

import asyncio

from random_mail import MESSAGE_BUFFER
from scripted_postfix import stuffed
from wire import Closed, Wire


CONCURRENCY = 50    # connections for one domain
STALLED = 0.1       # seconds without a message: one connection more


class TurnedAway(Exception):
    """odmrd says 421 or something that is no success to a command."""


class Vanished(Exception):
    """This side has had enough."""


class Bounced(Exception):
    """Postfix would return a message without asking anybody."""


class Destination:
    """The mail of one domain, on as many connections as it takes."""

    def __init__(self, rng, path, messages, make_peer):
        self.rng = rng
        self.path = path
        self.queue = messages
        self.make_peer = make_peer
        self.gone = False   # there is no socket

    async def run(self):
        few = self.rng.choice([1, 2, 5, 10])
        running = {self._start() for _ in range(min(few, len(self.queue)))}
        try:
            while running:
                running = await self._watch(running)
        finally:
            for peer in running:
                peer.cancel()
        for message in self.queue:
            message.turned_away = True

    async def _watch(self, running):
        """Those that run a moment later."""
        before = len(self.queue)
        done, running = await asyncio.wait(
            running, timeout=STALLED, return_when=asyncio.FIRST_COMPLETED)
        for peer in done:
            peer.result()
        if self.queue and not self.gone and \
                (not running or len(self.queue) == before) and \
                len(running) < CONCURRENCY:
            running.add(self._start())
        return running

    def _start(self):
        return asyncio.create_task(self.make_peer().run(self))


class Peer:
    def __init__(self, rng, number, dialogue, vanishing, forget):
        self.rng = rng
        self.name = f"L{number}"
        self.dialogue = dialogue
        self.vanishing = vanishing  # how likely, for each message
        self.forget = forget        # called with a message not to be awaited
        self.message = None
        self.patient = rng.random() < 0.5
        self.offers = set()
        self.wire = None

    async def run(self, destination):
        await asyncio.sleep(self.rng.random() ** 2 * 0.05)
        try:
            await self._connect(destination)
            await self._hello()
            while destination.queue:
                self.message = destination.queue.pop(0)
                await self._deliver(self.message)
                self.message = None
            await self._farewell()
        except Vanished:
            self.message.vanished = True
            self.forget([self.message])
            self.wire.cut()
        except (Closed, TurnedAway, OSError):
            if self.message:
                self.message.turned_away = True
        finally:
            if self.wire:
                self.wire.close()

    async def _connect(self, destination):
        try:
            _, self.wire = await asyncio.get_running_loop() \
                .create_unix_connection(
                    lambda: Wire(self.dialogue, self.name, f"{self.name} <"),
                    destination.path)
        except OSError:
            destination.gone = True
            raise

    def _say(self, text):
        self.wire.note(self.name, text.encode())
        self.wire.send(text.encode() + b"\r\n")

    async def _reply(self):
        """Its last line; the line closes behind 421."""
        line = await self.wire.line()
        while line[3:4] == "-":
            line = await self.wire.line()
        if line.startswith("421"):
            raise TurnedAway(line)
        return line

    async def _expect(self, code):
        line = await self._reply()
        if line[:3] != code:
            raise TurnedAway(line)

    async def _hello(self):
        await self._expect("220")
        self._say("LHLO provider.test")
        line = await self.wire.line()
        while line[:4] == "250-":
            self.offers.add(line[4:])
            line = await self.wire.line()
        if line[:3] != "250":
            raise TurnedAway(line)

    async def _farewell(self):
        if self.rng.random() < 0.5:
            self._say("QUIT")
            await self._expect("221")

    async def _deliver(self, message):
        if self._returns(message):
            return
        leave = None
        if self.rng.random() < self.vanishing:
            leave = self.rng.choice(["envelope", "body", "body", "body",
                                     "answer"])
        if not await self._envelope(message, leave == "envelope"):
            return
        await self._body(message, leave == "body")
        if leave == "answer":
            if self.rng.random() < 0.5:
                await asyncio.sleep(self.rng.random() * 0.01)
            raise Vanished
        for recipient in message.recipients:
            if recipient not in message.answers:
                self._note_answer(message, recipient, await self._reply())

    @staticmethod
    def _note_answer(message, recipient, line):
        message.answers[recipient] = (int(line[:3]), line[4:])

    def _parameters(self, message):
        """As Postfix gives them, by what is offered."""
        text = ""
        if any(row.startswith("SIZE ") and row != "SIZE 0"
               for row in self.offers):
            raise Bounced("SIZE is shown with a number: Postfix returns what "
                          "is larger by itself")
        if "SIZE" in self.offers:
            text += f" SIZE={len(message.body)}"
        if "8BITMIME" in self.offers:
            text += " BODY=8BITMIME"
        if message.utf8 and "SMTPUTF8" in self.offers:
            text += " SMTPUTF8"
        return text

    def _returns(self, message):
        """Postfix sends no message that needs SMTPUTF8 where it is not shown.
        It has to be, with 8BITMIME: without that Postfix would not make 7 bits
        of an 8-bit body any more."""
        if message.utf8 != "needed" or "SMTPUTF8" in self.offers:
            return False
        if "8BITMIME" in self.offers:
            raise Bounced("SMTPUTF8 is not shown: Postfix returns "
                          f"{message.sender} by itself")
        message.returned = True
        self.forget([message])
        return True

    async def _envelope(self, message, leave):
        """True if the body is wanted."""
        if self.rng.random() < 0.1:
            self._say("RSET")
            await self._expect("250")
        self._say(f"XFORWARD NAME=client.test IDENT={message.queue_id}")
        await self._expect("250")
        group = [f"MAIL FROM:<{message.sender}>{self._parameters(message)}"]
        group += [f"RCPT TO:<{name}>" for name in message.recipients]
        if leave:
            said = self.rng.randrange(1, len(group) + 1)
            self._say("\r\n".join(group[:said]))
            raise Vanished
        self._say("\r\n".join(group + ["DATA"]))
        return await self._envelope_taken(message)

    async def _envelope_taken(self, message):
        """What is refused here has its answer."""
        mail = await self._reply()
        for recipient in message.recipients:
            line = await self._reply()
            if mail[:1] != "2" or line[:1] != "2":
                self._note_answer(message, recipient,
                                  mail if mail[:1] != "2" else line)
        line = await self._reply()
        if line[:3] == "354" and len(message.answers) == \
                len(message.recipients):
            self._say(".")      # a body for nobody
            await self._reply()
        if line[:3] == "354":
            return len(message.answers) < len(message.recipients)
        for recipient in message.recipients:
            if recipient not in message.answers:
                self._note_answer(message, recipient, line)
        if self.rng.random() < 0.5:
            self._say("RSET")
            await self._expect("250")
        return False

    async def _body(self, message, leave):
        data = stuffed(message.body)
        self.wire.note(self.name, data)
        end = self.rng.randrange(len(data)) if leave else len(data)
        at = 0
        message.whole = not leave
        while at < end:
            step = self._piece(end - at)
            self.wire.send(data[at:at + step])
            await self.wire.sent()
            at += step
            if self.patient and self.rng.random() < 0.3:
                await asyncio.sleep(self.rng.random() * 0.003)
        if leave:
            if self.rng.random() < 0.7:
                await asyncio.sleep(self.rng.random() * 0.02)
            raise Vanished

    def _piece(self, left):
        kind = self.rng.random()
        if kind < 0.2:
            return min(left, self.rng.randrange(1, 5))
        if kind < 0.6:
            return min(left, self.rng.randrange(1, 2 * MESSAGE_BUFFER))
        return left
