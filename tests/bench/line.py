# SPDX-License-Identifier: ISC
"""The programs at the ends of the line: sink, customer, delay. Each is its own
process, and is ended by whoever started it. Sockets listen before the process
that serves them runs, so that nobody who comes early is refused."""

import contextlib
import json
import select
import socket
import subprocess

from odmr.sandbox import BUILD

LOOPBACK = "127.0.0.1"
TIMEOUT = 180
BACKLOG = 512


def bound_port():
    """A TCP socket whose port is taken but refuses connections, until somebody
    listens on it."""
    sock = socket.socket()
    sock.bind((LOOPBACK, 0))
    return sock


def bound_path(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    path.chmod(0o777)
    return sock


@contextlib.contextmanager
def _running(program, *arguments, stdin=None):
    with subprocess.Popen([str(BUILD / "bench" / program),
                           *map(str, arguments)],
                          stdin=stdin, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def sink(sock, dialect, messages):
    """A server on `sock`; said() tells when all messages have come."""
    sock.listen(BACKLOG)
    return _running("sink", dialect, messages, stdin=sock)


def delay(sock, rtt, port):
    """A line of `rtt` milliseconds from `sock` to `port`."""
    sock.listen(BACKLOG)
    return _running("delay", rtt, port, stdin=sock)


def customer(port, case, login, start):
    """Collects the domain that is named like the login. It says when it has
    authenticated, waits for the end of `start`, and says what has come."""
    return _running("customer", LOOPBACK, port, case.mode,
                    "tls" if case.tls else "clear", login, login, stdin=start)


def said(process):
    """The next line of JSON that the process prints."""
    ready, _, _ = select.select([process.stdout], [], [], TIMEOUT)
    text = process.stdout.readline() if ready else ""
    assert text, f"no result from {' '.join(process.args)}"
    return json.loads(text)
