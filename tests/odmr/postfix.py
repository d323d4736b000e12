# SPDX-License-Identifier: ISC
"""A running private Postfix, whoever started it."""

import json
import re
import smtplib
import subprocess
from pathlib import Path

from odmr.wait import wait_for

LOOPBACK = "127.0.0.1"
BARE_LF = re.compile(rb"(?<!\r)\n")


class Postfix:
    def __init__(self, config, port, log):
        self.config = str(config)
        self.port = int(port)
        self.log = Path(log)

    def send(self, sender, recipients, message, options=()):
        """Hands `message` (bytes) in by SMTP, lines ended by CRLF. A refusal of
        any recipient is an exception."""
        if isinstance(recipients, str):
            recipients = [recipients]
        with smtplib.SMTP(LOOPBACK, self.port, timeout=60) as smtp:
            refused = smtp.sendmail(sender, recipients, BARE_LF.sub(
                b"\r\n", message), options)
            assert not refused, refused

    def sendmail(self, sender, recipients, message):
        """The same by sendmail(1)."""
        subprocess.run(
            ["/usr/sbin/sendmail", "-C", self.config, "-i", "-f", sender]
            + list(recipients), input=message, check=True, timeout=60)

    def queue(self):
        """The queue as postqueue -j shows it: a list of dicts. A message that
        moves between queues meanwhile may be listed in both."""
        out = self._command("postqueue", "-j")
        rows = [json.loads(line) for line in out.splitlines()]
        return list({row["queue_id"]: row for row in rows}.values())

    def queued_for(self, domain):
        """The queued messages with a recipient in `domain`."""
        return [message for message in self.queue()
                if any(recipient["address"].endswith("@" + domain)
                       for recipient in message["recipients"])]

    def flush(self, domain):
        self._command("postqueue", "-s", domain)

    def flush_all(self):
        self._command("postqueue", "-f")

    def wait_until_deferred(self, count, timeout=30):
        """Waits until `count` messages are there and none is being tried."""
        def settled():
            names = [message["queue_name"] for message in self.queue()]
            return names == ["deferred"] * count
        wait_for(settled, timeout, f"{count} messages, all deferred")

    def wait_until_empty(self, timeout=30):
        wait_for(lambda: not self.queue(), timeout, "an empty queue")

    def log_lines(self, *parts):
        """The log's lines that contain all of `parts`."""
        text = self.log.read_text(errors="replace")
        return [line for line in text.splitlines()
                if all(part in line for part in parts)]

    def wait_for_log(self, *parts, timeout=30):
        return wait_for(lambda: self.log_lines(*parts), timeout,
                        "a line in the log with " + ", ".join(parts))

    def _command(self, program, *arguments):
        done = subprocess.run(
            ["/usr/sbin/" + program, "-c", self.config, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{program} {arguments}: {done.stderr}")
        return done.stdout
