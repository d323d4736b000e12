# SPDX-License-Identifier: ISC
"""Postfix's tables say what the database says, after each command at once, and
Postfix takes it up while mail flows."""

import contextlib
import itertools
import os
import random
import re
import resource
import smtplib
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from odmr.postfix import LOOPBACK
from odmr.sandbox import no_postfix
from odmr.wait import wait_for
from test_odmrctl import BUILD, bare, ctl  # noqa: F401

CHANGES = 1000      # beside mail
RATE = 12           # messages a second
WORKERS = 4         # odmrctls at a time
DOMAINS = 100_000
ONE_CHANGE, WHOLE = 0.05, 5     # seconds, of a machine that has nothing else
SLOWER = 3                      # this one may be
UTF8, ALABEL = "b\u00fccher.example", "xn--bcher-kva.example"
DECOMPOSED = "bu\u0308cher.example"


def postmap(config, *arguments, **more):
    return subprocess.run(
        ["/usr/sbin/postmap", "-c", str(config), *arguments], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False, **more)


def entries(config, table):
    done = postmap(config, "-s", table)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("\t") for line in done.stdout.splitlines())


def transport(mode, nexthop, socket):
    return f"relay:{nexthop or ''}" if mode == "backup" else \
        f"odmr:unix:odmr/{socket}"


def wanted(database):
    """What is to stand in the table if all names are ASCII."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as db:
        return {name: transport(*how) for name, *how in db.execute(
            "SELECT name, mode, nexthop, socket FROM domain")}


# ---- on a Postfix


class Tables:
    def __init__(self, provider):
        self.provider = provider
        self.directory = provider.directory / "lib"
        self.domains = f"lmdb:{self.directory}/domains"
        self.etrn = f"lmdb:{self.directory}/etrn_names"

    def ask(self, key, table=None):
        """None: it is not there."""
        done = postmap(self.provider.config, "-q", key, table or self.domains)
        assert done.stderr == ""
        return done.stdout.rstrip("\n") or None

    def entries(self, table=None):
        return entries(self.provider.config, table or self.domains)

    def agree(self):
        return self.entries() == wanted(self.provider.env["DATABASE"])


@pytest.fixture
def tables(sandbox):
    yield Tables(sandbox)
    sandbox.odmrctl("table")
    for name in wanted(sandbox.env["DATABASE"]):
        sandbox.odmrctl("domain", "remove", name)


@pytest.fixture
def domain(sandbox, tables):
    assert tables.agree()
    sandbox.odmrctl("domain", "add", "a.test")
    return "a.test"


def test_domain_is_in_the_table_at_once(sandbox, tables):
    sandbox.odmrctl("domain", "add", "a.test")
    assert tables.ask("a.test") == "odmr:unix:odmr/a.test"
    assert tables.ask("A.Test") == "odmr:unix:odmr/a.test"
    assert tables.ask("sub.a.test") is None
    sandbox.odmrctl("domain", "set", "a.test", "--mode", "backup", "--nexthop",
                    "[192.0.2.1]:2525")
    assert tables.ask("a.test") == "relay:[192.0.2.1]:2525"
    sandbox.odmrctl("domain", "remove", "a.test")
    assert tables.ask("a.test") is None


def test_domain_in_utf_8_is_in_both_tables_as_mail_and_etrn_write_it(
        sandbox, tables):
    commands = subprocess.run(
        ["/usr/sbin/postconf", "-c", sandbox.config, "-xh",
         "smtpd_command_filter"], text=True, check=True,
        stdout=subprocess.PIPE).stdout.strip()
    sandbox.odmrctl("domain", "add", UTF8)
    for name in (ALABEL, UTF8, DECOMPOSED, UTF8.upper()):
        assert tables.ask(name) == f"odmr:unix:odmr/{ALABEL}"
    for name in (UTF8, DECOMPOSED, UTF8.upper()):
        assert tables.ask(f"ETRN {name}", commands) == f"ETRN {ALABEL}"
        assert tables.ask(f"ETRN @{name}", commands) == f"ETRN _at.{ALABEL}"
    sandbox.odmrctl("domain", "remove", UTF8)
    assert tables.ask(f"ETRN {UTF8}", commands) is None
    assert tables.entries() == tables.entries(tables.etrn) == {}


def test_queue_name_is_in_the_second_table_at_once(sandbox, tables, domain):
    sandbox.odmrctl("domain", "add", "b.test")
    sandbox.odmrctl("queue-name", "add", "sales", domain, "b.test")
    assert tables.ask("sales", tables.etrn) == "queue"
    assert tables.ask("sales") is None
    sandbox.odmrctl("queue-name", "remove", "sales", domain)
    assert tables.ask("sales", tables.etrn) == "queue"
    # Nor is there a queue without a domain.
    sandbox.odmrctl("domain", "remove", "b.test")
    assert tables.ask("sales", tables.etrn) is None
    sandbox.odmrctl("queue-name", "add", "sales", domain)
    sandbox.odmrctl("queue-name", "remove", "sales")
    assert tables.ask("sales", tables.etrn) is None


def processes(sandbox):
    """Those of its Postfix: program by id. One that master(8) has just begun
    has master's name."""
    found = {}
    for proc in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(proc / "cwd") == f"{sandbox.directory}/spool":
                found[proc.name] = os.path.basename(os.readlink(proc / "exe"))
    return found


