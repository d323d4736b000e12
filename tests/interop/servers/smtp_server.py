# SPDX-License-Identifier: ISC
"""smtp-server of Nodemailer, from npm."""

from interop.servers.haraka import module
from interop.servers.server import SCRIPTS, Server


class SmtpServer(Server):
    """`hide` are words of EHLO that are not offered."""

    def start(self):
        self.run("node", SCRIPTS / "smtp_server.js", module("smtp-server"),
                 self.port, self.spool, *self.options.get("hide", []))
