# SPDX-License-Identifier: ISC
"""A customer's host as a probe finds it: a listening port with an answer."""

import socket
import threading

UP = "220 host.test ESMTP\r\n"
HELLO = "250-host.test\r\n250 PIPELINING\r\n"


class Host:
    """Greets with `greeting` and answers EHLO with `hello`; None is silence,
    "" closes the connection. A `port` makes it come back where it was."""

    def __init__(self, greeting=UP, hello=HELLO, port=0):
        self.answers = (greeting, hello)
        self.server = socket.create_server(("127.0.0.1", port))
        self.port = self.server.getsockname()[1]
        self.hop = f"[127.0.0.1]:{self.port}"
        self.said = []  # of each connection: the lines it sent
        self.lines = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            self.lines.append(line)
            self.said.append([])
            threading.Thread(target=self._serve, daemon=True,
                             args=(line, self.said[-1])).start()

    def _serve(self, line, said):
        greeting, hello = self.answers
        try:
            with line.makefile("r", newline="\r\n") as rows:
                if not self._answer(line, greeting):
                    return
                for row in rows:
                    said.append(row.rstrip("\r\n"))
                    if said[-1].startswith("EHLO") and \
                            not self._answer(line, hello):
                        return
        except OSError:
            pass

    @staticmethod
    def _answer(line, text):
        if text == "":
            line.shutdown(socket.SHUT_RDWR)
            return False
        line.sendall((text or "").encode())
        return True

    def down(self):
        """Nothing listens there any more."""
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        for line in self.lines:
            line.close()


def closed_port():
    """Where nothing listens, and nobody else will while it is held."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


class Silent:
    """Takes no connection, and refuses none: its backlog is full."""

    def __init__(self):
        self.server = socket.socket()
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(0)
        self.port = self.server.getsockname()[1]
        self.hop = f"[127.0.0.1]:{self.port}"
        self.fillers = [socket.socket() for _ in range(3)]
        for filler in self.fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))

    def down(self):
        for one in (self.server, *self.fillers):
            one.close()
