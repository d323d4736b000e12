# SPDX-License-Identifier: ISC
"""The systemd units, and what a service manager hears of the daemons."""

import getpass
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from odmr.sandbox import BUILD, temporary_directory
from odmr.wait import wait_for

CONF = Path(__file__).resolve().parents[2] / "postfix-conf"
UNITS = ["odmrd.service", "odmr-milter.service", "odmr-etrn@.service",
         "odmr-probe.service", "odmr-reconcile.service"]
# With what systemd makes of their times.
TIMERS = {"odmr-etrn@.timer": "Mon..Fri *-*-* 08..17:00/10:00",
          "odmr-reconcile.timer": "*-*-* *:02/5:30"}
EXPOSURE_MAX = 2.0


def systemd_analyze(*arguments):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        env={**os.environ, "SYSTEMD_PAGER": "cat"}).stdout


@pytest.mark.parametrize("unit", UNITS)
def test_unit_is_hardened(unit):
    said = systemd_analyze("security", "--offline=true", CONF / unit)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert exposure, said
    assert float(exposure[1]) <= EXPOSURE_MAX, said


@pytest.mark.parametrize("unit, pause", [
    ("odmrd.service", 1), ("odmr-milter.service", 1), ("odmr-probe.service", 5)])
def test_daemon_is_started_again_however_often_it_dies(unit, pause):
    lines = (CONF / unit).read_text().splitlines()
    assert "StartLimitIntervalSec=0" in lines[:lines.index("[Service]")]
    assert {"Restart=on-failure", f"RestartSec={pause}s"} <= set(lines)


@pytest.mark.parametrize("unit", [
    "odmrd.service", "odmr-milter.service", "odmr-probe.service"])
def test_daemon_with_a_wrong_configuration_is_not_started_again(unit, tmp_path):
    """By the exit statuses that it has then."""
    text = (CONF / unit).read_text()
    kept_down = re.search("^RestartPreventExitStatus=(.*)$", text,
                          re.MULTILINE)[1].split()
    program, *words = re.search("^ExecStart=(.*)$", text,
                                re.MULTILINE)[1].split()
    conf = tmp_path / "odmr.conf"
    conf.write_text("nonsense = 1\n")
    words = [str(conf) if word == "/etc/odmr/odmr.conf" else word
             for word in words]
    for arguments in (words, [*words, "--nonsense"]):
        done = subprocess.run([BUILD / Path(program).name, *arguments], timeout=60,
                              stderr=subprocess.DEVNULL, check=False)
        assert str(done.returncode) in kept_down, arguments


@pytest.mark.parametrize("unit", UNITS)
def test_missing_directory_is_for_the_program_to_complain_of(unit):
    paths = re.search("^ReadWritePaths=(.*)$", (CONF / unit).read_text(),
                      re.MULTILINE)[1].split()
    assert paths and all(path.startswith("-/") for path in paths)


@pytest.mark.parametrize("unit", UNITS)
def test_log_of_a_unit_is_where_postfix_has_its_own(unit):
    assert "SyslogFacility=mail" in (CONF / unit).read_text().splitlines()


@pytest.mark.parametrize("unit", UNITS)
def test_unit_has_no_line_that_systemd_does_not_know(unit, tmp_path):
    text = (CONF / unit).read_text()
    program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
    copy = tmp_path / unit
    copy.write_text(text.replace(program, str(BUILD / Path(program).name)))
    said = systemd_analyze("verify", "--man=no", copy)
    mine = [row for row in said.splitlines() if unit in row]
    assert not mine, said


@pytest.mark.parametrize("timer", TIMERS)
def test_timer_starts_its_service_at_its_times(timer, tmp_path):
    """Verified beside its service, which systemd finds by the name."""
    service = timer.replace(".timer", ".service")
    for name in (timer, service):
        text = (CONF / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/usr/local/sbin", str(BUILD)))
    said = systemd_analyze("verify", "--man=no", tmp_path / timer)
    assert not [row for row in said.splitlines() if "odmr-" in row], said
    when = re.search("^OnCalendar=(.*)$", (CONF / timer).read_text(),
                     re.MULTILINE)[1]
    normal = systemd_analyze("calendar", when)
    assert f"Normalized form: {TIMERS[timer]}\n" in normal, normal


@pytest.mark.parametrize("unit", [*UNITS, *TIMERS])
def test_every_directive_has_its_reason(unit):
    """A comment stands over each group of directives."""
    explained = False
    for row in (CONF / unit).read_text().splitlines():
        if row.startswith("#"):
            explained = True
        elif row == "" or row in ("[Unit]", "[Install]", "[Service]", "[Timer]"):
            explained = row in ("[Unit]", "[Install]")
        else:
            assert explained, f"{unit}: {row}"


needs_acl = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setfacl")
    or not shutil.which("logrotate", path="/usr/sbin:/usr/bin"),
    reason="needs root, setfacl and logrotate")


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_may_read_all_logs_but_the_one_that_reads_the_journal(unit):
    groups = re.findall(r"^SupplementaryGroups=.*\b(adm|systemd-journal)\b",
                        (CONF / unit).read_text(), re.MULTILINE)
    assert groups == (["systemd-journal"] if "reconcile" in unit else [])


