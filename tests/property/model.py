# SPDX-License-Identifier: ISC
"""What must be true of a session, whatever happened in it.

Each message ends exactly once: delivered, refused or still queued, for each
recipient as the customer said of it. 2xx and 5xx are never invented, and a 5xx
about the session is none about a message; 4xx is odmrd's own only where the
customer's answer may not have arrived, or was none of this message. What must
be true of all sessions of a run is in history.py."""

import re

DOUBTED = "(kept for a second opinion)"
TRIES = 3   # sessions that a message may end
KEPT = (450, 451, 452, 455)     # RFC 5321 4.2.3


class Wrong(Exception):
    """The law is broken; the text tells where."""


def check(condition, text):
    if not condition:
        raise Wrong(text)


def token_of(text):
    found = re.search(r"token\d+\.", text)
    return found and found[0]


def number_of(token):
    return int(token[len("token"):-1])


def check_session(customer, messages):
    check(not customer.faults, "; ".join(customer.faults))
    check(customer.end != "dropped" or may_be_dropped(customer, messages),
          "odmrd dropped the line of a customer that did nothing wrong")


def may_be_dropped(customer, messages):
    """With DATA there is no other way out of half a message. And a server that
    speaks of the session does not go on with it."""
    return customer.astray or any(message.vanished for message in messages)


def check_taken(customer, messages):
    """Nothing is taken by the customer but what was offered, whole."""
    by_sender = {message.sender: message for message in messages}
    for sender, said in customer.said.items():
        message = by_sender.get(sender)
        check(message, f"MAIL from {sender}, who sent nothing")
        stray = set(said.recipients) - set(message.recipients)
        check(not stray, f"{sender} for somebody else's {stray}")
        if said.taken:
            check(message.whole, f"{sender}: half of it is taken")
            check(said.content == message.body,
                  f"{sender}: another body is taken: "
                  f"{difference(said.content, message.body)}")


def difference(got, wanted):
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
              min(len(got), len(wanted)))
    return (f"{len(got)} bytes instead of {len(wanted)}, from byte {at} on "
            f"{got[at:at + 20]!r} instead of {wanted[at:at + 20]!r}")


def check_answers(customer, messages, doubting):
    """`doubting`: a 5xx is believed only from a server that works."""
    for message in messages:
        if message.turned_away and len(message.answers) < \
                len(message.recipients):
            check(customer.end != "quit" or customer.astray or
                  customer.nooped.is_set(),
                  f"{message.sender} was turned away from a sound session")
        elif not (message.vanished or message.returned or message.late):
            for recipient in message.recipients:
                check_answer(customer, message, recipient, doubting)
    check_order(customer, messages)


def answer_of(customer, message, recipient):
    said = customer.said.get(message.sender)
    return said.of(recipient) if said else None


def check_answer(customer, message, recipient, doubting):
    where = f"{message.sender} to {recipient}"
    check(recipient in message.answers, f"{where}: no answer")
    code, text = message.answers[recipient]
    said = customer.said.get(message.sender)
    answer = answer_of(customer, message, recipient)
    heard = f"{where}: the LMTP side heard {code} {text!r}"
    if answer and token_of(text) == answer.token:
        check(fits(code, text, answer, doubting) or
              (said.is_crowded() and code in KEPT),
              f"{heard}, the customer said {answer}")
        check(code // 100 != 5 or not doubting or message.doubted or
              any(other.taken for other in customer.said.values()),
              f"{heard}, which deserved a second opinion")
    elif not (said and token_of(text) in said.other_tokens() and
              code // 100 == 4):
        check(not token_of(text), f"{heard}, the customer said {answer}")
        check(may_say(customer, message, code, text, answer),
              f"{heard} in a session that ended by {customer.end}, "
              f"the customer said {answer}")


def fits(code, text, answer, doubting):
    """The customer's words with this code: is it what he meant?"""
    if not answer.verdict:
        return code in KEPT
    if answer.crowd:
        return code == 452
    return code == answer.code or (
        doubting and answer.code // 100 == 5 and code in KEPT and
        DOUBTED in text)


def may_say(customer, message, code, text, answer):
    """What odmrd says by itself."""
    if needs_more(customer, message) and \
            (code // 100 == 4 or not customer.server.has_utf8()):
        return ".6.7 " in text or customer.end != "quit"
    if code // 100 != 4:
        return False
    if answer and not answer.verdict:
        return True
    said = customer.said.get(message.sender)
    if code == 452 and answer is None and said and said.is_crowded():
        return True     # this one was not even named
    if may_be_apart(customer.server, message) and \
            message.sender not in customer.said:
        return True
    return customer.end in ("cut", "dropped") or customer.astray or \
        (customer.end == "closed" and answer is None)


def may_be_apart(server, message):
    """Sessions ended at it again and again. The first may have been cut before
    the customer read that it came."""
    return message.bad_ends >= TRIES or \
        (message.sender == server.poison and message.seen >= TRIES - 1)


def needs_more(customer, message):
    """It cannot go to this server as it is."""
    return message.utf8 == "needed" and "SMTPUTF8" not in customer.offered


def check_order(customer, messages):
    """Replies are read in their order: what was said before something that was
    heard, or waited for, was heard, too."""
    read = [customer.known]
    read += [number_of(token_of(text)) for message in messages
             for _, text in message.answers.values() if token_of(text)]
    for message in messages:
        answers = [answer_of(customer, message, recipient)
                   for recipient in message.recipients]
        if message.vanished or message.turned_away or not all(
                answer and answer.verdict and
                number_of(answer.token) <= max(read) for answer in answers):
            continue
        for recipient in message.recipients:
            check(token_of(message.answers.get(recipient, (0, ""))[1]),
                  f"{message.sender} to {recipient}: later replies were "
                  f"read, and {answer_of(customer, message, recipient)} is "
                  "not heard")


def outcome(message):
    """Of the whole message, for the tally."""
    if message.recipients:
        return "queued"
    return "delivered" if message.delivered else "refused"


def tag_wanted(message):
    """(state, open, delivered, tried): what the tag of an answered message
    has to be."""
    codes = [code // 100 for code, _ in message.answers.values()]
    delivered = message.delivered + codes.count(2)
    still = len(codes) - codes.count(2) - codes.count(5)
    if still > 0:
        state = "held"
    else:
        state = "delivered" if delivered else "refused"
    return state, still, delivered, codes.count(4)
