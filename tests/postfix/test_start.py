# SPDX-License-Identifier: ISC
"""-t of both daemons: what would make the start fail, or the start useless,
is said with file and reason, as the user that the daemon becomes. Where the
start fails, too, it says the same."""

import contextlib
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess

import pytest

from odmr.probe import free_ports
from odmr.sandbox import BUILD, no_postfix, temporary_directory
from odmr.wait import wait_for

USER = "nobody"
CONF = """\
myhostname = relay.test
log = stderr
user = {user}
postfix_user = daemon
flush_group = daemon
database = {dir}/lib/odmr.db
domain_table = lmdb:{dir}/lib/domains
etrn_table = lmdb:{dir}/lib/etrn_names
postfix_config_directory = {dir}/postfix
socket_directory = {dir}/sockets
milter_socket = unix:{dir}/sockets/milter
pid_file = {dir}/run/odmrd.pid
milter_pid_file = {dir}/run/odmr-milter.pid
control_socket = {dir}/run/odmrd.sock
listen = 127.0.0.1:{port}
tls_cert_file = {dir}/tls/server.pem
tls_key_file = {dir}/tls/server.key
"""


def make_certificate(directory, days=2):
    """Both names end in "server"; of minus days, it has expired."""
    key, pem = directory / "server.key", directory / "server.pem"
    request = directory / "server.csr"
    for command in (
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=relay.test", "-keyout", key, "-out",
             request],
            ["x509", "-req", "-in", request, "-signkey", key, "-days",
             str(days), "-out", pem]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)


