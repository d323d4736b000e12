#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How soon etrn-trigger --policy answers: 10,000 domains with a network each,
and as many networks again that may start some of them. Half of the questions
are from a domain's own network, half from where nobody may. Prints the median
and the 99th percentile of both; fails where a median is above the bound.

    bench/policy.py [QUESTIONS]"""

import contextlib
import getpass
import grp
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from odmr.sandbox import BUILD, no_postfix, temporary_directory  # noqa: E402

DOMAINS = 10_000
BOUND_MS = 2.0

CONF = """\
log = stderr
database = {dir}/odmr.db
domain_table = lmdb:{dir}/domains
etrn_table = lmdb:{dir}/etrn_names
postfix_config_directory = {dir}/postfix
user = {user}
postfix_user = {user}
flush_group = {group}
"""


def own_network(number):
    return f"10.{number >> 8}.{number & 255}.0/24"


def other_network(number):
    return f"172.{16 + (number >> 12)}.{number >> 4 & 255}." \
        f"{(number & 15) << 4}/28"


def question(number, may):
    """One client of the domain's own network, or one of nobody's."""
    address = f"10.{number >> 8}.{number & 255}.7" if may else \
        f"192.168.{number >> 8}.{number & 255}"
    return (f"request=smtpd_access_policy\nprotocol_state=ETRN\n"
            f"client_address={address}\nsasl_username=\n"
            f"etrn_domain=d{number}.test\n\n").encode()


def prepare(directory):
    (directory / "odmr.conf").write_text(CONF.format(
        dir=directory, user=getpass.getuser(),
        group=grp.getgrgid(os.getgid()).gr_name))
    no_postfix(directory / "postfix")
    subprocess.run([str(BUILD / "odmrctl"), "-c",
                    str(directory / "odmr.conf"), "init"], check=True)
    names = [f"d{number}.test" for number in range(DOMAINS)]
    with contextlib.closing(sqlite3.connect(directory / "odmr.db")) as db:
        with db:
            db.executemany(
                "INSERT INTO domain (name, mode, socket, created) "
                "VALUES (?1, 'backup', ?1, 0)", ((name,) for name in names))
            for network in (own_network, other_network):
                db.executemany(
                    "INSERT INTO etrn (domain, who) VALUES (?, ?)",
                    ((name, network(number))
                     for number, name in enumerate(names)))


def ask(process, number, may):
    """The milliseconds until the answer is there."""
    data = question(number, may)
    start = time.perf_counter()
    process.stdin.write(data)
    process.stdin.flush()
    answer = process.stdout.readline()
    seconds = time.perf_counter() - start
    process.stdout.readline()
    assert answer.startswith(b"action=OK\n" if may else b"action=459 "), answer
    return seconds * 1000


def measure(directory, questions):
    """The times of those who may and of those who may not."""
    command = [str(BUILD / "etrn-trigger"), "-c",
               str(directory / "odmr.conf"), "--policy"]
    chance = random.Random(1985)
    times = {True: [], False: []}
    with open(directory / "log", "wb") as log, subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log) as process:
        for count in range(questions):
            may = count % 2 == 0
            times[may].append(ask(process, chance.randrange(DOMAINS), may))
    return times[True], times[False]


def main(questions=4000):
    directory = temporary_directory()
    try:
        prepare(directory)
        allowed, refused = measure(directory, int(questions))
    finally:
        shutil.rmtree(directory)
    medians = []
    for name, times in (("allowed", allowed), ("refused", refused)):
        medians.append(statistics.median(times))
        print(f"{name}: median {medians[-1]:.3f} ms, 99th percentile "
              f"{statistics.quantiles(times, n=100)[98]:.3f} ms "
              f"({len(times)} questions)")
    if max(medians) > BOUND_MS:
        sys.exit(f"a median is above {BOUND_MS} ms")


if __name__ == "__main__":
    main(*sys.argv[1:2])
