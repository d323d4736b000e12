# SPDX-License-Identifier: ISC
"""What odmrctl does as root in a directory of a user who wants to be root.

The user is nobody, which owns the directory of the database and may plant
there what it likes."""

import os
import pwd
import re
import shutil
import sqlite3
import subprocess

import pytest

from odmr.sandbox import BUILD, no_postfix, temporary_directory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ENDLESS = ("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
           " SELECT count(*) FROM n")
USER = pwd.getpwnam("nobody")


class Relay:
    def __init__(self, directory):
        self.top = directory
        self.dir = directory / "db"
        self.database = self.dir / "odmr.db"
        self.pid_file = self.dir / "odmrd.pid"
        self.conf = directory / "odmr.conf"
        self.configure("nobody")

    def configure(self, user):
        self.conf.write_text(f"""\
database = {self.database}
domain_table = lmdb:{self.dir}/domains
etrn_table = lmdb:{self.dir}/etrn_names
postfix_config_directory = {self.top}/postfix
pid_file = {self.pid_file}
milter_pid_file = {self.pid_file}
control_socket = {self.dir}/control
milter_socket = unix:{self.dir}/milter
socket_directory = {self.dir}
listen = 127.0.0.1:0
myhostname = relay.example
log = stderr
user = {user}
postfix_user = daemon
flush_group = nogroup
""")

    def run(self, *arguments, program="odmrctl"):
        return subprocess.run(
            [BUILD / program, "-c", self.conf, *arguments], timeout=20,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, check=False)

    def ok(self, *arguments):
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refused(self, *arguments, code=os.EX_TEMPFAIL, program="odmrctl"):
        done = self.run(*arguments, program=program)
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    def sql(self, path, script):
        with sqlite3.connect(path) as db:
            db.executescript(script)
        db.close()

    def give(self, path):
        os.lchown(path, USER.pw_uid, USER.pw_gid)


@pytest.fixture(name="relay")
def make_relay():
    directory = temporary_directory()
    relay = Relay(directory)
    no_postfix(directory / "postfix")
    relay.ok("init")
    relay.ok("domain", "add", "a.example")
    yield relay
    shutil.rmtree(directory)


@pytest.fixture(name="roots")
def make_roots(relay):
    """The same files, but root's: no business of nobody."""
    directory = relay.top / "root"
    shutil.copytree(relay.dir, directory)
    directory.chmod(0o700)
    return directory


def test_root_writes_into_no_other_database_by_a_link(relay, roots):
    relay.database.unlink()
    relay.database.symlink_to(roots / "odmr.db")
    before = {path.name: path.read_bytes() for path in roots.iterdir()}
    assert "odmr.db: is no plain file" in relay.refused(
        "domain", "add", "b.example")
    assert "odmr.db: is no plain file" in relay.refused("status")
    assert "odmr.db: is no plain file" in relay.refused("account", "list")
    assert {path.name: path.read_bytes() for path in roots.iterdir()} == before


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("what", ["link", "pipe"])
def test_what_lies_beside_the_database_is_a_plain_file(relay, suffix, what):
    path = relay.dir / f"odmr.db{suffix}"
    path.unlink(missing_ok=True)
    target = relay.top / "target"
    target.write_bytes(b"root's")
    if what == "link":
        path.symlink_to(target)
    else:
        os.mkfifo(path)
    assert f"odmr.db: {suffix[1:]} beside it is no plain file" in \
        relay.refused("domain", "list")
    assert target.read_bytes() == b"root's"


def test_pipe_in_the_place_of_the_database_is_not_waited_at(relay):
    relay.database.unlink()
    os.mkfifo(relay.database, 0o400)
    relay.give(relay.database)
    assert "odmr.db: is no plain file" in relay.refused("account", "list")


def test_directory_may_be_reached_by_a_link_of_the_operator(relay):
    (relay.top / "linked").symlink_to(relay.dir)
    relay.conf.write_text(relay.conf.read_text().replace(
        f"{relay.dir}/", f"{relay.top}/linked/"))
    assert "a.example" in relay.ok("domain", "list")


