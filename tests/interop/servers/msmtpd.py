# SPDX-License-Identifier: ISC
"""msmtpd, which takes all mail and closes at any error."""

from interop.servers.server import SCRIPTS, Unpacked


class Msmtpd(Unpacked):
    packages = "msmtp"

    def configure(self):
        """It has no file for that."""

    def command(self):
        return ["/usr/bin/msmtpd", f"--port={self.port}",
                "--interface=127.0.0.1",
                f"--command=sh {SCRIPTS / 'take.sh'} {self.spool}"]