class House:
    """All that both daemons need, and nothing that runs."""

    def __init__(self):
        self.dir = temporary_directory()
        self.conf = self.dir / "odmr.conf"
        self.key = self.dir / "tls" / "server.key"
        self.cert = self.dir / "tls" / "server.pem"
        self.database = self.dir / "lib" / "odmr.db"
        self.sockets = self.dir / "sockets"
        self.text = CONF.format(dir=self.dir, user=USER, port=free_ports(1)[0])
        self.conf.write_text(self.text)
        no_postfix(self.dir / "postfix")
        for name in ("lib", "sockets", "run", "tls"):
            (self.dir / name).mkdir()
            shutil.chown(self.dir / name, USER)
        make_certificate(self.dir / "tls")
        shutil.chown(self.key, USER)
        subprocess.run([BUILD / "odmrctl", "-c", self.conf, "init"],
                       check=True, timeout=60)

    def set(self, name, value):
        self.text = "".join(
            f"{name} = {value}\n" if line.startswith(name + " ") else line
            for line in self.text.splitlines(True))
        self.conf.write_text(self.text)

    def files(self):
        return {str(path): (path.stat().st_uid, path.stat().st_mode)
                for path in self.dir.rglob("*")}

    def run(self, program, *options, as_user=False):
        """(exit status, what it said); a start is ended as soon as it is one.
        """
        who = pwd.getpwnam(USER)
        process = subprocess.Popen(
            [BUILD / program, "-c", self.conf, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            **({"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
               if as_user else {}))
        try:
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return process.returncode, said


@pytest.fixture
def house():
    if os.getuid() != 0:
        pytest.skip("needs root: it becomes another user")
    made = House()
    yield made
    shutil.rmtree(made.dir)


def fatal(said):
    """The last line, behind the program's name and number."""
    *others, line = said.splitlines()
    assert all(": warning: " in other for other in others), said
    assert ": fatal: " in line, said
    return line.split(": fatal: ")[1]


def older(house):
    with sqlite3.connect(house.database) as db:
        db.execute("PRAGMA user_version = 0")
    db.close()


def other_key(house):
    other = house.dir / "other"
    other.mkdir()
    make_certificate(other)
    shutil.copy(other / "server.key", house.key)


def take(path, mode):
    """It is root's, with this mode."""
    os.chown(path, 0, 0)
    path.chmod(mode)


# name: what is done, the setting that is blamed, the file, and why
BOTH = {
    "user": (lambda h: h.set("user", "nosuch"),
             "user: no such user: nosuch"),
    "postfix-user": (lambda h: h.set("postfix_user", "nosuch"),
                     "postfix_user: no such user: nosuch"),
    "database-missing": (lambda h: h.database.unlink(),
                         "database: {dir}/lib/odmr.db: missing"),
    "database-root": (lambda h: take(h.database, 0o600),
                      "database: {dir}/lib/odmr.db: Permission denied"),
    "database-read-only": (lambda h: take(h.database, 0o644),
                           "database: {dir}/lib/odmr.db: Permission denied"),
    "database-directory": (lambda h: take(h.dir / "lib", 0o755),
                           "database: {dir}/lib/odmr.db: directory {dir}/lib: "
                           "Permission denied"),
    "database-old": (older, "database: {dir}/lib/odmr.db: has schema version "
                     "0, this program needs 1: run \"odmrctl init\""),
    "conf": (lambda h: h.conf.chmod(0o600),
             "{dir}/odmr.conf: Permission denied"),
}
ODMRD = {
    "flush-group": (lambda h: h.set("flush_group", "nosuch"),
                    "flush_group: no such group: nosuch"),
    "sockets-missing": (lambda h: h.sockets.rmdir(),
                        "socket_directory: {dir}/sockets: No such file or "
                        "directory"),
    "sockets-root": (lambda h: take(h.sockets, 0o755),
                     "socket_directory: {dir}/sockets: Permission denied"),
    "pid-directory": (lambda h: h.set("pid_file", h.dir / "no" / "pid"),
                      "pid_file: {dir}/no/pid: No such file or directory"),
    "control": (lambda h: take(h.dir / "run", 0o755),
                "control_socket: {dir}/run/odmrd.sock: Permission denied"),
    "table": (lambda h: (h.dir / "lib" / "domains.lmdb").unlink(),
              "domain_table: {dir}/lib/domains.lmdb: missing: run \"odmrctl "
              "table\""),
    "etrn-table": (lambda h: take(h.dir / "lib" / "etrn_names.lmdb", 0o644),
                   "etrn_table: {dir}/lib/etrn_names.lmdb: Permission denied"),
    "key-root": (lambda h: take(h.key, 0o600),
                 "tls_key_file: {dir}/tls/server.key: Permission denied"),
    "key-missing": (lambda h: h.key.unlink(),
                    "tls_key_file: {dir}/tls/server.key: No such file or "
                    "directory"),
    "key-other": (other_key, "tls_key_file: {dir}/tls/server.key: key values "
                  "mismatch"),
    "no-key": (lambda h: h.set("tls_key_file", ""),
               "tls_cert_file: {dir}/tls/server.pem: no key in PEM without a "
               "password (tls_key_file is not set)"),
    "key-encrypted": (lambda h: subprocess.run(
        ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", h.key,
         "-out", h.key], check=True, capture_output=True),
                      "tls_key_file: {dir}/tls/server.key: no key in PEM "
                      "without a password"),
    "certificate": (lambda h: take(h.cert, 0o600),
                    "tls_cert_file: {dir}/tls/server.pem: Permission denied"),
    "tls-port": (lambda h: h.set("tls_cert_file", "\nlisten_tls = *:10366"),
                 "listen_tls: needs tls_cert_file to be set"),
    "listen": (lambda h: h.set("listen", "nowhere"),
               "listen: \"nowhere\" is no address"),
}
MILTER = {
    "sockets-missing": (lambda h: h.sockets.rmdir(),
                        "milter_socket: unix:{dir}/sockets/milter: No such "
                        "file or directory"),
    "sockets-root": (lambda h: take(h.sockets, 0o755),
                     "milter_socket: unix:{dir}/sockets/milter: Permission "
                     "denied"),
    "in-the-way": (lambda h: (h.sockets / "milter").touch(),
                   "milter_socket: unix:{dir}/sockets/milter: is there "
                   "already and is no socket"),
    "pid-directory": (lambda h: h.set("milter_pid_file",
                                      h.dir / "no" / "pid"),
                      "milter_pid_file: {dir}/no/pid: No such file or "
                      "directory"),
}
FAULTS = [(program, name, *fault) for program, faults in (
    ("odmrd", {**BOTH, **ODMRD}), ("odmr-milter", {**BOTH, **MILTER}))
          for name, fault in faults.items()]
# What only who starts as root looks for.
FOR_ROOT = {"user", "postfix-user", "flush-group"}
# With these it starts: customers hear 451, mail passes untagged, Postfix has
# no table; and root reads what the user may not.
STARTS = {"database-missing", "database-root", "database-read-only",
          "database-directory", "database-old", "table", "etrn-table"}


@pytest.mark.parametrize("program, name, harm, words", FAULTS, ids=[
    f"{fault[0]}-{fault[1]}" for fault in FAULTS])
def test_t_names_file_and_reason(house, program, name, harm, words):
    harm(house)
    words = words.format(dir=house.dir)
    status, said = house.run(program, "-t")
    assert status != 0
    assert fatal(said).startswith(words)
    if name in FOR_ROOT:
        started, again = house.run(program, "-f")
        assert (started, fatal(again)) == (status, fatal(said))
        return
    # As systemd has it, the user itself: the same words, and so the start.
    status, again = house.run(program, "-t", as_user=True)
    assert status != 0
    assert fatal(again).split(":")[-1] == fatal(said).split(":")[-1]
    if name not in STARTS:
        status, started = house.run(program, "-f", as_user=True)
        assert status != 0
        assert fatal(started) == fatal(again)


@pytest.mark.parametrize("as_user", [False, True])
@pytest.mark.parametrize("program", ["odmrd", "odmr-milter"])
def test_t_says_nothing_where_all_is_right_and_changes_nothing(
        house, program, as_user):
    before = house.files()
    assert house.run(program, "-t", as_user=as_user) == (0, "")
    # A database in use may have its journal beside it.
    after = {path: state for path, state in house.files().items()
             if not path.endswith(("-wal", "-shm"))}
    assert after == before


@contextlib.contextmanager
def running(house, program="odmrd"):
    """The daemon, and its log."""
    log = house.dir / "log"
    with log.open("w") as out:
        process = subprocess.Popen([BUILD / program, "-f", "-c", house.conf],
                                   stderr=out)
    try:
        pid = house.dir / "run" / f"{program}.pid"
        wait_for(lambda: process.poll() is not None or
                 (pid.exists() and pid.read_text()), 20, "a start")
        assert process.poll() is None, log.read_text()
        yield process, log
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("program", ["odmrd", "odmr-milter"])
def test_who_starts_without_a_database_reads_why(house, program):
    take(house.database, 0o600)
    _, said = house.run(program, "-t")
    with running(house, program) as (_, log):
        assert ": error: " + fatal(said) in log.read_text()


def test_a_reload_fails_by_what_t_finds(house):
    with running(house) as (process, log):
        assert house.run("odmrd", "-t") == (0, "")
        take(house.key, 0o600)
        status, said = house.run("odmrd", "-t")
        assert status == os.EX_CONFIG
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "error: reload failed, the old certificate stays: " +
                 fatal(said) in log.read_text(), 20, "the same in the log")
        assert "reloaded" not in log.read_text()


def test_a_directory_below_run_is_made_by_the_start(house):
    missing = f"/run/{house.dir.name}"
    house.set("pid_file", f"{missing}/odmrd.pid")
    house.set("control_socket", f"{missing}/odmrd.sock")
    house.set("milter_pid_file", f"{missing}/odmr-milter.pid")
    assert house.run("odmrd", "-t") == (0, "")
    assert house.run("odmr-milter", "-t") == (0, "")


def test_a_certificate_out_of_date_is_a_warning(house):
    make_certificate(house.dir / "tls", days=-1)
    shutil.chown(house.key, USER)
    status, said = house.run("odmrd", "-t")
    assert status == 0
    assert f"warning: tls_cert_file: {house.cert}: the certificate has " \
        "expired at 20" in said


def test_a_key_in_the_certificates_file_serves(house):
    house.cert.write_text(house.cert.read_text() + house.key.read_text())
    house.set("tls_key_file", "")
    assert house.run("odmrd", "-t") == (0, "")
