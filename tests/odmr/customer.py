# SPDX-License-Identifier: ISC
"""A customer's mail server: a private Postfix that delivers all mail of its
domains into one Maildir."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from odmr import probe
from odmr.postfix import Postfix
from odmr.sandbox import age, temporary_directory
from odmr.wait import wait_for

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = ../data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
inet_interfaces = loopback-only
inet_protocols = {protocols}
myhostname = {name}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {dir}
virtual_mailbox_maps = static:Maildir/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
mynetworks =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
default_transport = retry:4.4.1 the customer sends nothing outside
# Not one header of ours besides the trace of the path, and none left out.
local_header_rewrite_clients =
message_drop_headers =
message_size_limit = 0
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""


class Customer(Postfix):
    def __init__(self, domains, name="customer.test", services="", **settings):
        """`settings` are further lines of main.cf, `services` of master.cf."""
        self.directory = temporary_directory()
        port, = probe.free_ports(1)
        super().__init__(self.directory / "etc", port,
                         self.directory / "mail.log")
        self.maildir = self.directory / "Maildir"
        self.services = services
        try:
            self._configure(domains, name, settings)
            self.start()
        except BaseException:
            self.stop()
            raise

    def _configure(self, domains, name, settings):
        nobody = pwd.getpwnam("nobody")
        owners = {"etc": 0, "spool": 0, "data": pwd.getpwnam("postfix").pw_uid,
                  "Maildir": nobody.pw_uid}
        for directory, owner in owners.items():
            (self.directory / directory).mkdir()
            os.chown(self.directory / directory, owner, -1)
        main_cf = MAIN_CF.format(
            dir=self.directory, name=name, domains=", ".join(domains),
            protocols="all" if probe.has_ipv6() else "ipv4",
            uid=nobody.pw_uid, gid=nobody.pw_gid)
        for setting, value in settings.items():
            main_cf += f"{setting} = {value}\n"
        self.log.touch(0o644)
        Path(self.config, "main.cf").write_text(main_cf)
        services = Path("/usr/share/postfix/master.cf.dist").read_text()
        Path(self.config, "master.cf").write_text(
            services.replace("\nsmtp  ", f"\n{self.port}  ", 1) +
            self.services)
        age(self.directory / "etc")
        subprocess.run(["/usr/sbin/postconf", "-c", self.config, "-F",
                        "*/*/chroot=n"], check=True, timeout=60)
        age(self.directory / "etc")

    def _postfix(self, command):
        return subprocess.run(
            ["/usr/sbin/postfix", "-c", self.config, command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=60, check=False)

    def _greets(self):
        try:
            return probe.greets(self.port)
        except OSError:
            return False

    def messages(self):
        """The delivered messages, in no certain order."""
        return [path.read_bytes() for path in self.maildir.glob("new/*")]

    def wait_for_messages(self, count, timeout=60):
        """Exactly `count`, once the customer's own queue is empty too."""
        wait_for(lambda: len(self.messages()) >= count and not self.queue(),
                 timeout, f"{count} messages in the customer's Maildir")
        messages = self.messages()
        assert len(messages) == count, f"{len(messages)} instead of {count}"
        return messages

    def start(self):
        self._postfix("start")
        wait_for(self._greets, 60, "the customer's Postfix answers")

    def halt(self):
        """All its processes end; start() goes on with what it has."""
        self._postfix("stop")
        wait_for(lambda: self._postfix("status").returncode != 0, 20,
                 "the customer's Postfix ends")

    def stop(self):
        self.halt()
        shutil.rmtree(self.directory)