def test_mail_to_a_new_domain_is_accepted_by_the_processes_that_run(
        sandbox, domain):
    numbers = itertools.count()

    def accepted(name):
        # smtpd(8) remembers what it knows of the last recipient.
        with smtplib.SMTP(LOOPBACK, sandbox.port, timeout=60) as smtp:
            smtp.ehlo_or_helo_if_needed()
            smtp.mail("alice@sender.test")
            return smtp.rcpt(f"r{next(numbers)}@{name}")[0] == 250
    assert accepted(domain) and not accepted("new.test")
    before = processes(sandbox)
    assert set(before.values()) >= {"smtpd", "trivial-rewrite", "qmgr"}
    sandbox.odmrctl("domain", "add", "new.test")
    wait_for(lambda: accepted("new.test"), 1, "mail is accepted")
    sandbox.odmrctl("domain", "remove", "new.test")
    wait_for(lambda: not accepted("new.test"), 1, "mail is refused")
    assert before.keys() <= processes(sandbox).keys()


@pytest.mark.parametrize("anew", [False, True])
def test_flush_that_runs_knows_what_is_new(sandbox, domain, anew):
    """flush(8) does not look whether a table's file is another one now."""
    sandbox.flush(domain)
    if anew:
        sandbox.odmrctl("table")
    sandbox.odmrctl("domain", "add", "new.test")
    sandbox.flush("new.test")
    sandbox.odmrctl("queue-name", "add", "sales", domain)
    sandbox.flush("sales")


# ---- tables that someone else had in hands


def put(tables, key, value, table=None):
    assert postmap(tables.provider.config, "-ri", table or tables.domains,
                   input=f"{key} {value}\n").returncode == 0


def garbage(tables):
    (tables.directory / "domains.lmdb").write_bytes(b"garbage " * 1000)


TAMPERED = {
    "too_much": lambda tables: put(tables, "strange.test", "relay:"),
    "other_value": lambda tables: put(tables, "a.test", "relay:[192.0.2.66]"),
    "too_little": lambda tables: postmap(
        tables.provider.config, "-d", "a.test", tables.domains),
    "queue": lambda tables: put(tables, "strange", "queue", tables.etrn),
    "no_file": lambda tables: (tables.directory / "domains.lmdb").unlink(),
    "no_second_file":
        lambda tables: (tables.directory / "etrn_names.lmdb").unlink(),
    "empty": lambda tables: os.truncate(tables.directory / "domains.lmdb", 0),
    "garbage": garbage,
    "roots": lambda tables: os.chown(tables.directory / "domains.lmdb", 0, 0),
}
MENDED = ("odmrctl: Postfix's tables did not agree with the database and were "
          "written anew\n")


@pytest.mark.parametrize("command", ["table", "reconcile"])
@pytest.mark.parametrize("tamper", [
    name for name in TAMPERED if name != "roots"])
def test_tables_that_were_tampered_with_are_mended(
        sandbox, tables, domain, tamper, command):
    before = tables.entries(), tables.entries(tables.etrn)
    assert domain in before[0]
    TAMPERED[tamper](tables)
    done = sandbox.odmrctl_run(command)
    assert (done.returncode, done.stderr) == (
        0, MENDED if command == "reconcile" else "")
    assert (tables.entries(), tables.entries(tables.etrn)) == before
    assert sandbox.odmrctl_run("reconcile").stderr == ""


def test_table_that_is_gone_is_never_one_domain_s_alone(
        sandbox, tables, domain):
    """Mail to all others would bounce."""
    TAMPERED["no_file"](tables)
    done = sandbox.odmrctl_run("domain", "add", "b.test")
    assert done.returncode in (os.EX_OK, os.EX_TEMPFAIL)
    if done.returncode == os.EX_OK:
        assert set(tables.entries()) == {domain, "b.test"}
    else:
        assert not (tables.directory / "domains.lmdb").exists()


