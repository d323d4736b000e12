# SPDX-License-Identifier: ISC
"""What became of each recipient, and which of it should not have been."""

import email
import re
from collections import Counter
from dataclasses import dataclass, field

from interop.corpus import DEFERRED, DOMAIN, UNKNOWN, kind_of

# What servers put on top of a message, each with its continuation lines.
TRACE = re.compile(
    rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received|Envelope-to"
    rb"|Received-SPF):[^\n]*\n(?:[ \t][^\n]*\n)*)*", re.IGNORECASE)
STATUS = re.compile(
    r"postfix/\S+\[\d+\]: (\w+): to=<(.*?)>,.* status=(\w+) \((.*)\)$")
SENT, KEPT, BOUNCED = "sent", "deferred", "bounced"


def plain_address(address):
    """Without the quoting of a local part, which servers write in their own
    ways, and in lower case, for some do that."""
    local, _, domain = address.rpartition("@")
    if local.startswith('"') and local.endswith('"'):
        local = local[1:-1]
    return (re.sub(r"\\(.)", r"\1", local) + "@" + domain).lower()


@dataclass
class Entry:
    """One recipient."""
    message: object
    address: str
    kind: str
    status: str = KEPT
    reply: str = ""
    copies: list = field(default_factory=list)


def unified(octets):
    return octets.replace(b"\r\n", b"\n")


def leaves(octets):
    """What a message says, whatever its transfer encodings."""
    return [unified(part.get_payload(decode=True)).rstrip(b"\n") for part in
            email.message_from_bytes(octets).walk() if not part.is_multipart()]


def body_of(octets):
    return octets.partition(b"\n\n")[2]


def named(entry):
    return f"{entry.address} ({entry.message.queue_id})"


def versions(reference, traits):
    """The message as the provider's queue has it, and as a server may keep it
    that cannot have NUL in a line."""
    yield reference
    if "nul" in traits:
        yield re.sub(rb"\0[^\n]*", b"", reference)
        yield reference.replace(b"\0", b"")


def tops(octets, end):
    """What may stand before it. Line ends may have been added."""
    for added in (b"", b"\n", b"\n\n"):
        if octets.endswith(end + added):
            yield octets[:len(octets) - len(end + added)]


def difference(copy, reference, traits):
    """"" if `copy` is what the provider's queue had, below what the customer's
    server put on top; or what differs. `traits` are what that server is known
    to do to messages."""
    copy, reference, found = unified(copy), unified(reference), "body"
    if "folds" in traits:
        copy, reference = (text.replace(b"\n ", b"")
                           for text in (copy, reference))
    for version in versions(reference, traits):
        if any(TRACE.fullmatch(top) for top in
               tops(copy, version.removesuffix(b"\n"))):
            return ""
        if b"" in tops(body_of(copy), body_of(version).removesuffix(b"\n")):
            found = "header"
    if found == "body" and "encoding" in traits and \
            leaves(copy) == leaves(reference):
        return ""
    return found


class Ledger:
    def __init__(self, messages, references):
        """`references`: queue id -> the message as the provider's queue has
        it."""
        self.references = references
        self.entries = {}
        for message in messages:
            for local in message.recipients:
                address = f"{local}@{DOMAIN}"
                self.entries[plain_address(address)] = Entry(
                    message, address, kind_of(message, local))

    def read_log(self, lines):
        """What the provider's Postfix says of each try; the last one counts."""
        for line in lines:
            found = STATUS.search(line)
            entry = found and self.entries.get(plain_address(found[2]))
            if entry and entry.message.queue_id == found[1]:
                entry.status, entry.reply = found[3], found[4]

    def read_copies(self, copies):
        """(recipient, octets) of each message that the server has."""
        strangers = []
        for recipient, octets in copies:
            entry = self.entries.get(plain_address(recipient))
            if entry:
                entry.copies.append(octets)
            else:
                strangers.append(recipient)
        return strangers

    def counts(self):
        by_status = Counter(entry.status for entry in self.entries.values())
        return [by_status[status] for status in (SENT, KEPT, BOUNCED)]

    def waiting(self, refuses):
        """Those that should have come and are still with the provider. A
        refusal may wait for its second opinion."""
        return [entry for entry in self.entries.values()
                if entry.status == KEPT and
                entry.kind not in {DEFERRED, UNKNOWN, *refuses}]

    def copies_too_many(self):
        return sum(max(0, len(entry.copies) - 1)
                   for entry in self.entries.values())

    def faults(self, refuses, keeps, traits, cuts=False):
        """Sentences. `refuses` and `keeps`: kinds that the server itself does
        not take, for good or for now. A server that `cuts` its first session
        may get twice what was in flight then, as with any client of SMTP."""
        for entry in self.entries.values():
            yield from self._faults_of(entry, refuses, traits, 1 + cuts)
        for entry in self.waiting(refuses):
            if entry.kind not in keeps and "*" not in keeps:
                yield f"kept waiting: {named(entry)}: {entry.reply}"

    def _faults_of(self, entry, refuses, traits, copies):
        name = named(entry)
        if len(entry.copies) > copies:
            yield f"doubled: {name} came {len(entry.copies)} times"
        if entry.status == SENT and not entry.copies:
            yield f"lost: {name}: {entry.reply}"
        if entry.status == BOUNCED and \
                entry.kind not in {UNKNOWN, *refuses}:
            yield f"wrongly bounced: {name}: {entry.reply}"
        for copy in entry.copies:
            what = self._difference(entry, copy, traits)
            if what:
                yield f"altered: {name}: its {what}"
                break

    def altered(self, traits):
        """(entry, octets) of each such copy."""
        for entry in self.entries.values():
            for copy in entry.copies:
                if self._difference(entry, copy, traits):
                    yield entry, copy

    def _difference(self, entry, copy, traits):
        what = difference(copy, self.references[entry.message.queue_id],
                          traits)
        if what == "header" and traits.get("header") in ("*", entry.kind):
            return ""
        return what
