# SPDX-License-Identifier: ISC
"""odmrctl doctor: it finds nothing in the sandbox, and each of a list of faults
that are put into a copy of it, and nothing else."""

import contextlib
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from clinic import Patient
from odmr.sandbox import BUILD, TREE

CLOSED = "check_policy_service unix:private/etrn-policy, reject"
MESSAGE = b"Subject: held\n\nThis message waits.\n"


@pytest.fixture(scope="module")
def provider(sandbox):
    """With a domain of each mode, an account, and mail that waits."""
    sandbox.add_domain("a.test")
    sandbox.add_account("joe", "correct horse", ["a.test"])
    with socket.socket() as down:
        down.bind(("127.0.0.1", 0))
        hop = f"[127.0.0.1]:{down.getsockname()[1]}"
        sandbox.add_domain("b.test", "backup", hop)
        sandbox.add_domain("h.test", "hold", hop)
        for number in range(2):
            sandbox.send("s@sender.test", f"r{number}@a.test", MESSAGE)
        sandbox.send("s@sender.test", ["r@a.test", "r@b.test"], MESSAGE)
        sandbox.wait_until_deferred(3)
        sandbox.wait_until_held("a.test", 3)
        sandbox.wait_until_held("b.test", 1)
        yield sandbox


@pytest.fixture
def patient(provider):
    made = Patient(provider)
    yield made
    made.remove()


def make_old(p):
    """The domains are no new ones any more, and a timer reconciles."""
    p.sql(p.relay, "UPDATE domain SET created = 1")
    p.sql(p.state, "UPDATE reconciled SET began = strftime('%s', 'now')")


def let_go(p):
    p.sql(p.relay, "UPDATE domain SET released = strftime('%s', 'now') + 200")


def old_transport(p):
    """It has no leave: mail on hold always has its true route."""
    p.edit(p.etc / "transport.cf",
           lambda text: text.replace("'odmr:unix:odmr/mode=hold'",
                                     "'etrn-hold:' || nexthop"))


def jail(p):
    """The sockets are reached by a link, which a jail does not have."""
    spool = p.directory / "spool"
    spool.mkdir()
    for path in p.spool.iterdir():
        (spool / path.name).symlink_to(path)
    p.main("queue_directory", spool)
    p.odmr_conf("milter_socket", f"unix:{spool}/odmr/milter")
    p.field("odmr/unix", "chroot", "y")


def forbidden_program(p):
    p.programs(postqueue='exec /usr/sbin/postqueue "$@"')
    (p.directory / "sbin" / "postqueue").chmod(0o700)


