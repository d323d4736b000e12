# SPDX-License-Identifier: ISC
"""The customer as a client: it connects, logs in and turns the line."""

import asyncio
import socket

from odmrd_alone import cram_md5


class Refused(Exception):
    """odmrd does not let us collect."""


async def connect(wire, port, narrow):
    """`narrow`: with a small buffer for what comes in."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.create_connection(lambda: wire, sock=sock)


async def turn(wire, login, domains):
    """Asks for the mail; then the line is turned."""
    await ask(wire, None, "220")
    await ask(wire, "EHLO customer.test", "250")
    challenge = await ask(wire, "AUTH CRAM-MD5", "334")
    await ask(wire, cram_md5(challenge, login), "235")
    await ask(wire, f"ATRN {','.join(domains)}", "250")


async def ask(wire, command, code):
    if command:
        wire.send(command.encode() + b"\r\n")
    line = await wire.line()
    while line[3:4] == "-":
        line = await wire.line()
    if line[:3] != code:
        raise Refused(f"{command}: {line}")
    return line
