# SPDX-License-Identifier: ISC
"""One configuration of one server: mail waits at a provider, the customer
collects with fetchmail until no session brings anything, and what became of
each recipient is told."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from interop.corpus import DOMAIN
from interop.injection import inject
from interop.ledger import Ledger
from odmr.fetchmail import Fetchmail
from odmr.sandbox import Sandbox
from odmr.wait import wait_for

LOGIN, PASSWORD = "customer", "correct horse"
SESSIONS_MAX = 30
# Sessions in a row that may bring nothing: a session may do no more than learn
# what the server cannot do.
FRUITLESS_MAX = 3
HUNG_MAX = 2
SHOWN = 20000   # characters of a log, where one is printed


# What the client may say only where the server offers the extension.
PARAMETERS = {"BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "SIZE": "SIZE",
              "RET": "DSN", "ENVID": "DSN", "NOTIFY": "DSN", "ORCPT": "DSN"}
OFFER = re.compile(r"ODMR> 250[- ](\w+)")
PATH = re.compile(r"ODMR< (?:MAIL FROM|RCPT TO):<.*> (.*)")


def unoffered(transcript):
    """Faults: parameters of extensions that the server did not offer."""
    greeting = transcript.partition("ODMR< MAIL FROM:")[0]
    offered = {word.upper() for word in OFFER.findall(greeting)}
    names = {parameter.partition("=")[0] for parameters in
             PATH.findall(transcript) for parameter in parameters.split()}
    return {f"unoffered: {name}" for name in names
            if PARAMETERS.get(name) not in offered}


@dataclass
class Outcome:
    """What there is to say of a trial."""
    name: str
    plans: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    copies_too_many: int = 0
    rate: float = 0
    sessions: int = 0
    remarks: list = field(default_factory=list)
    faults: list = field(default_factory=list)


class Trial:
    def __init__(self, configuration, messages, session_seconds,
                 keep_in=None):
        """With `keep_in`, logs, dialogues and what was altered stay there. The
        ends of the logs are in `logs` as well."""
        self.configuration = configuration
        self.messages = messages
        self.session_seconds = session_seconds
        self.outcome = Outcome(configuration.name)
        self.keep_in = keep_in
        self.logs = {}
        self.provider = self.server = None
        self.hung = 0

    def run(self):
        """The Outcome."""
        try:
            self.server = self.configuration.server()
            self.provider = Sandbox()
            self._configure()
            inject(self.provider.port, self.messages)
            self._await_rest()
            ledger = Ledger(self.messages, self._references())
            self._collect(ledger)
            self._account(ledger)
        finally:
            self._end()
        return self.outcome

    def _configure(self):
        if self.configuration.settings:
            with open(self.provider.conf, "a", encoding="ascii") as conf:
                conf.writelines(f"{name} = {value}\n" for name, value in
                                self.configuration.settings.items())
            self.provider.restart("odmrd")
        self.provider.add_domain(DOMAIN)
        self.provider.add_account(LOGIN, PASSWORD, [DOMAIN])

    # ---- what the provider has

    def _queue(self):
        """Without bounces, which wait there too."""
        ids = {message.queue_id for message in self.messages}
        return [message for message in self.provider.queue()
                if message["queue_id"] in ids]

    def _await_rest(self):
        """No message is being tried, and all have their tags."""
        wait_for(lambda: all(message["queue_name"] == "deferred"
                             for message in self._queue()), 120,
                 "all that is left is deferred")

    def _references(self):
        """Queue id -> the message, in its own words."""
        wait_for(lambda: self.provider.status(DOMAIN)["held"] ==
                 len(self.messages), 60, "a tag for each message")

        def read(message):
            done = subprocess.run(
                ["/usr/sbin/postcat", "-c", self.provider.config, "-qbh",
                 message.queue_id], stdout=subprocess.PIPE, check=True,
                timeout=60)
            return message.queue_id, done.stdout
        with ThreadPoolExecutor(2) as pool:
            return dict(pool.map(read, self.messages))

    # ---- sessions

    def _collect(self, ledger):
        seconds = fruitless = 0
        before = len(ledger.entries)
        while self.outcome.sessions < SESSIONS_MAX and \
                fruitless < FRUITLESS_MAX:
            seconds += self._session()
            ledger.read_log(self.provider.log_lines(": to=<"))
            left = ledger.counts()[1]
            fruitless = 0 if left < before else fruitless + 1
            before = left
            if self.hung == HUNG_MAX or \
                    not ledger.waiting(self.configuration.refuses):
                break
        delivered = sum(int(row["delivered"]) for row in self._sessions())
        self.outcome.rate = delivered / seconds

    def _session(self):
        """Its seconds."""
        self.outcome.sessions += 1
        began = time.monotonic()
        port = self.provider.odmrs_port if self.configuration.over_tls \
            else self.provider.odmr_port
        fetchmail = Fetchmail(
            port, LOGIN, PASSWORD, [DOMAIN], self.server.port,
            tls_ca=self.provider.tls_ca if self.configuration.over_tls
            else None)
        try:
            transcript = fetchmail.wait(self.session_seconds).transcript
            self.outcome.faults += unoffered(transcript) - \
                set(self.outcome.faults)
            self._keep(f"fetchmail-{self.outcome.sessions}.log",
                       transcript.encode("latin-1"))
        except subprocess.TimeoutExpired:
            self.hung += 1
            self.outcome.faults.append(
                f"hung: session {self.outcome.sessions} was killed after "
                f"{self.session_seconds} s")
        seconds = time.monotonic() - began
        wait_for(lambda: len(self._sessions()) >= self.outcome.sessions, 60,
                 "odmrd's line about the session")
        self._await_rest()
        return seconds

    def _sessions(self):
        """odmrd's lines about them, as dicts."""
        return [dict(re.findall(r"(\S+)=(\S*)", line)) for line in
                self.provider.log_lines(": session ", f"account={LOGIN} ")]

    # ---- the account

    def _account(self, ledger):
        configuration, outcome = self.configuration, self.outcome
        wait_for(self.server.idle, 120, "the server has put all in its place")
        strangers = ledger.read_copies(self.server.copies())
        outcome.counts = ledger.counts()
        outcome.copies_too_many = ledger.copies_too_many()
        sessions = self._sessions()
        outcome.plans = list(dict.fromkeys(row["plan"] for row in sessions))
        reasons = dict.fromkeys(row["reason"] for row in sessions)
        outcome.remarks += [f"reason={reason}" for reason in reasons
                            if reason != "drained"]
        outcome.faults += [
            *ledger.faults(configuration.refuses, configuration.keeps,
                           configuration.traits),
            *(f"stranger: {recipient}" for recipient in strangers),
            *self.provider.faults()]
        self._keep("faults", "".join(f"{fault}\n" for fault in
                                     outcome.faults).encode())
        for entry, copy in ledger.altered(configuration.traits):
            self._keep(entry.message.queue_id + ".sent",
                       ledger.references[entry.message.queue_id])
            self._keep(entry.message.queue_id + ".came", copy)

    def _end(self):
        if self.server:
            self._keep("server.log", self._server_log())
            self.server.stop()
        if self.provider:
            self.provider.stop()
            self._keep("provider.log", self.provider.log.read_bytes())
            self.provider.remove()

    def _server_log(self):
        log = self.server.log
        return log().encode() if callable(log) else log.read_bytes()

    def _keep(self, name, octets):
        if name.endswith(".log"):
            self.logs[name] = octets.decode("utf-8", "replace")[-SHOWN:]
        if self.keep_in:
            self.keep_in.mkdir(parents=True, exist_ok=True)
            (self.keep_in / name).write_bytes(octets)