@pytest.mark.parametrize("tamper, reason", [
    ("roots", "Permission denied"), ("garbage", "not an LMDB file")])
def test_command_tells_that_the_table_could_not_be_changed(
        sandbox, tables, domain, tamper, reason):
    TAMPERED[tamper](tables)
    done = sandbox.odmrctl_run("domain", "add", "b.test")
    line, = done.stderr.splitlines()
    assert done.returncode == os.EX_TEMPFAIL
    assert f"{tables.directory}/domains" in line and reason in line
    # The next one tells it as well, and both have changed the database.
    assert sandbox.odmrctl_run(
        "domain", "remove", "b.test").returncode == os.EX_TEMPFAIL
    assert "b.test" not in wanted(sandbox.env["DATABASE"])
    sandbox.odmrctl("table")
    assert tables.agree()


# ---- tables that cannot be written


def set_conf(ctl, **settings):
    lines = [line for line in ctl.conf.read_text().splitlines()
             if line.split(" = ")[0] not in settings]
    ctl.conf.write_text("\n".join(lines) + "\n" + "".join(
        f"{name} = {value}\n" for name, value in settings.items()))


def refused(ctl, *command):
    table, = re.findall("domain_table = (.*)", ctl.conf.read_text())
    line = ctl.refused(os.EX_TEMPFAIL, *command)
    assert f"table {table}: " in line
    return line


@pytest.mark.parametrize("settings, reason", [
    ({"postmap_path": "/nonexistent"}, "No such file or directory"),
    ({"domain_table": "lmdb:/nonexistent/domains"},
     "No such file or directory"),
    ({"domain_table": "lmdb:/usr/domains"}, "Permission denied"),
    ({"domain_table": "sqlite:/tmp/domains"}, "must be lmdb:/PATH, hash:"),
    ({"domain_table": "nonsense:/tmp/domains"}, "must be lmdb:/PATH, hash:"),
])
def test_table_that_cannot_be_written_is_an_error_of_the_command(
        ctl, settings, reason):
    ctl.ok("domain", "add", "a.example")
    good = ctl.conf.read_text()
    set_conf(ctl, **settings)
    for command in (["domain", "add", "b.example"],
                    ["domain", "set", "b.example", "--mode", "backup"],
                    ["domain", "remove", "a.example"]):
        line = refused(ctl, *command)
        assert reason in line
        assert '"odmrctl table" tells it' in line
    assert reason in refused(ctl, "table")
    assert wanted(ctl.database) == {"b.example": "relay:"}
    ctl.conf.write_text(good)
    ctl.ok("table")
    assert domains_of(ctl) == {"b.example": "relay:"}


def test_queue_name_says_so_as_well(ctl):
    ctl.ok("domain", "add", "a.example")
    set_conf(ctl, postmap_path="/nonexistent")
    line = ctl.refused(os.EX_TEMPFAIL, "queue-name", "add", "sales",
                       "a.example")
    assert f"table lmdb:{ctl.dir}/etrn_names: " in line and "No such file" in line
    assert "sales" in ctl.ok("queue-name", "list")


# ---- types


def config_of(ctl):
    return ctl.conf.parent / "postfix"


def domains_of(ctl, kind="lmdb"):
    return entries(config_of(ctl), f"{kind}:{ctl.dir}/domains")


def supported(*kinds):
    """A package of its own brings each, cdb may be missing."""
    with tempfile.TemporaryDirectory() as directory:
        no_postfix(Path(directory, "postfix"))
        known = subprocess.run(
            ["/usr/sbin/postconf", "-c", f"{directory}/postfix", "-m"],
            text=True, check=True, stdout=subprocess.PIPE).stdout.split()
    return [kind for kind in kinds if kind != "cdb" or kind in known]


@pytest.mark.parametrize("kind", supported("lmdb", "hash", "btree", "cdb"))
def test_tables_of_every_type_follow_the_commands(ctl, kind):
    set_conf(ctl, domain_table=f"{kind}:{ctl.dir}/domains",
             etrn_table=f"{kind}:{ctl.dir}/etrn_names")
    ctl.ok("table")
    assert domains_of(ctl, kind) == {}
    ctl.ok("domain", "add", "a.example")
    ctl.ok("domain", "add", UTF8)
    ctl.ok("domain", "set", "a.example", "--mode", "backup")
    ctl.ok("queue-name", "add", "sales", "a.example")
    there = domains_of(ctl, kind)
    assert there["a.example"] == "relay:"
    assert set(there) == {"a.example", ALABEL, UTF8, DECOMPOSED}
    assert entries(config_of(ctl), f"{kind}:{ctl.dir}/etrn_names")[
        "sales"] == "queue"
    ctl.ok("domain", "remove", UTF8)
    assert domains_of(ctl, kind) == {"a.example": "relay:"}


