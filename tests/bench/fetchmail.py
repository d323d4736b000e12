#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""How fast a customer with fetchmail and Postfix collects on loopback, by what
his Postfix offers. Fails below the bounds.

    bench/fetchmail.py [MESSAGES]"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from odmr.customer import Customer  # noqa: E402
from odmr.fetchmail import fetchmail  # noqa: E402
from odmr.sandbox import Sandbox  # noqa: E402

DOMAIN, LOGIN, PASSWORD = "fetched.test", "fetcher", "a password"
BODY = b"Subject: bench\n\n" + b"x" * 79 + b"\n" + (b"y" * 79 + b"\n") * 50
# plan: what the customer's Postfix does not offer, and the least rate.
PLANS = {
    "chunking": ("", 150),
    "pipelining": ("chunking", 20),
    "lockstep": ("chunking, pipelining", 15),
}


def rate(sandbox, hidden, messages):
    """Messages a second from the start of fetchmail to its end."""
    server = Customer(["static:all"], smtpd_discard_ehlo_keywords=hidden)
    try:
        for _ in range(messages):
            sandbox.send("s@bench.test", f"user@{DOMAIN}", BODY)
        sandbox.wait_until_held(DOMAIN, messages)
        sandbox.wait_until_deferred(messages)
        start = time.monotonic()
        result = fetchmail(sandbox.odmr_port, LOGIN, PASSWORD, [DOMAIN],
                           server.port, timeout=300)
        seconds = time.monotonic() - start
        assert result.status == 0, result.transcript[-2000:]
        assert not sandbox.queue(), "mail is left"
        return messages / seconds
    finally:
        server.stop()


def main(messages=300):
    sandbox = Sandbox()
    slow = []
    try:
        sandbox.add_domain(DOMAIN)
        sandbox.add_account(LOGIN, PASSWORD, [DOMAIN])
        for plan, (hidden, least) in PLANS.items():
            found = rate(sandbox, hidden, int(messages))
            print(f"{plan}: {found:.0f} messages/s, wanted {least}",
                  flush=True)
            if found < least:
                slow.append(plan)
    finally:
        faults = sandbox.faults()
        sandbox.stop()
        sandbox.remove()
    if faults:
        sys.exit("\n".join(faults))
    if slow:
        sys.exit(f"too slow: {', '.join(slow)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
