# SPDX-License-Identifier: ISC
"""What must be true of all sessions of a run together, and what each leaves to
the next one."""

from model import DOUBTED, TRIES, answer_of, check, token_of


def in_flight_at_a_bad_end(customer, messages):
    """Senders whose messages had begun and were not answered when the session
    ended badly; None where it did not, or where nothing was in flight."""
    if customer.end == "quit" or any(m.vanished for m in messages):
        return None
    return {m.sender for m in messages if m.sender in customer.said and
            not was_judged(customer, m)} or None


def was_judged(customer, message):
    """By the customer's server, for all recipients."""
    return all(token_of(message.answers.get(recipient, (0, ""))[1]) and
               answer_of(customer, message, recipient).verdict
               for recipient in message.recipients)


class History:
    def __init__(self, server, messages, disturbed):
        """`disturbed`: how many sessions are, from the first one on."""
        self.server = server
        self.messages = messages
        cost = server.cost(messages)
        # The session in which all that can be settled has to be.
        self.due = None if cost is None else disturbed + 1 + cost
        self.suspects = set()
        self.bad_end = False    # the last session had one
        self.hits = 0           # sessions that ended at the poison
        self.copies = 0

    def careful(self):
        """The suspects of the session to come, or None."""
        return set(self.suspects) if self.bad_end else None

    def add(self, number, customer, offered):
        """A session is over, the laws of a session hold."""
        doubtful = in_flight_at_a_bad_end(customer, offered)
        self.bad_end = doubtful is not None
        for message in offered:
            if message.sender in (doubtful or ()):
                message.bad_ends += 1
                self.suspects.add(message.sender)
            elif message.sender in customer.said:
                self.suspects.discard(message.sender)
            self._settle(message)
        self._check_poison(customer)
        self.hits += customer.struck and customer.end != "quit"
        self._count_copies()
        if number + 1 == self.due:
            self._check_done(customer, offered)

    @staticmethod
    def _settle(message):
        """What Postfix does with the answers."""
        if message.vanished:
            message.gone = True
        left = []
        for recipient in message.recipients:
            code, text = message.answers.get(recipient, (400, ""))
            message.delivered += code // 100 == 2
            message.doubted |= DOUBTED in text
            if code // 100 == 4:
                left.append(recipient)
        message.recipients = left

    def _check_poison(self, customer):
        """It is set apart after some tries, and costs the others nothing."""
        if self.hits < TRIES:
            return
        check(self.server.poison not in customer.said,
              f"{self.server.poison} ended {self.hits} sessions and is tried "
              "once more")
        check(customer.end == "quit" or self.server.habits != {"poison"},
              "the others are bothered by a message that is set apart")

    def _count_copies(self):
        self.copies = sum(count - 1 for count in self.server.taken.values())

    def _check_done(self, customer, offered):
        for message in offered:
            if message.gone or message.sender == self.server.poison or \
                    message.bad_ends >= TRIES:
                continue
            for recipient in message.recipients:
                self._check_tried(customer, message, recipient)

    def _check_tried(self, customer, message, recipient):
        """Whoever is still queued had an answer in this very session."""
        answer = answer_of(customer, message, recipient)
        _, text = message.answers.get(recipient, (400, ""))
        check(DOUBTED in text or
              (answer and answer.refuses() and answer.verdict),
              f"{message.sender} to {recipient} is still queued after "
              f"{self.due} sessions, the customer said {answer}")

    def over(self):
        """Nothing is left to be offered."""
        return not any(m.recipients and not m.gone for m in self.messages)
