# SPDX-License-Identifier: ISC
"""odmr-milter against miltertest(8), which plays the mail system."""

import contextlib
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lone_milter import CONNECT, CONTINUE, EX_OK, MILTER, lua, message
from odmr.probe import free_ports, has_ipv6
from odmr.small_disk import SmallDisk
from odmr.wait import wait_for

EX_USAGE, EX_UNAVAILABLE, EX_CANTCREAT, EX_CONFIG = 64, 69, 73, 78

pytestmark = pytest.mark.skipif(
    not shutil.which("miltertest"), reason="needs miltertest")


# ---- tags

def test_a_message_to_two_relay_domains_has_a_tag_for_each(milter):
    before = int(time.time())
    milter.send(message(["<b@example.org>", "<x@example.net>",
                         "<a@EXAMPLE.ORG>", "<y@elsewhere.test>"]))
    assert milter.tags() == [
        ("4Zq1aB0001z", "example.net", "x@example.net", 1),
        ("4Zq1aB0001z", "example.org", "a@example.org\nb@example.org", 2)]
    assert milter.column("sender") == ["s@sender.test"] * 2
    assert milter.column("size") == [1234] * 2
    assert milter.column("client") == ["192.0.2.7"] * 2
    assert milter.column("state") == ["held"] * 2
    for arrived in milter.column("arrived"):
        assert before <= arrived <= time.time()
    assert milter.complaints() == []


def test_mail_for_other_domains_has_no_tag(milter):
    milter.send(message(["<a@elsewhere.test>", "<b@example.org.evil.test>",
                         "<c@sub.example.org>", "<postmaster>"]))
    assert milter.tags() == []
    assert milter.complaints() == []


def test_a_recipient_named_twice_counts_once(milter):
    milter.send(message(["<a@example.org>", "<A@Example.Org>",
                         "<@relay.test:a@example.org>", "a@example.org."]))
    assert milter.tags() == [
        ("4Zq1aB0001z", "example.org", "a@example.org", 1)]


def test_the_null_sender_and_an_unannounced_size_are_kept_as_such(milter):
    milter.send(message(["<a@example.org>"], sender="<>", parameters=()))
    assert milter.column("sender") == [""]
    assert milter.column("size") == [0]


def test_a_size_beyond_belief_is_none_and_spoils_no_sum(milter):
    """Postfix lets it pass where message_size_limit is 0."""
    milter.send(*(message(["<a@example.org>"], f"Q{n}",
                          parameters=("SIZE=9223372036854775807",))
                  for n in range(2)), message(["<a@example.org>"], "Q2"))
    assert milter.column("size") == [0, 0, 1234]
    assert milter.query("SELECT held_bytes FROM domain_count WHERE domain = ?",
                        "example.org") == [(1234,)]


def test_messages_of_one_connection_do_not_mix(milter):
    milter.send(
        message(["<a@example.org>"], "Q1"),
        message(["<aborted@example.org>"], "Q2", end="abort"),
        message(["<b@example.net>"], "Q3"),
        message(["<c@elsewhere.test>"], "Q4"),
        message(["<d@example.org>"], "Q5"))
    assert milter.tags() == [
        ("Q1", "example.org", "a@example.org", 1),
        ("Q3", "example.net", "b@example.net", 1),
        ("Q5", "example.org", "d@example.org", 1)]


def test_a_connection_lost_in_mid_message_leaves_no_tag(milter):
    milter.script('ok(mt.macro(c, SMFIC_MAIL, "i", "Q1"))\n'
                  'ok(mt.mailfrom(c, "<s@sender.test>"))\n'
                  'ok(mt.rcptto(c, "<a@example.org>"))\n'
                  "mt.disconnect(c, false)\n")
    milter.send(message(["<b@example.org>"], "Q2"))
    assert milter.tags() == [("Q2", "example.org", "b@example.org", 1)]


@pytest.mark.parametrize("address, recorded", [
    ("2001:db8::25", "2001:db8::25"), ("unspec", "localhost")])
def test_the_client_is_an_address_or_localhost(milter, address, recorded):
    milter.send(message(["<a@example.org>"]), address=address)
    assert milter.column("client") == [recorded]


def test_ten_thousand_recipients_take_no_time_worth_telling(milter):
    recipients = [f"<u{n}@{'example.org' if n % 2 else f'd{n}.test'}>"
                  for n in range(10000)]
    milter.send(message(recipients))
    [(_, domain, addresses, count)] = milter.tags()
    assert (domain, count) == ("example.org", 5000)
    assert len(set(addresses.split("\n"))) == 5000


