# SPDX-License-Identifier: ISC
"""etrn-trigger --policy, with Postfix's part played over two pipes and a
postqueue that notes how it was called."""

import getpass
import grp
import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess

import pytest

from odmr import tags
from odmr.sandbox import BUILD, FAULT, no_postfix, temporary_directory
from scripted_odmrd import control_socket

OK = "OK"
REFUSED = "459 4.7.1 Unknown, or not yours to start"
UNABLE = "458 4.3.0 Unable to queue messages"
HOME, BRANCH, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.1"
SANITIZED = b"__asan_init" in (BUILD / "etrn-trigger").read_bytes()

DOMAINS = {"example.org": "backup", "a.example.org": "backup",
           "b.example.org": "backup", "c.example.org": "backup",
           "atrn.example.org": "odmr", "notexample.org": "backup",
           "login.test": "backup", "granted.test": "backup",
           "hold.test": "hold", "sub.hold.test": "backup"}
ALLOWED = [("example.org", "192.0.2.0/24"), ("example.org", "2001:db8::/32"),
           ("a.example.org", HOME), ("b.example.org", BRANCH),
           ("atrn.example.org", HOME), ("notexample.org", HOME),
           ("a.example.org", BRANCH), ("login.test", "login:carol"),
           ("hold.test", HOME), ("sub.hold.test", HOME)]
CERTIFICATES = {login: hashlib.sha256(login.encode()).hexdigest()
                for login in ("alice", "off")}

CONF = """\
log = stderr
database = {dir}/odmr.db
domain_table = lmdb:{dir}/domains
etrn_table = lmdb:{dir}/etrn_names
postfix_config_directory = {dir}/postfix
postqueue_path = {dir}/postqueue
control_socket = {dir}/odmrd.sock
user = {user}
postfix_user = {user}
flush_group = {group}
"""
POSTQUEUE = """\
#!/bin/sh
echo "$3" $4 >>{dir}/called
test "$3" != -j || cat {dir}/queue
"""


def with_colons(fingerprint):
    """As Postfix writes it."""
    return ":".join(re.findall("..", fingerprint.upper()))


