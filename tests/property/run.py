# SPDX-License-Identifier: ISC
"""One run: a customer with one server collects random mail, session after
session, until nothing is queued or it was time enough. The number of the run
and the seed make all its choices; only time is not in our hands."""

import asyncio
import random
import time

from history import History
from model import check
from random_mail import random_message
from random_server import Server
from session import Session

DOUBTED_MAX = 32    # more take longer than a session here may
SESSIONS = 5        # undisturbed ones; more only where it takes longer


class Run:
    def __init__(self, seed, number, relays):
        self.name = f"{seed}/{number}"
        self.number = number
        self.rng = random.Random(self.name)
        self.relay = self.rng.choice(relays)
        self.dialogue = []
        self.server = Server(self.rng)
        self.disturbed = self.rng.choice([0, 0, 0, 1, 1, 2])
        self.linger = self.rng.random() < 0.04
        self.messages = []
        self.ends = []      # of its sessions
        self.copies = 0

    async def play(self, login, domains):
        """Raises Wrong if the law is broken."""
        self._write(domains)
        self.server.meet(self.rng, self.messages)
        history = History(self.server, self.messages, self.disturbed)
        self.relay.begin(login, self.linger)
        most = max(history.due or 0, self.disturbed + SESSIONS)
        for tick in range(most):
            await self._session(tick, history, login, domains)
            if history.over():
                break
        if self.server.is_sound() and self.disturbed == 0:
            learnt = set(self.relay.learnt(login))
            # Taken at last, by DATA: BDAT may have been to blame.
            if any(m.doubted and m.delivered for m in self.messages):
                learnt.discard("no-chunking")
            check(not learnt, f"{learnt} is learnt of a sound server")
        self.copies = history.copies
        self.relay.remove_tags(self.messages)

    def _write(self, domains):
        count = self.rng.choice([1, 2, self.rng.randrange(1, 15),
                                 self.rng.randrange(1, 60)])
        if self.relay.doubting:
            count = min(count, DOUBTED_MAX)
        self.messages = [
            random_message(self.rng, self.number, i, self.rng.choice(domains))
            for i in range(count)]
        if self.linger:
            self.messages[-1].late = True
        if self.rng.random() < 0.5:     # new mail meanwhile
            for message in self.messages:
                message.arrives = self.rng.choice([0, 0, 0, 1, 2, 3, 4])

    async def _session(self, tick, history, login, domains):
        """If there is mail by then."""
        self.relay.add_tags([m for m in self.messages
                             if m.arrives == tick and not m.late])
        queued = [m for m in self.messages
                  if m.arrives <= tick and m.recipients and not m.gone]
        if not queued:
            return
        if self.ends[-1:] not in ([], ["quit"]):
            # When a session ended badly is known in whole seconds.
            await asyncio.sleep(1 - time.time() % 1)
        number = len(self.ends)
        self.dialogue.append(f"---- session {number + 1} of run {self.name}")
        session = Session(
            number, random.Random(f"{self.name}/{number}"), self.relay,
            self.server, queued, self.dialogue, number < self.disturbed,
            careful=history.careful, suspects=set(history.suspects))
        try:
            await session.play(login, domains)
            history.add(number, session.customer, queued)
        finally:
            self.ends.append(session.customer.end or "?")
