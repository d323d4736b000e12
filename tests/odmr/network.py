# SPDX-License-Identifier: ISC
"""A network of its own, in which a command finds the DNS and the mail hosts
that a test wants. Tests call inside(), or run command(); behind both is

    unshare --net --mount python3 network.py DIR WORLD COMMAND...

WORLD has "zone": {name: answer}, where an answer is a list of records
["MX", preference, host] and ["A", address], or "silent" or "fail"; names that
are not there do not exist. "hosts": addresses where a mail server answers at
port 25. "mute": where one takes connections, and says nothing. "own":
addresses of this host. DIR takes the files; the zone is in
DIR/zone, and what a test writes there counts from then on.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

TYPES = {"A": 1, "MX": 15}
SIOCSIFADDR, SIOCSIFFLAGS = 0x8916, 0x8914
IFF_UP = 1
UNSHARE = ["unshare", "--net", "--mount"]


def may_unshare():
    return subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def command(directory, world, *arguments):
    """What runs it there."""
    return [*UNSHARE, sys.executable, __file__, directory, json.dumps(world),
            *arguments]


def write_zone(directory, zone):
    fresh = Path(directory, "zone.new")
    fresh.write_text(json.dumps(zone))
    fresh.rename(Path(directory, "zone"))


def inside(directory, world, *arguments):
    """Runs it there; returns the finished process."""
    return subprocess.run(
        command(directory, world, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=90, check=False)


# ---- what runs in it


def interface(name, address=None):
    """Up, and with the address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if address:
            fcntl.ioctl(sock, SIOCSIFADDR, struct.pack(
                "16sHH4s8x", name.encode(), socket.AF_INET, 0,
                socket.inet_aton(address)))
        fcntl.ioctl(sock, SIOCSIFFLAGS,
                    struct.pack("16sH", name.encode(), IFF_UP))


def encode(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decode(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def record(name, kind, *data):
    if kind == "A":
        rdata = socket.inet_aton(data[0])
    else:
        rdata = struct.pack(">H", data[0]) + encode(data[1])
    return encode(name) + struct.pack(">HHIH", TYPES[kind], 1, 60,
                                      len(rdata)) + rdata


def answer(packet, zone):
    """None: silence."""
    name, end = decode(packet, 12)
    kind, = struct.unpack(">H", packet[end:end + 2])
    found = zone.get(name)
    if found == "silent":
        return None
    code = 2 if found == "fail" else 3 if found is None else 0
    records = [] if code else [row for row in found if TYPES[row[0]] == kind]
    return packet[:2] + struct.pack(
        ">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + \
        packet[12:end + 4] + b"".join(record(name, *row) for row in records)


def serve_dns(server, directory):
    while True:
        packet, peer = server.recvfrom(4096)
        reply = answer(packet, json.loads(Path(directory, "zone").read_text()))
        if reply:
            server.sendto(reply, peer)


def serve_mail(server):
    """Takes EHLO, and lets who says anything else go."""
    while True:
        line, _ = server.accept()
        with line, line.makefile("rb") as said:
            line.sendall(b"220 host.test\r\n")
            while said.readline().upper().startswith(b"EHLO"):
                line.sendall(b"250 mail.host.test\r\n")
            line.sendall(b"221 host.test\r\n")


def main(directory, world, *arguments):
    write_zone(directory, world["zone"])
    interface("lo")
    for number, address in enumerate(world["own"]):
        interface(f"lo:{number}", address)
    resolv = Path(directory, "resolv.conf")
    resolv.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolv, "/etc/resolv.conf"], check=True)
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 53))
    threading.Thread(target=serve_dns, args=(dns, directory),
                     daemon=True).start()
    for address in world["hosts"]:
        threading.Thread(
            target=serve_mail, daemon=True,
            args=(socket.create_server((address, 25)),)).start()
    mute = [socket.create_server((address, 25), backlog=512)
            for address in world.get("mute", ())]
    status = subprocess.run(arguments, check=False, timeout=300).returncode
    for server in mute:
        server.close()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), *sys.argv[3:]))
