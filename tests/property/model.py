# SPDX-License-Identifier: ISC
"""What must be true of a session, whatever happened in it.

Each message ends exactly once: delivered, refused or still queued, for each
recipient as the customer said of it. 2xx and 5xx are never invented; 4xx is
odmrd's own only where the customer's answer may not have arrived."""

import re

DOUBTED = "(kept for a second opinion)"


class Wrong(Exception):
    """The law is broken; the text tells where."""


def check(condition, text):
    if not condition:
        raise Wrong(text)


def token_of(text):
    found = re.search(r"token\d+\.", text)
    return found and found[0]


def check_session(customer, messages):
    check(not customer.faults, "; ".join(customer.faults))
    check(customer.end != "dropped" or may_be_dropped(customer, messages),
          "odmrd dropped the line of a customer that did nothing wrong")


def may_be_dropped(customer, messages):
    """With DATA there is no other way out of half a message."""
    return customer.kind != "chunking" and \
        any(message.vanished for message in messages)


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
    for message in messages:
        if message.turned_away and not message.answers:
            check(customer.end != "quit",
                  f"{message.sender} was turned away from a sound session")
        elif not message.vanished:
            for recipient in message.recipients:
                check_answer(customer, message, recipient, doubting)


def check_answer(customer, message, recipient, doubting):
    where = f"{message.sender} to {recipient}"
    check(recipient in message.answers, f"{where}: no answer")
    code, text = message.answers[recipient]
    said = customer.said.get(message.sender)
    answer = said.of(recipient) if said else None
    heard = f"{where}: the LMTP side heard {code} {text!r}"
    if answer and token_of(text) == answer[1]:
        check(code == answer[0] or
              (doubting and code == answer[0] - 100 and DOUBTED in text),
              f"{heard}, the customer said {answer}")
        check(code // 100 != 5 or not doubting or
              any(other.taken for other in customer.said.values()),
              f"{heard}, which deserved a second opinion")
        return
    # What odmrd says by itself.
    check(code // 100 == 4 and not token_of(text),
          f"{heard}, the customer said {answer}")
    check(customer.end in ("cut", "dropped") or
          (customer.end == "closed" and answer is None),
          f"{heard} in a session that ended by {customer.end}, "
          f"the customer said {answer}")


def outcome(message):
    """Of the whole message, for the tally."""
    classes = {code // 100 for code, _ in message.answers.values()}
    if not classes or 4 in classes:
        return "queued"
    return "delivered" if 2 in classes else "refused"


def tag_wanted(message):
    """(state, open, delivered, tried): what the tag of an answered message
    has to be."""
    codes = [code // 100 for code, _ in message.answers.values()]
    delivered, refused = codes.count(2), codes.count(5)
    still = len(codes) - delivered - refused
    if still > 0:
        state = "held"
    else:
        state = "delivered" if delivered else "refused"
    return state, still, delivered, codes.count(4)
