# SPDX-License-Identifier: ISC
"""odmrctl customer: all of a customer by one command, what it prints to hand
over, and its end."""

import json
import os
import pwd
import re
import shlex
import shutil
import smtplib
import subprocess

import pytest

from odmr.customer import Customer
from odmr.fetchmail import Fetchmail
from odmr.sandbox import BUILD, temporary_directory
from odmr.wait import wait_for

PASSWORD = "correct horse"


def part(text, heading):
    """The lines behind the one that begins with `heading`, as they are to be
    copied."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(heading))
    copied = []
    for line in lines[at + 1:]:
        if not line.startswith("    "):
            break
        copied.append(line[4:])
    return "\n".join(copied) + "\n"


def snapshot(provider):
    """Whatever a customer is made of; and Postfix's tables."""
    said = [provider.odmrctl(noun, "list", "--json") for noun in
            ("domain", "account", "etrn")]
    table = subprocess.run(
        ["/usr/sbin/postmap", "-c", provider.config, "-s",
         "lmdb:" + os.path.dirname(provider.env["DATABASE"]) + "/domains"],
        capture_output=True, text=True, check=True)
    return said + sorted(table.stdout.splitlines())


def refused(provider, code, *arguments, text=""):
    """One line of complaint, and nothing has changed."""
    before = snapshot(provider)
    done = provider.odmrctl_run("customer", *arguments, text=text)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.fullmatch(r"odmrctl: [^\n]+\n", done.stderr), done.stderr
    assert snapshot(provider) == before
    return done.stderr


def refuses(provider, recipient):
    try:
        provider.send("s@sender.test", recipient, b"x\n")
    except smtplib.SMTPRecipientsRefused:
        return True
    return False


def with_settings(provider, **settings):
    """Another configuration of the same provider."""
    path = provider.directory / "other.conf"
    path.write_text(open(provider.conf).read() + "".join(
        f"{name} = {value}\n" for name, value in settings.items()))
    return path


def run_with(conf, *arguments):
    return subprocess.run([BUILD / "odmrctl", "-c", conf, *arguments],
                          capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)


@pytest.fixture(scope="module")
def server():
    running = Customer(["static:all"])
    yield running
    running.stop()


@pytest.fixture
def fetchmail(sandbox, server, show):
    """A function: fetchmail(configuration) runs it as it stands, but that the
    customer's server is not on port 25, nor its authority a public one."""
    if not shutil.which("fetchmail"):
        pytest.skip("needs fetchmail")
    home = temporary_directory()
    owner = pwd.getpwnam("nobody")

    def run(configuration):
        rc = home / ".fetchmailrc"
        rc.write_text(configuration)
        rc.chmod(0o600)
        for path in (home, rc):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        done = subprocess.run(
            ["fetchmail", "-v", "--nosyslog", "--nodetach", "--smtphost",
             f"127.0.0.1/{server.port}"],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(home),
                 "SSL_CERT_FILE": sandbox.tls_ca}, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, user=owner.pw_uid, group=owner.pw_gid,
            extra_groups=[], check=False)
        show("fetchmail", done.stdout.decode("latin-1"))
        return done.returncode
    yield run
    shutil.rmtree(home)


# ---- add

@pytest.mark.parametrize("way", ["tls", "clear"])
def test_what_is_printed_collects_as_it_stands(sandbox, server, fetchmail,
                                               way):
    first, second = f"one.{way}.test", f"two.{way}.test"
    if way == "clear":
        conf = with_settings(sandbox)
        conf.write_text(re.sub("listen_tls.*\n", "", conf.read_text()))
        done = run_with(conf, "customer", "add", way, first, second)
        assert done.returncode == 0, done.stderr
        text = done.stdout
        assert "mail goes in clear" in text
    else:
        text = sandbox.odmrctl("customer", "add", way, first, second)
    assert part(text, "DNS") == (f"{first}. IN MX 10 localhost.\n"
                                 f"{second}. IN MX 10 localhost.\n")
    before = len(server.messages())
    for domain in (first, second):
        sandbox.send("s@sender.test", f"user@{domain}", b"Subject: x\n\nx\n")
        sandbox.wait_until_held(domain, 1)
    assert fetchmail(part(text, "fetchmail: ~/.fetchmailrc")) == 0
    wait_for(lambda: len(server.messages()) == before + 2, 60, "both arrive")
    row, = sandbox.wait_for_log(": session account=" + way + " ")
    assert "reason=drained" in row
    assert ("tls=no" in row) == (way == "clear")
    shown = json.loads(sandbox.odmrctl("customer", "show", way, "--json"))
    assert [(domain["domain"], domain["held"]) for domain in
            shown["domains"]] == [(first, 0), (second, 0)]
    assert all(domain["last_collected"] for domain in shown["domains"])


