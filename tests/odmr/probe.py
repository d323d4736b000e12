# SPDX-License-Identifier: ISC
"""Free ports, and whether something answers on a port or socket.

    probe.py ports N            prints N free ports
    probe.py greets PORT [CA]   exit 0 if a 220 greeting comes (over TLS if CA)
    probe.py milter PATH        exit 0 if a milter negotiates on the socket
"""

import fcntl
import os
import socket
import ssl
import struct
import sys
import tempfile
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
SECONDS = 5
CLAIM_SECONDS = 120     # in which a server has begun to listen


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports free at this moment on 127.0.0.1 and, where there is one, ::1, that
    no test took within CLAIM_SECONDS. The kernel gives a port again until
    somebody listens, and two masters may listen on it: Postfix sets
    SO_REUSEPORT, and every other connection goes to the wrong one."""
    path = Path(tempfile.gettempdir(), f"odmr-test-ports.{os.getuid()}")
    with open(path, "a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        since = time.time() - CLAIM_SECONDS
        claims = [line for line in file if float(line.split()[1]) > since]
        ports = _unclaimed({int(line.split()[0]) for line in claims}, count)
        file.truncate(0)
        file.writelines(claims + [f"{port} {time.time()}\n"
                                  for port in ports])
    return ports


def _unclaimed(claimed, count):
    held, ports = [], []
    while len(ports) < count:
        v4 = socket.socket()
        held.append(v4)
        v4.bind((LOOPBACK, 0))
        port = v4.getsockname()[1]
        if has_ipv6():
            v6 = socket.socket(socket.AF_INET6)
            held.append(v6)
            try:
                v6.bind(("::1", port))
            except OSError:
                continue
        if port not in claimed:
            ports.append(port)
    for sock in held:
        sock.close()
    return ports


def greets(port, ca_file=None):
    with socket.create_connection((LOOPBACK, port), SECONDS) as plain:
        link = plain
        if ca_file:
            context = ssl.create_default_context(cafile=ca_file)
            link = context.wrap_socket(plain, server_hostname=LOOPBACK)
        link.settimeout(SECONDS)
        line = link.makefile("rb").readline()
        link.sendall(b"QUIT\r\n")
        return line.startswith(b"220")


def milter_answers(path):
    """Option negotiation, to which a milter answers with its own options."""
    options = struct.pack(">IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF)
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(SECONDS)
        link.connect(path)
        link.sendall(options)
        answer = link.recv(5)
        link.sendall(struct.pack(">Ic", 1, b"Q"))
        return answer[4:5] == b"O"


def main(argv):
    if argv[0] == "ports":
        print(*free_ports(int(argv[1])))
        return True
    try:
        if argv[0] == "greets":
            return greets(int(argv[1]), *argv[2:3])
        return milter_answers(argv[1])
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