def closed_log(p):
    log = p.directory / "mail.log"
    log.touch(0o640)
    p.odmr_conf("mail_log", log)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def serving(address, lines):
    """A server that says the next of `lines` whenever it is spoken to."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for line in lines:
                self.wfile.write(line)
                if not self.rfile.readline():
                    break

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(address, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def mode(path, value):
    before = path.stat().st_mode & 0o7777
    path.chmod(value)
    yield
    path.chmod(before)


def day(days):
    return (datetime.now(timezone.utc) + timedelta(days)).strftime("%Y%m%d")


def main(name, value):
    return lambda p: p.main(name, value)


def odmr(name, value):
    return lambda p: p.master("odmr/unix", name, value)


def policy(what, instead):
    def break_it(p):
        p.edit(p.postfix / "master.cf",
               lambda text: text.replace(what, instead))
    return break_it


def set_milter(*others, path="unix:odmr/milter", action="accept"):
    value = "{ " + ", ".join([path, f"default_action={action}", *others]) + " }"
    return main("smtpd_milters", value)


def far_milter(p):
    p.main("smtpd_milters", f"{{ unix:{p.spool}/odmr/milter, "
           "default_action=accept, content_timeout=10s }")
    p.field("*/inet", "chroot", "y")


def milter_down(p):
    p.odmr_conf("milter_socket", f"unix:{p.spool}/odmr/none")
    set_milter("content_timeout=10s", path="unix:odmr/none")(p)


def no_macros(p):
    for stage in "rcpt", "data", "end_of_data":
        p.main(f"milter_{stage}_macros", "j")


def other_place(p):
    path = p.directory / "sockets"
    path.mkdir()
    shutil.copystat(p.spool / "odmr", path)
    owner = (p.spool / "odmr").stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o2750)
    p.odmr_conf("socket_directory", path)


def no_user(p):
    p.odmr_conf("user", "nosuchuser")
    p.edit(p.postfix / "master.cf",
           lambda text: re.sub(r"user=\w+:postdrop", "user=nosuchuser:postdrop",
                               text))


def other_database(p):
    shutil.copy2(p.relay, p.directory / "lib" / "old.db")
    p.edit(p.etc / "transport.cf",
           lambda text: text.replace("relay.db", "old.db"))


def local(name):
    return lambda p: p.main(name, "localhost, a.test")


def other_key(p):
    key = p.etc / "server.key"
    key.write_text(p.original.joinpath("etc/odmr/ca.key").read_text())


def loop(p):
    p.sql(p.relay, "UPDATE domain SET nexthop = "
          f"'[127.0.0.1]:{p.sandbox.port}' WHERE name = 'b.test'")


def relayhost(p):
    p.main("relayhost", f"[localhost]:{p.sandbox.port}")


def certificate(**options):
    return lambda p: p.certificate(**options)


# What is broken, the finding that tells, and how to break it. Where a fault is
# two faults, both are named.
FAULTS = [
    ("no_main_cf", "postfix-unreadable",
     lambda p: (p.postfix / "main.cf").unlink()),
    ("postconf_fails", "postfix-unreadable",
     lambda p: p.programs(postconf="exit 1")),
    ("no_sqlite", "postfix-sqlite", lambda p: p.programs(
        postconf='case "$*" in *-m) echo hash ;; '
        '*) exec /usr/sbin/postconf "$@" ;; esac')),
    ("short_ids", "short-queue-ids", main("enable_long_queue_ids", "no")),
    ("lifetime_5d", "queue-lifetime", main("maximal_queue_lifetime", "5d")),
    ("lifetime_in_hours", "queue-lifetime",
     main("maximal_queue_lifetime", "167h")),
    ("bounces_1d", "bounce-lifetime", main("bounce_queue_lifetime", "1")),
    ("notices", "delay-notices", main("delay_warning_time", "4h")),
    ("parents", "subdomains",
     main("parent_domain_matches_subdomains", "relay_domains")),
    ("refresh", "flush-refresh", main("fast_flush_refresh_time", "30s")),
    ("flush_users", "queue-users", main("authorized_flush_users", "root")),
    ("mailq_users", "queue-users", main("authorized_mailq_users", "")),
    ("proxied", "proxied-flush",
     lambda p: p.main("fast_flush_domains", "proxy:sqlite:"
                      f"{p.original}/etc/odmr/relay_domains.cf")),
    ("no_odmr", "odmr-missing", lambda p: p.postconf("-MX", "odmr/unix")),
    ("odmr_smtp", "odmr-command",
     lambda p: p.field("odmr/unix", "command", "smtp")),
    ("no_xforward", "xforward-off", odmr("lmtp_send_xforward_command", "no")),
    ("folding", "line-folding", odmr("lmtp_line_length_limit", "998")),
    ("init_timeout", "lmtp-timeout", odmr("lmtp_data_init_timeout", "120s")),
    ("done_timeout", "lmtp-timeout", odmr("lmtp_data_done_timeout", "600")),
    ("no_cache", "connection-cache",
     odmr("lmtp_connection_cache_on_demand", "no")),
    ("concurrency", "concurrency",
     main("odmr_destination_concurrency_limit", "20")),
    ("slow_start", "initial-concurrency",
     main("odmr_initial_destination_concurrency", "5")),
    ("maxproc", "maxproc",
     lambda p: p.field("odmr/unix", "process_limit", "100")),
    ("default_maxproc", "maxproc",
     lambda p: p.field("odmr/unix", "process_limit", "-")),
    ("one_recipient", "recipient-limit",
     main("odmr_destination_recipient_limit", "1")),
    ("rate", "rate-delay", main("default_destination_rate_delay", "1s")),
    ("transport_rate", "rate-delay", main("odmr_transport_rate_delay", "1s")),
    ("deferred", "odmr-deferred",
     main("defer_transports", "odmr, etrn-hold")),
    ("no_flush", "flush-missing", lambda p: p.postconf("-MX", "flush/unix")),
    ("no_hold", "hold-missing", lambda p: p.postconf("-MX", "etrn-hold/unix")),
    ("hold_transport", "hold-leaks",
     lambda p: (make_old(p), old_transport(p))),
    ("hold_at_once", "hold-at-once", main("defer_transports", "other")),
    ("hold_backoff", "hold-backoff", main("minimal_backoff_time", "4m")),
    ("etrn_empty", "etrn-open", main("smtpd_etrn_restrictions", "")),
    ("etrn_permit", "etrn-open",
     main("smtpd_etrn_restrictions", "permit, " + CLOSED)),
    ("etrn_mynetworks", "etrn-open",
     main("smtpd_etrn_restrictions", "permit_mynetworks")),
    ("etrn_of_one_service", "etrn-open",
     lambda p: p.master(f"{p.sandbox.port}/inet", "smtpd_etrn_restrictions",
                        "")),
    ("etrn_reject", "etrn-unasked",
     main("smtpd_etrn_restrictions", "permit_mynetworks, reject")),
    ("no_policy", "etrn-service",
     lambda p: p.postconf("-MX", "etrn-policy/unix")),
    ("policy_user", "etrn-user", policy(":postdrop", "x:postdrop")),
    ("policy_program", "etrn-program",
     policy("sbin/etrn-trigger", "sbin/none")),
    ("policy_jail", "etrn-program",
     lambda p: p.field("etrn-policy/unix", "chroot", "y")),
    ("no_milter", "milter-missing", main("smtpd_milters", "inet:[::1]:1")),
    ("no_local_milter", "milter-local", main("non_smtpd_milters", "")),
    ("tempfail", "milter-action",
     set_milter("content_timeout=10s", action="tempfail")),
    ("default_action", "milter-action milter-timeout",
     main("smtpd_milters", "unix:odmr/milter")),
    ("milter_timeout", "milter-timeout", set_milter()),
    ("macros", "milter-macros", no_macros),
    ("milter_in_jail", "milter-chroot", far_milter),
    ("milter_gone", "milter-down", milter_down),
    ("no_such_user", "user-missing", no_user),
    ("no_postqueue", "program-missing",
     lambda p: p.odmr_conf("postqueue_path", "/nonexistent/postqueue")),
    ("no_postconf", "program-missing",
     lambda p: p.odmr_conf("postconf_path", "/nonexistent/postconf")),
    ("forbidden_postqueue", "program-missing", forbidden_program),
    ("closed_log", "mail-log-unreadable", closed_log),
    ("no_log", "mail-log-unreadable",
     lambda p: p.odmr_conf("mail_log", p.directory / "none.log")),
    ("jail", "socket-jail", jail),
    ("writable_conf", "conf-writable", lambda p: p.conf.chmod(0o666)),
    ("unreadable_conf", "conf-unreadable", lambda p: p.conf.chmod(0o600)),
    ("other_place", "socket-place", other_place),
    ("exposed_key", "key-exposed",
     lambda p: (p.etc / "server.key").chmod(0o644)),
    ("key_of_root", "key-unreadable",
     lambda p: os.chown(p.etc / "server.key", 0, 0)),
    ("no_key", "key-unreadable", lambda p: (p.etc / "server.key").unlink()),
    ("flush_map", "map-unreadable",
     lambda p: (p.etc / "fast_flush_domains.cf").chmod(0o600)),
    ("other_database", "map-database", other_database),
    ("no_state_db", "database-unusable", lambda p: p.state.unlink()),
    ("newer_schema", "database-unusable",
     lambda p: p.sql(p.state, "PRAGMA user_version = 99")),
    ("no_database", "database-unusable",
     lambda p: p.state.write_bytes(b"this is no database" * 100)),
    ("owner", "database-owner", lambda p: os.chown(p.state, 0, 0)),
    ("wal", "relay-wal",
     lambda p: p.sql(p.relay, "PRAGMA journal_mode = wal")),
    ("unreadable_relay", "relay-unreadable", lambda p: p.relay.chmod(0o600)),
    ("writable_relay", "relay-writable", lambda p: p.relay.chmod(0o660)),
    ("exposed_state", "state-exposed", lambda p: p.state.chmod(0o640)),
    ("not_relayed", "not-relayed", main("relay_domains", "a.test, h.test")),
    ("not_relayed_file", "not-relayed",
     lambda p: (p.edit(p.conf, lambda text: text),
                (p.directory / "list").write_text("a.test\nh.test\n"),
                p.main("relay_domains", p.directory / "list"))),
    ("not_flushed", "not-flushed", main("fast_flush_domains", "test")),
    ("no_transport", "no-transport",
     main("transport_maps", "inline:{a.test=odmr:unix:odmr/a.test}")),
    ("wrong_transport", "wrong-transport",
     lambda p: p.main("transport_maps", "inline:{a.test=smtp:[127.0.0.1]}, "
                      f"sqlite:{p.etc}/transport.cf")),
    ("mydestination", "local-domain", local("mydestination")),
    ("mailboxes", "local-domain", local("virtual_mailbox_domains")),
    ("aliases", "local-domain", local("virtual_alias_domains")),
    ("no_table", "map-failed",
     lambda p: p.main("relay_domains", f"hash:{p.directory}/none, "
                      f"sqlite:{p.etc}/relay_domains.cf")),
    ("disabled", "no-account",
     lambda p: p.sql(p.state, "UPDATE account SET disabled = 1")),
    ("nothing_granted", "no-domain",
     lambda p: p.sql(p.state, "INSERT INTO account (login, scram, created) "
                     "VALUES ('ann', 'x', 1)")),
    ("loop", "loop", loop),
    ("relayhost", "relayhost-loop", relayhost),
    ("no_tls", "no-tls", lambda p: (p.odmr_conf("tls_cert_file", ""),
                                    p.odmr_conf("tls_key_file", ""))),
    ("plaintext", "plaintext-auth",
     lambda p: p.odmr_conf("allow_plaintext_auth", "yes")),
    ("no_certificate", "certificate-unreadable",
     lambda p: (p.etc / "server.pem").unlink()),
    ("expired", "certificate-expired certificate-stale",
     certificate(end=day(-1))),
    ("not_yet", "certificate-expired certificate-stale",
     certificate(start=day(2))),
    ("expiring", "certificate-expiring certificate-stale",
     certificate(end=day(13))),
    ("other_name", "certificate-name certificate-stale",
     certificate(name="other.example")),
    ("no_issuer", "certificate-chain certificate-stale",
     certificate(extensions="authorityInfoAccess = "
                 "caIssuers;URI:http://ca.example/ca.der")),
    ("stale", "certificate-stale", certificate()),
    ("other_key", "key-mismatch", other_key),
    ("listen", "listen-bad", lambda p: p.odmr_conf("listen", "366")),
    ("odmrd", "odmrd-down",
     lambda p: p.odmr_conf("listen", f"127.0.0.1:{free_port()}")),
    ("postfix_on_port", "port-taken",
     lambda p: p.odmr_conf("listen", f"127.0.0.1:{p.sandbox.port}")),
    ("clear_on_tls_port", "port-taken",
     lambda p: p.odmr_conf("listen_tls", f"127.0.0.1:{p.sandbox.odmr_port}")),
    ("untagged", "tags-disagree",
     lambda p: p.sql(p.state, "DELETE FROM tag WHERE id = 1")),
    ("mail_gone", "tags-disagree",
     lambda p: p.sql(p.state, "INSERT INTO tag (queue_id, domain, sender, "
                     "recipients, size, client, arrived, open) VALUES "
                     "('x', 'a.test', '', 'r@a.test', 1, '', 1, 1)")),
    ("never_reconciled", "reconcile-late",
     lambda p: p.sql(p.relay, "UPDATE domain SET created = created - 3600")),
    ("reconciled_long_ago", "reconcile-late",
     lambda p: (make_old(p), p.sql(
         p.state, "UPDATE reconciled SET began = began - 1810"))),
    ("set_twice", "postqueue-warns",
     lambda p: p.edit(p.postfix / "main.cf", lambda text: text +
                      "\nrelayhost = [a.example]\nrelayhost =\n")),
    ("queue", "queue-unreadable",
     lambda p: p.programs(postqueue="echo 'mail system is down' >&2; exit 69")),
]


def test_nothing_is_found_in_the_sandbox(provider):
    done = provider.odmrctl_run("doctor")
    assert (done.returncode, done.stdout) == (
        0, "0 errors, 0 warnings, 0 notes\n")


def test_nothing_is_found_in_an_untouched_copy(patient):
    assert patient.diagnose() == []


def test_a_jail_with_the_sockets_inside_is_no_finding(patient):
    patient.field("odmr/unix", "chroot", "y")
    assert patient.diagnose() == []


def test_links_to_the_sockets_matter_only_in_a_jail(patient):
    jail(patient)
    patient.field("odmr/unix", "chroot", "n")
    assert patient.diagnose() == []


@pytest.mark.parametrize("change", [
    [make_old], [make_old, let_go], [make_old, let_go, old_transport],
    [old_transport]])
def test_what_mail_on_hold_may_do_is_no_finding(patient, change):
    for step in change:
        step(patient)
    assert patient.diagnose() == []


def test_settings_for_mail_on_hold_matter_only_where_there_is_some(patient):
    patient.sql(patient.relay, "DELETE FROM domain WHERE mode = 'hold'")
    patient.postconf("-MX", "etrn-hold/unix")
    patient.main("defer_transports", "")
    patient.main("minimal_backoff_time", "4m")
    assert patient.diagnose() == []


@pytest.mark.parametrize("names, break_it", [fault[1:] for fault in FAULTS],
                         ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_found_and_nothing_else(patient, names, break_it):
    break_it(patient)
    before = patient.files()
    found = patient.diagnose()
    assert {finding["name"] for finding in found} == set(names.split()), found
    assert all(finding["where"] and finding["what"] and finding["cure"]
               for finding in found)
    assert patient.files() == before, "doctor has changed something"


@pytest.mark.parametrize("value", [0o2755, 0o750, 0o2700])
def test_the_mode_of_the_socket_directory_matters(patient, value):
    with mode(patient.spool / "odmr", value):
        found = patient.diagnose()
    assert [finding["name"] for finding in found] == ["socket-directory"]


def test_port_366_has_no_name_here(patient):
    try:
        socket.getservbyname("odmr", "tcp")
        pytest.skip("this host knows the name")
    except OSError:
        pass
    address = f"127.0.{os.getpid() % 250 + 1}.66"
    with serving((address, 366), [b"220 hello\r\n", b"250 ATRN\r\n",
                                  b"221 bye\r\n"]):
        patient.odmr_conf("listen", f"{address}:366")
        found = patient.diagnose()
    assert [finding["name"] for finding in found] == ["port-name"]
    assert patient.doctor().returncode == 2  # now nobody answers


@pytest.mark.parametrize("line, what", [
    (b"421 too many sessions\r\n", "too many sessions"),
    (b"220 no end of the line", "does not greet")])
def test_an_odmrd_that_does_not_serve_counts_as_down(patient, line, what):
    with serving(("127.0.0.1", 0), [line]) as port:
        patient.odmr_conf("listen", f"127.0.0.1:{port}")
        started = time.monotonic()
        found = patient.diagnose()
    assert [finding["name"] for finding in found] == ["odmrd-down"]
    assert what in found[0]["what"]
    assert time.monotonic() - started < 20


def test_with_everything_missing_all_is_told(patient):
    """That is what it is for."""
    shutil.rmtree(patient.directory / "lib")
    shutil.rmtree(patient.postfix)
    for name, value in [
            ("listen", f"127.0.0.1:{free_port()}"),
            ("listen_tls", f"127.0.0.1:{free_port()}"),
            ("socket_directory", patient.directory / "none"),
            ("milter_socket", f"unix:{patient.directory}/none/milter"),
            ("tls_cert_file", patient.directory / "none.pem")]:
        patient.odmr_conf(name, value)
    assert {finding["name"] for finding in patient.diagnose()} == {
        "postfix-unreadable", "socket-directory", "database-unusable",
        "milter-down", "certificate-unreadable", "odmrd-down"}


def test_another_user_hears_what_he_could_not_see(patient):
    program = patient.directory / "odmrctl"
    shutil.copy2(BUILD / "odmrctl", program)
    done = subprocess.run(
        ["setpriv", "--reuid", "daemon", "--regid", "daemon",
         "--clear-groups", str(program), "-c", str(patient.conf), "doctor"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        check=False)
    assert done.stderr == ""
    names = re.findall(r"^(?:error|warning|note) +(\S+)$", done.stdout,
                       re.MULTILINE)
    assert set(names) == {"unseen"} and done.returncode == 0, done.stdout
    for path in patient.relay, patient.state, "server.key", "milter":
        assert str(path) in done.stdout


def test_the_table_fits_80_columns(patient):
    patient.main("smtpd_etrn_restrictions", "")
    patient.main("parent_domain_matches_subdomains",
                 "debug_peer_list, fast_flush_domains, relay_domains, "
                 "mynetworks, permit_mx_backup_networks")
    text = patient.doctor().stdout
    assert "etrn-open" in text
    quoted = re.compile(r"^ +'[^']*'( \\)?$")  # cannot be broken
    assert [line for line in text.splitlines()
            if len(line) > 80 and not quoted.match(line)] == []


def test_a_cure_can_be_pasted_and_cures(patient):
    patient.main("delay_warning_time", "4h")
    patient.main("smtpd_etrn_restrictions", "")
    patient.master("odmr/unix", "lmtp_data_done_timeout", "60")
    patient.field("odmr/unix", "process_limit", "10")
    patient.postconf("-MX", "flush/unix")
    cures = re.findall(r"^    % ((?:.*\\\n)*.*)$", patient.doctor().stdout,
                       re.MULTILINE)
    assert len(cures) == 5
    for cure in cures:
        subprocess.run(["/bin/sh", "-ec", cure], check=True, timeout=60)
    assert patient.diagnose() == []


def test_each_finding_is_in_the_manual_page():
    source = (TREE / "odmrctl" / "finding.c").read_text()
    known = dict(re.findall(r'= \{ "([a-z-]+)",\s+(\w+),', source))
    page = (TREE / "man" / "odmrctl.8").read_text()
    section = page.partition(".Sh WHAT DOCTOR FINDS")[2].partition("\n.Sh")[0]
    told = dict(re.findall(r"^\.It Sy ([a-z-]+) \((\w+)\)$", section,
                           re.MULTILINE))
    assert told == {name: severity.lower() for name, severity in known.items()}
    assert len(known) > 60