@needs_acl
def test_mail_log_alone_is_readable_as_the_page_says_also_once_it_is_rotated():
    """By the very line of the page, and logrotate(8) as Debian has it."""
    page = (CONF.parent / "man" / "odmr.conf.5").read_text()
    line = re.search(r"^\.Dl (setfacl -m u:odmr:r) /var/log/mail.log$", page,
                     re.MULTILINE)[1].replace("odmr", "nobody")
    directory = temporary_directory()
    logs = [directory / name for name in ("mail.log", "auth.log")]
    for log in logs:
        log.write_text("a line\n")
        log.chmod(0o640)
        shutil.chown(log, group="adm")
    subprocess.run([*line.split(), logs[0]], check=True, timeout=60)
    rule = directory / "rule"
    rule.write_text(f"create\nweekly\nrotate 4\n{directory}/*.log {{\n"
                    "missingok\nnotifempty\ncompress\ndelaycompress\n}\n")
    subprocess.run(["/usr/sbin/logrotate", "-f", "-s", directory / "state",
                    rule], check=True, timeout=60)
    logs += [log.with_name(log.name + ".1") for log in logs]
    readable = [log.name for log in logs if subprocess.run(
        ["cat", log], user="nobody", group="nogroup", extra_groups=[],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
        check=False).returncode == 0]
    shutil.rmtree(directory)
    assert readable == ["mail.log", "mail.log.1"]


@pytest.fixture
def notify_socket(tmp_path):
    return str(tmp_path / "notify")


@pytest.fixture
def manager(notify_socket, tmp_path, monkeypatch):
    """What a daemon tells its service manager: a function that waits for the
    next message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(notify_socket.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", notify_socket)
        tmp_path.chmod(0o755)

        def wait(seconds=20):
            sock.settimeout(seconds)
            return sock.recv(4096).decode()
        yield wait


def test_service_manager_hears_when_odmrd_answers_reloads_and_stops(
        make_daemon, manager):
    odmrd = make_daemon()
    assert manager() == "READY=1"
    odmrd.greeted()
    odmrd.process.send_signal(signal.SIGHUP)
    assert manager() == "RELOADING=1"
    assert manager() == "READY=1"
    odmrd.terminate()
    assert manager() == "STOPPING=1"
    odmrd.wait_for_exit()


@pytest.fixture
def start_milter(tmp_path):
    """A function that starts odmr-milter."""
    conf = tmp_path / "odmr.conf"
    conf.write_text(f"""\
milter_socket = unix:{tmp_path}/milter
milter_pid_file = {tmp_path}/pid
database = {tmp_path}/odmr.db
domain_table = lmdb:{tmp_path}/domains
etrn_table = lmdb:{tmp_path}/etrn_names
user = {getpass.getuser()}
postfix_user = {getpass.getuser()}
""")
    started = []

    def start():
        started.append(subprocess.Popen(
            [BUILD / "odmr-milter", "-f", "-c", conf],
            stdin=subprocess.DEVNULL))
        return started[-1]
    yield start
    for milter in started:
        milter.kill()
        milter.wait()


def test_service_manager_hears_when_the_milter_answers_and_stops(
        tmp_path, manager, start_milter):
    milter = start_milter()
    assert manager() == "READY=1"
    socket.socket(socket.AF_UNIX).connect(str(tmp_path / "milter"))
    milter.terminate()
    assert manager() == "STOPPING=1"
    assert milter.wait(20) == 0


@pytest.mark.parametrize("notify_socket", [f"@odmr-test-{os.getpid()}"],
                         ids=["abstract"])
def test_service_manager_hears_over_an_abstract_socket(
        make_daemon, manager, notify_socket):
    odmrd = make_daemon()
    assert manager() == "READY=1"
    odmrd.terminate()
    assert manager() == "STOPPING=1"
    odmrd.wait_for_exit()


@pytest.mark.parametrize("notify_socket", [
    "", "relative", "vsock:2:1234", "@", "/" + "x" * 107])
def test_service_manager_of_another_kind_is_left_alone(
        notify_socket, make_daemon, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", notify_socket)
    odmrd = make_daemon()
    odmrd.greeted()
    odmrd.terminate()
    odmrd.wait_for_exit()


def test_watchdog_of_another_process_hears_nothing(
        make_daemon, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    odmrd = make_daemon()
    assert manager() == "READY=1"
    with pytest.raises(TimeoutError):
        manager(1)
    odmrd.terminate()
    assert manager() == "STOPPING=1"
    odmrd.wait_for_exit()


def test_watchdog_hears_from_odmrd_as_long_as_it_wants_to(
        make_daemon, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    odmrd = make_daemon()
    assert [manager() for _ in range(4)] == ["READY=1"] + ["WATCHDOG=1"] * 3
    odmrd.terminate()
    wait_for(lambda: manager() == "STOPPING=1", 20, "the end")
    odmrd.wait_for_exit()


def test_watchdog_hears_from_the_milter(manager, start_milter, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    milter = start_milter()
    assert [manager() for _ in range(4)] == ["READY=1"] + ["WATCHDOG=1"] * 3
    milter.terminate()
    wait_for(lambda: manager() == "STOPPING=1", 20, "the end")


def test_watchdog_hears_nothing_while_libmilter_is_jammed(
        tmp_path, manager, start_milter, monkeypatch):
    """By connections that say nothing and take all file descriptors."""
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    milter = start_milter()
    assert [manager() for _ in range(3)] == ["READY=1"] + ["WATCHDOG=1"] * 2
    resource.prlimit(milter.pid, resource.RLIMIT_NOFILE, (40, 40))
    silent = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for one in silent:
        one.connect(str(tmp_path / "milter"))
    with pytest.raises(TimeoutError):
        for _ in range(20):  # those from before among them
            assert manager(5) == "WATCHDOG=1"
    for one in silent:
        one.close()
    assert manager() == "WATCHDOG=1"
    milter.terminate()
    wait_for(lambda: manager() == "STOPPING=1", 20, "the end")
