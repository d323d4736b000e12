#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""make bench-idle: what sessions cost that do nothing.

odmrd alone, with the limits that it has by default, and many TLS sessions that
come all the way to lingering. After each step the memory that is odmrd's own
(smaps_rollup, private pages), for each session; at the end, what they cost in
CPU while nothing happens. Fails if a lingering session takes more than the
target. The results are in build/bench-idle.json too.

    idle.py [SESSIONS]
"""

import json
import re
import shutil
import socket
import sqlite3
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "dialog")]

from odmr.sandbox import BUILD, temporary_directory  # noqa: E402
from odmr.wait import wait_for  # noqa: E402
from odmrd_alone import Odmrd, cram_md5, make_template  # noqa: E402

SESSIONS = 5000
TARGET_KIB = 40
PER_ADDRESS = 100    # session_limit_per_address
PER_ACCOUNT = 20     # session_limit_per_account
THREADS = 8
IDLE_SECONDS = 65    # a lingering session looks at the tags once a minute
SETTLE_SECONDS = 20  # connections that ended, buffers that are given back


def fill(template, sessions):
    """Accounts u0, u1 ... with alice's password; each has as many domains as it
    may have sessions."""
    accounts = -(-sessions // PER_ACCOUNT)
    now = int(time.time())
    with sqlite3.connect(template / "odmr.db") as db:
        db.executemany(
            "INSERT INTO domain (name, mode, socket, created)"
            " VALUES (?1, 'odmr', ?1, ?2)",
            ((f"d{i}.idle.test", now) for i in range(sessions)))
        scram, password = db.execute(
            "SELECT scram, password FROM account WHERE login = 'alice'"
        ).fetchone()
        db.executemany(
            "INSERT INTO account (id, login, scram, password, linger, created)"
            " VALUES (?, ?, ?, ?, 86400, ?)",
            ((1000 + i, f"u{i}", scram, password, now)
             for i in range(accounts)))
        db.executemany(
            "INSERT INTO access (account, domain) VALUES (?, ?)",
            ((1000 + i // PER_ACCOUNT, f"d{i}.idle.test")
             for i in range(sessions)))
    db.close()


class Client:
    def __init__(self, number):
        self.number = number
        self.sock = self.file = None

    def _say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def _hear(self, code):
        while True:
            row = self.file.readline().decode()
            assert row.startswith(code), \
                f"session {self.number} heard {row!r} instead of {code}"
            if row[3] != "-":
                return row.rstrip()

    def connect(self, odmrd, _context):
        block = self.number // PER_ADDRESS
        source = f"127.1.{block // 250}.{block % 250 + 1}"
        self.sock = socket.create_connection(("127.0.0.1", odmrd.port), 60,
                                             source_address=(source, 0))
        self.file = self.sock.makefile("rb", buffering=0)
        self._hear("220")
        self._say("EHLO idle.test")
        self._hear("250")

    def secure(self, _odmrd, context):
        self._say("STARTTLS")
        self._hear("220")
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self.file = self.sock.makefile("rb", buffering=0)
        self._say("EHLO idle.test")
        self._hear("250")

    def authenticate(self, _odmrd, _context):
        self._say("AUTH CRAM-MD5")
        self._say(cram_md5(self._hear("334"),
                           f"u{self.number // PER_ACCOUNT}"))
        self._hear("235")

    def turn(self, _odmrd, _context):
        self._say(f"ATRN d{self.number}.idle.test")
        self._hear("250")
        self._say("220 customer.test ESMTP")
        assert self.file.readline().startswith(b"EHLO ")
        self._say("250-customer.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n"
                  "250-8BITMIME\r\n250 SIZE 10485760")


def private_kib(odmrd):
    text = Path(f"/proc/{odmrd.process.pid}/smaps_rollup").read_text()
    return sum(int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1])
               for name in ("Private_Clean", "Private_Dirty"))


def cpu_seconds(odmrd):
    fields = Path(f"/proc/{odmrd.process.pid}/stat").read_text() \
        .rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def lingering(odmrd):
    return odmrd.sql("SELECT count(*) FROM session WHERE state = 'lingering'"
                     )[0][0]


def row(name, seconds, kib, each):
    print(f"{name:<28}{seconds:>9.1f}{kib:>12}{each:>14.1f}", flush=True)


def measure(odmrd, sessions):
    context = ssl.create_default_context(cafile=odmrd.ca)
    clients = [Client(i) for i in range(sessions)]
    start = private_kib(odmrd)
    result = {"sessions": sessions, "start_kib": start, "steps": {}}
    print(f"{'':<28}{'seconds':>9}{'KiB':>12}{'KiB/session':>14}")
    row("odmrd alone", 0, start, 0)
    with ThreadPoolExecutor(THREADS) as pool:
        for name, step in (("in clear", Client.connect),
                           ("under TLS", Client.secure),
                           ("authenticated", Client.authenticate),
                           ("lingering", Client.turn)):
            begin = time.monotonic()
            for done in [pool.submit(step, client, odmrd, context)
                         for client in clients]:
                done.result()
            if name == "lingering":
                wait_for(lambda: lingering(odmrd) == sessions, 120,
                         "all linger")
            took = time.monotonic() - begin
            kib = private_kib(odmrd)
            row(name, took, kib, (kib - start) / sessions)
            result["steps"][name] = {"seconds": took, "kib": kib}
    time.sleep(SETTLE_SECONDS)
    begin = cpu_seconds(odmrd)
    time.sleep(IDLE_SECONDS)
    result["idle_cpu_percent"] = \
        100 * (cpu_seconds(odmrd) - begin) / IDLE_SECONDS
    kib = private_kib(odmrd)
    result["kib_per_session"] = (kib - start) / sessions
    row("lingering, settled", SETTLE_SECONDS + IDLE_SECONDS, kib,
        result["kib_per_session"])
    print(f"CPU while idle: {result['idle_cpu_percent']:.1f} % of one core")
    return result


def main():
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    template = temporary_directory()
    make_template(template)
    fill(template, sessions)
    # The steps are apart in time here: none may run into a time limit.
    odmrd = Odmrd(template, auth_time_limit="1h", command_time_limit="1h",
                  noop_interval="1h", postqueue_path="/bin/true")
    try:
        result = measure(odmrd, sessions)
    finally:
        shutil.rmtree(template)
        faults = odmrd.remove()
    result["target_kib"] = TARGET_KIB
    (BUILD / "bench-idle.json").write_text(json.dumps(result, indent=2) + "\n")
    for fault in faults:
        print(fault)
    met = result["kib_per_session"] <= TARGET_KIB
    print(f"target: {TARGET_KIB} KiB a session: "
          f"{'met' if met else 'NOT MET'}")
    return 0 if met and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
