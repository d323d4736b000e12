# SPDX-License-Identifier: ISC
"""odmrctl metrics: what it says of a real provider, whether Prometheus could
read it, and how it writes a file."""

import os
import re
import resource
import shlex
import sqlite3
import stat
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from odmr import tags
from odmr.sandbox import BUILD, TREE
from odmr.wait import wait_for

MESSAGE = b"Subject: counted\n\nThis message counts.\n"
NAME = re.compile(r"odmr_[a-z]+(?:_[a-z]+)*")
SAMPLE = re.compile(
    r'(?P<name>[a-z_]+)(\{(?P<labels>[a-z]+="[^"\\\n]*"'
    r'(,[a-z]+="[^"\\\n]*")*)\})? (?P<value>-?[0-9]+)')
# https://prometheus.io/docs/practices/naming/
UNITS = ("seconds", "bytes", "messages", "sessions", "accounts", "live", "up")


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain("held.test")
    sandbox.add_account("login", "correct horse", ["held.test"])
    sandbox.send("s@sender.test", ["a@held.test", "b@held.test"], MESSAGE)
    wait_for(lambda: sandbox.status("held.test")["held"] == 1, 30, "a tag")
    return sandbox


def change(provider, *statements):
    with sqlite3.connect(provider.env["DATABASE"], timeout=30) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def read(text):
    """{name: {labels as in the text: value}}, after checks that are stricter
    than Prometheus' own parser, which merges what stands apart."""
    assert text.endswith("\n")
    seen, types, samples = [], {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, help_text = line[len("# HELP "):].split(" ", 1)
            assert NAME.fullmatch(name) and name not in seen, line
            assert help_text.endswith(".") and "\\" not in help_text, line
            seen.append(name)
            samples[name] = {}
        elif line.startswith("# TYPE "):
            name, kind = line[len("# TYPE "):].split(" ")
            assert name == seen[-1] and name not in types, line
            assert kind == ("counter" if name.endswith("_total") else "gauge")
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match["name"] == seen[-1], line
            assert seen[-1] in types, line
            labels = match["labels"] or ""
            assert labels not in samples[seen[-1]], line
            samples[seen[-1]][labels] = int(match["value"])
    assert list(types) == seen
    families = list(text_string_to_metric_families(text))
    assert [family.type for family in families] == list(types.values())
    assert [len(family.samples) for family in families] == [
        len(rows) for rows in samples.values()]
    return samples


def metrics(provider):
    return read(provider.odmrctl("metrics"))


def of(domain, mode="odmr"):
    return f'domain="{domain}",mode="{mode}"'


def test_what_is_held_is_told_by_domain_and_mode(provider):
    samples = metrics(provider)
    held = of("held.test")
    assert samples["odmr_held_messages"][held] == 1
    assert samples["odmr_held_bytes"][held] == \
        provider.status("held.test")["bytes"]
    arrived = samples["odmr_held_oldest_timestamp_seconds"][held]
    assert 0 <= time.time() - arrived < 120
    assert held not in samples["odmr_collected_timestamp_seconds"]


def test_a_domain_without_mail_has_no_oldest_message(provider):
    provider.add_domain("empty.test", "backup", "mail.empty.test")
    samples = metrics(provider)
    empty = of("empty.test", "backup")
    assert samples["odmr_held_messages"][empty] == 0
    assert empty not in samples["odmr_held_oldest_timestamp_seconds"]


def test_names_follow_the_rules_and_all_stand_in_the_manual(provider):
    names = set(metrics(provider))
    for name in names:
        assert name.removesuffix("_total").endswith(UNITS), name
    page = (TREE / "man" / "odmrctl.8").read_text()
    section = page.split(".Sh METRICS\n")[1].split("\n.Sh ")[0]
    listed = [name for line in section.splitlines()
              if line.startswith(".It Ic ") for name in NAME.findall(line)]
    assert len(listed) == len(set(listed))
    assert set(listed) == names
    for name in names:
        kind = "counter" if name.endswith("_total") else "gauge"
        assert re.search(rf"^\.It Ic .*\b{name}\b.* Pq {kind}s?$", section,
                         re.MULTILINE), (name, kind)


@pytest.mark.parametrize("state", ["delivered", "refused", "expired", "left"])
def test_counters_stay_when_the_domain_goes(provider, state):
    """What they count: tests/unit/test_tag_counts.c."""
    domain = f"{state}.test"
    provider.add_domain(domain)
    column = "removed" if state == "left" else state
    change(provider, "INSERT INTO domain_count (domain, received, "
           f"received_bytes, {column}, {column}_bytes) "
           f"VALUES ('{domain}', 3, 21, 2, 14)")
    labels = f'domain="{domain}"'

    def counters():
        samples = metrics(provider)
        assert len([name for name, values in samples.items()
                    if name.endswith("_messages_total") and labels in values
                    ]) == 2
        return [samples[f"odmr_{what}_{unit}_total"][labels]
                for what in ("received", state)
                for unit in ("messages", "bytes")]

    assert counters() == [3, 21, 2, 14]
    provider.odmrctl("domain", "remove", domain)
    assert counters() == [3, 21, 2, 14]


def test_the_service_is_told_in_figures(provider):
    change(provider, "INSERT INTO session_usage VALUES "
           "('2026-01-01', 'login', 3, 50), ('2026-01-02', 'login', 2, 7)")
    provider.add_account("other", "correct horse", ["held.test"])
    provider.odmrctl("account", "disable", "other")
    samples = metrics(provider)
    assert samples["odmr_sessions_total"] == {"": 5}
    assert samples["odmr_session_seconds_total"] == {"": 57}
    assert samples["odmr_sessions_live"] == {"": 0}
    assert samples["odmr_accounts"] == {
        'state="enabled"': 1, 'state="disabled"': 1}
    assert samples["odmr_reconciled_timestamp_seconds"][""] == 0
    provider.odmrctl("reconcile")
    assert 0 <= time.time() - metrics(provider)[
        "odmr_reconciled_timestamp_seconds"][""] < 60
    assert samples["odmr_database_size_bytes"][""] >= \
        os.stat(provider.env["DATABASE"]).st_size


def test_a_daemon_that_does_not_run_is_down(provider, tmp_path):
    up = {'daemon="odmrd"': 1, 'daemon="odmr-milter"': 1}
    assert metrics(provider)["odmr_up"] == up
    # A crash leaves the file, and the number may be another's by now.
    conf = tmp_path / "odmr.conf"
    stale = tmp_path / "odmrd.pid"
    text = open(provider.conf, encoding="ascii").read()
    conf.write_text(text.replace(provider.env["ODMRD_PID_FILE"], str(stale)))
    for pid in (f"{os.getpid()}\n", "999999999\n", "", "no number\n"):
        stale.write_text(pid)
        out = subprocess.run(
            [str(BUILD / "odmrctl"), "-c", str(conf), "metrics"], text=True,
            stdout=subprocess.PIPE, check=True, timeout=60).stdout
        assert read(out)["odmr_up"] == dict(up, **{'daemon="odmrd"': 0}), pid


# ---- the file


def cron_command(provider, path):
    """The shipped line, with the sandbox's paths."""
    text = (TREE / "postfix-conf" / "odmr.cron").read_text()
    lines = [line[1:] for line in text.splitlines()
             if line.startswith("#*") and " metrics " in line]
    assert len(lines) == 1, lines
    *fields, user, command = lines[0].split(None, 6)
    assert (fields, user) == (["*"] * 5, "root")
    words = shlex.split(command)
    assert words[0] == "/usr/local/sbin/odmrctl"
    assert words[-1].endswith(".prom")
    return [str(BUILD / "odmrctl"), "-c", provider.conf, *words[3:-1],
            str(path)]


def test_the_shipped_cron_line_writes_the_file(provider, tmp_path):
    path = tmp_path / "odmr.prom"
    path.write_text("old\n")
    path.chmod(0o600)
    subprocess.run(cron_command(provider, path), check=True, timeout=60,
                   umask=0o077)
    assert read(path.read_text())["odmr_held_messages"][of("held.test")] == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["odmr.prom"]


def test_a_failure_leaves_the_old_file(provider, tmp_path):
    path = tmp_path / "odmr.prom"
    path.write_text("old\n")
    conf = tmp_path / "odmr.conf"
    conf.write_text(f"database = {tmp_path}/none.db\nuser = root\n")
    done = subprocess.run(
        [str(BUILD / "odmrctl"), "-c", str(conf), "metrics", "--output",
         str(path)], stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == os.EX_TEMPFAIL
    assert "none.db: missing" in done.stderr
    # No room: the file would be larger than its writer may make one.
    done = subprocess.run(
        cron_command(provider, path), stderr=subprocess.PIPE, text=True,
        check=False, timeout=60, preexec_fn=limit_file_size,
        restore_signals=False)
    assert done.returncode == os.EX_IOERR
    assert done.stderr == f"odmrctl: {path}: File too large\n"
    assert path.read_text() == "old\n"
    assert sorted(os.listdir(tmp_path)) == ["odmr.conf", "odmr.prom"]


def limit_file_size():
    """Python ignores the signal, and so does what it runs."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))


def test_a_file_that_cannot_be_made_is_named(provider, tmp_path):
    path = tmp_path / "none" / "odmr.prom"
    done = provider.odmrctl_run("metrics", "--output", str(path))
    assert done.returncode == os.EX_CANTCREAT
    assert done.stderr == f"odmrctl: {path}: No such file or directory\n"
    done = provider.odmrctl_run("status", "--output", str(path))
    assert done.returncode == os.EX_USAGE


def test_what_is_no_file_stays_what_it_is(provider, tmp_path):
    """/dev/null, for one."""
    target = tmp_path / "target"
    target.write_text("x")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for name in "link", "pipe":
        path = tmp_path / name
        done = provider.odmrctl_run("metrics", "--output", str(path))
        assert done.returncode == os.EX_CANTCREAT
        assert done.stderr == f"odmrctl: {path}: is no regular file\n"
    assert (tmp_path / "link").is_symlink() and target.read_text() == "x"
    assert (tmp_path / "pipe").is_fifo()


# ---- many


def test_a_thousand_domains_take_half_a_second_at_most(provider):
    """Of the processor: other programs may run."""
    with sqlite3.connect(provider.env["DATABASE"], timeout=30) as db:
        db.executemany("INSERT INTO domain (name, mode, socket, created) "
                       "VALUES (?1, 'odmr', ?1, 0)",
                       ((f"d{n}.many.test",) for n in range(1000)))
        tags.insert(db, ({"queue_id": n, "domain": f"d{n % 1000}.many.test"}
                         for n in range(10000)))
        tags.count(db)
        db.executemany(
            "INSERT INTO usage (day, domain, account) VALUES "
            "(date('2026-01-01', (?1 % 100) || ' days'), 'd' || (?1 / 100) || "
            "'.many.test', '')", ((n,) for n in range(100000)))
    db.close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    samples = metrics(provider)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(samples["odmr_held_messages"]) >= 1000
    assert sum(samples["odmr_held_messages"].values()) >= 10000
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{seconds:.2f} s")
    assert seconds <= 0.5