def odmrctl(directory, *arguments, text=""):
    subprocess.run([str(BUILD / "odmrctl"), "-c", str(directory / "odmr.conf"),
                    *arguments], input=text, text=True, check=True, timeout=60,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def write_conf(directory, **settings):
    text = CONF.format(dir=directory, user=getpass.getuser(),
                       group=grp.getgrgid(os.getgid()).gr_name)
    (directory / "odmr.conf").write_text(text + "".join(
        f"{name} = {value}\n" for name, value in settings.items()))


@pytest.fixture(scope="module")
def database():
    directory = temporary_directory()
    write_conf(directory)
    no_postfix(directory / "postfix")
    odmrctl(directory, "init")
    for name, mode in DOMAINS.items():
        odmrctl(directory, "domain", "add", name, "--mode", mode)
    for domain, who in ALLOWED:
        odmrctl(directory, "etrn", "allow", domain, who)
    for login in ("alice", "off"):
        odmrctl(directory, "account", "add", login, text="open sesame\n")
        odmrctl(directory, "account", "grant", login, "granted.test")
        odmrctl(directory, "account", "cert", "add", login,
                CERTIFICATES[login])
    odmrctl(directory, "account", "disable", "off")
    yield directory
    shutil.rmtree(directory)


class Provider:
    """Its database, its queue, and one process or more."""

    def __init__(self, database, settings):
        self.dir = temporary_directory()
        self.log = self.dir / "log"
        self.processes = []
        self.dialogue = []
        shutil.copy(database / "odmr.db", self.dir / "odmr.db")
        write_conf(self.dir, **settings)
        self.log.touch()
        self.holds()
        script = self.dir / "postqueue"
        script.write_text(POSTQUEUE.format(dir=self.dir))
        script.chmod(0o755)
        self.start()

    def start(self):
        """A further process, which is the one that is asked from now on."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "etrn-trigger"), "-c",
                 str(self.dir / "odmr.conf"), "--policy"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.processes.append(self.process)

    def holds(self, *domains):
        """One message for each is in the queue."""
        (self.dir / "queue").write_text("".join(
            json.dumps({
                "queue_name": "deferred", "queue_id": "4X",
                "arrival_time": 1700000000, "message_size": 330, "sender": "",
                "recipients": [{"address": f"r@{domain}"}]}) + "\n"
            for domain in domains))

    def send(self, data):
        self.dialogue.append(f"> {data!r}")
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def answer(self):
        """The next action; None at the end of the connection."""
        line = self.process.stdout.readline()
        self.dialogue.append(f"< {line!r}")
        if not line:
            return None
        assert self.process.stdout.readline() == b"\n"
        return re.fullmatch(r"action=(.+)\n", line.decode()).group(1)

    def ask(self, node, address=HOME, **more):
        self.send(request(etrn_domain=node, client_address=address, **more))
        return self.answer()

    def called(self):
        try:
            return (self.dir / "called").read_text().splitlines()
        except FileNotFoundError:
            return []

    def logged(self, *parts):
        return [line for line in self.log.read_text().splitlines()
                if all(part in line for part in parts)]

    def started(self):
        """The domains started so far, when all work is done."""
        self.end()
        assert "-f" not in self.called()
        return sorted(line.split()[1] for line in self.called()
                      if line.startswith("-s "))

    def end(self):
        """The exit status, after the connection has ended."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        return self.process.wait(timeout=30)

    def remove(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass
        faults = [line for line in self.logged() if FAULT.search(line)]
        shutil.rmtree(self.dir)
        assert not faults


@pytest.fixture
def make_provider(database, show):
    made = []

    def make(**settings):
        made.append(Provider(database, settings))
        return made[-1]
    yield make
    for provider in made:
        provider.remove()


@pytest.fixture
def provider(make_provider, request):
    made = make_provider()
    request.node.provider = made
    return made


@pytest.fixture(autouse=True)
def shown(request, show):
    yield
    made = getattr(request.node, "provider", None)
    if made is not None and made.dir.exists():
        show("dialogue", "\n".join(made.dialogue)[-4000:])
        show("log", made.log.read_text()[-4000:])


def attributes(**more):
    """As smtpd(8) sends them."""
    return {"request": "smtpd_access_policy", "protocol_state": "ETRN",
            "protocol_name": "ESMTP", "helo_name": "customer.test",
            "queue_id": "", "sender": "", "recipient": "",
            "client_address": HOME, "client_name": "unknown",
            "reverse_client_name": "unknown", "instance": "1.2.3",
            "sasl_method": "", "sasl_username": "", "sasl_sender": "",
            "etrn_domain": "example.org", "ccert_fingerprint": "", **more}


def lines(pairs):
    return "".join(f"{name}={value}\n" for name, value in pairs).encode()


def request(**more):
    return lines(attributes(**more).items()) + b"\n"


# ---- who may

@pytest.mark.parametrize("address", [
    HOME, "192.0.2.255", "2001:db8::1", "2001:DB8:0:0::1", "::ffff:192.0.2.7"])
def test_clients_in_an_allowed_network_may(provider, address):
    assert provider.ask("example.org", address) == OK


@pytest.mark.parametrize("address", [
    STRANGER, "192.0.3.0", "2001:db9::1", "::1", "unknown"])
def test_clients_elsewhere_may_not(provider, address):
    assert provider.ask("example.org", address) == REFUSED


def test_unknown_and_not_allowed_look_alike(provider):
    for node in ("c.example.org", "unknown.test", "@c.example.org",
                 "@unknown.test"):
        assert provider.ask(node) == REFUSED


def test_names_are_taken_in_any_case(provider):
    for node in ("EXAMPLE.org", "_AT.Example.Org", "@EXAMPLE.ORG"):
        assert provider.ask(node) == OK


def test_login_of_postfix_has_the_permissions_of_its_name(provider):
    assert provider.ask("login.test", STRANGER, sasl_username="carol") == OK
    assert provider.ask("login.test", "unknown", sasl_username="carol") == OK
    for login in ("", "dave", "Carol", "carol ", "login:carol"):
        assert provider.ask("login.test", STRANGER,
                            sasl_username=login) == REFUSED


def test_login_of_postfix_is_no_account_of_odmrd(provider):
    assert provider.ask("granted.test", STRANGER,
                        sasl_username="alice") == REFUSED


@pytest.mark.parametrize("write", [with_colons, str])
def test_certificate_has_the_grants_of_its_account(provider, write):
    assert provider.ask("granted.test", STRANGER,
                        ccert_fingerprint=write(CERTIFICATES["alice"])) == OK
    assert provider.logged("ETRN granted.test ", "login=alice ", ": allowed")


def test_certificate_of_an_account_has_the_permissions_of_its_login(
        provider):
    odmrctl(provider.dir, "etrn", "allow", "c.example.org", "login:alice")
    mine = with_colons(CERTIFICATES["alice"])
    assert provider.ask("c.example.org", STRANGER,
                        ccert_fingerprint=mine) == OK
    assert provider.ask("c.example.org", STRANGER) == REFUSED


@pytest.mark.parametrize("fingerprint", [
    with_colons(CERTIFICATES["off"]),            # the account is disabled
    with_colons(hashlib.sha256(b"?").hexdigest()),
    with_colons(hashlib.md5(b"alice").hexdigest()),
    CERTIFICATES["alice"][:-1], CERTIFICATES["alice"] + "00", "junk"])
def test_other_certificates_give_nothing(provider, fingerprint):
    assert provider.ask("granted.test", STRANGER,
                        ccert_fingerprint=fingerprint) == REFUSED
    assert provider.ask("example.org", HOME,
                        ccert_fingerprint=fingerprint) == OK


# ---- what is started

def test_a_domain_is_left_to_postfix(provider):
    provider.holds("example.org")
    assert provider.ask("example.org") == OK
    provider.end()
    assert provider.called() == []


def test_at_starts_the_domains_below_of_those_that_the_client_may(provider):
    provider.holds(*DOMAINS)
    assert provider.ask("_at.example.org") == OK
    # Not c.example.org, which is others', nor what waits for ATRN.
    assert provider.started() == ["a.example.org", "example.org"]


def test_at_starts_only_domains_for_which_mail_waits(provider):
    provider.holds("a.example.org", "c.example.org")
    assert provider.ask("_at.example.org") == OK
    assert provider.started() == ["a.example.org"]


def test_answer_does_not_wait_for_the_work(provider):
    script = provider.dir / "postqueue"
    script.unlink()
    os.mkfifo(provider.dir / "gate")
    script.write_text(f"#!/bin/sh\nread x <{provider.dir}/gate\n")
    script.chmod(0o755)
    assert provider.ask("_at.example.org") == OK
    (provider.dir / "gate").write_text("go on\n")
    assert provider.end() == 0
    assert provider.logged("ETRN @example.org: 0 messages started")


def test_refused_client_starts_nothing(provider):
    provider.holds(*DOMAINS)
    assert provider.ask("_at.example.org", STRANGER) == REFUSED
    assert provider.started() == []
    assert provider.called() == []


def test_repeats_are_allowed_and_do_nothing_in_any_process(provider):
    provider.holds(*DOMAINS)
    assert provider.ask("_at.example.org") == OK
    assert provider.ask("_at.example.org") == OK
    provider.end()
    provider.start()
    assert provider.ask("_AT.EXAMPLE.ORG") == OK
    assert provider.started() == ["a.example.org", "example.org"]
    assert provider.called().count("-j") == 1


def test_repeat_by_another_client_starts_what_the_first_could_not(provider):
    provider.holds(*DOMAINS)
    assert provider.ask("_at.example.org", HOME) == OK
    assert provider.ask("_at.example.org", BRANCH) == OK
    assert provider.started() == [
        "a.example.org", "b.example.org", "example.org"]


def test_after_the_interval_it_is_started_again(provider):
    provider.holds("example.org")
    assert provider.ask("_at.example.org") == OK
    # The wait for the process to be done with the work as well.
    provider.end()
    with sqlite3.connect(provider.dir / "odmr.db") as state:
        state.execute("UPDATE etrn_last SET at = at - 11")
    provider.start()
    assert provider.ask("_at.example.org") == OK
    assert provider.started() == ["example.org"] * 2


def test_a_clock_that_was_ahead_stops_nothing(provider):
    provider.holds("example.org")
    with sqlite3.connect(provider.dir / "odmr.db") as state:
        state.execute("INSERT INTO etrn_last "
                      "VALUES ('example.org', strftime('%s', 'now') + 9999)")
    assert provider.ask("_at.example.org") == OK
    assert provider.started() == ["example.org"]


def test_interval_0_starts_every_time(make_provider):
    provider = make_provider(etrn_min_interval="0")
    provider.holds("example.org")
    assert provider.ask("_at.example.org") == OK
    assert provider.ask("_at.example.org") == OK
    assert provider.started() == ["example.org"] * 2


def test_work_that_fails_is_logged_and_the_next_is_answered(provider):
    (provider.dir / "postqueue").unlink()
    assert provider.ask("_at.example.org") == OK
    assert provider.ask("example.org") == OK
    assert provider.logged("error: ", "postqueue: No such file")


# ---- what is on hold

@pytest.fixture
def held(provider):
    tags.add(provider.dir / "odmr.db",
             {"queue_id": "Q", "domain": "hold.test"})
    return provider


def test_domain_on_hold_is_dialled_before_the_answer(held):
    heard = control_socket(held.dir / "odmrd.sock", *["ok\n"] * 3)
    held.holds("hold.test", "sub.hold.test")
    assert held.ask("hold.test") == OK
    assert heard == ["dial hold.test\n"]
    assert held.ask("_at.hold.test") == OK
    assert held.ask("_at.hold.test") == OK
    assert heard == ["dial hold.test\n"] * 3
    assert held.started() == ["sub.hold.test"]


def test_domain_on_hold_for_which_nothing_waits_is_not_dialled(provider):
    assert provider.ask("hold.test") == OK
    assert provider.called() == []


def test_domain_on_hold_cannot_be_started_without_odmrd(held):
    assert held.ask("hold.test") == UNABLE
    assert held.logged("hold.test: odmrd cannot be told: ",
                       "odmrd.sock: No such file or directory")
    assert held.ask("_at.hold.test") == UNABLE
    assert held.ask("hold.test", STRANGER) == REFUSED
    assert held.ask("sub.hold.test") == OK
    assert held.started() == []


# ---- the log

def test_each_decision_is_logged_once(provider):
    provider.ask("example.org", sasl_username="car ol=x")
    provider.ask("unknown.test", STRANGER)
    provider.ask("a;b client=192.0.2.9", "2001:db8::1")
    provider.end()
    assert [line.split("]: ", 1)[1] for line in provider.logged()] == [
        "ETRN example.org client=192.0.2.1 login=car\\040ol\\075x domains=1: "
        "allowed",
        "warning: refused: ETRN unknown.test client=198.51.100.1 login=-: "
        "not allowed",
        "warning: refused: ETRN a\\073b\\040client\\075192.0.2.9 "
        "client=2001:db8::1 login=-: has a character that is no letter, digit "
        "or hyphen"]


# ---- bad input

BAD_NAMES = ["a..b", ".", "-a.test", "a b.test", "x" * 300,
             ".".join(["x" * 60] * 5), "example.org;id", "$(id).test",
             "`id`.test", "example.org|id", "../../etc/passwd", "@", "_at.",
             "@@example.org", "_at.@example.org", "_at._at.example.org",
             "-s", "--help", "example.org.",
             "example.org\r", "[", "_ip.example.org"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_name_that_is_no_hostname_is_a_syntax_error(provider, name):
    provider.holds(*DOMAINS)
    assert re.fullmatch(r"501 5\.5\.4 The node [a-zA-Z0-9 ,.@:_\[\]-]+",
                        provider.ask(name))
    assert provider.started() == []
    assert provider.called() == []
    assert len(provider.logged("refused: ETRN ")) == 1


def without(name):
    return lines((key, value) for key, value in attributes().items()
                 if key != name) + b"\n"


def with_more(data):
    return lines(attributes().items()) + data + b"\n"


MALFORMED = {
    "nothing": b"\n",
    "no etrn_domain": without("etrn_domain"),
    "no client_address": without("client_address"),
    "no request": without("request"),
    "no protocol_state": without("protocol_state"),
    "empty etrn_domain": request(etrn_domain=""),
    "empty client_address": request(client_address=""),
    "address that is none": request(client_address="192.0.2"),
    "words behind the address": request(client_address=HOME + "% login=x"),
    "network": request(client_address="192.0.2.0/24"),
    "etrn_domain twice": with_more(b"etrn_domain=example.org\n"),
    "client_address twice": with_more(b"client_address=192.0.2.1\n"),
    "sasl_username twice": with_more(b"sasl_username=carol\n"),
    "fingerprint twice": with_more(b"ccert_fingerprint=00\n"),
    "state twice": with_more(b"protocol_state=ETRN\n"),
    "no equals sign": with_more(b"junk\n"),
    "no name": with_more(b"=value\n"),
    "CRLF": request().replace(b"\n", b"\r\n") + b"\n",
    "NUL in a value": request(helo_name="a\0b"),
    "NUL in the node": request(etrn_domain="example.org\0.test"),
    "NUL alone": with_more(b"\0\n"),
    "unknown attribute of 10 KB": with_more(b"x=" + b"y" * 10240 + b"\n"),
    "node of 10 KB": request(etrn_domain="x" * 10240),
    "10 KB of junk": with_more(b"y" * 10240 + b"\n"),
    "state RCPT": request(protocol_state="RCPT"),
    "state etrn": request(protocol_state="etrn"),
    "other request": request(request="junk"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_is_never_ok_and_the_next_is_judged_alone(
        provider, data):
    provider.send(data)
    assert provider.answer() == UNABLE
    assert len(provider.logged("warning: refused: a request with ")) == 1
    assert provider.ask("example.org") == OK
    assert provider.ask("example.org", STRANGER) == REFUSED
    assert provider.called() == []


def test_unknown_attributes_are_ignored(provider):
    provider.send(with_more(b"new=1\nnew=2\nempty=\n"))
    assert provider.answer() == OK


@pytest.mark.parametrize("data", [request()[:-1], request()[:-2], b"r",
                                  b"unknown=1\n"])
def test_request_without_its_end_is_not_answered(provider, data):
    provider.send(data)
    assert provider.end() == os.EX_PROTOCOL
    assert provider.answer() is None
    assert provider.logged("the connection ended within a request")


def test_connection_that_ends_between_requests_is_no_fault(provider):
    assert provider.ask("example.org") == OK
    assert provider.end() == 0
    assert len(provider.logged()) == 1


def test_requests_may_come_in_pieces_and_together(provider):
    for byte in request():
        provider.send(bytes([byte]))
    assert provider.answer() == OK
    provider.send(request() + request(client_address=STRANGER) + request())
    assert [provider.answer() for _ in range(3)] == [OK, REFUSED, OK]


def peak_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what was freed")
def test_memory_is_bounded_whatever_comes(provider):
    assert provider.ask("_at.example.org") == OK
    before = peak_kib(provider.process.pid)
    for piece in (b"x" * 65536, b"unknown=value\n" * 5000):
        for _ in range(200):
            provider.process.stdin.write(piece)
    provider.send(b"\n")
    assert provider.answer() == UNABLE
    for _ in range(500):
        assert provider.ask("_at.example.org") == OK
    assert peak_kib(provider.process.pid) < before + 512


# ---- the database

def test_missing_database_is_a_temporary_answer_until_it_is_there(provider):
    (provider.dir / "odmr.db").rename(provider.dir / "away")
    assert provider.ask("example.org", sasl_username="x",
                        ccert_fingerprint=CERTIFICATES["alice"]) == UNABLE
    (provider.dir / "away").rename(provider.dir / "odmr.db")
    assert provider.ask("example.org") == OK
    assert len(provider.logged("error: ETRN ", ": missing")) == 1


def test_corrupt_database_is_a_temporary_answer(provider):
    path = provider.dir / "odmr.db"
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(b"\xff" * size)
    for node in ("example.org", "_at.example.org"):
        assert provider.ask(node) == UNABLE
    assert len(provider.logged("error: ETRN ", "odmr.db")) == 2
    assert provider.called() == []


def test_fault_about_a_certificate_is_no_refusal(provider):
    with sqlite3.connect(provider.dir / "odmr.db") as state:
        state.execute("DROP TABLE certificate")
    assert provider.ask("granted.test", STRANGER,
                        ccert_fingerprint=CERTIFICATES["alice"]) == UNABLE
    assert provider.ask("granted.test", STRANGER) == REFUSED


def test_locked_database_is_a_temporary_answer(provider):
    """Of what has to be written down: the domains that are due."""
    other = sqlite3.connect(provider.dir / "odmr.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert provider.ask("_at.example.org") == UNABLE
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert provider.logged("error: ETRN ", "locked")
    assert provider.ask("_at.example.org") == OK
    provider.end()
    assert provider.called().count("-j") == 1


def said_on_one_connection(directory, data):
    """With standard input, output and error as spawn(8) gives them."""
    here, there = socket.socketpair()
    here.sendall(data)
    here.shutdown(socket.SHUT_WR)
    with here, there, subprocess.Popen(
            [str(BUILD / "etrn-trigger"), "-c", str(directory / "odmr.conf"),
             "--policy"], stdin=there, stdout=there, stderr=there) as process:
        there.close()
        with here.makefile("rb") as answers:
            said = answers.read()
        process.wait(timeout=30)
    return said


def test_log_is_no_part_of_an_answer_under_spawn(provider):
    assert said_on_one_connection(
        provider.dir, request() + request(client_address=STRANGER)
    ) == f"action={OK}\n\naction={REFUSED}\n\n".encode()
    write_conf(provider.dir, etrn_min_interval="soon")
    assert said_on_one_connection(provider.dir, b"") == b""


def test_bad_configuration_ends_it_before_any_answer(database):
    directory = temporary_directory()
    try:
        write_conf(directory, etrn_min_interval="soon")
        done = subprocess.run(
            [str(BUILD / "etrn-trigger"), "-c", str(directory / "odmr.conf"),
             "--policy"], input=request(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=30, check=False)
    finally:
        shutil.rmtree(directory)
    assert (done.returncode, done.stdout) == (os.EX_CONFIG, b"")
    assert b"etrn_min_interval" in done.stderr
