# SPDX-License-Identifier: ISC
"""twisted_server.py PORT SPOOL: Twisted's ESMTP on 127.0.0.1."""

import itertools
import sys
from pathlib import Path

from twisted.internet import defer, protocol, reactor
from twisted.mail import smtp
from zope.interface import implementer

port, spool = sys.argv[1:]
numbers = itertools.count()


class Later(smtp.SMTPServerError):
    def __init__(self):
        super().__init__(450, "4.2.1 not now")


@implementer(smtp.IMessage)
class Taken:
    """One copy of a message."""

    def __init__(self, address):
        self.address = address
        self.lines = []

    def lineReceived(self, line):  # pylint: disable=invalid-name
        self.lines.append(line)

    def eomReceived(self):  # pylint: disable=invalid-name
        base = Path(spool, str(next(numbers)))
        base.with_suffix(".eml").write_bytes(b"\n".join([*self.lines, b""]))
        base.with_suffix(".to").write_bytes(self.address + b"\n")
        return defer.succeed(None)

    def connectionLost(self):  # pylint: disable=invalid-name
        self.lines = []


@implementer(smtp.IMessageDelivery)
class Delivery:
    # pylint: disable=invalid-name
    def receivedHeader(self, _helo, _origin, _recipients):
        return b"Received: by customer.test"

    def validateFrom(self, _helo, origin):
        return origin

    def validateTo(self, user):
        local = user.dest.local.lstrip(b'"')
        if local.startswith(b"unknown"):
            raise smtp.SMTPBadRcpt(user)
        if local.startswith(b"deferred"):
            raise Later()
        return lambda: Taken(bytes(user.dest.local + b"@" + user.dest.domain))


class Factory(protocol.ServerFactory):
    def buildProtocol(self, addr):
        line = smtp.ESMTP()
        line.delivery = Delivery()
        line.factory = self
        return line


reactor.listenTCP(int(port), Factory(), interface="127.0.0.1")
reactor.run()
