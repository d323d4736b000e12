#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""make check-install: the package on a freshly booted Debian whose Postfix is in
production already, from the first command to the last.

    check_install.py [SUITE]

Without SUITE it is bookworm, with the package that "make deb" built; otherwise
the package is built there, from the tarball of "make dist".

Each step that passed is a line; with the first that did not, all ends, and the
logs of the relay are shown. Exit status: 0, 1."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from relay import RELAY, SINK_PORT, Failure, Relay, wait_for

BUILD = Path(__file__).resolve().parents[2] / "build"
UNITS = ["odmr-milter", "odmrd", "odmr-reconcile.timer"]
TLS_PORT, RETURNED_PORT = 10366, 2526
# Where fetchmail finds the relay, and whom it trusts.
AS_HERE = """\
{{ echo {relay} relay.example.net; echo 127.0.0.1 localhost $(hostname)
}} >{files}/hosts
mount --bind {files}/hosts /etc/hosts
exec env FETCHMAILHOME={files} SSL_CERT_FILE={files}/certificate fetchmail -v \
    --nosyslog --nodetach --pidfile {files}/fetchmail.pid -f {files}/fetchmailrc
"""
# What this machine's limit is to blame for.
HARMLESS = re.compile(r"warning: open files: \d+ is the limit")
COMPLAINT = re.compile(r"\b(odmr|etrn-trigger)\S*: (warning|error|fatal): ")


