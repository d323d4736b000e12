# SPDX-License-Identifier: ISC
"""A relay that was there before us, for odmrctl setup: Debian's main.cf and
master.cf in a directory of their own, with what a test adds. Its postfix(1) is
a script that writes down what it was called for, unless a test wants the real
one."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from odmr.sandbox import BUILD, TREE, age, temporary_directory

DEBIAN = Path("/usr/share/postfix")
ODMR_CONF = """\
myhostname = localhost
user = {user}
database = {0}/lib/odmr.db
domain_table = lmdb:{0}/lib/domains
etrn_table = lmdb:{0}/lib/etrn_names
postfix_config_directory = {0}/postfix
postconf_path = {0}/sbin/postconf
milter_socket = unix:{0}/spool/odmr/milter
socket_directory = {0}/spool/odmr
listen = 127.0.0.1:1
"""
MAIN_CF = """
queue_directory = {0}/spool
data_directory = {0}/data
maillog_file = {0}/log/mail.log
maillog_file_prefixes = {0}
inet_interfaces = 127.0.0.1
mydestination =
"""
# Programs of Postfix wait until main.cf is some seconds old: it is.
POSTCONF = """\
#!/bin/sh
touch -d @1 "$2"/*.cf
exec /usr/sbin/postconf "$@"
"""
POSTFIX = """\
#!/bin/sh
echo "$3" >>{0}/called
case $3 in
status) test -e {0}/running ;;
*) test ! -e {0}/fail-$3 || {{ rm {0}/fail-$3; echo "no $3" >&2; exit 1; }} ;;
esac
"""


class Relay:
    def __init__(self, main="", master="", odmr_conf=""):
        if os.getuid() != 0:
            pytest.skip("needs root: it changes Postfix's configuration")
        self.directory = temporary_directory()
        for name in "postfix", "odmr", "lib", "sbin", "spool", "data", "log":
            (self.directory / name).mkdir()
        user = "nobody"
        shutil.chown(self.directory / "lib", user)
        shutil.chown(self.directory / "data", "postfix")
        for name in "odmrctl", "etrn-trigger":
            shutil.copy(BUILD / name, self.directory / "sbin")
        self.program("postconf", POSTCONF)
        self.program("postfix", POSTFIX.format(self.directory))
        for name in "etrn_filter", "etrn_flush", "etrn_utf8":
            shutil.copy(TREE / "postfix-conf" / name, self.directory / "odmr")
        self.conf = self.directory / "odmr/odmr.conf"
        self.conf.write_text(
            ODMR_CONF.format(self.directory, user=user) + odmr_conf)
        self.config = self.directory / "postfix"
        self.main = self.config / "main.cf"
        self.master = self.config / "master.cf"
        self.main.write_text((DEBIAN / "main.cf.debian").read_text() +
                             MAIN_CF.format(self.directory) + main)
        self.master.write_text(
            (DEBIAN / "master.cf.dist").read_text() + master)
        self.odmrctl("init", check=True)

    def remove(self):
        """With the copies that a setup has left who was killed. An empty one
        tells not whose it is: it goes when it is too old to be of use."""
        for path in Path("/tmp").glob("odmr-setup.*"):
            main = path / "main.cf"
            with contextlib.suppress(OSError):
                if main.exists() and str(self.directory) in main.read_text():
                    shutil.rmtree(path)
                elif path.stat().st_mtime < time.time() - 60:
                    path.rmdir()
        shutil.rmtree(self.directory)

    def program(self, name, script):
        path = self.directory / "sbin" / name
        path.write_text(script)
        path.chmod(0o755)

    def called(self):
        """What postfix(1) was called for since the last time."""
        path = self.directory / "called"
        words = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return words

    def programs(self):
        return [str(self.directory / "sbin/odmrctl"), "-c", str(self.conf)]

    def odmrctl(self, *arguments, check=False, before=(), **options):
        age(self.config)
        done = subprocess.run(
            [*before, *self.programs(), *arguments], text=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, check=False, **options)
        assert not check or done.returncode == 0, done.stderr
        return done

    def setup(self, *arguments):
        """One that has to work; returns what it says."""
        return self.odmrctl("setup", *arguments, check=True).stdout

    def refused(self, *arguments):
        """One that has to refuse, and to leave all as it is."""
        before = self.files()
        done = self.odmrctl("setup", *arguments)
        assert done.returncode >= 64, (done.returncode, done.stdout)
        assert self.files() == before
        return done.stderr

    def value(self, name, *options):
        """As main.cf has it, but for its lines."""
        age(self.config)
        done = subprocess.run(
            ["/usr/sbin/postconf", "-c", self.config, *options, "-h", name],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=60, check=True)
        return " ".join(done.stdout.replace(
            str(self.directory), "DIR").split())

    def option(self, service, name):
        age(self.config)
        done = subprocess.run(
            ["/usr/sbin/postconf", "-c", self.config, "-hP",
             f"{service}/{name}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=60, check=True)
        return " ".join(done.stdout.replace(
            str(self.directory), "DIR").split())

    def line(self, path, text):
        """Where the first line is that begins like this."""
        lines = path.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1)
                    if line.startswith(text))

    def files(self):
        """All of the configuration: what, whose, and how."""
        return {
            str(path.relative_to(self.config)): (
                os.readlink(path) if path.is_symlink() else None,
                path.stat().st_mode, path.stat().st_uid, path.stat().st_gid,
                path.read_bytes() if path.is_file() else None)
            for path in self.config.rglob("*")}
