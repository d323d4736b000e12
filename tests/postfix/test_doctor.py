# SPDX-License-Identifier: ISC
"""odmrctl doctor: it finds nothing in the sandbox, and each of a list of faults
that are put into a copy of it, and nothing else."""

import contextlib
import grp
import os
import re
import shlex
import shutil
import socket
import socketserver
import subprocess
import threading
import time

import pytest

from clinic import paste
from faults import domains, files, milter, postfix, service
from faults.files import jail
from faults.service import free_port
from odmr.sandbox import BUILD, TREE

FAULTS = (postfix.FAULTS + milter.FAULTS + files.FAULTS + domains.FAULTS +
          service.FAULTS)
# What needs a decision, another package, or the service manager.
CURED_BY_HAND = {
    "certificate-chain", "certificate-expired", "certificate-expiring",
    "certificate-name", "certificate-stale", "certificate-unreadable",
    "control-silent", "database-unusable", "key-mismatch", "key-unreadable",
    "listen-bad", "loop", "mail-log-unreadable", "milter-down", "milter-open",
    "no-account", "no-domain", "no-tls", "odmrd-down", "port-taken",
    "postfix-unreadable", "postqueue-warns", "program-missing",
    "queue-unreadable", "reconcile-late", "set-apart", "table-type",
    "user-missing"}
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
        sandbox.add_domain("bü.test", "hold", hop)
        for number in range(2):
            sandbox.send("s@sender.test", f"r{number}@a.test", MESSAGE)
        sandbox.send("s@sender.test", ["r@a.test", "r@b.test"], MESSAGE)
        sandbox.wait_until_deferred(3)
        sandbox.wait_until_held("a.test", 3)
        sandbox.wait_until_held("b.test", 1)
        yield sandbox


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
        thread = threading.Thread(target=server.serve_forever, args=(0.05,),
                                  daemon=True)
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


# What a cure leaves to a person, or what no test may do to this host.
BY_HAND = re.compile(
    r"(?:\$EDITOR|systemctl|apt-get|adduser|ss|sqlite3|certbot|cat) |"
    r".*(?: LOGIN | DOMAIN$|\[HOST\]| #.*then |postqueue )")


def printed_cures(patient):
    return re.findall(r"^    % ((?:.*\\\n)*.*)$", patient.doctor().stdout,
                      re.MULTILINE)


def cure(patient, left):
    """By what doctor prints, as it prints it, but for what is `left` to a
    person. What is cured may have hidden something."""
    for _ in range(2):
        paste(*(line for line in printed_cures(patient)
                if not BY_HAND.match(line)))
        found = patient.diagnose()
        if {finding["name"] for finding in found} == left:
            return
    pytest.fail(f"still found: {found}")


