# SPDX-License-Identifier: ISC
"""What is sent: mail of every kind that a server may treat in its own way. Each
recipient gets one message only, so that a copy is known by its recipient. The
local part begins with the kind, but for those kinds that are about local parts.
"""

import random
from dataclasses import dataclass, field

DOMAIN = "corpus.test"
SENDER = "alice@sender.test"
UNKNOWN, DEFERRED = "unknown", "deferred"
MANY, DOZEN = 150, 12
BIG = 5_000_000
OCTETS = bytes(range(128, 256))
MIME = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n")
EIGHT_BIT = ("BODY=8BITMIME",)


@dataclass
class Message:
    kind: str
    recipients: list            # local parts, as they stand in RCPT
    octets: bytes               # as they go over the line, without dots
    sender: str = SENDER
    options: tuple = ()         # of MAIL
    rcpt_options: tuple = ()
    chunked: bool = False       # by BDAT, to end without a line's end
    queue_id: str = field(default="", compare=False)


def kind_of(message, local):
    """What is to become of this recipient: `unknown` and `deferred` for
    themselves in every message."""
    for fate in (UNKNOWN, DEFERRED):
        if local.startswith(fate):
            return fate
    return message.kind


def text(body=b"hello\r\n", header=b"", subject=b"of the corpus"):
    return b"From: <alice@sender.test>\r\nTo: <you@corpus.test>\r\n" \
        b"Date: Mon, 2 Jan 2023 10:00:00 +0000\r\n" \
        b"Message-ID: <corpus@sender.test>\r\n" \
        b"Subject: %b\r\n%b\r\n%b" % (subject, header, body)


def eight_bit():
    umlauts = "Grüße aus Zürich\r\n".encode()
    for options in (EIGHT_BIT, ()):
        for header in (MIME, b""):
            yield Message("8bit", [], text(umlauts, header), options=options)
    yield Message("8bit", [], text(OCTETS + b"\r\n"), options=EIGHT_BIT)
    yield Message("8bit-header", [], text(subject="Grüße".encode()))
    yield Message("8bit-header", [], text(subject="Grüße".encode("latin-1")))
    part = b"Content-Type: multipart/%b; boundary=%b\r\n"
    leaf = MIME.partition(b"\r\n")[2] + b"\r\n" + umlauts
    yield Message("multipart", [], text(
        b"--a\r\n" + part % (b"alternative", b"b") + b"\r\n--b\r\n" + leaf +
        b"\r\n--b--\r\n--a\r\n" + leaf + b"\r\n--a--\r\n",
        b"MIME-Version: 1.0\r\n" + part % (b"mixed", b"a")),
        options=EIGHT_BIT)
    both = ("SMTPUTF8", *EIGHT_BIT)
    yield Message("smtputf8", [], text(umlauts, MIME), "jürgen@sender.test",
                  both)
    yield Message("smtputf8", ["jürgen"], text(umlauts, MIME), options=both)


def shapes():
    """Bodies and headers by their form."""
    yield Message("dots", [], text(
        b".\r\n..\r\n...\r\n.hidden\r\n\r\n.\r\n" + b"." * 900 + b"\r\n"))
    yield Message("dots", [], text(b".\r\n" * 30000))
    yield Message("dots", [], text(b"and then\r\n.\r\n"))
    yield Message("long-line", [], text(b"x" * 5000 + b"\r\nend\r\n"))
    yield Message("longer-line", [], text(b"y" * 200_000 + b"\r\nend\r\n"))
    yield Message("line-998", [], text(b"z" * 998 + b"\r\nend\r\n"))
    yield Message("long-header", [], text(
        header=b"X-Long: " + b"word " * 600 + b"end\r\n"))
    yield Message("folded-header", [], text(
        header=b"X-Folded: a\r\n\tb\r\n" + b" c\r\n" * 300))
    yield Message("no-body", [], text(b"").removesuffix(b"\r\n"))
    yield Message("no-header", [], b"\r\nonly a body\r\n")
    yield Message("empty", [], b"")
    yield Message("no-newline", [], text(b"ends without one"), chunked=True)
    yield Message("no-newline", [], text(b"l\r\n" * 9999 + OCTETS),
                  options=EIGHT_BIT, chunked=True)
    yield Message("nul", [], text(b"before\0after\r\nnext\r\n"))
    yield Message("nul", [], text(header=b"X-Nul: before\0after\r\n"))
    yield Message("control", [], text(bytes(
        c for c in range(1, 128) if c not in b"\r\n") + b"\r\n"))
    yield Message("bare", [], text(b"a\nb\r\n\nc\r\n"))
    yield Message("bare", [], text(b"a\rb\r\r\nc\r\n"))
    yield Message("blank-lines", [], text(b"\r\n" * 50))
    yield Message("commands", [], text(
        b"RSET\r\nQUIT\r\nBDAT 5 LAST\r\n250 ok\r\nDATA\r\n354 go\r\n"))
    yield Message("edges", [], text(b"".join(
        b"e" * n + b"\r\n" for n in range(1, 900))))


def envelopes():
    yield Message("many", [f"many-{n}" for n in range(MANY)], text())
    yield Message("dozen", [f"dozen-{n}" for n in range(DOZEN)], text())
    for _ in range(2):
        yield Message("null-sender", [], text(), sender="")
    for local in ('"quoted blank"', '"quoted,comma"', r'"quoted\"quote"',
                  '"quoted..dots"'):
        yield Message("quoted", [local], text())
    for local in ("plus+", "plus+address+more"):
        yield Message("plus", [local], text())
    yield Message("case", ["CASE-Upper-lower"], text())
    yield Message("long-local", ["l" * 64], text())
    yield Message("dsn", [], text(), options=("RET=HDRS", "ENVID=corpus+2B1"))
    yield Message("dsn", ["dsn-orcpt"], text(), rcpt_options=(
        "NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;first@corpus.test"))
    yield Message("dsn", [], text(), rcpt_options=("NOTIFY=NEVER",))
    for kind, count in ((UNKNOWN, 3), (DEFERRED, 2)):
        for _ in range(count):
            yield Message(kind, [], text())
    yield Message("mixed", ["mixed", "unknown-mixed", "deferred-mixed"],
                  text())


def numbered(messages):
    """Those without recipients get one that tells kind and number."""
    for number, message in enumerate(messages):
        if not message.recipients:
            message.recipients = [f"{message.kind}-{number}"]
        yield message


def corpus(seed):
    """All 68 with 230 recipients, shuffled."""
    messages = [Message("plain", [], text(b"line\r\n" * n)) for n in range(14)]
    messages += [Message("big", [], text((b"b" * 70 + b"\r\n") * (BIG // 72)))
                 for _ in range(2)]
    messages += [*eight_bit(), *shapes(), *envelopes()]
    messages = list(numbered(messages))
    random.Random(seed).shuffle(messages)
    return messages


def sample():
    """Some more than a dozen, for a short look. What some servers close at
    stands before most of the good ones."""
    kinds = [Message("plain", [], text()), Message("plus", ["plus+"], text())]
    kinds += [Message(UNKNOWN, [], text()) for _ in range(3)]
    kinds += [Message("mixed", ["mixed", "unknown-mixed", "deferred-mixed"],
                      text()),
              next(eight_bit()), next(shapes()),
              Message("dozen", [f"dozen-{n}" for n in range(DOZEN)], text()),
              Message("plain", [], text((b"q" * 70 + b"\r\n") * 3000)),
              Message("null-sender", [], text(), sender="")]
    kinds += [Message("plain", [], text(b"line\r\n" * n)) for n in range(4)]
    return list(numbered(kinds))