def test_sessions_at_the_same_time_all_get_their_tags(milter):
    def session(number):
        milter.send(*[message(["<u@example.org>"], f"Q{number:02}{n}")
                      for n in range(10)])
    threads = [threading.Thread(target=session, args=[number])
               for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(milter.tags()) == 200, milter.log


def test_only_what_is_needed_is_negotiated(milter):
    options = ["NOHELO", "NODATA", "NOEOH", "NOBODY", "NOUNKNOWN",
               "NR_CONN", "NR_MAIL", "NR_RCPT", "NR_HDR", "NOHDRS",
               "NOCONNECT", "NOMAIL", "NORCPT", "RCPT_REJ"]
    actions = ["ADDHDRS", "CHGBODY", "ADDRCPT", "DELRCPT", "CHGHDRS",
               "QUARANTINE"]
    text = "".join(f"if mt.test_option(c, SMFIP_{name}) then "
                   f'mt.echo("{name}") end\n' for name in options)
    text += "".join(f"if mt.test_action(c, SMFIF_{name}) then "
                    f'mt.echo("{name}") end\n' for name in actions)
    assert milter.script(text).stdout.split() == options[:9]


def test_a_mail_system_that_offers_nothing_is_served_as_well(milter):
    plain = CONNECT.replace("negotiate(c, nil, nil, nil)",
                            "negotiate(c, 6, 0, 0)")
    head = plain.format(socket=lua(milter.socket), address='"192.0.2.7"')
    done = subprocess.run(
        ["miltertest"], text=True, timeout=60, check=False,
        input=head + message(["<a@example.org>"]) + "\nmt.disconnect(c)\n",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout.split() == ["reply", CONTINUE]
    assert len(milter.tags()) == 1


# ---- faults: mail goes on

@contextlib.contextmanager
def locked(database):
    """Someone else writes to it, and does not come to an end."""
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def expect_fault(milter, text):
    """Ten messages pass as if nothing were, and one line says why their tags
    wait."""
    start = time.monotonic()
    for number in range(10):
        milter.send(message(["<a@example.org>"], f"F{number}"))
    assert time.monotonic() - start < 5
    wait_for(milter.complaints, 10, "a line in the log")
    milter.send(message(["<a@example.org>"], "F9"))
    [line] = milter.complaints()
    assert re.search(r" 1\d? tags wait: ", line) and text in line


def expect_recovery(milter):
    """All tags come, and the log says so."""
    milter.send(message(["<a@example.org>"], "R1"))
    wanted = [f"F{number}" for number in range(10)] + ["R1"]
    assert set(wanted) <= set(milter.column("queue_id"))
    wait_for(lambda: "the tags that waited are written" in milter.log, 10,
             "a line in the log")
    assert milter.stop() == EX_OK
    assert len(milter.complaints()) == 1


def test_a_missing_database_lets_mail_pass_until_it_is_back(milter):
    database = milter.database
    away = database.with_suffix(".away")
    database.rename(away)
    expect_fault(milter, f"{database}: missing")
    away.rename(database)
    expect_recovery(milter)


def test_a_database_that_goes_away_in_use_lets_mail_pass(milter):
    milter.send(message(["<a@example.org>"], "Q1"))
    milter.settle()
    test_a_missing_database_lets_mail_pass_until_it_is_back(milter)


def test_a_damaged_database_lets_mail_pass_until_it_is_mended(milter):
    database = milter.database
    whole = database.read_bytes()
    database.write_bytes(b"no database, this" * 1000)
    expect_fault(milter, f"{database}: file is not a database")
    database.write_bytes(whole)
    expect_recovery(milter)


def test_a_locked_database_holds_no_mail(milter):
    with locked(milter.database):
        expect_fault(milter, f"{milter.database}: database is locked")
    expect_recovery(milter)


def test_a_lock_delays_no_message(milter):
    milter.send(message(["<a@example.org>"], "Q1"))
    milter.settle()
    with locked(milter.database):
        start = time.monotonic()
        milter.send(*[message(["<a@example.org>"], f"L{n}")
                      for n in range(200)])
        assert time.monotonic() - start < 20


def test_a_database_of_a_newer_version_lets_mail_pass(milter):
    with contextlib.closing(sqlite3.connect(milter.database)) as database:
        [(version,)] = database.execute("PRAGMA user_version")
        database.execute("PRAGMA user_version = 99")
    expect_fault(milter, f"{milter.database}: has schema version 99, newer than")
    with contextlib.closing(sqlite3.connect(milter.database)) as database:
        database.execute(f"PRAGMA user_version = {version}")
    expect_recovery(milter)


def test_a_full_disk_lets_mail_pass(stopped):
    """No file may grow, as if the disk were full; then it may again."""
    def no_growth():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1))
    stopped.start(no_growth)
    start = time.monotonic()
    stopped.send(*[message(["<a@example.org>"], f"F{n}") for n in range(50)])
    assert time.monotonic() - start < 20
    wait_for(stopped.complaints, 10, "a line in the log")
    [line] = stopped.complaints()
    assert f"50 tags wait: {stopped.database}" in line
    as_milter = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} \
        if os.getuid() == 0 else {}
    subprocess.run(["prlimit", "--fsize=unlimited", "--pid",
                    str(stopped.process.pid)], check=True, **as_milter)
    assert len(stopped.tags()) == 50
    assert "the tags that waited are written" in stopped.log