@pytest.mark.parametrize("names, break_it", [fault[1:] for fault in FAULTS],
                         ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_found_and_nothing_else_and_can_be_cured(
        patient, names, break_it):
    break_it(patient)
    before = patient.files()
    found = patient.diagnose()
    assert {finding["name"] for finding in found} == set(names.split()), found
    assert all(finding["where"] and finding["what"] and finding["cure"]
               for finding in found)
    assert patient.files() == before, "doctor has changed something"
    left = {finding["name"] for finding in found
            if BY_HAND.match(finding["cure"])}
    assert left <= CURED_BY_HAND
    if left != set(names.split()):
        cure(patient, left)


def setting(patient, name):
    return subprocess.run(
        ["/usr/sbin/postconf", "-c", patient.postfix, "-h", name], check=True,
        stdout=subprocess.PIPE, text=True, timeout=60).stdout.strip()


OURS = ("{ unix:odmr/milter, default_action=accept, connect_timeout=5s, "
        "command_timeout=10s, content_timeout=10s }")


@pytest.mark.parametrize("name, before, after", [
    ("smtpd_milters", "inet:[::1]:1", f"inet:[::1]:1, {OURS}"),
    ("smtpd_milters", "unix:odmr/milter, { inet:[::1]:1, timeout=1s }",
     f"{OURS}, {{ inet:[::1]:1, timeout=1s }}"),
    ("non_smtpd_milters", "inet:[::1]:1", f"inet:[::1]:1, {OURS}"),
    ("defer_transports", "uucp, odmr, other", "uucp, other"),
    ("mydestination", "$myhostname, a.test", "$myhostname"),
    ("relay_domains", "$mydomain", "$mydomain, {table}"),
    ("transport_maps", "inline:{{a.test=smtp:}}, {table}",
     "{table}, inline:{{a.test=smtp:}}"),
    ("fast_flush_domains", "$relay_domains, proxy:{table}",
     "{table}, {table}"),
    ("authorized_mailq_users", "root", "root, nobody")])
def test_a_cure_leaves_what_others_have_there(patient, name, before, after):
    table = f"lmdb:{patient.lib}/domains"
    before, after = (
        value if "{ " in value else value.format(table=table)
        for value in (before, after))
    patient.main(name, before)
    paste(*(found["cure"] for found in patient.diagnose()))
    user = patient.database.owner()
    assert setting(patient, name) == after.replace("nobody", user)
    assert patient.diagnose() == []


def test_what_is_set_twice_is_told_with_its_lines(patient):
    path = patient.postfix / "main.cf"
    path.write_text("relay_domains =\n  c.test\n" + path.read_text())
    number, = [number for number, line in
               enumerate(path.read_text().splitlines(), 1)
               if line.startswith("relay_domains = lmdb")]
    found, = patient.diagnose()
    assert found["what"] == (
        'relay_domains: line 1: "c.test", and line '
        f'{number}, which counts: "lmdb:{patient.lib}/domains"')
    paste(found["cure"])
    assert setting(patient, "relay_domains") == \
        f"c.test, lmdb:{patient.lib}/domains"


@pytest.mark.parametrize("program, name", [
    ("odmrd", "pid_file"), ("odmr-milter", "milter_pid_file")])
def test_a_daemon_older_than_its_file_is_to_be_restarted(
        patient, program, name):
    path, pid_file = patient.directory / program, patient.directory / "pid"
    shutil.copy("/bin/sleep", path)
    with subprocess.Popen([path, "60"]) as old:
        try:
            pid_file.write_text(f"{old.pid}\n")
            patient.odmr_conf(name, pid_file)
            assert patient.diagnose() == []
            path.unlink()
            assert patient.diagnose() == [], "removed, and nothing else there"
            shutil.copy("/bin/sleep", path)
            found, = patient.diagnose()
        finally:
            old.kill()
    assert (found["name"], found["where"], found["cure"]) == (
        "program-replaced", str(path), f"systemctl restart {program}")


def test_a_log_of_a_group_is_opened_by_the_group(patient):
    """The next file has that, too."""
    log = patient.directory / "mail.log"
    log.touch(0o640)
    os.chown(log, 0, grp.getgrnam("adm").gr_gid)
    patient.odmr_conf("mail_log", log)
    found, = patient.diagnose()
    assert found["cure"] == f"usermod -aG adm {patient.database.owner()}"


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
    services = patient.directory / "services"
    shutil.copy("/etc/services", services)
    subprocess.run(
        ["unshare", "--mount", "sh", "-ec",
         f"mount --bind {services} /etc/services\n{found[0]['cure']}"],
        check=True, timeout=60)
    assert "\nodmr\t\t366/tcp\n" in services.read_text()
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
    for path in (patient.database, "server.key", "milter",
                 "odmrd.sock"):
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


def test_one_finding_is_counted_in_the_singular(patient):
    patient.main("delay_warning_time", "4h")
    assert "\n0 errors, 1 warning, 0 notes\n" in patient.doctor().stdout


def test_a_cure_has_a_name_as_one_word_of_the_shell(patient):
    login = "it's$(id)"
    patient.sql(patient.database, "INSERT INTO account (login, scram, created) "
                f"VALUES ('{login.replace(chr(39), 2 * chr(39))}', 'x', 1)")
    cure, = [finding["cure"] for finding in patient.diagnose()]
    assert shlex.split(cure)[-3:] == ["grant", login, "DOMAIN"]


def test_a_cure_by_odmrctl_is_for_the_configuration_that_was_looked_at(patient):
    os.chown(patient.database, 0, 0)
    cure, = [finding["cure"] for finding in patient.diagnose()]
    assert cure == f"odmrctl -c {patient.conf} init"
    paste(cure)
    assert patient.diagnose() == []


def test_each_finding_is_in_the_manual_page():
    source = (TREE / "odmrctl" / "doctor" / "finding.def").read_text()
    known = dict(re.findall(r'^FINDING\(\w+, "([a-z-]+)", (\w+),$', source,
                            re.MULTILINE))
    page = (TREE / "man" / "odmrctl.8").read_text()
    section = page.partition(".Sh WHAT DOCTOR FINDS")[2].partition("\n.Sh")[0]
    told = dict(re.findall(r"^\.It Sy ([a-z-]+) \((\w+)\)$", section,
                           re.MULTILINE))
    assert told == {name: severity.lower() for name, severity in known.items()}
    assert len(known) > 60
