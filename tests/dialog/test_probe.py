# SPDX-License-Identifier: ISC
"""etrn-trigger --probe: whose mail is released when, with a postqueue that
notes its runs and hosts that answer in every way."""

import getpass
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from odmr.sandbox import BUILD, FAULT, no_postfix, temporary_directory
from odmr.wait import wait_for
from odmrd_alone import run, write_conf
from probed_host import HELLO, Host, Silent, closed_port

PROGRAM = BUILD / "etrn-trigger"

POSTQUEUE = """\
#!/bin/sh
if test "$3" = -j; then
    echo >>{dir}/listed
    while test -e {dir}/stop; do sleep 0.02; done
    cat {dir}/queue && exit $(cat {dir}/status)
fi
echo "$(date +%s.%N) $4" >>{dir}/flushed
exit $(cat {dir}/flush-status)
"""


class Provider:
    def __init__(self):
        self.dir = temporary_directory()
        self.conf = self.dir / "odmr.conf"
        self.log = self.dir / "log"
        self.hosts = []
        self.watcher = None
        write_conf(self.dir)
        no_postfix(self.dir / "postfix")
        (self.dir / "postqueue").write_text(POSTQUEUE.format(dir=self.dir))
        (self.dir / "postqueue").chmod(0o755)
        self.queue()
        self.flush_status()
        run(BUILD / "odmrctl", "-c", self.conf, "init")

    # ---- its surroundings

    def domain(self, name, hop=None, mode="backup"):
        run(BUILD / "odmrctl", "-c", self.conf, "domain", "add", name,
            "--mode", mode, *(["--nexthop", hop] if hop else []))

    def host(self, *arguments, kind=Host, **more):
        self.hosts.append(kind(*arguments, **more))
        return self.hosts[-1]

    def queue(self, *domains, status=0):
        """One message for each."""
        rows = [json.dumps({
            "queue_name": "deferred", "queue_id": f"Q{number}",
            "arrival_time": 1700000000, "message_size": 330,
            "sender": "s@sender.test", "recipients": [
                {"address": f"r@{domain}", "delay_reason": "no"}]}) + "\n"
            for number, domain in enumerate(domains)]
        # At once, because a probe may be reading.
        (self.dir / "queue.new").write_text("".join(rows))
        (self.dir / "queue.new").rename(self.dir / "queue")
        (self.dir / "status").write_text(str(status))

    def flush_status(self, status=0):
        (self.dir / "flush-status").write_text(str(status))

    def sql(self, statement):
        db = sqlite3.connect(self.dir / "odmr.db", timeout=20)
        try:
            with db:
                return db.execute(statement).fetchall()
        finally:
            db.close()

    def known(self):
        return dict(self.sql("SELECT domain, up FROM probe"))

    # ---- the program

    def command(self, *options):
        return [PROGRAM, "-c", self.conf, *options, "--probe"]

    def probe(self, *options):
        """Its finished process; standard error is kept as the log."""
        done = subprocess.run(
            self.command(*options), stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
            check=False)
        with open(self.log, "a", encoding="ascii") as log:
            log.write(done.stderr)
        return done

    def released(self, *options):
        """Whose mail a probe releases."""
        before = len(self.flushed())
        done = self.probe(*options)
        assert done.returncode == 0, done.stderr
        return self.flushed()[before:]

    def watch(self, seconds):
        with open(self.log, "ab") as log:
            self.watcher = subprocess.Popen(
                self.command("--watch", str(seconds)), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        return self.watcher

    # ---- what it did

    def flush_times(self):
        """(time, domain) of each postqueue -s."""
        try:
            rows = (self.dir / "flushed").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(float(row.split()[0]), row.split()[1]) for row in rows]

    def flushed(self):
        return [domain for _, domain in self.flush_times()]

    def listed(self):
        try:
            return len((self.dir / "listed").read_text())
        except FileNotFoundError:
            return 0

    def logged(self, *parts):
        return [row for row in self.log.read_text().splitlines()
                if all(part in row for part in parts)]

    def wait_for_log(self, *parts):
        return wait_for(lambda: self.logged(*parts), 20, f"logged: {parts}")

    def close(self):
        faults = []
        if self.watcher and self.watcher.poll() is None:
            self.watcher.kill()
            self.watcher.wait()
        for host in self.hosts:
            host.down()
        if self.log.exists():
            faults = [row for row in self.log.read_text().splitlines()
                      if FAULT.search(row)]
        shutil.rmtree(self.dir)
        return faults


@pytest.fixture
def provider(show):
    made = Provider()
    made.log.touch()
    yield made
    show("etrn-trigger's log", made.log.read_text())
    show("what the hosts heard", "\n".join(
        f"{host.port}: {getattr(host, 'said', '')}" for host in made.hosts))
    faults = made.close()
    assert not faults


