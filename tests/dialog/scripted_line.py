# SPDX-License-Identifier: ISC
"""A connection that a test holds one end of, and the dialogue on it."""

import re
import socket
import ssl

TIMEOUT = 60
SHOWN = 200  # bytes of a line in the transcript


class LineClosed(Exception):
    """The other end closed where a line was expected."""


class Line:
    """`transcript` is a list that takes what is said: ours as "C: ...", the
    provider's as "P: ..." (the letters of RFC 2645)."""

    def __init__(self, sock, transcript, us="C", them="P"):
        sock.settimeout(TIMEOUT)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.transcript = transcript
        self.us, self.them = us, them
        self.buffer = b""

    def _note(self, who, data):
        text = data[:SHOWN].decode("latin-1").encode("unicode_escape").decode()
        more = f" ... {len(data)} bytes" if len(data) > SHOWN else ""
        self.transcript.append(f"{who}: {text}{more}")

    def send(self, data):
        self._note(self.us, data)
        self.sock.sendall(data)

    def say(self, text):
        self.send(text.encode("latin-1") + b"\r\n")

    def fill(self):
        """Reads more; False at the end of the connection."""
        try:
            data = self.sock.recv(1 << 18)
        except ssl.SSLWantReadError:
            raise
        except (ConnectionError, ssl.SSLError):
            data = b""
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                self.transcript.append(f"{self.them}: <closed>")
                raise LineClosed(f"closed; left over: {self.buffer!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self._note(self.them, line)
        return line.decode("latin-1")

    def take(self, count):
        """Exactly so many bytes."""
        parts, have = [self.buffer], len(self.buffer)
        self.buffer = b""
        while have < count:
            if not self.fill():
                raise LineClosed("closed within a chunk")
            parts.append(self.buffer)
            have += len(self.buffer)
            self.buffer = b""
        data = b"".join(parts)
        self.buffer = data[count:]
        self._note(self.them, data[:count])
        return data[:count]

    def reply(self):
        """A whole reply, as a list of lines."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return lines

    def pending(self):
        """Has more come than was read?"""
        self.sock.setblocking(False)
        try:
            self.fill()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self.sock.settimeout(TIMEOUT)
        return bool(self.buffer)

    def expect(self, pattern):
        """The next line; "..." in the pattern stands for any text."""
        line = self.line()
        wanted = ".*".join(re.escape(part) for part in pattern.split("..."))
        assert re.fullmatch(wanted, line), \
            f"heard {line!r} instead of {pattern!r}"
        return line

    def expect_close(self):
        try:
            line = self.line()
        except LineClosed:
            self.sock.close()
            return
        raise AssertionError(f"heard {line!r} instead of the end")

    def play(self, script):
        """Says the lines that begin with our letter and expects those with
        theirs; "<closed>" is the end of the connection."""
        for row in script.strip().splitlines():
            who, _, text = row.strip().partition(": ")
            who = who.rstrip(":")
            if who == self.us:
                self.say(text)
            elif text == "<closed>":
                self.expect_close()
            else:
                assert who == self.them, row
                self.expect(text)

    def start_tls(self, ca_file):
        context = ssl.create_default_context(cafile=ca_file)
        self.transcript.append("-: TLS handshake")
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")

    def close(self):
        self.transcript.append(f"{self.us}: <closes>")
        self.sock.close()

    def hang_up(self):
        """From outside, whoever reads now."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