@pytest.mark.parametrize("planted", [
    f"ALTER TABLE tag RENAME TO old; CREATE VIEW tag AS {ENDLESS}",
    "CREATE TRIGGER planted AFTER INSERT ON account BEGIN"
    f" UPDATE account SET linger = (SELECT count(*) FROM ({ENDLESS})); END",
    "CREATE INDEX planted ON account (abs(linger))",
    # The text counts, whatever the other columns say.
    "CREATE TRIGGER planted AFTER INSERT ON account BEGIN"
    " DELETE FROM account; END; PRAGMA writable_schema = ON;"
    "UPDATE sqlite_schema SET type = 'index' WHERE name = 'planted'",
])
def test_what_is_planted_in_the_schema_is_not_run(relay, planted):
    relay.sql(relay.database, planted)
    assert re.search(r"odmr.db: .*schema", relay.refused("account", "list"))
    assert re.search(r"odmr.db: .*schema", relay.refused("status"))


def test_what_analyze_leaves_is_no_stranger(relay):
    relay.sql(relay.database, "ANALYZE")
    relay.sql(relay.database, "ANALYZE")
    relay.ok("status")


def test_no_hot_journal_has_root_delete_a_file(relay):
    """SQLite deletes the super-journal that one names (file format, 3)."""
    victim = relay.top / "victim"
    victim.write_text("root's")
    name = str(victim).encode()
    page = relay.database.read_bytes()[:4096]
    size = int.from_bytes(page[16:18], "big")
    pages = relay.database.stat().st_size // size
    head = (bytes.fromhex("d9d505f920a163d7") + bytes(4)
            + bytes(4) + pages.to_bytes(4, "big")
            + (512).to_bytes(4, "big") + size.to_bytes(4, "big"))
    checksum = sum(c if c < 128 else c - 256 for c in name) & 0xffffffff
    lock = (1 << 30) // size + 1
    (relay.dir / "odmr.db-journal").write_bytes(
        head.ljust(512, b"\0") + lock.to_bytes(4, "big") + name
        + len(name).to_bytes(4, "big") + checksum.to_bytes(4, "big")
        + bytes.fromhex("d9d505f920a163d7"))
    relay.give(relay.dir / "odmr.db-journal")
    for command in ["domain", "list"], ["doctor"], ["init"]:
        relay.run(*command)
        assert victim.exists(), command


def test_commands_of_root_leave_files_of_their_user(relay):
    relay.ok("status")
    relay.run("reconcile")
    relay.run("doctor")
    assert {path.stat().st_uid for path in relay.dir.iterdir()} == {
        USER.pw_uid}


def test_output_of_metrics_is_roots(relay):
    closed = relay.top / "closed"
    closed.mkdir(mode=0o700)
    relay.ok("metrics", "--output", closed / "odmr.prom")
    assert (closed / "odmr.prom").stat().st_uid == 0
    assert (closed / "odmr.prom").stat().st_gid == 0


def test_pipe_in_the_place_of_a_pid_file_is_not_waited_at(relay):
    os.mkfifo(relay.pid_file)
    assert 'odmr_up{daemon="odmrd"} 0' in relay.ok("metrics")


@pytest.mark.parametrize("command", [
    ["status"], ["domain", "list"], ["init"], ["metrics", "--output", "/x"]])
def test_root_that_cannot_become_the_user_says_so(relay, command):
    relay.configure("nosuchuser")
    code = os.EX_CANTCREAT if command == ["init"] else os.EX_CONFIG
    text = relay.refused(*command, code=code)
    assert "nosuchuser" in text and "no such user" in text


@pytest.mark.parametrize("program", ["odmrd", "odmr-milter"])
@pytest.mark.parametrize("plant", [
    lambda path, target: path.symlink_to(target),
    lambda path, target: os.link(target, path),
    lambda path, target: os.mkfifo(path)], ids=["link", "name", "pipe"])
def test_daemon_takes_no_other_file_for_its_pid_file(relay, program, plant):
    target = relay.top / "target"
    target.write_text("root's")
    plant(relay.pid_file, target)
    text = relay.refused("-f", program=program, code=os.EX_CANTCREAT)
    assert "odmrd.pid: is no plain file with one name" in text
    assert target.read_text() == "root's"


def test_pipe_in_the_place_of_a_lock_is_not_waited_at(relay):
    for suffix in ".reconcile", "-probe.lock":
        path = relay.dir / f"odmr.db{suffix}"
        os.mkfifo(path)
        relay.give(path)
    done = relay.run("reconcile")
    assert done.returncode == os.EX_TEMPFAIL
    relay.refused("--probe", program="etrn-trigger", code=os.EX_CANTCREAT)