def test_a_password_is_long_and_has_nothing_that_looks_alike(sandbox):
    said = [sandbox.odmrctl("customer", "add", f"safe{n}", f"safe{n}.test")
            for n in range(2)]
    passwords = [re.search("^password +(\\S+)", text, re.M).group(1)
                 for text in said]
    assert passwords[0] != passwords[1]
    for text, password in zip(said, passwords):
        assert re.fullmatch("([a-z2-9]{6}-){3}[a-z2-9]{6}", password)
        assert not set(password) & set("il1o0s5z2gq9u6")
        # In each of the configurations that have one.
        assert text.count(password) == 3
        assert "the password is kept readable" in text


def test_all_of_it_or_nothing(sandbox):
    said = refused(sandbox, os.EX_DATAERR, "add", "half", "a.half.test",
                   "b.half.test", "bad_name.half.test")
    assert '"bad_name.half.test" is no domain name' in said
    sandbox.odmrctl("customer", "add", "whole", "c.half.test")
    said = refused(sandbox, os.EX_DATAERR, "add", "half", "a.half.test",
                   "b.half.test", "c.half.test")
    assert "domain c.half.test: account whole has it" in said
    said = refused(sandbox, os.EX_DATAERR, "add", "whole", "a.half.test")
    assert "account exists already: whole" in said
    said = refused(sandbox, os.EX_DATAERR, "add", "half", "a.half.test",
                   "b.half.test", "A.half.test")
    assert "a.half.test is there twice" in said
    said = refused(sandbox, os.EX_DATAERR, "add", "half", "a.half.test",
                   "--password-stdin")
    assert "the password on standard input is empty" in said
    said = refused(sandbox, os.EX_USAGE, "add", "half", "a.half.test",
                   "--mode", "pull")
    assert '"pull" is no mode' in said


def test_a_domain_that_nobody_has_is_taken_as_it_is(sandbox):
    sandbox.add_domain("lone.test", "backup", "[mx.lone.test]")
    said = refused(sandbox, os.EX_DATAERR, "add", "lone", "lone.test")
    assert "lone.test exists already, in mode backup with next hop " \
        "[mx.lone.test]" in said
    sandbox.odmrctl("customer", "add", "lone", "lone.test", "--mode",
                    "backup", "--nexthop", "[mx.lone.test]")
    shown = json.loads(sandbox.odmrctl("account", "show", "lone", "--json"))
    assert shown["domains"] == ["lone.test"]


def test_a_chosen_password_is_not_shown_and_readable_only_if_asked(sandbox):
    said = sandbox.odmrctl("customer", "add", "own", "own.test",
                           "--password-stdin", text=PASSWORD + "\n")
    assert PASSWORD not in said and "password  " not in said
    assert "fetchmail: " not in said and "CRAM-MD5 is off" in said
    assert "client_send = ^own^its password" in part(said, "Exim")
    said = sandbox.odmrctl("customer", "add", "own2", "own2.test",
                           "--password-stdin", "--cram-md5",
                           text=PASSWORD + "\n")
    assert PASSWORD not in said
    assert 'password "its password"' in part(said, "fetchmail")


def test_postfix_has_all_domains_after_one_run_of_postmap(sandbox):
    counter = sandbox.directory / "runs"
    postmap = sandbox.directory / "postmap"
    postmap.write_text(f"#!/bin/sh\necho >>{counter}\n"
                       'exec /usr/sbin/postmap "$@"\n')
    postmap.chmod(0o755)
    counter.touch()
    counter.chmod(0o666)
    conf = with_settings(sandbox, postmap_path=postmap)
    domains = [f"many{n}.test" for n in range(20)]
    done = run_with(conf, "customer", "add", "many", *domains)
    assert done.returncode == 0, done.stderr
    assert len(counter.read_text()) == 1
    table = snapshot(sandbox)
    for domain in domains:
        assert f"{domain}\todmr:unix:odmr/{domain}" in table
    done = run_with(conf, "customer", "remove", "many", "--yes")
    assert done.returncode == 0, done.stderr
    assert len(counter.read_text()) == 2
    assert not [row for row in snapshot(sandbox) if row.startswith("many")]


def test_a_password_is_not_lost_when_postfix_cannot_be_told(sandbox):
    conf = with_settings(sandbox, postmap_path="/bin/false")
    done = run_with(conf, "customer", "add", "untold", "untold.test")
    assert done.returncode == os.EX_TEMPFAIL
    assert re.search("^password +[a-z2-9-]{27} ", done.stdout, re.M)
    assert "odmrctl table" in done.stderr
    sandbox.odmrctl("table")
    assert "untold.test\todmr:unix:odmr/untold.test" in snapshot(sandbox)


def test_an_internationalised_domain_is_handed_over_by_its_a_labels(sandbox):
    said = sandbox.odmrctl("customer", "add", "bücher".encode("idna").decode(),
                           "bücher.test")
    assert part(said, "DNS").startswith("xn--bcher-kva.test. IN MX 10 ")
    assert "fetchdomains xn--bcher-kva.test\n" in part(said, "fetchmail")
    sandbox.send("s@sender.test", "user@xn--bcher-kva.test", b"x\n")