def test_a_disk_that_is_full_lets_mail_pass(stopped):
    disk = SmallDisk("1M")
    try:
        shutil.chown(disk.directory, stopped.settings["user"])
        stopped.database = disk.directory / "odmr.db"
        stopped.settings["database"] = stopped.database
        stopped.configure()
        stopped.make_database()
        stopped.start()
        disk.fill()
        stopped.send(*[message(["<a@example.org>"], f"F{n}")
                       for n in range(300)])
        wait_for(stopped.complaints, 10, "a line in the log")
        [line] = stopped.complaints()
        assert f"300 tags wait: {stopped.database}: " in line
        assert line.endswith("No space left on device")
        disk.make_room()
        assert len(stopped.tags()) == 300
        assert stopped.query("PRAGMA integrity_check") == [("ok",)]
        assert stopped.stop() == EX_OK
    finally:
        disk.end()


def test_at_its_end_it_says_how_many_tags_a_lock_has_cost(milter):
    with locked(milter.database):
        milter.send(*[message(["<a@example.org>"], f"Q{n}")
                      for n in range(7)])
        start = time.monotonic()
        assert milter.stop() == EX_OK
        assert time.monotonic() - start < 20
    assert "7 messages passed untagged: " \
        f"{milter.database}: database is locked" in milter.log


def test_a_message_without_a_queue_id_passes_untagged(milter):
    milter.send(message(["<a@example.org>"], queue_id=None))
    assert milter.tags() == []
    [line] = milter.complaints()
    assert "milter_end_of_data_macros" in line


# ---- mail without tags is marked for odmrd

def mark(milter):
    return milter.directory / f"{milter.database.name}.untagged"


@pytest.fixture
def marked(milter):
    """One whose mark, from its start, is old."""
    wait_for(mark(milter).exists, 10, "the mark")
    os.utime(mark(milter), (1, 1))
    return milter


def expect_mark(milter):
    wait_for(lambda: abs(mark(milter).stat().st_mtime - time.time()) < 30, 10,
             "a new mark")


def test_each_start_is_marked(marked):
    assert stat.S_IMODE(mark(marked).stat().st_mode) == 0o600
    marked.stop(signal.SIGKILL)
    marked.start()
    expect_mark(marked)


def test_tagged_mail_is_not_marked(marked):
    marked.send(message(["<a@example.org>"], "Q1"))
    marked.settle()
    assert mark(marked).stat().st_mtime == 1


def test_a_message_that_passes_untagged_is_marked(marked):
    marked.send(message(["<a@example.org>"], queue_id=None))
    expect_mark(marked)


def test_tags_that_wait_for_a_lock_are_marked(marked):
    with locked(marked.database):
        marked.send(message(["<a@example.org>"], "Q1"))
        expect_mark(marked)


def test_tags_lost_at_its_end_are_marked(marked):
    with locked(marked.database):
        marked.send(message(["<a@example.org>"], "Q1"))
        assert marked.stop() == EX_OK
        expect_mark(marked)


def test_a_mark_that_cannot_be_made_is_said_and_holds_no_mail(stopped):
    stopped.configure(database=stopped.directory / "missing" / "odmr.db")
    stopped.start()
    wait_for(lambda: "/missing/odmr.db.untagged: No such file or directory"
             in stopped.log, 10, "a line in the log")
    stopped.send(message(["<a@example.org>"], "Q1"))


# ---- the process

def test_sigterm_ends_it_at_once_and_leaves_nothing_behind(milter):
    milter.send(message(["<a@example.org>"], "Q1"))
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(milter.socket_path))
        start = time.monotonic()
        assert milter.stop() == EX_OK
        assert time.monotonic() - start < 20
    assert not milter.socket_path.exists()
    assert milter.pid_in_file() is None
    assert milter.log.splitlines()[-1].endswith(": stopped")


