# SPDX-License-Identifier: ISC
"""A booted Debian as a relay that is in production: postscreen, opendkim, tables
of relay domains and their recipients, a domain of its own; and who is at the
other end of its wire (far.py)."""

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 90
RELAY = "10.99.0.1"
SINK_PORT = 2525

POSTFIX = {
    "myhostname": "relay.example.net",
    "mydestination": "$myhostname, localhost, local.test",
    "relay_domains": "hash:/etc/postfix/relay_domains",
    "transport_maps": "hash:/etc/postfix/transport",
    "relay_recipient_maps": "hash:/etc/postfix/relay_recipients",
    "smtpd_milters": "inet:127.0.0.1:8891",
    "non_smtpd_milters": "$smtpd_milters",
    "milter_default_action": "tempfail",
    "smtpd_recipient_restrictions": "reject_non_fqdn_recipient",
    # Nobody here has a DNS.
    "smtp_host_lookup": "native",
    "smtpd_peername_lookup": "no",
}
TABLES = {
    "relay_domains": "alpha.test ok\n",
    # With those whose mail is to be held: who keeps such a list has to.
    "relay_recipients": "user@alpha.test ok\n@held.test ok\n@hold.test ok\n"
                        "@backup.test ok\n",
    "transport": f"alpha.test smtp:[10.99.0.2]:{SINK_PORT}\n",
}
OPENDKIM = """\
Mode s
Domain sender.test
Selector mail
KeyFile /etc/dkimkeys/mail.private
InternalHosts 10.99.0.0/24
Socket inet:8891@127.0.0.1
PidFile /run/opendkim/opendkim.pid
UserID opendkim
"""
POSTSCREEN = """\
sed -i -e 's/^smtp .*smtpd$/#&/' \
    -e '/^#smtp .*postscreen$/s/^#//' -e '/^#smtpd .*pass/s/^#//' \
    -e '/^#dnsblog/s/^#//' -e '/^#tlsproxy/s/^#//' /etc/postfix/master.cf
"""


class Failure(Exception):
    pass


def wait_for(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise Failure(f"after {patience} s still not: {what}")
        time.sleep(0.2)
    return value


class Relay:
    def __init__(self, directory, suite):
        self.directory = directory
        self.root = directory / "root"
        self.environment = {**os.environ, "DIR": str(directory),
                            "SUITE": suite, "NAME": f"o{os.getpid()}"}
        self.sinks = {}

    # ---- commands

    def boot(self, *words, check=True, text="", timeout=900):
        done = subprocess.run(
            [HERE / "boot.sh", *map(str, words)], env=self.environment,
            input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise Failure(f"{' '.join(map(str, words))}: status "
                          f"{done.returncode}\n{done.stdout[-4000:]}")
        return done.stdout.strip() if check else (done.returncode, done.stdout)

    def run(self, *words, **more):
        return self.boot("exec", *words, **more)

    def shell(self, script, **more):
        return self.run("sh", "-ec", script, **more)

    def apt(self, *words, **more):
        return self.boot("net", "apt-get", "-y", "-q",
                         "-o", "Dpkg::Options::=--force-confdef", *words, **more)

    def far(self, *words, **more):
        return self.boot("far", sys.executable, HERE / "far.py", *words, **more)

    def file(self, path):
        return self.root / path.lstrip("/")

    def build(self, tarball):
        """The package, in /root."""
        self.apt("install", "--no-install-recommends", "dpkg-dev")
        self.file("/root/tree").mkdir()
        subprocess.run(["tar", "-C", self.file("/root/tree"), "-xzf", tarball,
                        "--strip-components=1"], check=True)
        self.apt("build-dep", "--no-install-recommends", "/root/tree")
        self.shell("cd /root/tree && dpkg-buildpackage -b -us -uc; "
                   "rm -r /root/tree")

    # ---- a relay in production

    def configure(self):
        self.boot("net", "debconf-set-selections", text="""\
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string relay.example.net
""")
        self.apt("install", "--no-install-recommends", "postfix", "opendkim",
                 "opendkim-tools")
        for name, text in TABLES.items():
            self.file(f"/etc/postfix/{name}").write_text(text)
            self.run("postmap", f"hash:/etc/postfix/{name}")
        self.run("postconf", "-e", *(f"{name} = {value}"
                                     for name, value in POSTFIX.items()))
        self.shell(POSTSCREEN)
        self.shell("useradd -m alice; opendkim-genkey -D /etc/dkimkeys "
                   "-d sender.test -s mail; chown -R opendkim: /etc/dkimkeys")
        self.file("/etc/opendkim.conf").write_text(OPENDKIM)
        self.run("systemctl", "restart", "opendkim", "postfix")

    # ---- mail

    def sink(self, port=SINK_PORT):
        """A server of the customer's that takes all mail."""
        directory = self.directory / f"sink{port}"
        directory.mkdir(exist_ok=True)
        self.sinks[port] = subprocess.Popen(
            [HERE / "boot.sh", "far", sys.executable, HERE / "far.py", "sink",
             str(port), directory], env=self.environment,
            stdin=subprocess.DEVNULL)
        return directory

    def send(self, recipient, answer="250", sender="s@sender.test"):
        """By SMTP from outside."""
        said = self.far("send", RELAY, sender, recipient)
        if not said.startswith(answer):
            raise Failure(f"mail to {recipient}: {said}")

    @staticmethod
    def taken(directory, recipient):
        """The next message in a sink to that recipient; it goes from there."""
        def look():
            for path in directory.glob("mail*"):
                text = path.read_text(errors="replace")
                if f"\nTo: {recipient}\n" in text:
                    path.unlink()
                    return text
            return None
        return wait_for(look, f"mail to {recipient} in {directory.name}")

    def everyday_mail(self):
        """What the relay did before we came, it does still."""
        sink = self.directory / f"sink{SINK_PORT}"
        self.send("user@alpha.test")
        if "\nDKIM-Signature: " not in "\n" + self.taken(
                sink, "user@alpha.test"):
            raise Failure("not signed by opendkim")
        self.send("nobody@alpha.test", answer="550")
        self.send("user@strange.test", answer="454")
        self.send("alice@local.test")
        box = self.file("/var/mail/alice")
        wait_for(lambda: box.exists() and "Hello." in box.read_text(),
                 "mail of the local user")
        box.unlink()

    # ---- the end

    def stop(self):
        for process in self.sinks.values():
            process.terminate()
            process.wait()
        self.boot("stop", check=False)
