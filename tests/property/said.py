# SPDX-License-Identifier: ISC
"""What the customer's server said of a message."""

from dataclasses import dataclass, field
from typing import NamedTuple

TEMPORARY = [450, 451, 452, 441]
PERMANENT = [550, 552, 554, 571]
# They speak of the session, or of what odmrd said, and not of the message.
OF_THE_SESSION = [(500, "5.5.2"), (501, "5.5.4"), (502, ""), (503, "5.5.1"),
                  (504, ""), (521, ""), (530, "5.7.0"), (534, "5.7.9"),
                  (535, "5.7.8"), (538, "5.7.11"), (555, "5.5.4"),
                  (503, ""), (550, "5.7.0"), (550, "5.5.1"), (554, "5.5.0"),
                  (554, "5.3.2"), (550, "5.3.1"), (554, "5.3.5")]


class Answer(NamedTuple):
    code: int
    token: str
    verdict: bool = True    # it speaks of the message
    crowd: bool = False     # 552 to RCPT, which means 452

    def refuses(self):
        return self.code >= 400


@dataclass
class Said:
    """Of one message: each reply that decides."""
    mail: Answer = None
    recipients: dict = field(default_factory=dict)
    body: Answer = None   # of DATA or a chunk if refused, else of the end
    content: bytes = None
    taken: bool = False   # by a 2xx at the end

    def of(self, recipient):
        """What the LMTP side has to hear; None: nothing was said."""
        for answer in (self.mail, self.recipients.get(recipient)):
            if answer and answer.refuses():
                return answer
        if recipient not in self.recipients:
            return None
        return self.body

    def refused(self):
        """Any part of it."""
        return any(answer and answer.refuses() for answer in
                   (self.mail, self.body, *self.recipients.values()))

    def other_tokens(self):
        """Of the replies that are no verdict, each of which may stand for all
        recipients."""
        return {answer.token for answer in
                (self.mail, self.body, *self.recipients.values())
                if answer and not answer.verdict}

    def is_crowded(self):
        """The server has enough of its recipients."""
        return any(answer.code in (452, 552)
                   for answer in self.recipients.values())

    def hopeless(self):
        return bool(self.recipients) and all(
            answer.refuses() for answer in self.recipients.values())


def address(argument):
    text = argument[argument.index("<") + 1:argument.index(">")]
    return text.encode("latin-1").decode("utf-8", "replace")
