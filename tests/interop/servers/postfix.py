# SPDX-License-Identifier: ISC
"""Postfix, as the other tests know it."""

import re
import subprocess

from interop.corpus import DOMAIN
from odmr import probe
from odmr.customer import Customer

RECIPIENT = re.compile(rb"^X-Original-To: (.*)$", re.MULTILINE)
VERDICTS = ('regexp:{{/^"?unknown/ 550 5.1.1 no such user here}, '
            '{/^"?deferred/ 450 4.2.1 not now}}')
# All mail goes through it, as from a content filter.
SECOND = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o content_filter= -o smtpd_recipient_restrictions=permit
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
"""


class Postfix(Customer):
    """Options are lines of main.cf. `verdict` is asked before VERDICTS; with
    `filtered` all mail passes a second smtpd(8); with `tls` STARTTLS works."""

    def __init__(self, verdict="", filtered=False, tls=False, **settings):
        self.tls = tls
        services = ""
        if filtered:
            port, = probe.free_ports(1)
            services = SECOND.format(port=port)
            settings["content_filter"] = f"smtp:[127.0.0.1]:{port}"
        settings["smtpd_recipient_restrictions"] = ", ".join(
            [f"check_recipient_access {table}" for table in
             (verdict, VERDICTS) if table] + ["permit"])
        super().__init__([DOMAIN], services=services, **settings)

    def _configure(self, domains, name, settings):
        if self.tls:
            settings = {**settings, **self._certificate()}
        super()._configure(domains, name, settings)

    def _certificate(self):
        pem = self.directory / "server.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
             "/CN=customer.test", "-keyout", pem, "-out", pem],
            check=True, stderr=subprocess.DEVNULL, timeout=60)
        return {"smtpd_tls_chain_files": pem}

    def idle(self):
        return not self.queue()

    def copies(self):
        for message in self.messages():
            yield RECIPIENT.search(message)[1].decode(), message
