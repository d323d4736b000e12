# SPDX-License-Identifier: ISC
"""A policy service of the customer's Postfix that answers as the test says,
and takes the time that the test takes."""

import socketserver
import threading


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = {}
        for line in self.rfile:
            name, _, value = line.decode().rstrip("\n").partition("=")
            if name:
                request[name] = value
                continue
            action = self.server.policy.action(request) or "DUNNO"
            self.wfile.write(f"action={action}\n\n".encode())
            request = {}


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class Policy:
    """`at_rcpt` and `at_end` are functions of a request (a dict) that return
    an action for Postfix, or None where it may go on."""

    def __init__(self):
        self.clear()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.policy = self
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def clear(self):
        self.at_rcpt = self.at_end = self.failure = None

    def action(self, request):
        ask = {"RCPT": self.at_rcpt, "END-OF-MESSAGE": self.at_end}.get(
            request["protocol_state"])
        try:
            return ask(request) if ask else None
        except Exception as error:  # the test's own; shown by its fixture
            self.failure = error
            return "DEFER the test failed"

    def settings(self):
        """Lines of main.cf."""
        service = "check_policy_service inet:127.0.0.1:" + \
            str(self.server.server_address[1])
        return {"smtpd_recipient_restrictions": service,
                "smtpd_end_of_data_restrictions": service}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
