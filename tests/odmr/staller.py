# SPDX-License-Identifier: ISC
"""A customer that collects its mail and then stalls, in one of several ways,
and comes back whenever its session ends."""

import base64
import hashlib
import hmac
import socket
import threading

LOOPBACK = "127.0.0.1"
HELD = 4096     # bytes, in a socket that is not read

# Which extensions each way offers.
WAYS = {
    "silent": ["PIPELINING", "CHUNKING"],   # reads, and says nothing
    "unread": ["PIPELINING", "CHUNKING"],   # does not even read
    "drip": [],                             # one reply now and then
    "bytes": ["PIPELINING"],                # one byte of a body now and then
}


class Ended(Exception):
    """The session, or the test."""


class Staller:
    """`pause`: seconds, the "now and then" of its way. `turned` is set once
    the first session is open to mail."""

    def __init__(self, port, login, password, domains, way, pause=2.0):
        self.port, self.login, self.password = port, login, password
        self.domains, self.way, self.pause = domains, way, pause
        self.turned = threading.Event()
        self.stopped = threading.Event()
        self.sock = None
        self.sessions = 0
        self.buffer = b""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopped.set()
        if self.sock:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(30)

    # ---- the line

    def _say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def _line(self):
        while b"\n" not in self.buffer:
            self._fill(65536)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def _fill(self, count):
        data = self.sock.recv(count)
        if not data:
            raise Ended
        self.buffer += data

    def _hear(self, code):
        while True:
            line = self._line()
            if not line.startswith(code):
                raise Ended
            if line[3:4] != "-":
                return line

    def _wait(self):
        if self.stopped.wait(self.pause):
            raise Ended

    # ---- a session

    def _run(self):
        while not self.stopped.is_set():
            try:
                self._session()
            except (Ended, OSError):
                self.stopped.wait(0.2)
            finally:
                if self.sock:
                    self.sock.close()

    def _session(self):
        self.buffer = b""
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
        self.sock.connect((LOOPBACK, self.port))
        self._hear("220")
        self._say("EHLO customer.test")
        self._hear("250")
        self._say("AUTH CRAM-MD5")
        challenge = base64.b64decode(self._hear("334").split()[1])
        digest = hmac.new(self.password.encode(), challenge,
                          hashlib.md5).hexdigest()
        self._say(base64.b64encode(f"{self.login} {digest}".encode()).decode())
        self._hear("235")
        self._say("ATRN " + ",".join(self.domains))
        self._hear("250")
        self._say("220 customer.test ESMTP")
        self._line()
        self._say("\r\n".join(f"250-{word}" for word in
                              ["customer.test", *WAYS[self.way]]) +
                  "\r\n250 8BITMIME")
        self.sessions += 1
        self.turned.set()
        {"silent": self._read_only, "unread": self._nothing,
         "drip": self._drip, "bytes": self._bytes}[self.way]()

    def _read_only(self):
        while True:
            self.buffer = b""
            self._fill(65536)

    def _nothing(self):
        # Until odmrd gives up.
        while self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO,
                                   1) == b"\x01":
            self._wait()

    def _drip(self):
        while True:
            command = self._line().upper()
            self._wait()
            if command.startswith("DATA"):
                self._say("354 go ahead")
                while self._line() != ".":
                    pass
                self._wait()
            self._say("250 ok")

    def _bytes(self):
        while True:
            command = self._line().upper()
            if command.startswith("DATA"):
                self._say("354 go ahead")
                while True:
                    self._wait()
                    self.sock.recv(1)
            self._say("250 ok")
