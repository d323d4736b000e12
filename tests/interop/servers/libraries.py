# SPDX-License-Identifier: ISC
"""Servers that are libraries, each with a script of ours."""

import importlib.util
import sys
from pathlib import Path

from interop.servers.server import SCRIPTS, Missing, Server


def need(module, package):
    if not importlib.util.find_spec(module):
        raise Missing(f"no {package} (tests/deps.sh interop)")


class Aiosmtpd(Server):
    """`calls`: it closes after so many calls of one command."""

    def start(self):
        need("aiosmtpd", "python3-aiosmtpd")
        self.run(sys.executable, SCRIPTS / "aiosmtpd_server.py", self.port,
                 self.spool, *self.options.get("calls", []))


class Twisted(Server):
    def start(self):
        need("twisted", "python3-twisted")
        self.run(sys.executable, SCRIPTS / "twisted_server.py", self.port,
                 self.spool)


class NetServerMail(Server):
    def start(self):
        if not Path("/usr/share/perl5/Net/Server/Mail/ESMTP.pm").exists():
            raise Missing("no libnet-server-mail-perl (make deps "
                          "DEPS=interop)")
        self.run("perl", SCRIPTS / "net_server_mail.pl", self.port, self.spool)
