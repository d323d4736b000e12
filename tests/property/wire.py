# SPDX-License-Identifier: ISC
"""One end of a connection under asyncio: lines and bytes in, bytes out, and a
place where it breaks. What is said goes to the run's dialogue."""

import asyncio

SHOWN = 100         # bytes of a line in the dialogue
BUFFER_MAX = 1 << 18


class Closed(Exception):
    """The connection ended where something was expected."""


class Wire(asyncio.Protocol):
    """`cut_in` and `cut_out`: the connection breaks when that many bytes have
    come or gone since cut_at() was called."""

    def __init__(self, dialogue, us, them):
        self.dialogue = dialogue
        self.us, self.them = us, them
        self.buffer = bytearray()
        self.ended = False     # by whomever
        self.was_cut = False   # by us
        self.is_secure = False
        self.cut_in = self.cut_out = None
        self.transport = None
        self.input = None
        self.room = None

    # ---- called by asyncio

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.cut_in is not None:
            data = data[:self.cut_in]
            self.cut_in -= len(data)
        self.buffer += data
        if self.cut_in == 0:
            self.cut()
        elif len(self.buffer) > BUFFER_MAX:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self):
        self.ended = True
        self._wake()
        # TLS has no half of a connection.
        return not self.is_secure

    def connection_lost(self, _):
        self.transport = None
        self.ended = True
        self._wake()
        self.resume_writing()

    def pause_writing(self):
        if self.room is None:
            self.room = asyncio.get_running_loop().create_future()

    def resume_writing(self):
        room, self.room = self.room, None
        if room and not room.done():
            room.set_result(None)

    def _wake(self):
        if self.input and not self.input.done():
            self.input.set_result(None)

    # ---- for us

    def note(self, who, data):
        text = bytes(data[:SHOWN]).decode("latin-1").encode("unicode_escape")
        more = f" ... {len(data)} bytes" if len(data) > SHOWN else ""
        self.dialogue.append(f"{who}: {text.decode()}{more}")

    def cut_at(self, incoming=None, outgoing=None):
        self.cut_in, self.cut_out = incoming, outgoing

    def cut(self):
        """Breaks the connection: the other side gets a reset."""
        if not self.ended:
            self.dialogue.append(f"{self.us}: <cut>")
        self.was_cut = self.ended = True
        self.abort()

    def finish(self):
        """Closes it, politely but for what was not read."""
        if not self.ended:
            self.dialogue.append(f"{self.us}: <close>")
        self.was_cut = self.ended = True
        self.close()

    async def secure(self, context):
        """TLS from here on, as the server of it."""
        self.is_secure = True
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, context, server_side=True,
            ssl_handshake_timeout=20)

    def abort(self):
        if self.transport:
            self.transport.abort()

    def close(self):
        if self.transport:
            self.transport.close()

    def send(self, data):
        if self.ended or not self.transport or not data:
            return
        if self.cut_out is not None and len(data) >= self.cut_out:
            self.transport.write(data[:self.cut_out])
            self.cut()
            return
        if self.cut_out is not None:
            self.cut_out -= len(data)
        self.transport.write(data)

    async def sent(self):
        """Waits until there is room to write."""
        if self.room is not None:
            await self.room

    async def fill(self):
        """Waits for more input; false if there will be none."""
        before = len(self.buffer)
        if self.ended or not self.transport:
            return False
        self.input = asyncio.get_running_loop().create_future()
        self.transport.resume_reading()
        await self.input
        return len(self.buffer) > before or not self.ended

    async def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not await self.fill():
                raise Closed
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        self.note(self.them, line)
        return line.decode("latin-1")

    async def take(self, count):
        """Exactly so many bytes."""
        taken = bytearray()
        while True:
            part = self.buffer[:count - len(taken)]
            taken += part
            del self.buffer[:len(part)]
            if len(taken) == count:
                self.note(self.them, taken)
                return bytes(taken)
            if not await self.fill():
                raise Closed

    async def to_dot(self):
        """A body up to CRLF.CRLF, without the transparency of its dots."""
        body, seen = bytearray(b"\r\n"), 0
        while True:
            body += self.buffer
            self.buffer.clear()
            end = body.find(b"\r\n.\r\n", seen)
            if end >= 0:
                break
            seen = max(0, len(body) - 4)
            if not await self.fill():
                raise Closed
        self.buffer += body[end + 5:]
        self.note(self.them, body[2:end + 5])
        return bytes(body[:end + 2]).replace(b"\r\n.", b"\r\n")[2:]
