# SPDX-License-Identifier: ISC
"""A provider that soon retries, and what one asks of it about mail that waits
for etrn-trigger or for its host."""

import contextlib
import itertools
import os
import socket
import subprocess

from odmr.sandbox import BUILD
from odmr.wait import wait_for

MESSAGE = b"Subject: held\n\nThis message waited.\n"
# Mail that is tried again before smtp(8) has closed it, which it does after it
# has told the queue manager, is "skipped, still being delivered" for 300 s. So
# there is more than a second between queue runs.
# Without the DNS: "localhost" comes from /etc/hosts, and there is no MX.
SETTINGS = ["queue_run_delay=2s", "minimal_backoff_time=1s",
            "maximal_backoff_time=1s", "smtp_dns_support_level=disabled"]
NUMBERS = itertools.count()


@contextlib.contextmanager
def retrying(sandbox):
    """With mail for a host that is always down: each time it is tried again, a
    queue run has passed."""
    subprocess.run(["/usr/sbin/postconf", "-c", sandbox.config, "-e",
                    *SETTINGS], check=True, timeout=60)
    sandbox.restart("postfix")
    with socket.socket() as down:
        down.bind(("127.0.0.1", 0))
        sandbox.add_domain("clock.test", "backup",
                           f"[127.0.0.1]:{down.getsockname()[1]}")
        sandbox.send("s@sender.test", "tick@clock.test", MESSAGE)
        yield sandbox


def clear(provider):
    """Away with all other mail and domains."""
    for message in provider.queue():
        if message["recipients"][0]["address"] != "tick@clock.test":
            subprocess.run(["/usr/sbin/postsuper", "-c", provider.config, "-d",
                            message["queue_id"]], check=False, timeout=60,
                           stderr=subprocess.DEVNULL)
    for domain in provider.status()["domains"]:
        if domain["domain"] != "clock.test":
            provider.odmrctl("domain", "remove", domain["domain"])


def queue_runs(provider, count):
    """Waits until so many have passed from beginning to end."""
    def ticks():
        return len(provider.log_lines("to=<tick@clock.test>"))
    end = ticks() + count + 1
    wait_for(lambda: ticks() >= end, 60, f"{count} queue runs")


def send(provider, domain, count):
    for number in itertools.islice(NUMBERS, count):
        provider.send("s@sender.test", f"r{number}@{domain}", MESSAGE)


def wait_until_tried(provider, domain, count):
    """All are there, and each was tried or put off."""
    wait_for(lambda: len(deferred(provider, domain)) == count, 30,
             f"{count} deferred messages for {domain}")


def deferred(provider, domain):
    """Those that wait. When it is tried again, a message is in the active
    queue for a moment, and a listing may meet it in both."""
    return list({message["queue_id"]: message
                 for message in provider.queued_for(domain)
                 if "delay_reason" in message["recipients"][0]}.values())


def wait_until_gone(provider, domain):
    wait_for(lambda: not provider.queued_for(domain), 30,
             f"no mail for {domain}")


def tries(provider, domain, transport):
    """Deliveries that were attempted, whatever came of them."""
    return len(provider.log_lines(f"postfix/{transport}[", f"@{domain}>"))


def trigger(provider, *arguments, status=os.EX_OK):
    done = subprocess.run(
        [str(BUILD / "etrn-trigger"), "-c", provider.conf, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, ""), done
    return done.stdout


def started(count, node):
    return f"253 OK, {count} pending messages for node {node} started\n"


def at(customer):
    return f"[127.0.0.1]:{customer.port}"
