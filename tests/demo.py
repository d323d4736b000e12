# SPDX-License-Identifier: ISC
"""The whole path once, with real messages and real programs: mail enters a
provider's Postfix, waits, is collected by fetchmail in ODMR mode, and lies in
the Maildir of the customer's Postfix as it was sent. Exit status 0 if every
message does."""

import re
import sys
from pathlib import Path

from odmr.customer import Customer
from odmr.fetchmail import fetchmail
from odmr.message import is_intact, recipient_of
from odmr.sandbox import Sandbox

DOMAIN = "example.org"
LOGIN, PASSWORD = "customer", "a password for the demonstration"
SENDER = "alice@sender.test"
SAMPLES = "/usr/lib/python3*/test/test_email/data/msg_*.txt"

HEADER = re.compile(rb"([!-9;-~]+[ \t]*:[^\n]*\n([ \t][^\n]*\n)*)*(\n|\Z)")
FROM_PROVIDER = "fetchmail: ODMR< "


def say(text):
    print(f"\n==== {text}", flush=True)


def samples():
    """Recipient -> message, lines ended by LF. An mbox's "From " line is no
    part of a message, and the last line of a message has an end."""
    found = {}
    for path in sorted(Path("/").glob(SAMPLES[1:])):
        message = path.read_bytes().replace(b"\r\n", b"\n")
        if message.startswith(b"From "):
            message = message.partition(b"\n")[2]
        if not message.endswith(b"\n"):
            message += b"\n"
        if not HEADER.match(message):
            print(f"left out: {path.name}: no empty line ends its header, "
                  "so any Postfix adds one")
            continue
        found[f"{path.stem}@{DOMAIN}"] = message
    if not found:
        sys.exit(f"demo: no samples: {SAMPLES}")
    return found


def dialogue(transcript):
    """fetchmail's transcript with only the size of each message's text."""
    lines, skip = [], 0
    for line in transcript.split("\n"):
        if not line.startswith(FROM_PROVIDER):
            lines.append(line)
            continue
        text = line[len(FROM_PROVIDER):]
        if skip > 0:
            skip -= len(text) + 2
            continue
        lines.append(line)
        chunk = re.match(r"BDAT (\d+)", text)
        if chunk:
            skip = int(chunk.group(1))
            lines.append(f"        [{skip} octets]")
    return "\n".join(lines)


def send(provider, messages):
    for recipient, message in messages.items():
        provider.send(SENDER, recipient, message, ["BODY=8BITMIME"])
    provider.wait_until_deferred(len(messages))
    provider.wait_until_held(DOMAIN, len(messages))


def compare(messages, delivered):
    """The recipients whose message did not arrive exactly once and intact."""
    arrived = {}
    for message in delivered:
        arrived.setdefault(recipient_of(message), []).append(message)
    return [recipient for recipient, sent in messages.items()
            if [is_intact(one, sent) for one in arrived.get(recipient, [])]
            != [True]]


def run(provider, customer, messages):
    provider.add_domain(DOMAIN)
    provider.add_account(LOGIN, PASSWORD, [DOMAIN])
    say(f"{len(messages)} messages for {DOMAIN} are sent to the provider")
    send(provider, messages)
    print(provider.odmrctl("status"), end="")
    print(provider.odmrctl("queue", DOMAIN), end="")

    say("the customer collects: fetchmail, ODMR, one outgoing connection")
    result = fetchmail(provider.odmr_port, LOGIN, PASSWORD, [DOMAIN],
                       customer.port)
    print(dialogue(result.transcript))
    delivered = customer.wait_for_messages(len(messages))
    provider.wait_until_empty()

    say("what came of it")
    print(provider.odmrctl("status"), end="")
    damaged = compare(messages, delivered)
    faults = provider.faults()
    print(f"fetchmail's exit status:               {result.status}")
    print(f"sent to the provider:                  {len(messages)}")
    print(f"in the customer's Maildir:             {len(delivered)}")
    print("equal byte for byte below the trace:   "
          f"{len(messages) - len(damaged)}")
    print(f"left in the provider's queue:          {len(provider.queue())}")
    for line in damaged + faults:
        print(f"NOT RIGHT: {line}")
    return result.status == 0 and not damaged and not faults


def main():
    messages = samples()
    say("starting the provider (Postfix, odmr-milter, odmrd) and the "
        "customer's Postfix")
    provider = Sandbox()
    try:
        customer = Customer([DOMAIN])
        try:
            good = run(provider, customer, messages)
        except AssertionError as error:
            print(f"NOT RIGHT: {error}")
            good = False
        finally:
            customer.stop()
        if not good:
            print("\n".join(["the provider's log ends with:",
                             *provider.log_lines()[-60:]]))
    finally:
        provider.stop()
        provider.remove()
    say("demo: passed" if good else "demo: FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
