# SPDX-License-Identifier: ISC
"""A line between fetchmail and the provider that can be held in the middle of
what the provider says."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

# Small, so that little of a message is hidden in buffers.
BUFFER = 1 << 16


class Sluice:
    """Carries one connection to 127.0.0.1:port. Of what comes from there,
    `amount` octets pass, then nothing until open()."""

    def __init__(self, port, amount):
        self.target = port
        self.left = amount
        self.full = threading.Event()
        self.opened = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends = []
        self.threads = ThreadPoolExecutor(2)
        self.threads.submit(self._accept)

    def _accept(self):
        inner, _ = self.listener.accept()
        outer = socket.socket()
        self.ends = [inner, outer]
        outer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        outer.connect(("127.0.0.1", self.target))
        self.threads.submit(self._pass, inner, outer, lambda data: None)
        self._pass(outer, inner, self._hold)

    def _hold(self, data):
        self.left -= len(data)
        if self.left <= 0:
            self.full.set()
            self.opened.wait()

    def _pass(self, source, sink, before):
        try:
            while data := source.recv(BUFFER):
                before(data)
                sink.sendall(data)
        except OSError:
            pass
        self._hang_up()

    def _hang_up(self):
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait_until_full(self, timeout=60):
        assert self.full.wait(timeout), "the session sent too little"

    def open(self):
        self.opened.set()

    def close(self):
        self.open()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._hang_up()
        self.threads.shutdown()
        for end in self.ends:
            end.close()