@pytest.fixture
def waiting(provider):
    """One backup domain with mail waiting, whose host is down."""
    held, port = closed_port()
    provider.domain("backup.test", f"[127.0.0.1]:{port}")
    provider.queue("backup.test", "backup.test", "other.test")
    provider.port = port
    yield provider
    held.close()


def come_up(provider, *answers):
    """The host of backup.test, somewhere."""
    host = provider.host(*answers)
    provider.sql(f"UPDATE domain SET nexthop = '{host.hop}' "
                 "WHERE name = 'backup.test'")
    return host


# ---- from down to up


def test_mail_is_released_by_the_first_probe_that_finds_the_host_up(waiting):
    assert waiting.released() == []
    assert waiting.released() == []
    assert waiting.known() == {"backup.test": 0}
    host = come_up(waiting)
    assert waiting.released() == ["backup.test"]
    assert waiting.known() == {"backup.test": 1}
    wait_for(lambda: host.said == [["EHLO relay.test", "QUIT"]], 10,
             "the probe says EHLO and QUIT")
    row, = waiting.logged("probe: domain=backup.test up, released: ")
    assert row.endswith(f"host={host.hop} messages=2")


def test_host_that_stays_down_is_named_in_the_log_once(waiting):
    for _ in range(3):
        waiting.released()
    row, = waiting.logged("probe: ")
    assert row.endswith(
        "domain=backup.test down: messages=2 reason="
        f'"[127.0.0.1]:{waiting.port}: Connection refused"')


def test_host_that_is_up_and_refuses_the_mail_is_not_hammered(waiting):
    come_up(waiting)
    assert waiting.released() == ["backup.test"]
    assert waiting.released() == []
    assert waiting.released() == []
    assert len(waiting.logged("probe: ")) == 1


def test_host_that_goes_down_and_comes_back_is_released_again(waiting):
    host = come_up(waiting)
    assert waiting.released() == ["backup.test"]
    host.down()
    assert waiting.released() == []
    assert len(waiting.logged(" down: ", "Connection refused")) == 1
    come_up(waiting)
    assert waiting.released() == ["backup.test"]


def test_mail_that_waits_later_is_released_though_the_host_was_up(waiting):
    come_up(waiting)
    assert waiting.released() == ["backup.test"]
    waiting.queue("other.test")
    assert waiting.released() == []
    assert waiting.known() == {}
    waiting.queue("backup.test")
    assert waiting.released() == ["backup.test"]


def test_host_that_was_not_looked_at_for_long_is_not_known(waiting):
    come_up(waiting)
    assert waiting.released() == ["backup.test"]
    waiting.sql("UPDATE probe SET next = next - 3000")
    assert waiting.released() == []
    waiting.sql("UPDATE probe SET next = next - 4000")
    assert waiting.released() == ["backup.test"]


def test_release_that_fails_is_tried_again(waiting):
    come_up(waiting)
    waiting.flush_status(os.EX_UNAVAILABLE)
    assert waiting.probe().returncode == os.EX_TEMPFAIL
    assert waiting.known() == {"backup.test": 0}
    assert waiting.logged("postqueue -s backup.test failed")
    assert not waiting.logged("released")
    waiting.flush_status()
    assert waiting.released() == ["backup.test"]


# ---- what counts as up


@pytest.mark.parametrize("greeting, hello, why", [
    ("421 4.3.2 not now\r\n", HELLO, "greets with 421 4.3.2 not now"),
    ("554-no\r\n554 mail here\r\n", HELLO, "greets with 554 no mail here"),
    ("250 host.test\r\n", HELLO, "greets with 250 host.test"),
    ("220 a\r\n", "502 what\r\n", "answers EHLO with 502 what"),
    ("220 a\r\n", "421 go\r\n", "answers EHLO with 421 go"),
    ("220 a\r\n", "", "connection closed"),
    ("", "", "connection closed"),
    ("HTTP/1.1 400 Bad Request\r\n", HELLO, "no SMTP reply"),
    ("220 " + 20000 * "x", HELLO, "a line is too long"),
    ("220 a\r\n", 200 * "250-x\r\n", "no SMTP reply"),
    (None, HELLO, "no answer in time"),
    ("220 a\r\n", None, "no answer in time"),
    ("220-a\r\n", HELLO, "no answer in time"),
])
def test_host_that_does_not_greet_and_answer_ehlo_is_down(
        waiting, greeting, hello, why):
    come_up(waiting, greeting, hello)
    begin = time.monotonic()
    assert waiting.released() == []
    assert time.monotonic() - begin < 60
    assert waiting.known() == {"backup.test": 0}
    assert waiting.logged(f': {why}"'), waiting.log.read_text()


