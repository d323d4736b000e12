# SPDX-License-Identifier: ISC
"""Random messages. Each has a sender of its own, by which both ends know it."""

from dataclasses import dataclass, field

MESSAGE_BUFFER = 4096   # odmrd's message_buffer is this or 8 times this
LARGEST = 1 << 20

PIECES = [b"", b".", b"..", b"...", b".\r", b"\r.", b"\n.", b"\n.\n", b"\r",
          b"\n", b"\0", b".\n", b". .", b"\xe4\xf6\xfc \xff", b"BDAT 5 LAST",
          b"QUIT", b"." * 70]


@dataclass
class Message:
    queue_id: str
    domain: str
    sender: str
    recipients: list        # those that are still queued
    body: bytes
    utf8: str               # SMTPUTF8 is "needed", "asked" for or ""
    late: bool = False      # comes when a session lingers
    arrives: int = 0        # with which session
    delivered: int = 0      # recipients, in the sessions before
    seen: int = 0           # sessions that began with it
    bad_ends: int = 0       # of those, that broke while it was in flight
    doubted: bool = False   # a refusal of it was not believed
    gone: bool = False      # no more to be offered
    # What became of it in this session, as the LMTP side saw it.
    whole: bool = False     # its last dot was written
    vanished: bool = False  # its LMTP side left before the answers
    returned: bool = False  # Postfix did not even offer it
    turned_away: bool = False  # odmrd closed before the answers
    answers: dict = field(default_factory=dict)  # recipient: (code, text)

    def offer_again(self):
        self.whole = self.vanished = self.turned_away = False
        self.answers = {}


def random_size(rng):
    kind = rng.random()
    if kind < 0.1:
        return rng.randrange(3)
    if kind < 0.55:
        return rng.randrange(2000)
    if kind < 0.85:
        return max(0, rng.choice([1, 1, 2, 3, 8]) * MESSAGE_BUFFER
                   + rng.randrange(-3, 4))
    if kind < 0.98:
        return rng.randrange(60000)
    return rng.randrange(LARGEST)


def random_body(rng, size, ascii_only=False):
    """CRLF at its end, as everything has that came by LMTP."""
    if size == 0:
        return b""
    body = bytearray()
    while len(body) < size - 2:
        if len(body) > 20000:
            body += body[:size - 2 - len(body)]
        else:
            body += rng.choice(PIECES) if rng.random() < 0.5 else \
                rng.randbytes(rng.randrange(300))
            body += b"\r\n"
    if ascii_only:
        body = bytes(byte & 0x7f for byte in body)
    return bytes(body[:max(0, size - 2)]) + b"\r\n"


def random_message(rng, run, number, domain):
    utf8 = rng.choice(["needed", "asked"] + [""] * 40)
    local = "\u00fc" if utf8 == "needed" else "u"
    return Message(
        queue_id=f"R{run}M{number}", domain=domain,
        sender=f"m{number}@r{run}.test", utf8=utf8,
        recipients=[f"{local}{i}.m{number}@{domain}"
                    for i in range(rng.choice([1, 1, 1, 2, 3, 5]))],
        body=random_body(rng, random_size(rng), utf8 == "asked"))
