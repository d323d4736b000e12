# SPDX-License-Identifier: ISC
"""One session of a run: the customer collects what is queued."""

import asyncio
import random
import time

import turning
from broken_customer import BrokenCustomer
from model import (Wrong, check, check_answers, check_session, check_taken,
                   may_be_apart, needs_more, tag_wanted)
from random_postfix import Destination, Peer

BOUND = 25          # seconds; odmrd's own timeouts are longer
TAGS_BOUND = 10     # for the thread that settles them
NOT_NOW = "when others have gone"


class Session:
    """`messages` are offered; `more` is what the customer has to know."""

    def __init__(self, number, rng, relay, server, messages, dialogue,
                 disturbed, **more):
        self.rng = rng
        self.relay = relay
        self.messages = messages
        self.dialogue = dialogue
        self.customer = BrokenCustomer(
            number, relay.tls, rng, server, dialogue, disturbed, **more)
        self.vanishing = rng.choice([0, 0, 0.05, 0.3]) if disturbed else 0
        self.peers = []

    async def play(self, login, domains):
        """Raises Wrong if the law is broken."""
        for message in self.messages:
            message.offer_again()
        try:
            await asyncio.wait_for(self._collect(login, domains), BOUND)
        except asyncio.TimeoutError:
            raise Wrong(f"not at its end after {BOUND} s") from None
        finally:
            self._hang_up()
        check_session(self.customer, self.messages)
        check_taken(self.customer, self.messages)
        check_answers(self.customer, self.messages, self.relay.doubting)
        await self._check_tags(domains)

    def _make_peer(self):
        peer = Peer(random.Random(self.rng.random()), len(self.peers),
                    self.dialogue, self.vanishing, self.relay.forget)
        self.peers.append(peer)
        return peer

    async def _offer(self, messages):
        """Until all are answered, or there is nobody to ask."""
        self.rng.shuffle(messages)
        domains = sorted({message.domain for message in messages})
        await asyncio.gather(*(
            Destination(self.rng, str(self.relay.odmrd.dir / "odmr" / domain),
                        [m for m in messages if m.domain == domain],
                        self._make_peer).run() for domain in domains))

    async def _collect(self, login, domains):
        customer = self.customer
        await turning.connect(customer.wire, self.relay.odmrd.port,
                              customer.server.reading)
        await turning.turn(customer.wire, login, domains)
        customer.break_somewhere()
        late = [m for m in self.messages if m.late]
        serving = asyncio.create_task(customer.serve())
        try:
            await self._offer([m for m in self.messages if not m.late])
            if late:
                await self._deliver_late(late, serving)
            await self._offer_again(serving)
        finally:
            serving.cancel()

    async def _deliver_late(self, late, serving):
        """While odmrd waits for the reply to NOOP."""
        nooped = asyncio.create_task(self.customer.nooped.wait())
        await asyncio.wait([nooped, serving],
                           return_when=asyncio.FIRST_COMPLETED)
        nooped.cancel()
        if serving.done():
            return      # it never came to that
        self.relay.add_tags(late)
        for message in late:
            message.late = False
        await self._offer(late)

    async def _offer_again(self, serving):
        """What odmrd has no room for now comes with its next flush."""
        while not serving.done():
            await asyncio.wait([serving], timeout=0.1)
            again = [m for m in self.messages
                     if any(NOT_NOW in text for _, text in m.answers.values())]
            for message in again:
                message.offer_again()
            await self._offer(again)
        await serving

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

    def _wrong_tags(self, domains):
        if self.relay.in_session(domains):
            return "the session is still in odmr.db"
        for message in self.messages:
            if message.late:
                continue
            tag = self.relay.tag(message)
            if len(message.answers) == len(message.recipients):
                wanted = tag_wanted(message)
                if tag != wanted and not (
                        may_be_apart(self.customer.server, message) and
                        tag and tag[:3] == wanted[:3]):
                    return f"the tag of {message.sender} is {tag}, not {wanted}"
            elif tag and tag[0] != "held" and not (
                    message.vanished and self._said_so(message, tag)):
                return f"the tag of {message.sender} is {tag}, for nothing"
        return None

    def _said_so(self, message, tag):
        """Nobody heard the answers: the tag may be settled all the same."""
        if needs_more(self.customer, message):
            return tag[0] == "refused"
        said = self.customer.said.get(message.sender)
        answers = [said and said.of(name) for name in message.recipients]
        if not all(answers):
            return False
        delivered = message.delivered + \
            sum(not answer.refuses() for answer in answers)
        return tag[0] == ("delivered" if delivered else "refused") and \
            tag[2] == delivered
