# SPDX-License-Identifier: ISC
"""tests/sandbox.sh, and the lines of postfix-conf/ in a running Postfix."""

import grp
import os
import pwd
import shutil
import smtplib
import subprocess
from pathlib import Path

import pytest

from odmr import probe
from odmr.postfix import LOOPBACK
from odmr.sandbox import BUILD, SCRIPT, Sandbox, temporary_directory
from odmr.wait import wait_for

MESSAGE = b"Subject: a message\r\n\r\nhello\r\n"
SENDER = "alice@sender.test"


@pytest.fixture(scope="module")
def domains(sandbox):
    sandbox.add_domain("odmr.example")
    sandbox.add_domain("backup.example", "backup", "[127.0.0.1]:9")
    sandbox.add_domain("hold.example", "hold", "[127.0.0.1]:9")
    return sandbox


@pytest.fixture
def directory():
    """A directory for a sandbox; whatever still runs there is ended."""
    if os.getuid() != 0:
        pytest.skip("needs root: it runs a Postfix")
    made = temporary_directory()
    yield made
    for env in made.rglob("env"):
        script("stop", env.parent)
    shutil.rmtree(made)


def script(*arguments, cwd=None, **environment):
    return subprocess.run(
        ["bash", str(SCRIPT), *map(str, arguments)], cwd=cwd,
        env={**os.environ, "ODMR_BUILD": str(BUILD), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False)


def processes_of(directory):
    """Living processes that work in `directory` or were told of it."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            cwd = os.readlink(proc / "cwd")
            command = (proc / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if cwd.startswith(f"{directory}/") or f"{directory}/" in command:
            found.append(f"{proc.name} {command}")
    return found


def roots_of(program, directory):
    """The root directories of the running `program`s of a Postfix."""
    return {os.readlink(proc / "root")
            for proc in Path("/proc").glob("[0-9]*")
            if os.access(proc / "exe", os.R_OK)
            and os.readlink(proc / "exe").endswith("/" + program)
            and os.readlink(proc / "cwd") == f"{directory}/spool"}


def delay_reason(sandbox, domain):
    """Why the message for `domain` waits."""
    def reason():
        message, = sandbox.queued_for(domain)
        return message["recipients"][0].get("delay_reason")
    return wait_for(reason, 20, f"a deferred message for {domain}")


def test_env_names_ports_that_answer_and_files_that_exist(sandbox):
    env = dict(sandbox.env)
    assert probe.greets(int(env.pop("SMTP_PORT")))
    assert probe.greets(int(env.pop("ODMR_PORT")))
    assert probe.greets(int(env.pop("ODMRS_PORT")), env["TLS_CA"])
    assert set(env) == {
        "POSTFIX_CONFIG", "ODMR_CONF", "TLS_CA", "MAIL_LOG", "ODMRD_PID_FILE",
        "MILTER_PID_FILE", "DATABASE"}
    for name, path in env.items():
        assert Path(path).exists(), name
        assert path.startswith(f"{sandbox.directory}/"), name


def test_postfix_complains_about_nothing(sandbox):
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", sandbox.config, "check"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert not sandbox.log_lines("warning:")


def test_odmr_mail_waits_for_the_socket_of_its_domain(domains):
    domains.send(SENDER, "bob@odmr.example", MESSAGE)
    assert "[odmr/odmr.example]: No such file or directory" in \
        delay_reason(domains, "odmr.example")


def test_backup_mail_is_tried_at_its_next_hop(domains):
    domains.send(SENDER, "bob@backup.example", MESSAGE)
    assert ":9: Connection refused" in delay_reason(domains, "backup.example")
    domains.wait_for_log("postfix/relay/smtp", "to=<bob@backup.example>")


def test_hold_mail_waits_for_the_socket_of_its_domain(domains):
    domains.send(SENDER, "bob@hold.example", MESSAGE)
    assert "[odmr/hold.example]: No such file or directory" in \
        delay_reason(domains, "hold.example")


@pytest.mark.parametrize("domain", [
    "sub.odmr.example", "sub.backup.example", "example", "other.example"])
def test_no_other_domain_is_relayed(domains, domain):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        domains.send(SENDER, f"bob@{domain}", MESSAGE)
    (code, _), = refusal.value.recipients.values()
    assert code == 554


def test_odmrds_user_may_flush_without_set_gid_rights(domains):
    user = pwd.getpwuid(os.stat(domains.env["DATABASE"]).st_uid)
    postdrop = grp.getgrnam("postdrop").gr_gid

    def flush(domain):
        return subprocess.run(
            ["setpriv", "--reuid", str(user.pw_uid), "--regid",
             str(user.pw_gid), "--groups", str(postdrop), "--no-new-privs",
             "/usr/sbin/postqueue", "-c", domains.config, "-s", domain],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=False)
    assert user.pw_uid != 0
    done = flush("odmr.example")
    assert (done.returncode, done.stdout) == (0, "")
    assert "not configured for destination" in flush("other.example").stdout


def test_etrn_is_for_our_domains_only(domains):
    domains.odmrctl("etrn", "allow", "backup.example", LOOPBACK)
    with smtplib.SMTP(LOOPBACK, domains.port, timeout=60) as smtp:
        smtp.ehlo()
        assert smtp.docmd("ETRN", "backup.example")[0] == 250
        assert smtp.docmd("ETRN", "sub.backup.example")[0] == 459


@pytest.mark.parametrize("part", ["odmrd", "milter"])
def test_restart_brings_a_new_process_that_answers(sandbox, part):
    before = sandbox.pid(part)
    sandbox.restart(part)
    assert sandbox.pid(part) not in (None, before)
    assert probe.greets(sandbox.odmr_port)


def test_restart_of_postfix_keeps_the_queue(domains):
    domains.send(SENDER, "bob@odmr.example", MESSAGE)
    before = {message["queue_id"] for message in domains.queue()}
    domains.restart("postfix")
    assert {message["queue_id"] for message in domains.queue()} == before
    assert probe.greets(domains.port)


def test_a_dead_milter_refuses_and_delays_no_mail(directory):
    sandbox = Sandbox(directory / "d")
    sandbox.add_domain("odmr.example")
    os.kill(sandbox.pid("milter"), 9)
    wait_for(lambda: sandbox.pid("milter") is None, 10, "the milter is dead")
    sandbox.send(SENDER, "bob@odmr.example", MESSAGE)
    sandbox.sendmail(SENDER, ["bob@odmr.example"], b"Subject: x\n\nhello\n")
    sandbox.wait_until_deferred(2)


def test_several_run_side_by_side_and_stop_ends_only_its_own(directory):
    first = Sandbox(directory / "first")
    second = Sandbox(directory / "second")
    assert not {first.env[name] for name in first.env if "PORT" in name} & \
        {second.env[name] for name in second.env if "PORT" in name}
    first.stop()
    assert processes_of(first.directory) == []
    assert probe.greets(second.port) and probe.greets(second.odmr_port)


def test_stop_copes_with_parts_that_died(directory):
    sandbox = Sandbox(directory / "d")
    os.kill(sandbox.pid("odmrd"), 9)
    os.kill(int((sandbox.directory / "spool/pid/master.pid").read_text()), 9)
    sandbox.stop()
    assert processes_of(sandbox.directory) == []


def test_it_starts_again_with_what_it_held(directory):
    sandbox = Sandbox(directory / "d")
    sandbox.add_domain("odmr.example")
    sandbox.send(SENDER, "bob@odmr.example", MESSAGE)
    sandbox.stop()
    sandbox.start()
    assert len(sandbox.queued_for("odmr.example")) == 1
    sandbox.send(SENDER, "bob@odmr.example", MESSAGE)
    sandbox.wait_until_deferred(2)


def test_it_works_below_a_directory_closed_to_others(directory):
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    sandbox = Sandbox(closed / "d")
    sandbox.add_domain("odmr.example")
    sandbox.send(SENDER, "bob@odmr.example", MESSAGE)
    assert "No such file" in delay_reason(sandbox, "odmr.example")
    assert closed.stat().st_mode & 0o777 == 0o700


def test_it_takes_a_relative_directory(directory):
    done = script("start", "some/where", cwd=directory)
    assert (done.returncode, done.stdout) == (0, "")
    assert (directory / "some/where/env").exists()
    assert script("stop", "some/where", cwd=directory).returncode == 0


def test_it_works_with_postfix_in_debians_jail(directory):
    sandbox = Sandbox(directory / "d", {"SANDBOX_CHROOT": "y"})
    sandbox.add_domain("odmr.example")
    sandbox.odmrctl("etrn", "allow", "odmr.example", LOOPBACK)
    sandbox.send(SENDER, "bob@odmr.example", MESSAGE)
    assert "No such file" in delay_reason(sandbox, "odmr.example")
    with smtplib.SMTP(LOOPBACK, sandbox.port, timeout=60) as smtp:
        smtp.ehlo()
        assert smtp.docmd("ETRN", "odmr.example")[0] == 250
        assert roots_of("smtpd", sandbox.directory) == {
            f"{sandbox.directory}/spool"}
    assert not sandbox.log_lines("warning:")


@pytest.mark.parametrize("name, why", [
    ("x" * 100, "too long for the paths of Postfix's sockets"),
    ("with space", "Postfix's configuration cannot hold such a path"),
])
def test_a_directory_that_postfix_cannot_have_is_refused(directory, name, why):
    done = script("start", directory / name)
    assert done.returncode == 64
    assert why in done.stdout and done.stdout.count("\n") == 1
    assert not (directory / name).exists()


def test_a_start_that_fails_says_why_and_leaves_nothing_running(directory):
    build = directory / "build"
    build.mkdir()
    for program in ("odmr-milter", "odmrctl", "etrn-trigger"):
        (build / program).symlink_to(BUILD / program)
    (build / "odmrd").write_text("#!/bin/sh\necho odmrd has no teeth >&2\n")
    (build / "odmrd").chmod(0o755)
    done = script("start", directory / "d", ODMR_BUILD=str(build))
    assert done.returncode == 1
    assert "odmrd did not start" in done.stdout
    assert "odmrd has no teeth" in done.stdout
    assert processes_of(directory / "d") == []
