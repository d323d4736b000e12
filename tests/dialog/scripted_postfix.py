# SPDX-License-Identifier: ISC
"""Postfix's side: what lmtp(8) says on the socket of a domain."""


def stuffed(body):
    """On the wire: dots doubled, CRLF at the end of it, and the last dot."""
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    body = body.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + b".\r\n"


class Postfix:
    def __init__(self, line):
        self.line = line
        self.extensions = []

    def hello(self):
        self.line.expect("220 relay.test LMTP")
        self.line.say("LHLO provider.test")
        reply = self.line.reply()
        assert reply[0] == "250-relay.test", reply
        self.extensions = [row[4:] for row in reply[1:]]

    def envelope(self, queue_id, recipients, sender="s@sender.test",
                 parameters="", rcpt_parameters=""):
        """XFORWARD, then MAIL, RCPT and DATA in one group: up to the 354."""
        if queue_id:
            self.line.say(f"XFORWARD NAME=client.test ADDR=192.0.2.1 "
                          f"IDENT={queue_id}")
            self.line.expect("250 2.0.0 Ok")
        group = [f"MAIL FROM:<{sender}>{parameters}"]
        group += [f"RCPT TO:<{name}>{rcpt_parameters}" for name in recipients]
        self.line.say("\r\n".join(group + ["DATA"]))
        self.line.expect("250 2.1.0 Ok")
        for _ in recipients:
            self.line.expect("250 2.1.5 Ok")
        self.line.expect("354 ...")

    def begin(self, queue_id, recipients, body, **more):
        """A whole message; its answers are still to come."""
        self.envelope(queue_id, recipients, **more)
        self.line.send(stuffed(body))

    def answers(self, count):
        return [self.line.line() for _ in range(count)]

    def deliver(self, queue_id, recipients, body=b"Subject: x\r\n\r\nhello\r\n",
                **more):
        """One answer for each recipient."""
        self.begin(queue_id, recipients, body, **more)
        return self.answers(len(recipients))

    def quit(self):
        self.line.say("QUIT")
        self.line.expect("221 2.0.0 Bye")
        self.line.expect_close()

    def expect_close(self):
        self.line.expect_close()

    def close(self):
        self.line.close()