def test_after_kill_9_the_next_one_takes_the_stale_socket(milter):
    milter.send(message(["<a@example.org>"], "Q1"))
    milter.settle()
    milter.stop(signal.SIGKILL)
    assert milter.socket_path.exists()
    milter.start()
    milter.send(message(["<a@example.org>"], "Q2"))
    assert [tag[0] for tag in milter.tags()] == ["Q1", "Q2"]


def test_the_socket_of_a_live_process_is_not_taken(milter):
    other = milter.directory / "other.conf"
    milter.configure(other, milter_pid_file=milter.directory / "other.pid")
    status, said = milter.command("-f", conf=other)
    assert status == EX_UNAVAILABLE
    assert f"{milter.socket}: another process answers there" in said
    milter.send(message(["<a@example.org>"], "Q1"))
    assert len(milter.tags()) == 1


def test_a_second_process_is_refused_by_the_pid_file(milter):
    status, said = milter.command("-f")
    assert status == EX_CANTCREAT
    assert f"{milter.pid_file}: another process is running" in said
    assert milter.is_up()


def test_a_file_that_is_no_socket_is_left_alone(stopped):
    stopped.socket_path.write_text("precious")
    status, said = stopped.command("-f")
    assert status == EX_UNAVAILABLE
    assert "is there already and is no socket" in said
    assert stopped.socket_path.read_text() == "precious"


def test_a_socket_in_a_missing_directory_is_refused(stopped):
    stopped.configure(milter_socket=f"unix:{stopped.directory}/none/milter")
    status, said = stopped.command("-f")
    assert status == EX_UNAVAILABLE
    assert "/none/milter: No such file or directory" in said
    assert f"milter_socket: unix:{stopped.directory}/none/milter: " in said


def test_the_socket_is_for_the_mail_system_and_nobody_else(milter):
    status = milter.socket_path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    group = pwd.getpwnam(milter.settings["postfix_user"]).pw_gid
    assert status.st_gid == group


def test_it_listens_on_the_internet_as_well(stopped):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    stopped.socket = f"inet:{port}@127.0.0.1"
    stopped.configure(milter_socket=stopped.socket)
    stopped.start()
    stopped.send(message(["<a@example.org>"]))
    assert len(stopped.tags()) == 1


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_it_listens_on_ipv6_as_well(stopped, host):
    [port] = free_ports(1)
    stopped.configure(milter_socket=f"inet6:{port}@{host}")
    stopped.socket = f"inet6:{port}@[::1]"
    stopped.start()
    with socket.create_connection(("::1", port)):
        pass


def test_a_port_that_another_process_serves_is_refused(stopped):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"inet:{taken.getsockname()[1]}@127.0.0.1"
        stopped.configure(milter_socket=address)
        status, said = stopped.command("-f")
    assert status == EX_UNAVAILABLE
    assert f"{address}: Address already in use" in said
    assert f"milter_socket: {address}: libmilter cannot open it" in said


def test_it_outlives_who_reads_its_log(stopped):
    reader, writer = os.pipe()
    stopped.process = subprocess.Popen(
        [MILTER, "-f", "-c", stopped.conf], stderr=writer)
    os.close(writer)
    wait_for(stopped.is_up, 20, "milter up")
    os.close(reader)
    stopped.process.send_signal(signal.SIGUSR1)
    stopped.send(message(["<a@example.org>"], "Q1"))
    assert stopped.column("queue_id") == ["Q1"]


# ---- SIGUSR1

def reload(milter, line="reloaded"):
    before = milter.log.count(line)
    milter.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: milter.log.count(line) > before, 20,
             f"{line} in the log\n{milter.log}")


def test_sigusr1_takes_up_another_database_and_keeps_the_sessions(milter):
    other = milter.directory / "other.db"
    end = message(["<a@example.org>"], "Q2") + "\nmt.disconnect(c)\n"
    ready = milter.directory / "ready"
    go = milter.directory / "go"
    script = message(["<a@example.org>"], "Q1") + f"""
        io.open({lua(str(ready))}, "w"):close()
        while not io.open({lua(str(go))}) do mt.sleep(0.02) end
        """ + end
    session = threading.Thread(target=lambda: done.append(milter.script(script)))
    done = []
    session.start()
    wait_for(ready.exists, 20, "the first message")
    milter.settle()
    milter.configure(database=other)
    milter.make_database()
    reload(milter)
    go.touch()
    session.join()
    assert done[0].returncode == 0, done[0].stdout
    milter.database = other
    assert milter.column("queue_id") == ["Q2"]
    wait_for(mark(milter).exists, 10, "the mark beside the other database")


