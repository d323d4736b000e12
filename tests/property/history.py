# SPDX-License-Identifier: ISC
"""What must be true of all sessions of a run together, and what each leaves to
the next one."""

from model import DOUBTED, TRIES, answer_of, check, token_of


def in_flight(customer, messages):
    """Senders whose messages the broken session leaves without their answer, in
    the order in which the customer saw them."""
    by_sender = {m.sender: m for m in messages}
    return [sender for sender in customer.said
            if sender in by_sender and not was_judged(customer,
                                                      by_sender[sender])]


def heard(message):
    return [text for _, text in message.answers.values()]


def was_due(customer, sender):
    """Surely a reply to this message was the next one for odmrd to come, and
    no refusal just before it: where the line broke, replies may be lost."""
    said = customer.said[sender]
    if said.refused():
        return False
    return len(customer.said) == 1 or \
        (customer.end == "closed" and said.mail is not None)


def was_judged(customer, message):
    """By the customer's server, for all recipients. If Postfix had not yet said
    all of it, nobody heard."""
    said = customer.said.get(message.sender)
    if said and said.is_crowded() and customer.end == "quit":
        return True     # some recipients were not even named
    answers = [answer_of(customer, message, r) for r in message.recipients]
    if not all(answer and (answer.verdict or customer.end == "quit")
               for answer in answers):
        return False
    return message.turned_away or all(
        token_of(message.answers.get(recipient, (0, ""))[1])
        for recipient in message.recipients)


class History:
    def __init__(self, server, messages, disturbed):
        """`disturbed`: how many sessions are, from the first one on."""
        self.server = server
        self.messages = messages
        self.cost = server.cost(messages)
        # From this session on all that can be settled has to be.
        self.due = None if self.cost is None else disturbed + 1 + self.cost
        self.suspects = set()   # likeliest causes of a session's end
        self.careful = False    # the last session had a bad one
        self.shown = set()      # habits
        self.hits = 0           # sessions that ended at the poison
        self.copies = 0

    def add(self, number, customer, offered):
        """A session is over, the laws of a session hold."""
        self._note_end(customer, offered)
        for message in offered:
            self._settle(message)
        self._check_poison(customer)
        if self.due and customer.shown - self.shown:
            self.due = max(self.due, number + 1 + self.cost)
        self.shown |= customer.shown
        self.hits += customer.struck and customer.end != "quit" and \
            self.server.poison in self.suspects and \
            not customer.struck_behind and \
            (self.hits == 0 or customer.taken > 0)
        self.copies = sum(count - 1 for count in self.server.taken.values())
        if self.due and number + 1 >= self.due:
            self._check_done(customer, offered)

    def _note_end(self, customer, offered):
        for message in offered:
            message.seen += message.sender in customer.said
            if was_judged(customer, message):
                self.suspects.discard(message.sender)
        self.careful = False
        if customer.end == "quit":
            return
        doubtful = in_flight(customer, offered)
        for message in offered:
            message.bad_ends += message.sender in doubtful
        if any(message.vanished for message in offered):
            return      # it may have been odmrd's own end
        self.careful = any(message.sender in doubtful and
                           not any(map(token_of, heard(message)))
                           for message in offered)
        if doubtful and was_due(customer, doubtful[0]):
            self.suspects.add(doubtful[0])

    @staticmethod
    def _settle(message):
        """What Postfix does with the answers."""
        if message.vanished or message.returned:
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

    def _check_done(self, customer, offered):
        for message in offered:
            if message.gone or message.late or \
                    message.sender == self.server.poison or \
                    message.bad_ends >= TRIES:
                continue
            for recipient in message.recipients:
                self._check_tried(customer, message, recipient)

    def _check_tried(self, customer, message, recipient):
        """Whoever is still queued had an answer in this very session."""
        answer = answer_of(customer, message, recipient)
        said = customer.said.get(message.sender)
        _, text = message.answers.get(recipient, (400, ""))
        check(DOUBTED in text or ".6.7 " in text or (said and said.is_crowded()) or
              (answer and answer.refuses() and answer.verdict),
              f"{message.sender} to {recipient} is still queued after "
              f"{self.due} sessions, the customer said {answer}")

    def over(self):
        """Nothing is left to be offered."""
        return not any(m.recipients and not m.gone for m in self.messages)
