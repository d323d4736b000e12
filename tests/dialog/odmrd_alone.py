# SPDX-License-Identifier: ISC
"""odmrd without a Postfix: its databases are made by odmrctl, its postqueue is
a script that notes how it was called, and the tests play both of its peers."""

import base64
import getpass
import grp
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from odmr import tags
from odmr.probe import free_ports
from odmr.sandbox import BUILD, FAULT, no_postfix, temporary_directory
from odmr.wait import wait_for
from scripted_line import Line
from scripted_postfix import Postfix

PASSWORD = "open sesame"
# A sanitizer keeps what was freed: memory cannot be measured then.
SANITIZED = b"__asan_init" in (BUILD / "odmrd").read_bytes()
LONG_DOMAIN = ".".join(["l" * 60] * 3 + ["test"])

# account: its domains. Every domain that no other mode is named for is "odmr".
ACCOUNTS = {
    "alice": ["example.org", "example.net", "shared.test"],
    "bob": ["shared.test"],
    "evil": ["example.org.evil.test"],
    "carol": ["backup.test", "branch.test", "hold.test", "own.test"],
    "long": [LONG_DOMAIN],
    "plain": ["plain.test"],    # has no CRAM-MD5 secret
    "off": ["off.test"],        # is disabled
    "none": [],
}
MODES = {"backup.test": "backup", "branch.test": "backup",
         "hold.test": "hold"}

CONF = """\
myhostname = relay.test
log = stderr
database = {dir}/odmr.db
domain_table = lmdb:{dir}/domains
etrn_table = lmdb:{dir}/etrn_names
socket_directory = {dir}/odmr
pid_file = {dir}/odmrd.pid
control_socket = {dir}/odmrd.sock
postfix_config_directory = {dir}/postfix
postqueue_path = {dir}/postqueue
postconf_path = {dir}/postconf
user = {user}
postfix_user = {user}
flush_group = {group}
listen = 127.0.0.1:{port}
listen_tls = 127.0.0.1:{tls_port}
tls_cert_file = {dir}/server.pem
tls_key_file = {dir}/server.key
believe_5xx = always
auth_failure_limit = 1000
auth_failure_delay = 0
reconcile_interval = 0
"""

# Lists what Odmrd.queue says, and notes all else.
POSTQUEUE = """\
#!/bin/sh
case "$*" in
*" -j") cat {dir}/queue ;;
*) echo "$@" >>{dir}/flushed ;;
esac
"""

# How long Postfix keeps mail, and bounces.
POSTCONF = """\
#!/bin/sh
echo 5d
echo 5d
"""


