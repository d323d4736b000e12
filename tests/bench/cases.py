# SPDX-License-Identifier: ISC
"""What is measured: the cases, each with so many messages that it takes some
seconds, and how often. QUICK shows the same in a few."""

import os
from dataclasses import dataclass

QUICK = bool(os.environ.get("BENCH_QUICK"))
ROUNDS = 1 if QUICK else 3
SMALL = 4096
LARGE = 25_000_000
HELD = 2000  # the target for the first message is with so many


@dataclass(frozen=True)
class Case:
    kind: str       # bare: lmtp(8) into a sink; odmrd; held: odmrd dials one;
                    # smtp: smtp(8) into one
    messages: int
    mode: str = "chunking"
    rtt: int = 0    # milliseconds
    tls: bool = False
    size: int = SMALL
    customers: int = 1

    @property
    def name(self):
        if self.kind == "bare":
            words = ["lmtp(8), bare sink"]
        elif self.kind == "smtp":
            words = ["smtp(8) x20", f"{self.rtt} ms"]
        elif self.kind == "held":
            words = ["dialled,", self.mode, f"{self.rtt} ms"]
        else:
            words = [self.mode, f"{self.rtt} ms"]
        if self.tls:
            words.append("TLS")
        if self.size == LARGE:
            words.append("25 MB")
        if self.customers > 1:
            words.append(f"{self.customers} customers")
        return " ".join(words)


def _few(full, quick):
    return quick if QUICK else full


# One after the other in each round, so that what the machine does meanwhile
# befalls them alike: the ratios are between these.
COMPARED = [
    Case("bare", _few(4000, HELD)),
    Case("odmrd", _few(4000, HELD)),
    Case("held", _few(4000, HELD)),
    Case("odmrd", _few(3000, 1000), tls=True),
    Case("odmrd", _few(3000, 1000), rtt=100),
    Case("odmrd", _few(3000, 1000), rtt=100, tls=True),
]

LARGE_COMPARED = [
    Case("bare", _few(30, 8), size=LARGE),
    Case("odmrd", _few(30, 8), size=LARGE),
]

ONCE = [
    Case("odmrd", _few(3000, 800), rtt=20),
    Case("odmrd", _few(2000, 800), rtt=300),
    Case("odmrd", _few(2000, 500), mode="pipelining"),
    Case("odmrd", _few(300, 60), mode="pipelining", rtt=20),
    Case("odmrd", _few(60, 15), mode="pipelining", rtt=100),
    Case("odmrd", _few(25, 6), mode="pipelining", rtt=300),
    Case("odmrd", _few(2000, 500), mode="lockstep"),
    Case("odmrd", _few(80, 20), mode="lockstep", rtt=20),
    Case("odmrd", _few(16, 5), mode="lockstep", rtt=100),
    Case("odmrd", _few(6, 2), mode="lockstep", rtt=300),
    Case("smtp", _few(3000, 800)),
    Case("smtp", _few(1500, 300), rtt=20),
    Case("smtp", _few(400, 100), rtt=100),
    # So long that the order in which their flushes began does not count.
    Case("odmrd", _few(20000, 1000), customers=20),
]

ALL = COMPARED + LARGE_COMPARED + ONCE
