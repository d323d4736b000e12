# SPDX-License-Identifier: ISC
"""One run: a random customer collects random mail. The number of the run and
the seed make all its choices; only time is not in our hands."""

import asyncio
import random
import time

from model import (Wrong, check, check_answers, check_session, check_taken,
                   tag_wanted)
from random_customer import Customer
from random_mail import random_message
from random_postfix import Peer

BOUND = 25          # seconds for a run; odmrd's own timeouts are longer
TAGS_BOUND = 10     # for the thread that settles them


class Run:
    def __init__(self, seed, number, relays):
        self.number = number
        self.rng = random.Random(f"{seed}/{number}")
        self.relay = self.rng.choice(relays)
        self.dialogue = []
        self.customer = Customer(self.rng, self.dialogue)
        self.messages = []
        self.peers = []

    async def play(self, login, domains):
        """Raises Wrong if the law is broken."""
        self._write(domains)
        self.relay.add_tags(self.messages)
        try:
            await asyncio.wait_for(self._session(login, domains), BOUND)
        except asyncio.TimeoutError:
            raise Wrong(f"not at its end after {BOUND} s") from None
        finally:
            self._hang_up()
        check_session(self.customer, self.messages)
        check_taken(self.customer, self.messages)
        check_answers(self.customer, self.messages, self.relay.doubting)
        await self._check_tags(domains)

    def _write(self, domains):
        count = self.rng.choice([1, 2, self.rng.randrange(1, 15),
                                 self.rng.randrange(1, 60)])
        self.messages = [
            random_message(self.rng, self.number, i, self.rng.choice(domains))
            for i in range(count)]

    def _make_peers(self):
        """A connection carries mail for one domain."""
        vanishing = self.rng.choice([0, 0, 0.05, 0.3])
        left = list(self.messages)
        most = self.rng.choice([1, 3, 8])
        while left:
            domain = left[0].domain
            batch = [m for m in left if m.domain == domain]
            batch = batch[:self.rng.randrange(1, most + 1)]
            left = [m for m in left if m not in batch]
            self.peers.append(Peer(
                random.Random(self.rng.random()), len(self.peers),
                self.dialogue, batch, vanishing, self.relay.forget))

    async def _session(self, login, domains):
        customer = self.customer
        await customer.connect(self.relay.odmrd.port)
        await customer.turn(login, domains)
        customer.break_somewhere()
        self._make_peers()
        sockets = self.relay.odmrd.dir / "odmr"
        await asyncio.gather(customer.serve(), *(
            peer.run(str(sockets / peer.messages[0].domain))
            for peer in self.peers))

    def _hang_up(self):
        for end in [self.customer, *self.peers]:
            if end.wire:
                end.wire.abort()

    # ---- tags

    async def _check_tags(self, domains):
        until = time.monotonic() + TAGS_BOUND
        while wrong := self._wrong_tags(domains):
            check(time.monotonic() < until, wrong)
            await asyncio.sleep(0.005)
        self.relay.remove_tags(self.messages)

    def _wrong_tags(self, domains):
        if self.relay.in_session(domains):
            return "the session is still in state.db"
        for message in self.messages:
            tag = self.relay.tag(message)
            if message.answers:
                wanted = tag_wanted(message)
                if tag != wanted:
                    return f"the tag of {message.sender} is {tag}, not {wanted}"
            elif tag and tag[0] != "held" and not self._said_so(message, tag):
                return f"the tag of {message.sender} is {tag}, for nothing"
        return None

    def _said_so(self, message, tag):
        """Nobody heard the answers: the tag may be settled all the same."""
        said = self.customer.said.get(message.sender)
        answers = [said and said.of(name) for name in message.recipients]
        if not all(answers):
            return False
        delivered = sum(code < 300 for code, _ in answers)
        return tag[0] == ("delivered" if delivered else "refused") and \
            tag[2] == delivered
