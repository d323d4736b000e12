# SPDX-License-Identifier: ISC
"""odmr-milter without a Postfix; miltertest(8) plays the mail system."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess

from odmr import tags
from odmr.sandbox import BUILD, FAULT, no_postfix, temporary_directory
from odmr.wait import wait_for

MILTER = BUILD / "odmr-milter"
EX_OK = 0
CONTINUE = "c"
LAST = "last.test"  # the domain of what tells that all else is written
# What may stand in the log about tags that are not written.
COMPLAINT = re.compile(r"passe[sd] untagged|\d+ tags wait")

def lua(text):
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def message(recipients, queue_id="4Zq1aB0001z", sender="<s@sender.test>",
            parameters=("SIZE=1234",), end="eom"):
    """One message as a part of a miltertest script; `end` may be abort."""
    argv = ", ".join(map(lua, [sender, *parameters]))
    lines = [f'ok(mt.macro(c, SMFIC_MAIL, "i", {lua(queue_id)}))'
             if queue_id else "", f"ok(mt.mailfrom(c, {argv}))"]
    lines += [f"ok(mt.rcptto(c, {lua(rcpt)}))" for rcpt in recipients]
    lines.append(f"ok(mt.{end}(c))")
    if end == "eom":
        lines.append('mt.echo("reply " .. string.char(mt.getreply(c)))')
    return "\n".join(lines)


CONNECT = """
function ok(fault) if fault then error(fault) end end
mt.set_timeout(20)
c = mt.connect({socket}, 1, 0)
if not c then error("no connection") end
ok(mt.negotiate(c, nil, nil, nil))
ok(mt.conninfo(c, "client.test", {address}))
"""


class Milter:
    """A milter with a database of its own in a temporary directory."""

    def __init__(self):
        self.directory = temporary_directory()
        self.conf = self.directory / "odmr.conf"
        self.database = self.directory / "odmr.db"
        self.socket_path = self.directory / "milter"
        self.socket = f"unix:{self.socket_path}"
        self.pid_file = self.directory / "pid"
        self.log_path = self.directory / "log"
        self.process = None
        self.last = 0
        me = pwd.getpwuid(os.getuid()).pw_name
        user = "nobody" if me == "root" else me
        if me == "root":
            shutil.chown(self.directory, user)
        self.settings = {
            "database": self.database,
            "domain_table": f"lmdb:{self.directory}/domains",
            "etrn_table": f"lmdb:{self.directory}/etrn_names",
            "postfix_config_directory": self.directory / "postfix",
            "milter_socket": self.socket, "milter_pid_file": self.pid_file,
            "user": user, "postfix_user": user, "log": "stderr"}
        self.configure()
        no_postfix(self.directory / "postfix")
        self.make_database()

    def make_database(self):
        self.odmrctl("init")
        for domain in ("example.org", "example.net", LAST):
            self.odmrctl("domain", "add", domain)

    def configure(self, path=None, **settings):
        lines = dict(self.settings, **settings).items()
        (path or self.conf).write_text(
            "".join(f"{name} = {value}\n" for name, value in lines))

    def odmrctl(self, *arguments):
        subprocess.run([BUILD / "odmrctl", "-c", self.conf, *arguments],
                       check=True, timeout=20)

    def command(self, *options, conf=None):
        """Runs it to its end: (exit status, what it said)."""
        done = subprocess.run(
            [MILTER, "-c", conf or self.conf, *options], timeout=20,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=False)
        return done.returncode, done.stdout

    def start(self, before=None):
        """`before` runs in the new process."""
        with self.log_path.open("a") as log:
            self.process = subprocess.Popen(
                [MILTER, "-f", "-c", self.conf], stderr=log,
                preexec_fn=before)
        wait_for(self.is_up, 20, f"milter up\n{self.log}")

    def is_up(self):
        assert self.process.poll() is None, self.log
        return self.pid_in_file() == self.process.pid

    def pid_in_file(self):
        try:
            return int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)

    def end(self):
        if self.process and self.process.poll() is None:
            assert self.stop() == EX_OK, self.log
        assert not FAULT.search(self.log), self.log
        shutil.rmtree(self.directory)

    @property
    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def complaints(self):
        return [line for line in self.log.splitlines()
                if COMPLAINT.search(line)]

    def script(self, text, address="192.0.2.7"):
        return self.raw_script(CONNECT.format(
            socket=lua(self.socket), address=lua(address)) + text)

    @staticmethod
    def raw_script(text):
        return subprocess.run(
            ["miltertest"], input=text, timeout=60, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def send(self, *messages, address="192.0.2.7"):
        """All on one connection; every message must be let through."""
        done = self.script("\n".join(messages) + "\nmt.disconnect(c)\n",
                           address)
        assert done.returncode == 0, done.stdout
        ends = sum("mt.eom" in text for text in messages)
        assert done.stdout.split() == ["reply", CONTINUE] * ends

    def settle(self):
        """Waits until all that was sent is written: what is sent last is
        written last."""
        if self.pid_in_file() is None:
            return
        self.last += 1
        self.send(message([f"<{self.last}@{LAST}>"], f"LAST{self.last}"))
        wait_for(lambda: self.query(
            "SELECT 1 FROM tag WHERE queue_id = ?", f"LAST{self.last}"), 20,
            f"the last tag\n{self.log}")

    def query(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return database.execute(sql, values).fetchall()

    def tags(self):
        self.settle()
        return self.query(
            f"SELECT queue_id, domain, recipients, rcpts_open FROM {tags.TAG} "
            "WHERE domain != ? ORDER BY queue_id, domain", LAST)

    def column(self, name):
        self.settle()
        return [row[0] for row in self.query(
            f"SELECT {name} FROM {tags.TAG} WHERE domain != ? "
            "ORDER BY queue_id, domain", LAST)]
