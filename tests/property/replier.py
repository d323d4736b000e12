# SPDX-License-Identifier: ISC
"""How the customer's replies go out."""

import asyncio


class Replier:
    """`way`: at once, in single bytes, late, or in bursts when nothing is left
    to read. `sent` is called whenever all replies are on the wire."""

    def __init__(self, wire, way, rng, sent):
        self.wire = wire
        self.way = way
        self.rng = rng
        self.sent = sent
        self.held_back = []  # of a burst
        self.last = ""

    async def delay(self):
        if self.way == "late":
            await asyncio.sleep(self.rng.random() * 0.004)

    async def say(self, text):
        """A whole reply."""
        self.wire.note("C", text.encode())
        self.last = text
        data = text.encode() + b"\r\n"
        if self.way == "burst":
            self.held_back.append(data)
            return
        if self.way != "bytes":
            self.wire.send(data)
        else:
            for byte in data:
                self.wire.send(bytes([byte]))
                if self.rng.random() < 0.05:
                    await asyncio.sleep(0)
        self.sent()

    def flush(self):
        self.wire.send(b"".join(self.held_back))
        self.held_back = []
        self.sent()

    async def more(self):
        """If nothing more comes, a burst goes out."""
        before = len(self.wire.buffer)
        await asyncio.sleep(0.003)
        if len(self.wire.buffer) == before:
            self.flush()

    async def wait_until(self, enough):
        """Until there is enough to read or nothing is held back."""
        while self.held_back and not enough():
            await self.more()