def run(*command, text=""):
    """The output of a command that must succeed."""
    return subprocess.run(
        [str(part) for part in command], input=text, text=True, check=True,
        timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


def write_conf(directory, port=0, tls_port=0, **settings):
    text = CONF.format(dir=directory, port=port, tls_port=tls_port,
                       user=getpass.getuser(),
                       group=grp.getgrgid(os.getgid()).gr_name)
    for name, value in settings.items():
        text = re.sub(f"^{name} = .*\n", "", text, flags=re.MULTILINE)
        text += f"{name} = {value}\n"
    Path(directory, "odmr.conf").write_text(text)


def make_template(directory, accounts=ACCOUNTS):
    """A database and a certificate, from which every odmrd gets a copy."""
    write_conf(directory)
    no_postfix(Path(directory, "postfix"))
    odmrctl = [BUILD / "odmrctl", "-c", directory / "odmr.conf"]
    run(*odmrctl, "init")
    for name in sorted({name for names in accounts.values() for name in names}):
        mode = MODES.get(name, "odmr")
        run(*odmrctl, "domain", "add", name, "--mode", mode)
    for login, names in accounts.items():
        options = [] if login == "plain" else ["--cram-md5"]
        run(*odmrctl, "account", "add", login, *options, text=PASSWORD + "\n")
        if names:
            run(*odmrctl, "account", "grant", login, *names)
    if "off" in accounts:
        run(*odmrctl, "account", "disable", "off")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
        "/CN=relay.test", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", directory / "server.key", "-out", directory / "server.pem")


class Odmrd:
    def __init__(self, template, environment=None, **settings):
        """`settings` are those of odmr.conf that differ."""
        self.environment = dict(os.environ, **(environment or {}))
        self.dir = temporary_directory()
        for name in ("odmr.db", "server.pem", "server.key"):
            shutil.copy(template / name, self.dir / name)
        (self.dir / "odmr").mkdir()
        no_postfix(self.dir / "postfix")
        self.postqueue(POSTQUEUE)
        self.queue()
        self.script("postconf", POSTCONF)
        self.database = settings.get("database", self.dir / "odmr.db")
        self.ca = self.dir / "server.pem"
        self.log = self.dir / "log"
        self.log.touch()
        self.log_start = 0  # where the log of the running test begins
        self.transcript = []
        self.lines = []
        while True:
            self.port, self.tls_port = free_ports(2)
            write_conf(self.dir, self.port, self.tls_port, **settings)
            try:
                self.start()
                break
            except AssertionError as error:
                if "Address already in use" not in str(error):
                    raise
                self.log.write_text("")

    # ---- the process

    def start(self):
        begin = self.log.stat().st_size
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "odmrd"), "-f", "-c", str(self.dir / "odmr.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment)
        wait_for(lambda: b": started\n" in self.log.read_bytes()[begin:] or
                 self.process.poll() is not None, 20, "odmrd starts")
        assert self.process.poll() is None, self.log.read_text()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_for_exit(self, timeout=60):
        """The exit status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {timeout} s") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        """Ends it; returns what was wrong with it."""
        self.hang_up()
        faults = []
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                faults.append("does not end at SIGTERM")
                self.kill()
        if self.process.returncode not in (0, -signal.SIGKILL):
            faults.append(f"exit status {self.process.returncode}")
        faults += [row for row in self.log.read_text().splitlines()
                   if FAULT.search(row)]
        shutil.rmtree(self.dir)
        return faults

    def peak_memory(self):
        """VmHWM, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    # ---- what it says

    def new_log(self):
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def logged(self, *parts):
        """The log lines of this test that contain all `parts`."""
        return [row for row in self.new_log().splitlines()
                if all(part in row for part in parts)]

    def wait_for_log(self, *parts, timeout=10):
        return wait_for(lambda: self.logged(*parts), timeout,
                        f"in the log: {parts}")[0]

    def ended(self, reason, timeout=10, **fields):
        """Waits for the line that ends a reversed session."""
        row = self.wait_for_log(": session account=", f" reason={reason}",
                                timeout=timeout)
        for name, value in fields.items():
            assert f" {name}={value} " in row, row
        return row

    # ---- its surroundings

    def script(self, name, text):
        path = self.dir / name
        path.write_text(text.format(dir=self.dir))
        path.chmod(0o755)

    def postqueue(self, text):
        self.script("postqueue", text)

    def queue(self, *messages):
        """What postqueue -j shows: queue id, queue name, recipient."""
        (self.dir / "queue.new").write_text("".join(json.dumps({
            "queue_name": name, "queue_id": queue_id, "arrival_time": 1,
            "message_size": 1000, "forced_expire": False, "sender": "s@s.test",
            "recipients": [{"address": recipient}]}) + "\n"
            for queue_id, name, recipient in messages))
        (self.dir / "queue.new").rename(self.dir / "queue")

    def asked_for(self, option):
        """What postqueue was called for with `option`, -s or -i."""
        try:
            rows = (self.dir / "flushed").read_text().splitlines()
        except FileNotFoundError:
            return []
        prefix = f"-c {self.dir}/postfix -"
        assert all(row.startswith(prefix) for row in rows), rows
        return [row.split()[3] for row in rows if row.split()[2] == option]

    def flushed(self):
        """The domains that postqueue -s was called for."""
        return self.asked_for("-s")

    def wait_for_flushed(self, *domains):
        """All of them, in any order, and no other."""
        wait_for(lambda: sorted(self.flushed()) == sorted(domains), 10,
                 f"flushed: {domains}")

    def sql(self, statement, *values):
        db = sqlite3.connect(self.database, timeout=20)
        db.execute("PRAGMA foreign_keys = ON")
        try:
            with db:
                return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def odmrctl(self, *arguments, text="", conf="odmr.conf"):
        """What it says, and says while it succeeds."""
        return run(BUILD / "odmrctl", "-c", self.dir / conf, *arguments,
                   text=text)

    def odmrctl_fails(self, *arguments):
        """Its exit status, and the line that tells why."""
        with pytest.raises(subprocess.CalledProcessError) as caught:
            self.odmrctl(*arguments)
        return caught.value.returncode, caught.value.stderr

    def control(self):
        """A connection to the control socket."""
        return Control(self.dir / "odmrd.sock")

    def session_ids(self):
        """Of those that have logged in, turned or not."""
        told = json.loads(self.odmrctl("sessions", "--json"))
        return [row["id"] for row in told["sessions"]]

    def tag(self, queue_id, domain, recipients=1, size=1000):
        tags.add(self.database, {
            "queue_id": queue_id, "domain": domain, "size": size,
            "recipients": [f"r{i}@{domain}" for i in range(recipients)],
            "arrived": int(time.time())})

    def tag_state(self, queue_id, columns="state"):
        """One column, or a tuple of several."""
        rows = self.sql(f"SELECT {columns} FROM tag WHERE queue_id = ?",
                        queue_id)
        assert len(rows) == 1, rows
        return rows[0][0] if len(rows[0]) == 1 else rows[0]

    def wait_for_tag(self, queue_id, value, columns="state"):
        wait_for(lambda: self.tag_state(queue_id, columns) == value, 10,
                 f"{columns} of {queue_id} is {value}")

    def sockets(self):
        return sorted(os.listdir(self.dir / "odmr"))

    # ---- its peers

    def connect(self, tls=False, port=None, source="127.0.0.1"):
        """`source` is any of the loopback's addresses."""
        sock = socket.create_connection(
            ("127.0.0.1", port or (self.tls_port if tls else self.port)), 20,
            source_address=(source, 0))
        line = Line(sock, self.transcript)
        self.lines.append(line)
        if tls:
            line.start_tls(self.ca)
        return line

    def greeted(self, tls=False, source="127.0.0.1"):
        """Connected, and EHLO is said."""
        line = self.connect(tls, source=source)
        line.expect("220 relay.test ...")
        line.say("EHLO customer.test")
        line.reply()
        return line

    def known(self, login="alice", tls=False, source="127.0.0.1"):
        """Connected and authenticated."""
        line = self.greeted(tls, source)
        line.say("AUTH CRAM-MD5")
        line.say(cram_md5(line.expect("334 ..."), login))
        line.expect(f"235 2.7.0 Authenticated as {login}")
        return line

    def turned(self, domains="example.org", login="alice", tls=False):
        """Authenticated, and the line is turned."""
        line = self.known(login, tls)
        line.say(f"ATRN {domains}")
        line.expect("250 2.0.0 OK now reversing the connection")
        return line

    def postfix(self, domain="example.org", hello=True):
        """A Postfix lmtp(8) on the socket of `domain`. Without hello, not even
        the greeting is read."""
        sock = socket.socket(socket.AF_UNIX)
        # The path may be longer than an address may be.
        directory = os.open(self.dir / "odmr", os.O_RDONLY)
        try:
            sock.connect(f"/proc/self/fd/{directory}/{domain}")
        finally:
            os.close(directory)
        postfix = Postfix(Line(sock, self.transcript, us="L"))
        self.lines.append(postfix.line)
        if hello:
            postfix.hello()
        return postfix

    def hang_up(self):
        for line in self.lines:
            line.hang_up()
        self.lines.clear()

    def reset(self):
        """What one test leaves is gone before the next begins."""
        self.hang_up()
        if self.process.poll() is None:
            wait_for(lambda: not self.sockets() and not self.sql(
                "SELECT id FROM session"), 15, "the sessions end")
        self.sql("DELETE FROM tag")
        self.sql("DELETE FROM domain_count")
        self.sql("DELETE FROM workaround")
        self.postqueue(POSTQUEUE)
        self.queue()
        (self.dir / "flushed").unlink(missing_ok=True)
        self.transcript.clear()
        self.log_start = self.log.stat().st_size


class Control:
    """What odmrctl is to odmrd."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rw", newline="\n")

    def say(self, command):
        self.file.write(command + "\n")
        self.file.flush()

    def answer(self):
        """The lines of one answer; what it ends with before the end of the
        connection is "ok", or "error" and why."""
        lines = []
        while not lines or not lines[-1].startswith(("ok", "error")):
            line = self.file.readline()
            if not line:
                break
            lines.append(line.rstrip("\n"))
        return lines

    def ask(self, command):
        self.say(command)
        return self.answer()

    def close(self):
        self.file.close()
        self.sock.close()


def b64(text):
    if isinstance(text, str):
        text = text.encode()
    return base64.b64encode(text).decode()


def cram_md5(challenge, login, password=PASSWORD):
    """The answer to a line "334 <challenge>"."""
    nonce = base64.b64decode(challenge.split(" ")[1])
    digest = hmac.new(password.encode(), nonce, hashlib.md5).hexdigest()
    return b64(f"{login} {digest}")


def plain(login, password=PASSWORD, act_as=""):
    return b64(f"{act_as}\0{login}\0{password}")