def test_a_backup_is_started_by_the_command_that_is_printed(sandbox):
    said = sandbox.odmrctl(
        "customer", "add", "spare", "spare.test", "--mode", "backup",
        "--nexthop", "[127.0.0.1]:9", "--password-stdin", text=PASSWORD)
    assert part(said, "DNS").startswith("spare.test. IN MX 20 localhost.\n")
    assert "fetchmail" not in said and "exim" not in said
    sandbox.send("s@sender.test", "user@spare.test", b"x\n")
    sandbox.wait_until_held("spare.test", 1)
    secret = sandbox.directory / "secret"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    line = part(said, "ETRN:").replace("\\\n", "").replace("FILE", str(secret))
    program, *arguments = shlex.split(line)
    done = subprocess.run(
        [BUILD / program, *arguments], capture_output=True, text=True,
        env={**os.environ, "SSL_CERT_FILE": sandbox.tls_ca}, timeout=60,
        check=False)
    assert done.returncode == 0, done.stderr
    assert re.match("spare.test: 25[0-9] .* 1 ", done.stdout), done.stdout


# ---- show

def test_show_is_the_hand_over_without_the_password(sandbox):
    said = sandbox.odmrctl("customer", "add", "again", "again.test")
    password = re.search("^password +(\\S+)", said, re.M).group(1)
    shown = sandbox.odmrctl("customer", "show", "again")
    assert password not in shown
    assert part(shown, "fetchmail") == part(said, "fetchmail").replace(
        password, "its password")
    sandbox.send("s@sender.test", "user@again.test", b"Subject: x\n\nx\n")
    sandbox.wait_until_held("again.test", 1)
    assert re.search(r"^again.test +odmr +1 ", sandbox.odmrctl(
        "customer", "show", "again"), re.M)
    told = json.loads(sandbox.odmrctl("customer", "show", "again", "--json"))
    assert told["login"] == "again" and told["cram_md5"]
    assert told["server"] == "localhost"
    assert (told["port"], told["tls_port"]) == (sandbox.odmr_port,
                                                sandbox.odmrs_port)
    assert told["domains"][0]["held"] == 1
    assert told["domains"][0]["last_collected"] is None
    assert refused(sandbox, os.EX_NOUSER, "show", "nobody")


def test_a_login_that_needs_quoting_is_quoted(sandbox):
    said = sandbox.odmrctl("customer", "add", 'a"b\\c', "quoted.test")
    assert 'user "a\\"b\\\\c" password' in part(said, "fetchmail")
    assert "Exim" not in said


# ---- remove

def test_remove_says_first_what_becomes_of_mail_and_wants_yes(sandbox):
    sandbox.odmrctl("customer", "add", "gone", "gone.test", "empty.test")
    for number in range(2):
        sandbox.send("s@sender.test", "user@gone.test", b"x\n")
    sandbox.wait_until_held("gone.test", 2)
    before = snapshot(sandbox)
    done = sandbox.odmrctl_run("customer", "remove", "gone")
    assert done.returncode == os.EX_USAGE
    assert done.stderr == "odmrctl: nothing is removed: --yes removes it\n"
    for said in ("account gone would be removed\n",
                 "domain empty.test would be removed\n",
                 "held messages of gone.test stay in the Postfix queue: 2\n",
                 "loops back to myself"):
        assert said in done.stdout
    assert "held messages of empty.test" not in done.stdout
    assert snapshot(sandbox) == before
    said = sandbox.odmrctl("customer", "remove", "gone", "--yes")
    assert "account gone is removed\n" in said
    assert "held messages of gone.test stay in the Postfix queue: 2\n" in said
    assert "gone.test" not in "".join(snapshot(sandbox))
    wait_for(lambda: refuses(sandbox, "user@gone.test"), 20,
             "Postfix takes no mail for it")
    for message in sandbox.queued_for("gone.test"):
        subprocess.run(["/usr/sbin/postsuper", "-c", sandbox.config, "-d",
                        message["queue_id"]], check=True)


def test_what_others_have_stays(sandbox):
    sandbox.odmrctl("customer", "add", "ours", "ours.test", "both.test")
    sandbox.odmrctl("customer", "add", "theirs", "theirs.test")
    sandbox.odmrctl("account", "grant", "theirs", "both.test")
    said = sandbox.odmrctl("customer", "remove", "ours", "--yes")
    assert "domain both.test stays: others have it, too\n" in said
    assert "domain ours.test is removed\n" in said
    domains = sandbox.odmrctl("domain", "list")
    assert "both.test" in domains and "ours.test" not in domains
    refused(sandbox, os.EX_NOUSER, "remove", "ours", "--yes")


def test_a_session_of_a_removed_customer_ends(sandbox, server):
    sandbox.odmrctl("customer", "add", "live", "live.test",
                    "--password-stdin", "--cram-md5", text=PASSWORD)
    sandbox.odmrctl("account", "set", "live", "--linger", "600")
    running = Fetchmail(sandbox.odmr_port, "live", PASSWORD, ["live.test"],
                        server.port)
    try:
        wait_for(lambda: any(row["account"] == "live" for row in
                             sandbox.status()["sessions"]), 30, "a session")
        said = sandbox.odmrctl("customer", "remove", "live", "--yes")
        assert re.search("session [0-9A-F]+ of account live ended", said)
    finally:
        running.wait(60)
