# SPDX-License-Identifier: ISC
"""OpenSMTPD, the portable one of Debian."""

from interop.servers.server import SCRIPTS, Unpacked

CONFIGURATION = """\
smtp max-message-size 100M
table takers {{ "@" = "nobody" }}
listen on 127.0.0.1 port {port} hostname customer.test
action take mda "/bin/sh {script} {spool} %{{rcpt:raw}}" virtual <takers>
match from any for rcpt-to regex "^.?unknown" reject
match from any for domain "corpus.test" action take
match from any for any reject
"""


class OpenSmtpd(Unpacked):
    packages = "opensmtpd"
    users = ("opensmtpd", "opensmtpq")

    def configure(self):
        self.write("smtpd.conf", CONFIGURATION.format(
            port=self.port, script=SCRIPTS / "take.sh", spool=self.spool))

    def command(self):
        return ["/usr/sbin/smtpd", "-F", "-f", "/etc/smtpd.conf"]

    def idle(self):
        return not [path for path in
                    self.directory.glob("var/spool/smtpd/queue/*/*/*")
                    if path.is_file()]