# ---- several at once, and one that dies


def test_commands_that_run_at_the_same_time_leave_the_table_right(ctl):
    codes = set()

    def change(seed):
        chance = random.Random(seed)
        for _ in range(20):
            command = chance.choice([
                ["table"], ["domain", "add"], ["domain", "remove"]])
            name = [f"d{chance.randrange(3)}.example"] * (len(command) - 1)
            codes.add(ctl.run(*command, *name).returncode)
    threads = [threading.Thread(target=change, args=[seed])
               for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # There already, or not there.
    assert codes <= {os.EX_OK, os.EX_DATAERR, os.EX_NOHOST}, codes
    assert domains_of(ctl) == wanted(ctl.database)


def test_one_that_is_killed_leaves_a_table_that_can_be_read_and_mended(ctl):
    ctl.ok("domain", "add", "a.example")
    chance = random.Random(1)
    killed = 0
    for number in range(60):
        command = ["table"] if number % 2 else [
            "domain", "add", f"d{number}.example"]
        process = subprocess.Popen(
            [BUILD / "odmrctl", "-c", ctl.conf, *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.random() * 0.1)
        process.kill()
        killed += process.wait() < 0
        assert "a.example" in domains_of(ctl)
    assert killed > 1
    ctl.ok("table")
    assert domains_of(ctl) == wanted(ctl.database)
    assert not list(ctl.dir.glob("*.new*"))


# ---- beside mail


class Mail:
    """Flows until it is stopped; every message must be accepted."""

    def __init__(self, port, domain):
        self.port, self.domain = port, domain
        self.refused, self.sent = [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._flow)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _flow(self):
        while not self.over.wait(1 / RATE):
            try:
                with smtplib.SMTP(LOOPBACK, self.port, timeout=60) as smtp:
                    smtp.sendmail("alice@sender.test", f"bob@{self.domain}",
                                  "Subject: hello\r\n\r\nhello\r\n")
                self.sent += 1
            except (smtplib.SMTPException, OSError) as error:
                self.refused.append(repr(error))


def test_postfix_has_nothing_against_a_thousand_changes_beside_mail(
        sandbox, tables, domain):
    def change(worker):
        for number in range(CHANGES // 2 // WORKERS):
            sandbox.odmrctl("domain", "add", f"d{number}.{worker}.test")
            sandbox.odmrctl("domain", "remove", f"d{number}.{worker}.test")
    before = len(sandbox.log_lines())
    threads = [threading.Thread(target=change, args=[worker])
               for worker in range(WORKERS)]
    begin = time.monotonic()
    with Mail(sandbox.port, domain) as mail:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seconds = time.monotonic() - begin
    print(f"{CHANGES} changes in {seconds:.1f} s, beside {mail.sent} messages")
    assert mail.refused == []
    assert mail.sent > seconds
    # The kernel's clock of files is some milliseconds off that of programs.
    bad = [line for line in sandbox.log_lines()[before:]
           if any(word in line for word in ("fatal", "warning", "throttling"))
           and "file system clock" not in line
           and "resetting file time stamps" not in line]
    assert bad == []
    assert tables.agree()


# ---- many


def fastest(count, run):
    """Seconds of CPU time, which other work on the machine takes from nobody:
    of what run() starts."""
    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    took = []
    for number in range(count):
        begin = spent()
        run(number)
        took.append(spent() - begin)
    return min(took)


def test_a_hundred_thousand_domains_are_no_burden(ctl):
    with contextlib.closing(sqlite3.connect(ctl.database)) as db, db:
        db.executemany("INSERT INTO domain (name, mode, socket, created) "
                       "VALUES (?1, 'odmr', ?1, 0)",
                       ((f"d{n}.many.example",) for n in range(DOMAINS)))
    whole = fastest(2, lambda _: ctl.ok("table"))
    one = fastest(5, lambda n: ctl.ok("domain", "add", f"new{n}.example"))
    assert domains_of(ctl) == wanted(ctl.database)
    print(f"{DOMAINS} domains: whole {whole:.2f} s, one change "
          f"{one * 1000:.0f} ms")
    assert whole < WHOLE * SLOWER
    assert one < ONE_CHANGE * SLOWER
