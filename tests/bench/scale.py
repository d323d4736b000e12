#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What 100,000 held messages of 1,000 domains cost those who ask for something
else: the seconds of "odmrctl status", the milliseconds from ATRN to its 250 for
a customer with one message, and the rate at which mail is accepted through the
milter, as a ratio to the rate before they were there. Fails beyond the bounds.

    bench/scale.py [MESSAGES]"""

import contextlib
import smtplib
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from odmr import tags  # noqa: E402
from odmr.sandbox import Sandbox  # noqa: E402
from odmr.wait import wait_for  # noqa: E402

DOMAINS = 1000
ROUNDS = 5
ATRNS = 50
ACCEPTED = 1000  # messages of a round
STATUS_BOUND, ATRN_BOUND_MS, RATE_BOUND = 0.3, 10.0, 0.95
LOGIN, PASSWORD = "asker", "a password"


def database(path):
    return contextlib.closing(sqlite3.connect(path, timeout=30))


def hold(sandbox, messages):
    """As the milter would have written them."""
    now = int(time.time())
    names = [f"d{number}.test" for number in range(DOMAINS)]
    with database(sandbox.env["DATABASE"]) as db, db:
        db.executemany(
            "INSERT INTO domain (name, mode, socket, created) "
            "VALUES (?1, 'odmr', ?1, 0)", ((name,) for name in names))
        tags.insert(db, (
            {"queue_id": f"4scale{number:09d}",
             "domain": names[number % DOMAINS], "size": 4096,
             "recipients": [f"user@{names[number % DOMAINS]}"],
             "arrived": now - number % 86400} for number in range(messages)))
        tags.count(db)


def accepted_rate(sandbox):
    """Messages a second, of a round of its own."""
    start = time.monotonic()
    subprocess.run(
        ["/usr/sbin/smtp-source", "-s", "20", "-l", "1024", "-m",
         str(ACCEPTED), "-f", "s@bench.test", "-t", "user@rate.test",
         f"127.0.0.1:{sandbox.port}"], check=True)
    rate = ACCEPTED / (time.monotonic() - start)
    wait_for(lambda: not sandbox.queue(), 120, "an empty queue")
    return rate


def accepted_rates(sandbox):
    return [accepted_rate(sandbox) for _ in range(ROUNDS)]


def status_seconds(sandbox):
    start = time.perf_counter()
    held = sum(domain["held"] for domain in sandbox.status()["domains"])
    return time.perf_counter() - start, held


def atrn_ms(sandbox):
    """The customer hangs up after it: the message stays."""
    with smtplib.SMTP("127.0.0.1", sandbox.odmr_port, timeout=60) as smtp:
        smtp.ehlo("customer.test")
        smtp.user, smtp.password = LOGIN, PASSWORD
        smtp.auth("CRAM-MD5", smtp.auth_cram_md5)
        start = time.perf_counter()
        code, text = smtp.docmd("ATRN", "asked.test")
        seconds = time.perf_counter() - start
        assert code == 250, (code, text)
        smtp.close()
    return seconds * 1000


def measure(sandbox, messages):
    sandbox.add_domain("asked.test")
    # Taken and thrown away, so that only accepting it costs.
    sandbox.add_domain("rate.test", "backup")
    sandbox.add_account(LOGIN, PASSWORD, ["asked.test"])
    transport = Path(sandbox.config) / "discard"
    transport.write_text("/@rate\\.test$/ discard:\n")
    before = subprocess.run(
        ["/usr/sbin/postconf", "-c", sandbox.config, "-h", "transport_maps"],
        stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    subprocess.run(
        ["/usr/sbin/postconf", "-c", sandbox.config, "-e",
         f"transport_maps = regexp:{transport}, {before}"], check=True)
    sandbox.restart("postfix")
    accepted_rate(sandbox)  # warms it up
    empty = accepted_rates(sandbox)
    hold(sandbox, messages)
    full = accepted_rates(sandbox)
    sandbox.send("s@bench.test", "user@asked.test", b"Subject: one\n\nOne.\n")
    sandbox.wait_until_deferred(1)
    statuses = [status_seconds(sandbox) for _ in range(ROUNDS)]
    assert all(held >= messages for _, held in statuses), statuses
    return {
        "status": statistics.median(seconds for seconds, _ in statuses),
        "atrn": statistics.median(atrn_ms(sandbox) for _ in range(ATRNS)),
        "ratio": statistics.median(full) / statistics.median(empty),
        "rate": statistics.median(full),
    }


def main(messages=100_000):
    sandbox = Sandbox()
    try:
        found = measure(sandbox, int(messages))
    finally:
        faults = sandbox.faults()
        sandbox.stop()
        sandbox.remove()
    print(f"status: {found['status']:.3f} s with {messages} messages of "
          f"{DOMAINS} domains held\n"
          f"ATRN: 250 after {found['atrn']:.2f} ms (median of {ATRNS})\n"
          f"accepted: {found['rate']:.0f} messages/s, {found['ratio']:.2f} of "
          "the rate without them")
    if faults:
        sys.exit("\n".join(faults))
    if found["status"] > STATUS_BOUND or found["atrn"] > ATRN_BOUND_MS or \
            found["ratio"] < RATE_BOUND:
        sys.exit(f"wanted: {STATUS_BOUND} s, {ATRN_BOUND_MS} ms, {RATE_BOUND}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
