# SPDX-License-Identifier: ISC
"""A slow line to odmrd: what odmrd says passes at a bounded rate, and may stop
altogether. It holds little by itself."""

import socket
import threading
import time

PIECE = 4096
HELD = 16384    # bytes, in the socket that reads from odmrd
BEGUN, TAKEN = b"MAIL FROM:", b" taken\r\n"


class Counter:
    """How often something passed, wherever the pieces were cut."""

    def __init__(self, what):
        self.what = what
        self.count = 0
        self.rest = b""

    def pass_by(self, data):
        data = self.rest + data
        self.count += data.count(self.what)
        self.rest = data[-(len(self.what) - 1):]


class SlowLine:
    """One connection to `port`, at `rate` bytes a second. After `stall_at`
    bytes nothing passes until resume() is called, in neither direction."""

    def __init__(self, port, rate, stall_at=None):
        self.rate = rate
        self.stall_at = stall_at
        self.begun, self.taken = Counter(BEGUN), Counter(TAKEN)
        self.stalled = threading.Event()
        self.resumed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.thread = threading.Thread(target=self._serve, args=(port,),
                                       daemon=True)
        self.thread.start()

    def resume(self):
        self.resumed.set()

    def close(self):
        self.resume()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.thread.join(10)

    def _serve(self, port):
        try:
            customer, _ = self.listener.accept()
        except OSError:
            return
        provider = socket.socket()
        provider.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
        provider.connect(("127.0.0.1", port))
        self.sockets += [customer, provider]
        for sock in (customer, provider):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass_back,
                                args=(customer, provider), daemon=True)
        back.start()
        self._pass_slowly(provider, customer)
        back.join(10)

    def _pass_slowly(self, source, to):
        passed, began = 0, time.monotonic()
        for data in self._pieces(source, to):
            self.begun.pass_by(data)
            passed += len(data)
            if self.stall_at is not None and passed >= self.stall_at:
                self.stall_at = None
                self.stalled.set()
                self.resumed.wait()
                began, passed = time.monotonic(), 0
            ahead = began + passed / self.rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)

    def _pass_back(self, source, to):
        for data in self._pieces(source, to):
            self.taken.pass_by(data)
            if self.stalled.is_set():
                self.resumed.wait()

    @staticmethod
    def _pieces(source, to):
        """What comes from `source`, passed on when the caller comes back."""
        try:
            while data := source.recv(PIECE):
                yield data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def in_flight(self):
        """Transactions that have begun here and are not answered here."""
        return self.begun.count - self.taken.count