def older(deb, directory):
    """The same package, with a version before it."""
    tree = directory / "older"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*$", r"\g<0>~before",
                              control.read_text(), flags=re.MULTILINE))
    made = directory / "older.deb"
    subprocess.run(["dpkg-deb", "-b", tree, made], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return made


class Scenario:
    def __init__(self, relay, builds):
        self.relay, self.builds = relay, builds
        self.deb = self.sink = None

    # ---- what the steps share

    def install(self, deb):
        shutil.copy(deb, self.relay.file("/root/it.deb"))
        return self.relay.apt("install", "/root/it.deb")

    def odmrctl(self, *words, **more):
        return self.relay.run("odmrctl", *words, **more)

    def held(self, domain):
        return len(json.loads(
            self.odmrctl("queue", domain, "--json"))["messages"])

    def hold(self, domain):
        """A message waits for the domain's customer."""
        before = self.held(domain)
        self.relay.send(f"user@{domain}")
        wait_for(lambda: self.held(domain) == before + 1, f"mail of {domain}")

    def collect(self, domain):
        """By fetchmail, over TLS: one message."""
        status, said = self.relay.boot(
            "far", "unshare", "-m", "sh", "-ec", AS_HERE.format(
                relay=RELAY, files=self.relay.directory), check=False)
        if status != 0:
            raise Failure(f"fetchmail: status {status}\n{said}")
        return self.relay.taken(self.sink, f"user@{domain}")

    def check_units(self):
        for unit in UNITS:
            for question in ("is-active", "is-enabled"):
                self.relay.run("systemctl", question, unit)
        self.relay.run("sh", "-c", "! systemctl --failed --no-legend | grep .")

    def check_log(self):
        """Nothing is complained of that should not be."""
        log = self.relay.run("journalctl", "-b", "-o", "short", "--no-pager")
        bad = [line for line in log.splitlines()
               if COMPLAINT.search(line) and not HARMLESS.search(line)]
        if bad:
            raise Failure("\n".join(bad))

    def make_certificate(self):
        """Self-signed, as an operator puts one there: for odmrd to read."""
        self.relay.shell("""\
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout /root/key \
    -out /root/certificate -subj /CN=relay.example.net 2>/dev/null
cat /root/key /root/certificate |
    install -m 0400 -o odmr /dev/stdin /etc/odmr/relay.pem
""")
        shutil.copy(self.relay.file("/root/certificate"), self.relay.directory)

    # ---- the steps, in their order

    def debian_boots(self):
        self.relay.boot("start")
        self.relay.apt("update")

    def package_is_there(self):
        if self.builds:
            [tarball] = BUILD.glob("postfix-odmr-*.tar.gz")
            self.relay.build(tarball)
        [self.deb] = (self.relay.file("/root") if self.builds else
                      BUILD / "deb").glob("postfix-odmr_*.deb")

    def relay_is_in_production(self):
        self.relay.configure()
        self.sink = self.relay.sink()
        self.relay.everyday_mail()

    def package_installs_and_its_daemons_run(self):
        shutil.copytree(self.relay.file("/etc/postfix"),
                        self.relay.directory / "postfix.before")
        self.install(older(self.deb, self.relay.directory))
        self.check_units()
        self.check_log()
        self.relay.run("odmrd", "-t")
        self.relay.everyday_mail()

    def what_is_wrong_is_seen_in_systemctl_status(self):
        conf = self.relay.file("/etc/odmr/odmr.conf")
        right = conf.read_text()
        conf.write_text(right + "nonsense = 1\n")
        self.fails_with("nonsense")
        conf.write_text(right)
        self.relay.run("systemctl", "start", "odmrd")
        sockets = "/var/spool/postfix/odmr"
        self.relay.run("mv", sockets, "/root")
        self.fails_with(f"socket_directory: {sockets}: No such file")
        self.relay.run("mv", "/root/odmr", sockets)
        self.relay.run("systemctl", "start", "odmrd")

    def fails_with(self, words):
        self.relay.run("systemctl", "restart", "odmrd", check=False)
        status, said = self.relay.run("systemctl", "status", "odmrd",
                                      check=False)
        if status == 0 or words not in said:
            raise Failure(said)

    def setup_joins_postfix(self):
        self.odmrctl("setup", "--yes")
        self.relay.everyday_mail()

    def certificate_is_served(self):
        self.make_certificate()
        with self.relay.file("/etc/odmr/odmr.conf").open("a") as conf:
            conf.write("myhostname = relay.example.net\n"
                       "tls_cert_file = /etc/odmr/relay.pem\n"
                       f"listen_tls = *:{TLS_PORT}\n")
        self.relay.run("odmrd", "-t")
        self.relay.run("systemctl", "restart", "odmrd")

    def mail_is_held_for_a_customer(self):
        """Who gets a file for fetchmail to copy."""
        said = self.odmrctl("customer", "add", "customer", "held.test")
        rc = self.relay.directory / "fetchmailrc"
        rc.write_text(re.search(r"^fetchmail: .*\n((    .*\n)+)", said,
                                re.MULTILINE)[1].replace(
            "smtphost localhost", f"smtphost localhost/{SINK_PORT}"))
        rc.chmod(0o600)
        self.hold("held.test")
        self.relay.everyday_mail()

    def fetchmail_collects_over_tls(self):
        if "\nDKIM-Signature: " not in "\n" + self.collect("held.test"):
            raise Failure("the customer's mail is not signed by opendkim")
        wait_for(lambda: self.held("held.test") == 0, "an empty queue")

    def etrn_on_port_25_starts_mail_on_hold(self):
        self.odmrctl("domain", "add", "hold.test", "--mode", "hold",
                     "--nexthop", f"[10.99.0.2]:{SINK_PORT}")
        self.hold("hold.test")
        self.relay_says("ETRN hold.test", "4")  # nobody is allowed
        self.odmrctl("etrn", "allow", "hold.test", "10.99.0.0/24")
        self.relay_says("ETRN hold.test", "25")
        self.relay.taken(self.sink, "user@hold.test")

    def relay_says(self, command, answer):
        said = self.relay.far("say", RELAY, command)
        if not said.startswith(answer):
            raise Failure(f"{command}: {said}")

    def host_that_returns_gets_its_mail(self):
        self.relay.run("systemctl", "enable", "--now", "odmr-probe")
        self.odmrctl("domain", "add", "backup.test", "--mode", "backup",
                     "--nexthop", f"[10.99.0.2]:{RETURNED_PORT}")
        self.hold("backup.test")
        self.relay.taken(self.relay.sink(RETURNED_PORT), "user@backup.test")

    def reconcile_knows_from_the_journal_what_was_delivered(self):
        self.relay.run("journalctl", "--rotate")

        def known():
            self.relay.run("systemctl", "start", "odmr-reconcile")
            usage = json.loads(self.odmrctl("usage", "--json"))
            return "backup.test" in json.dumps(usage) and \
                self.held("backup.test") == 0
        wait_for(known, "the end of the mail of backup.test")

    def doctor_has_nothing_against_it(self):
        status, said = self.odmrctl("doctor", check=False)
        if status > 1 or re.search("^error", said, re.MULTILINE):
            raise Failure(said)

    def renewed_certificate_is_served_after_a_reload(self):
        def shown():
            return self.relay.far("certificate", RELAY, TLS_PORT)
        old = shown()
        self.make_certificate()
        self.relay.run("systemctl", "reload", "odmrd")
        wait_for(lambda: shown() != old, "the new certificate")
        self.hold("held.test")
        self.collect("held.test")

    def everything_returns_after_a_reboot(self):
        self.hold("held.test")
        self.relay.boot("reboot")
        self.check_units()
        self.relay.run("systemctl", "is-active", "odmr-probe")
        wait_for(lambda: self.held("held.test") == 1, "the mail from before")
        self.collect("held.test")
        self.relay.everyday_mail()

    def upgrade_restarts_what_runs_and_keeps_what_waits(self):
        self.hold("held.test")
        pids = self.pids()
        self.install(self.deb)
        self.check_units()
        if set(pids) & set(self.pids()):
            raise Failure("a daemon was not restarted")
        if self.held("held.test") != 1 or \
                "relay.pem" not in self.relay.file(
                    "/etc/odmr/odmr.conf").read_text():
            raise Failure("mail or configuration is gone")
        self.collect("held.test")
        self.check_log()

    def pids(self):
        return self.relay.run(
            "systemctl", "show", "-P", "MainPID", "odmrd", "odmr-milter",
            "odmr-probe").split()

    def package_stays_while_mail_waits(self):
        self.hold("held.test")
        status, said = self.relay.apt("remove", "postfix-odmr", check=False)
        if status == 0 or "held.test" not in said:
            raise Failure(said)
        self.check_units()
        self.collect("held.test")

    def undo_leaves_postfix_as_it_was(self):
        self.odmrctl("setup", "--undo", "--yes")
        self.check_postfix_is_as_before()
        self.relay.everyday_mail()

    def check_postfix_is_as_before(self):
        done = subprocess.run(
            ["diff", "-r", self.relay.directory / "postfix.before",
             self.relay.file("/etc/postfix"), "-x", "dynamicmaps.cf*",
             "-x", "lmdb.files"],  # the package postfix-lmdb's
            stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stdout)

    def package_stays_while_postfix_names_its_files(self):
        """By a line of the operator's own, which no undo takes away."""
        line = "canonical_maps = regexp:/etc/odmr/etrn_utf8"
        self.relay.run("postconf", "-e", line)
        status, said = self.relay.apt("purge", "postfix-odmr", check=False)
        if status == 0 or line not in said:
            raise Failure(said)
        self.check_units()
        self.relay.everyday_mail()
        self.relay.run("postconf", "-X", "canonical_maps")
        self.check_postfix_is_as_before()

    def package_takes_itself_out_of_postfix(self):
        """Without an undo before."""
        self.odmrctl("setup", "--yes")
        self.relay.apt("purge", "postfix-odmr")
        self.check_postfix_is_as_before()
        left = self.relay.shell(
            "find / -xdev -name '*odmr*' ! -path '/root/*' "
            "! -path /etc/odmr "  # where the key of the operator is
            "! -path '/var/spool/postfix/p*/*'; "  # Postfix removes none
            "systemctl list-units --all --no-legend 'odmr*'")
        if left:
            raise Failure(left)
        self.relay.everyday_mail()


STEPS = [
    Scenario.debian_boots,
    Scenario.package_is_there,
    Scenario.relay_is_in_production,
    Scenario.package_installs_and_its_daemons_run,
    Scenario.what_is_wrong_is_seen_in_systemctl_status,
    Scenario.setup_joins_postfix,
    Scenario.certificate_is_served,
    Scenario.mail_is_held_for_a_customer,
    Scenario.fetchmail_collects_over_tls,
    Scenario.etrn_on_port_25_starts_mail_on_hold,
    Scenario.host_that_returns_gets_its_mail,
    Scenario.reconcile_knows_from_the_journal_what_was_delivered,
    Scenario.doctor_has_nothing_against_it,
    Scenario.renewed_certificate_is_served_after_a_reload,
    Scenario.everything_returns_after_a_reboot,
    Scenario.upgrade_restarts_what_runs_and_keeps_what_waits,
    Scenario.package_stays_while_mail_waits,
    Scenario.undo_leaves_postfix_as_it_was,
    Scenario.package_stays_while_postfix_names_its_files,
    Scenario.package_takes_itself_out_of_postfix,
]


def play(scenario):
    for step in STEPS:
        begun = time.monotonic()
        name = step.__name__.replace("_", " ")
        try:
            step(scenario)
        except (Failure, OSError, subprocess.SubprocessError,
                json.JSONDecodeError) as fault:
            print("---- the end of the relay's journal")
            print(scenario.relay.run("journalctl", "-n", "60", "--no-pager",
                                     check=False)[1])
            print(f"FAIL  {name}\n{fault}")
            return 1
        print(f"PASS  {name} ({time.monotonic() - begun:.0f} s)", flush=True)
    return 0


def main(suite=None):
    (BUILD / "install").mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=BUILD / "install"))
    place.chmod(0o755)
    relay = Relay(place, suite or "bookworm")
    try:
        return play(Scenario(relay, bool(suite)))
    finally:
        relay.stop()
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
