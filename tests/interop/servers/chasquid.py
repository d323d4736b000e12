# SPDX-License-Identifier: ISC
"""chasquid, which forgets what is pipelined behind the end of a message. It
offers STARTTLS and cannot be told not to. It takes mail for anybody here."""

import subprocess

from interop.servers.server import Unpacked

CONFIGURATION = """\
hostname: "customer.test"
smtp_address: "127.0.0.1:{port}"
data_dir: "{dir}/var"
mail_log_path: "<stderr>"
"""
# It sees the message before the reply to it.
POST_DATA = """\
#!/bin/sh
set -e
name=$(mktemp {spool}/XXXXXXXXXX)
cat >"$name.eml"
printf '%s\\n' "$RCPT_TO" | sed 's/@corpus.test /@corpus.test\\n/g' >"$name.new"
mv "$name.new" "$name.to"
"""


class Chasquid(Unpacked):
    packages = "chasquid"

    def configure(self):
        self.write("chasquid/chasquid.conf", CONFIGURATION.format(
            port=self.port, dir=self.directory))
        certificates = self.directory / "etc/chasquid/certs/customer.test"
        certificates.mkdir(parents=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
             "/CN=customer.test", "-keyout", "privkey.pem", "-out",
             "fullchain.pem"], cwd=certificates, check=True,
            stderr=subprocess.DEVNULL, timeout=60)
        self.write("chasquid/domains/corpus.test/aliases", "*: | true\n")
        self.write("chasquid/hooks/post-data", POST_DATA.format(
            spool=self.spool)).chmod(0o755)

    def command(self):
        return ["/usr/bin/chasquid", "-config_dir", "/etc/chasquid"]