def test_what_the_old_databases_do_not_take_is_said_and_marked(milter):
    other = milter.directory / "other.db"
    milter.send(message(["<a@example.org>"], "Q0"))
    milter.settle()
    old = milter.database
    with locked(old):
        milter.send(message(["<a@example.org>"], "Q1"))
        milter.configure(database=other)
        milter.make_database()
        reload(milter)
    assert f"1 messages passed untagged: {old}: database is locked" in milter.log
    milter.database = other
    wait_for(mark(milter).exists, 10, "the mark beside the other database")
    milter.send(message(["<a@example.org>"], "Q2"))
    assert milter.column("queue_id") == ["Q2"]


def test_sigusr1_many_times_does_not_end_it(milter):
    for _ in range(50):
        milter.process.send_signal(signal.SIGUSR1)
    reload(milter)
    milter.send(message(["<a@example.org>"], "Q1"))
    assert milter.column("queue_id") == ["Q1"]


def test_sighup_is_passed_over(milter):
    """libmilter would end by it."""
    for _ in range(200):
        milter.process.send_signal(signal.SIGHUP)
    reload(milter)
    milter.send(message(["<a@example.org>"], "Q1"))
    assert milter.column("queue_id") == ["Q1"]
    assert milter.is_up()


def test_sigusr1_names_what_counts_after_a_restart_only(milter):
    milter.configure(milter_socket="inet:1@127.0.0.1", user="root",
                     postfix_user="root", milter_pid_file="/x", log="syslog")
    reload(milter)
    for name in ("milter_socket", "user", "postfix_user", "milter_pid_file",
                 "log"):
        assert f"{name} counts after a restart" in milter.log
    assert "database counts" not in milter.log
    milter.settle()


def test_sigusr1_with_a_bad_configuration_changes_nothing(milter):
    milter.conf.write_text("colour = blue\n")
    reload(milter, "the old configuration stays")
    assert f"{milter.conf}:1: " in milter.log
    milter.send(message(["<a@example.org>"], "Q1"))
    assert milter.column("queue_id") == ["Q1"]


# ---- the terminal

def test_without_f_it_leaves_the_terminal(stopped):
    log = stopped.log_path.open("a")
    with log:
        subprocess.run([MILTER, "-c", stopped.conf], timeout=20, check=True,
                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    pid = wait_for(stopped.pid_in_file, 20, "a pid in the file")
    try:
        assert os.getsid(pid) != os.getsid(0)
        stopped.send(message(["<a@example.org>"]))
        assert len(stopped.tags()) == 1
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), 20, "its end")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it gives root up")
def test_root_is_given_up_for_good(milter):
    status = Path(f"/proc/{milter.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    user = pwd.getpwnam(milter.settings["user"])
    assert fields["Uid"].split() == [str(user.pw_uid)] * 4
    assert fields["Gid"].split() == [str(user.pw_gid)] * 4
    assert int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"


# ---- options

def test_t_checks_the_configuration_and_ends(stopped):
    assert stopped.command("-t") == (EX_OK, "")
    assert not stopped.socket_path.exists()


@pytest.mark.parametrize("address, fault", [
    ("/run/milter", "is neither unix:/path nor inet:port@host"),
    ("unix:milter", "needs an absolute path"),
    ("unix:/" + "x" * 110, "has a longer path than a socket can have")])
def test_t_refuses_what_is_no_milter_socket(stopped, address, fault):
    stopped.configure(milter_socket=address)
    status, said = stopped.command("-t")
    assert status == EX_CONFIG
    assert f'{stopped.conf}: milter_socket: "{address}" {fault}' in said


def test_a_bad_configuration_is_refused_with_file_and_line(stopped):
    stopped.conf.write_text("user = odmr\ncolour = blue\n")
    status, said = stopped.command("-t")
    assert status == EX_CONFIG
    assert f'{stopped.conf}:2: "colour" is no setting of odmr.conf' in said


def test_usage_is_shown_on_demand_and_on_a_mistake(stopped):
    status, said = stopped.command("-h")
    assert status == EX_OK and said.startswith("usage: odmr-milter ")
    for mistake in (["-x"], ["surplus"]):
        status, said = stopped.command(*mistake)
        assert status == EX_USAGE and "usage: odmr-milter " in said