def test_greeting_of_several_lines_is_one(waiting):
    come_up(waiting, "220-patience\r\n220 a\r\n", HELLO)
    assert waiting.released() == ["backup.test"]


def test_refused_host_hears_quit(waiting):
    host = come_up(waiting, "554 no\r\n")
    waiting.released()
    wait_for(lambda: host.said == [["QUIT"]], 10, "QUIT")


def test_slow_hosts_do_not_delay_the_release_of_a_fast_one(provider):
    names = [f"a{number}.test" for number in range(60)]
    silent = provider.host(None)
    for name in names[:-1]:
        provider.domain(name, silent.hop)
    # Whose connection is never made.
    provider.domain(names[-1], provider.host(kind=Silent).hop)
    provider.domain("fast.test", provider.host().hop)
    provider.queue(*names, "fast.test")
    begin = time.time()
    assert provider.released() == ["fast.test"]
    rows = provider.logged("down: ")
    assert len(rows) == len(names)
    released, = provider.logged("domain=fast.test up, released: ")
    text = provider.log.read_text()
    assert text.index(released) < min(text.index(row) for row in rows)
    # All at the same time: one by one it takes minutes.
    assert time.time() - begin < 60


def test_more_hosts_than_threads_are_all_probed(provider):
    host = provider.host()
    names = [f"a{number}.test" for number in range(600)]
    db = sqlite3.connect(provider.dir / "odmr.db")
    with db:
        db.executemany(
            "INSERT INTO domain (name, mode, nexthop, socket, created)"
            " VALUES (?, 'backup', ?, ?, 0)",
            [(name, host.hop, name) for name in names])
    db.close()
    provider.queue(*names)
    assert sorted(provider.released()) == sorted(names)


# ---- whom it asks


def test_without_backup_domain_the_queue_is_not_read(provider):
    provider.domain("hold.test", "[127.0.0.1]:1", "hold")
    provider.domain("odmr.test", mode="odmr")
    provider.queue("hold.test", "odmr.test")
    provider.sql("INSERT INTO probe VALUES ('gone.test', 1, 1, 0)")
    assert provider.released() == []
    assert provider.listed() == 0
    assert provider.known() == {}


def test_host_of_a_domain_without_mail_is_left_alone(waiting):
    host = come_up(waiting)
    waiting.queue("other.test")
    assert waiting.released() == []
    assert host.said == []


@pytest.mark.parametrize("hop", ["[", "[]:25", "host.test:", "host.test:0",
                                 "[127.0.0.1]25", "[127.0.0.1]:65536",
                                 "[127.0.0.1]:x", "x" * 300])
def test_bad_next_hop_is_down_and_named(waiting, hop):
    waiting.sql(f"UPDATE domain SET nexthop = '{hop}'")
    assert waiting.released() == []
    assert waiting.logged(f'reason="{hop[:255]}: is no next hop"')


def test_port_25_of_this_host_is_not_asked(waiting):
    waiting.sql("UPDATE domain SET nexthop = '[127.0.0.1]'")
    assert waiting.released() == []
    assert waiting.logged("127.0.0.1: its best mail server is this host")


# ---- faults


def test_queue_that_cannot_be_read_changes_nothing(waiting):
    host = come_up(waiting)
    waiting.sql("INSERT INTO probe VALUES ('backup.test', 0, 1, 0)")
    waiting.queue(status=69)
    assert waiting.probe().returncode == os.EX_TEMPFAIL
    assert waiting.known() == {"backup.test": 0}
    assert host.said == []


def test_missing_database_is_named_and_nothing_is_released(waiting):
    come_up(waiting)
    (waiting.dir / "odmr.db").rename(waiting.dir / "elsewhere")
    done = waiting.probe()
    assert done.returncode == os.EX_TEMPFAIL
    assert f"probe: {waiting.dir}/odmr.db: missing" in done.stderr
    assert waiting.flushed() == []


