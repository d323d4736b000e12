# SPDX-License-Identifier: ISC
"""Exim, as Debian builds it."""

import re

from interop.servers.server import Unpacked

CONFIGURATION = """\
primary_hostname = customer.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
log_file_path = {logs}/%slog
pid_file_path =
message_size_limit = 0
tls_advertise_hosts =
host_lookup =
smtputf8_advertise_hosts = *
smtp_accept_queue_per_connection = 0
never_users =
acl_smtp_rcpt = recipient
{main}

begin acl
recipient:
  {refuse}
    condition = ${{if match{{$local_part}}{{\\N^"?unknown\\N}}}}
    message = 5.1.1 no such user here
  defer
    condition = ${{if match{{$local_part}}{{\\N^"?deferred\\N}}}}
    message = 4.2.1 not now
  accept
    domains = corpus.test
  deny

begin routers
all:
  driver = accept
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {spool}
  maildir_format
  envelope_to_add
  user = nobody
"""
RECIPIENT = re.compile(rb"^Envelope-to: (.*)$", re.MULTILINE | re.IGNORECASE)


class Exim(Unpacked):
    """`main`: further lines of the main section; `refuse`: deny or drop."""

    packages = "exim"
    users = ("Debian-exim",)

    def configure(self):
        self.write("exim4/exim4.conf", CONFIGURATION.format(
            logs=self.logs, spool=self.spool, port=self.port,
            main=self.options.get("main", ""),
            refuse=self.options.get("refuse", "deny")))

    def command(self):
        return ["/usr/sbin/exim4", "-bdf"]

    def idle(self):
        return not list(self.directory.glob("var/spool/exim4/input/**/*-H"))

    def copies(self):
        for path in self.spool.glob("new/*"):
            octets = path.read_bytes()
            yield RECIPIENT.search(octets)[1].decode(), octets
