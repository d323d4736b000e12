# SPDX-License-Identifier: ISC
"""One customer of the provider: an account, its domains, and the mail that is
sent to them, which is compared with what the customer's mail server got."""

import json
import re
import smtplib
from collections import Counter

from odmr.fetchmail import Fetchmail
from odmr.message import is_intact, recipient_of
from odmr.postfix import BARE_LF, LOOPBACK
from odmr.wait import wait_for

SENDER = "alice@sender.test"
PASSWORD = "correct horse"
SHOWN = 20000  # characters of a transcript


def text(number, body=b"hello\n"):
    return b"Subject: message %d\n\n%b" % (number, body)


class Party:
    def __init__(self, provider, server, login, domains, show):
        self.provider = provider
        self.server = server
        self.login = login
        self.domains = domains
        self.show = show
        self.sent = []  # (recipient, message), lines ended by LF
        for domain in domains:
            provider.add_domain(domain)
        provider.add_account(login, PASSWORD, domains)

    @property
    def domain(self):
        return self.domains[0]

    def owns(self, recipient):
        return recipient.partition("@")[2].lower() in self.domains

    # ---- sending

    def note(self, recipients, message):
        """The mail server is to get this."""
        self.sent += [(recipient, message) for recipient in recipients
                      if self.owns(recipient)]

    def send(self, *messages, sender=SENDER):
        """Each to a recipient of its own at the first domain, over one
        connection. `sender` may be a function of the message's number."""
        with smtplib.SMTP(LOOPBACK, self.provider.port, timeout=60) as smtp:
            for number, message in enumerate(messages):
                recipient = f"r{len(self.sent)}@{self.domain}"
                smtp.sendmail(
                    sender(number) if callable(sender) else sender, recipient,
                    BARE_LF.sub(b"\r\n", message), ["BODY=8BITMIME"])
                self.note([recipient], message)

    def send_to(self, recipients, message):
        """One message to all of `recipients`."""
        self.provider.send(SENDER, recipients, message)
        self.note(recipients, message)

    # ---- collecting

    def begin(self, port=None, tls=False, domains=None, password=PASSWORD):
        """A fetchmail that runs."""
        provider = self.provider
        return Fetchmail(
            port or (provider.odmrs_port if tls else provider.odmr_port),
            self.login, password, domains or self.domains, self.server.port,
            tls_ca=provider.tls_ca if tls else None)

    def finish(self, fetchmail):
        """Waits for its end: the Result."""
        result = fetchmail.wait(60)
        self.show("fetchmail", result.transcript[-SHOWN:])
        return result

    def collect(self, **how):
        """One session from begin to end; fetchmail's exit status."""
        return self.finish(self.begin(**how)).status

    def sessions(self):
        """The log's lines of the sessions that ended, as dicts."""
        return [dict(re.findall(r"(\S+)=(\S*)", line)) for line in
                self.provider.log_lines(": session ",
                                        f" account={self.login} ")]

    def session(self, count=1):
        """The last one, when there have been `count`."""
        wait_for(lambda: len(self.sessions()) >= count, 30,
                 f"{count} sessions in the log")
        assert len(self.sessions()) == count, self.sessions()
        return self.sessions()[-1]

    def expect_session(self, delivered, kept=0, refused=0, reason="drained",
                       count=1):
        session = self.session(count)
        assert [session[name] for name in
                ("delivered", "kept", "refused", "reason")] == \
            [str(delivered), str(kept), str(refused), reason], session

    # ---- what the provider has

    def queue(self):
        """The provider's messages with a recipient of ours."""
        return [message for message in self.provider.queue()
                if any(self.owns(recipient["address"])
                       for recipient in message["recipients"])]

    def queued(self):
        """Recipient -> how often the queue has it."""
        return Counter(
            recipient["address"] for message in self.queue()
            for recipient in message["recipients"]
            if self.owns(recipient["address"]))

    def tags(self):
        """What odmrctl queue says of all our domains."""
        return [tag for domain in self.domains for tag in json.loads(
            self.provider.odmrctl("queue", domain, "--json"))["messages"]]

    def held(self):
        """What odmrctl status says."""
        return sum(self.provider.status(domain)["held"]
                   for domain in self.domains)

    def wait_until_tried(self, count):
        """`count` messages wait in the queue and none is being tried."""
        wait_for(lambda: [message["queue_name"] for message in self.queue()] ==
                 ["deferred"] * count, 60, f"{count} messages, all deferred")

    def wait_until_held(self, count):
        """The same, and each has its tag."""
        self.wait_until_tried(count)
        wait_for(lambda: self.held() == count, 20, f"{count} open tags")

    def wait_until_tagged(self, recipient):
        """What was sent to `recipient` is known to odmrd."""
        wait_for(lambda: any(recipient in tag["recipients"]
                             for tag in self.tags()), 20,
                 f"a tag for {recipient}")

    def expect_nothing_held(self):
        wait_for(lambda: not self.queued() and not self.held(), 30,
                 "nothing in the queue, no open tag")
        assert self.tags() == []

    # ---- what has arrived

    def arrived(self):
        """Recipient -> messages in the Maildir."""
        found = {}
        for message in self.server.messages():
            recipient = recipient_of(message)
            if self.owns(recipient):
                found.setdefault(recipient, []).append(message)
        return found

    def expect_arrived(self, sent=None):
        """`sent` (all, unless told), each once and intact; nothing else."""
        sent = self.sent if sent is None else sent
        count = len(sent)
        wait_for(lambda: sum(map(len, self.arrived().values())) >= count and
                 not self.server.queue(), 60, f"{count} messages delivered")
        arrived = self.arrived()
        wanted = {}
        for recipient, message in sent:
            wanted.setdefault(recipient, []).append(message)
        assert {name: len(found) for name, found in arrived.items()} == \
            {name: len(messages) for name, messages in wanted.items()}
        damaged = [name for name, messages in wanted.items()
                   for message in messages
                   if not any(is_intact(one, message)
                              for one in arrived[name])]
        assert damaged == []

    def expect_all_collected(self):
        self.expect_arrived()
        self.expect_nothing_held()