def test_what_cannot_be_written_down_is_released_again(waiting):
    come_up(waiting)
    db = sqlite3.connect(waiting.dir / "odmr.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    done = waiting.probe()
    db.close()
    assert done.returncode == os.EX_TEMPFAIL
    assert "odmr.db: database is locked" in done.stderr
    assert waiting.known() == {}
    assert waiting.released() == ["backup.test"]


def test_dry_run_tells_and_changes_nothing(waiting):
    done = waiting.probe("-n")
    assert re.fullmatch(r"backup\.test: down: \S+: Connection refused\n",
                        done.stdout)
    host = come_up(waiting)
    done = waiting.probe("-n", "--watch", "1")
    assert done.stdout == (f"backup.test: up: {host.hop}; "
                           "2 messages would be released\n")
    assert (done.returncode, waiting.flushed(), waiting.known()) == (0, [], {})
    waiting.released()
    assert waiting.probe("-n").stdout == f"backup.test: still up: {host.hop}\n"


def test_two_probes_at_once_release_once(waiting):
    come_up(waiting)
    (waiting.dir / "stop").touch()
    first = threading.Thread(target=waiting.probe)
    first.start()
    wait_for(lambda: waiting.listed() == 1, 10, "the first one reads the queue")
    second = waiting.probe()
    (waiting.dir / "stop").unlink()
    first.join()
    assert second.returncode == 0
    assert "probe: another one is running" in second.stderr
    assert waiting.flushed() == ["backup.test"]


# ---- --watch


def test_watch_releases_by_itself_what_came_back(waiting):
    host = come_up(waiting, None)
    host.down()
    watcher = waiting.watch(1)
    waiting.wait_for_log(" down: ")
    came_up = time.time()
    waiting.host(port=host.port)
    wait_for(waiting.flushed, 10, "the release")
    # The wait has doubled once or twice by then.
    assert waiting.flush_times()[0][0] - came_up < 30
    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(60) == 0


def test_watch_doubles_its_wait_up_to_a_minute(waiting):
    waits = []
    for times, watch in [(0, 1), (1, 1), (4, 1), (5, 1), (60, 1), (1, 7),
                         (9, 7), (0, 90)]:
        waiting.sql("DELETE FROM probe")
        if times:
            waiting.sql("INSERT INTO probe VALUES "
                        f"('backup.test', 0, {times}, {int(time.time())})")
        begin = time.time()
        watcher = waiting.watch(watch)
        wait_for(lambda: waiting.sql(
            f"SELECT 1 FROM probe WHERE times = {times + 1}"), 20, "a probe")
        end = time.time()
        watcher.terminate()
        assert watcher.wait(60) == 0
        next_, = waiting.sql("SELECT next FROM probe")[0]
        waits.append((next_ - end, next_ - begin))
    for (least, most), right in zip(waits, [1, 2, 16, 32, 60, 14, 60, 60]):
        # time(2) has whole seconds, and may be some milliseconds behind.
        assert least <= right + 1 and most >= right - 2, waits


def test_probe_that_is_not_due_is_left_out_for_a_minute_at_most(waiting):
    come_up(waiting)
    now = int(time.time())
    waiting.sql(f"INSERT INTO probe VALUES ('backup.test', 0, 9, {now + 30})")
    assert waiting.released() == []
    # The clock was set back.
    waiting.sql(f"UPDATE probe SET next = {now + 4000}")
    assert waiting.released() == ["backup.test"]


def test_watch_goes_on_when_a_database_is_back(waiting):
    come_up(waiting)
    (waiting.dir / "odmr.db").rename(waiting.dir / "elsewhere")
    waiting.watch(1)
    waiting.wait_for_log("odmr.db: missing")
    (waiting.dir / "elsewhere").rename(waiting.dir / "odmr.db")
    wait_for(waiting.flushed, 10, "the release")


def test_watch_sees_domains_that_are_added(waiting):
    waiting.watch(1)
    waiting.wait_for_log("backup.test", " down: ")
    waiting.domain("new.test", waiting.host().hop)
    waiting.queue("backup.test", "new.test")
    wait_for(lambda: waiting.flushed() == ["new.test"], 10, "the release")


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_watch_ends_within_a_second_while_it_probes(waiting, signo):
    host = come_up(waiting, None)
    watcher = waiting.watch(1)
    wait_for(lambda: host.said, 10, "it probes")
    watcher.send_signal(signo)
    assert watcher.wait(60) == 0


def test_watch_ends_within_a_second_while_the_queue_is_read(waiting):
    (waiting.dir / "stop").touch()
    watcher = waiting.watch(1)
    wait_for(waiting.listed, 10, "it reads the queue")
    watcher.terminate()
    assert watcher.wait(60) == 0
    assert not waiting.logged("cannot be read")
    (waiting.dir / "stop").unlink()


def test_probe_beside_a_watch_leaves_the_work_to_it(waiting):
    waiting.watch(1)
    waiting.wait_for_log(" down: ")
    come_up(waiting)
    done = waiting.probe()
    assert done.returncode == 0
    assert "probe: another one is running" in done.stderr
    wait_for(lambda: waiting.flushed() == ["backup.test"], 10, "the release")


@pytest.mark.skipif(getpass.getuser() != "root", reason="needs root")
def test_lock_that_cannot_be_made_is_named(waiting):
    (waiting.dir / "odmr.db-probe.lock").mkdir()
    done = waiting.probe()
    assert done.returncode == os.EX_CANTCREAT
    assert f"{waiting.dir}/odmr.db-probe.lock: " in done.stderr
