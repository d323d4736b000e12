# SPDX-License-Identifier: ISC
"""odmrctl as a program: what it prints, what it refuses and with which code.

Needs neither root nor Postfix: a database and Postfix's tables in a
temporary directory.
"""

import json
import os
import pathlib
import pty
import pwd
import re
import shutil
import sqlite3
import stat
import subprocess
import time

import pytest

from odmr import tags
from odmr.sandbox import no_postfix, temporary_directory

BUILD = pathlib.Path(
    os.environ.get("ODMR_BUILD", pathlib.Path(__file__).parents[2] / "build")
).resolve()


LONG_DOMAIN = ".".join(["a" * 60, "b" * 60, "example"])


class Odmrctl:
    def __init__(self, directory):
        self.dir = directory / "db"
        self.conf = directory / "odmr.conf"
        self.database = self.dir / "odmr.db"
        self.conf.write_text(
            f"database = {self.database}\n"
            f"domain_table = lmdb:{self.dir}/domains\n"
            f"etrn_table = lmdb:{self.dir}/etrn_names\n"
            f"postfix_config_directory = {directory}/postfix\n"
            "user = nobody\n"
            "postfix_user = daemon\n"
        )
        no_postfix(directory / "postfix")

    def run(self, *args, stdin=b""):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        return subprocess.run(
            [BUILD / "odmrctl", "-c", self.conf, *args],
            input=stdin,
            capture_output=True,
            timeout=60,
        )

    def ok(self, *args, stdin=b""):
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr == b""
        return done.stdout.decode()

    def refused(self, code, *args, stdin=b""):
        """Exactly one line on standard error, nothing on standard output."""
        done = self.run(*args, stdin=stdin)
        text = done.stderr.decode()
        assert done.returncode == code, text
        assert done.stdout == b""
        assert re.fullmatch(r"odmrctl: [^\n]+\n", text), text
        return text

    def sql(self, path, statement, *values):
        with sqlite3.connect(path) as db:
            rows = db.execute(statement, values).fetchall()
        db.close()
        return rows

    def add_tag(self, queue_id, domain, **columns):
        row = {
            "queue_id": queue_id,
            "domain": domain,
            "sender": "s@sender.example",
            "recipients": [f"r@{domain}"],
            "size": 4096,
            "client": "192.0.2.1",
            "arrived": 1700000000,
            "rcpts_open": 1,
        }
        row.update(columns)
        tags.add(self.database, row)

    def add_session(self, session_id, pid):
        self.sql(
            self.database,
            "INSERT INTO session (id, pid, account, client, state, delivered, "
            "bytes, since, noted) VALUES (?, ?, 'tessa', '2001:db8::1', "
            "'delivering', 3, 5000, 1700000000, 1700000001)",
            session_id,
            pid,
        )
        for domain in "a.example", "b.example":
            self.sql(
                self.database,
                "INSERT INTO session_domain VALUES (?, ?)",
                session_id,
                domain,
            )


@pytest.fixture
def bare():
    """In a directory that its user may enter."""
    directory = temporary_directory()
    yield Odmrctl(directory)
    shutil.rmtree(directory)


@pytest.fixture
def ctl(bare):
    bare.ok("init")
    return bare


@pytest.fixture
def customer(ctl):
    """A domain, and an account that may collect it."""
    ctl.ok("domain", "add", "a.example")
    ctl.ok("account", "add", "tessa", stdin="pencil\n")
    ctl.ok("account", "grant", "tessa", "a.example")
    return ctl


# ---- command line


def test_without_a_command_it_tells_its_usage():
    done = subprocess.run([BUILD / "odmrctl"], capture_output=True)
    assert done.returncode == os.EX_USAGE
    assert b"odmrctl [-c FILE] domain add NAME" in done.stderr
    help_ = subprocess.run([BUILD / "odmrctl", "-h"], capture_output=True)
    assert help_.returncode == 0
    assert help_.stdout == done.stderr


@pytest.mark.parametrize("line, what", [
    ("domain", b"usage:"),
    ("domain frobnicate", b'unknown command "domain frobnicate"'),
    ("domain add", b"an operand is missing"),
    ("domain add a.example b.example", b'unexpected operand "b.example"'),
    ("domain add a.example --json", b"--json is no option of this command"),
    ("domain add a.example --frobnicate", b"--frobnicate"),
    ("domain add a.example --mode", b"--mode"),
    ("domain list a.example", b'unexpected operand "a.example"'),
    ("account grant tessa", b"an operand is missing"),
    ("status a.example", b'unexpected operand "a.example"'),
    ("queue a.example b.example", b'unexpected operand "b.example"'),
])
def test_wrong_command_line_is_a_usage_error(ctl, line, what):
    done = ctl.run(*line.split())
    assert done.returncode == os.EX_USAGE
    assert done.stdout == b""
    assert what in done.stderr.splitlines()[0]
    assert b"\nusage:\n" in b"\n" + done.stderr


@pytest.mark.parametrize("line", [
    ["%s"], ["domain", "%s"], ["domain", "list", "%s"], ["domain", "add", "%s"],
    ["account", "remove", "%s"], ["etrn", "allow", "example.org", "%s"],
    ["queue-name", "add", "%s", "example.org"], ["usage", "--from", "%s"],
    ["domain", "add", "example.org", "--nexthop", "%s"]])
def test_no_word_of_the_command_line_reaches_the_terminal_as_its_orders(
        ctl, line):
    ctl.run("domain", "add", "example.org")
    done = ctl.run(*(word.replace("%s", "a\r\n\x1b[2J\x7fb\t")
                     for word in line))
    assert done.returncode != 0 and done.stdout == b""
    assert not re.search(rb"[^\n -~]", done.stderr), done.stderr
    assert b"a???[2J?b?" in done.stderr.splitlines()[0]


def test_no_order_of_eight_bits_reaches_the_terminal(ctl):
    word = "b\u00fc\u009b2J".encode() + b"\x9b\xff"
    done = ctl.run("account", "show", word)
    assert done.stderr == \
        "odmrctl: no such account: b\u00fc??2J??\n".encode()
    ctl.ok("account", "add", "tessa", stdin="pencil\n")
    ctl.sql(ctl.database, "UPDATE account SET login = ?", "b\u00fc\u009b")
    shown = ctl.ok("account", "show", "b\u00fc\u009b")
    assert "login     b\u00fc\\302\\233\n" in shown
    shown = ctl.ok("account", "list", "--json")
    assert "\\u009b" in shown and "\u009b" not in shown
    assert json.loads(shown)["accounts"][0]["login"] == "b\u00fc\u009b"


@pytest.mark.parametrize("line", ["frobnicate", "--frobnicate"])
def test_what_is_no_command_is_not_lost_above_a_long_list(ctl, line):
    done = ctl.run(line)
    assert done.returncode == os.EX_USAGE
    assert done.stdout == b""
    assert b"--help shows all" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_configuration_error_names_file_and_line(bare):
    bare.conf.write_text("# a comment\nfrobnicate = yes\n")
    text = bare.refused(os.EX_CONFIG, "status")
    assert f"{bare.conf}:2: " in text
    bare.conf.unlink()
    text = bare.refused(os.EX_CONFIG, "status")
    assert f"{bare.conf}: No such file" in text


# ---- init


def test_init_can_be_repeated_and_keeps_everything(customer):
    customer.ok("init")
    assert "tessa" in customer.ok("account", "list")
    assert "a.example" in customer.ok("domain", "list")


def test_files_keep_owner_and_mode_after_changes(customer):
    table = customer.dir / "domains.lmdb"
    for path, mode in ((customer.database, 0o600), (table, 0o644)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
        if os.geteuid() == 0:
            assert path.stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_init_that_cannot_make_its_directory_says_which(bare):
    bare.conf.write_text(
        bare.conf.read_text().replace(str(bare.dir), "/nonexistent/dir")
    )
    text = bare.refused(os.EX_CANTCREAT, "init")
    assert "/nonexistent/dir" in text


# ---- domains


def test_domain_is_lower_cased_and_encoded(ctl):
    ctl.ok("domain", "add", "EXAMPLE.Org")
    ctl.ok("domain", "add", "bücher.example")
    listed = ctl.ok("domain", "list")
    assert "example.org " in listed
    assert "xn--bcher-kva.example " in listed
    assert "xn--bcher-kva.example" in ctl.ok("domain", "show", "Bücher.example")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "example.org.",
        "example..org",
        ".example.org",
        "-a.example",
        "a b.example",
        "a_b.example",
        "../../etc.example",
        "a.example\n",
        "192.0.2.1",
        "a" * 64 + ".example",
        ".".join(["abcdefgh"] * 29),
        "bü cher.example",
    ],
)
def test_what_is_no_domain_is_refused(ctl, name):
    done = ctl.run("domain", "add", "--", name)
    assert done.returncode == os.EX_DATAERR
    shown = re.sub(r"[\0-\x1f\x7f]", "?", name)
    assert f'odmrctl: "{shown}" is no domain name: it ' in done.stderr.decode()
    assert ctl.sql(ctl.database, "SELECT * FROM domain") == []


def test_duplicate_domain_is_refused_in_any_spelling(ctl):
    ctl.ok("domain", "add", "a.example")
    text = ctl.refused(os.EX_DATAERR, "domain", "add", "A.EXAMPLE")
    assert "a.example" in text and "already" in text


@pytest.mark.parametrize("verb", ["set", "show", "remove"])
def test_unknown_domain_is_named(ctl, verb):
    options = ["--mode", "hold"] if verb == "set" else []
    text = ctl.refused(os.EX_NOHOST, "domain", verb, "b.example", *options)
    assert "b.example" in text


def test_domain_set_changes_only_what_is_given(ctl):
    ctl.ok("domain", "add", "a.example", "--mode", "backup")
    ctl.ok("domain", "set", "a.example", "--nexthop", "[192.0.2.9]:2525")
    ctl.ok("domain", "set", "a.example", "--mode", "hold")
    row = "SELECT mode, nexthop FROM domain"
    assert ctl.sql(ctl.database, row) == [("hold", "[192.0.2.9]:2525")]
    ctl.ok("domain", "set", "a.example", "--nexthop", "")
    assert ctl.sql(ctl.database, row) == [("hold", None)]
    ctl.ok("domain", "set", "a.example", "--nexthop", "mail.example")
    ctl.ok("domain", "set", "a.example", "--mode", "odmr")
    assert ctl.sql(ctl.database, row) == [("odmr", None)]
    ctl.refused(os.EX_USAGE, "domain", "set", "a.example")


def test_mode_odmr_takes_no_next_hop(ctl):
    for mode in ([], ["--mode", "odmr"]):
        text = ctl.refused(
            os.EX_USAGE,
            *["domain", "add", "a.example", "--nexthop", "h.example", *mode],
        )
        assert "--mode backup or hold" in text


def test_unknown_mode_is_refused(ctl):
    text = ctl.refused(
        os.EX_USAGE, "domain", "add", "a.example", "--mode", "ODMR"
    )
    assert "ODMR" in text


@pytest.mark.parametrize(
    "nexthop",
    [
        "mail.example",
        "localhost:2525",
        "[mail.example]",
        "[192.0.2.1]",
        "[2001:db8::1]:65535",
    ],
)
def test_next_hop_in_postfix_syntax_is_kept(ctl, nexthop):
    ctl.ok(
        "domain", "add", "a.example", "--mode", "backup", "--nexthop", nexthop
    )
    assert nexthop in ctl.ok("domain", "show", "a.example")


@pytest.mark.parametrize(
    "nexthop",
    [
        ":25",
        "[]",
        "[mail.example",
        "mail.example]",
        "[mail.example]x",
        "[mail.example]x25",
        "mail.example:",
        "mail.example:0",
        "mail.example:65536",
        "mail.example:000025",
        "mail.example:smtp",
        "mail.example:+25",
        "mail.example:25:25",
        "mail example",
        "mail.example, smtp:evil.example",
        "unix:private/x",
        "mail..example",
        "-mail.example",
        "mail-.example",
        "300.0.2.1",
        "2001:db8::1",
        "[300.0.2.1]",
        "a" * 254,
    ],
)
def test_what_is_no_next_hop_is_refused(ctl, nexthop):
    text = ctl.refused(
        os.EX_DATAERR,
        *["domain", "add", "a.example", "--mode", "backup"],
        *["--nexthop", nexthop],
    )
    assert "next hop" in text
    assert ("brackets" in text) == (nexthop == "2001:db8::1")
    assert ctl.sql(ctl.database, "SELECT * FROM domain") == []


def test_next_hop_may_be_typed_as_it_is_spelled(ctl):
    ctl.ok("domain", "add", "a.example", "--mode", "backup",
           "--nexthop", "Mäil.example:25")
    assert ctl.sql(ctl.database, "SELECT nexthop FROM domain") == \
        [("xn--mil-qla.example:25",)]


@pytest.mark.parametrize("port", ["", ":2525"])
def test_bare_ipv4_next_hop_gets_its_brackets(ctl, port):
    ctl.ok("domain", "add", "a.example", "--mode", "backup",
           "--nexthop", "192.0.2.1" + port)
    assert ctl.sql(ctl.database, "SELECT nexthop FROM domain") == \
        [("[192.0.2.1]" + port,)]


def test_long_domain_gets_a_short_socket_name(ctl):
    ctl.ok("domain", "add", "a.example")
    ctl.ok("domain", "add", LONG_DOMAIN)
    for name, socket in (("a.example", "a.example"), (LONG_DOMAIN, "d2")):
        shown = ctl.ok("domain", "show", name)
        assert re.search(f"^socket +{socket}$", shown, re.M)


def test_domain_show_tells_who_may_collect_it(customer):
    customer.ok("account", "add", "other", stdin="x\n")
    customer.add_tag("4Q1", "a.example")
    shown = customer.ok("domain", "show", "a.example")
    assert re.search("^account +tessa$", shown, re.M)
    assert re.search("^held +1$", shown, re.M)
    assert "other" not in shown


def test_removed_domain_leaves_grants_and_says_what_mail_stays(customer):
    customer.add_tag("4Q1", "a.example")
    said = customer.ok("domain", "remove", "a.example")
    assert "of a.example stay in the Postfix queue: 1\n" in said
    assert "returns them to their" in said
    assert "a.example" not in customer.ok("account", "show", "tessa")
    customer.ok("domain", "add", "a.example")
    assert "tessa" not in customer.ok("domain", "show", "a.example")


# ---- accounts


def test_account_keeps_no_readable_password_unless_asked(ctl):
    ctl.ok("account", "add", "tessa", stdin="pencil\n")
    ctl.ok("account", "add", "--cram-md5", "fetchmail", stdin="eraser")
    rows = ctl.sql(ctl.database, "SELECT login, scram, password FROM account")
    assert [row[::2] for row in rows] == [
        ("tessa", None),
        ("fetchmail", "eraser"),
    ]
    for _, scram, _ in rows:
        assert re.fullmatch(r"SCRAM-SHA-256\$4096:[^$]+\$[^:]+:.+", scram)
    assert b"pencil" not in ctl.database.read_bytes()
    assert re.search("cram-md5 +no", ctl.ok("account", "show", "tessa"))
    assert re.search("cram-md5 +yes", ctl.ok("account", "show", "fetchmail"))


def test_passwords_are_never_shown(ctl):
    ctl.ok("account", "add", "tessa", "--cram-md5", stdin="pencil\n")
    shown = ctl.ok("account", "show", "tessa") + ctl.ok("account", "list")
    assert "pencil" not in shown and "SCRAM" not in shown


@pytest.mark.parametrize(
    "password, why",
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"pen\0cil\n", "NUL"),
        (b"pencil\nand more\n", "more than one line"),
        (b"x" * 255 + b"\nmore\n", "more than one line"),
        (b"x" * 256, "longer than 255"),
        (b"x" * 256 + b"\n", "longer than 255"),
        (b"x" * 100000, "longer than 255"),
        (b"pencil\r\n", "RFC 4013"),
        (b"latin1 \xe9\n", "UTF-8"),
    ],
)
def test_bad_password_is_refused_with_its_reason(ctl, password, why):
    text = ctl.refused(
        os.EX_DATAERR, "account", "add", "tessa", stdin=password
    )
    assert why in text
    assert ctl.sql(ctl.database, "SELECT * FROM account") == []


def test_password_of_255_octets_is_taken_whole(ctl):
    password = "p" * 255
    ctl.ok("account", "add", "tessa", "--cram-md5", stdin=password + "\n")
    rows = ctl.sql(ctl.database, "SELECT password FROM account")
    assert rows == [(password,)]


def read_terminal(fd, until):
    """What appears on a terminal until `until` does; its end if None."""
    text = b""
    while until is None or until not in text:
        try:
            data = os.read(fd, 1024)
        except OSError:
            break
        if data == b"":
            break
        text += data
    return text


def test_password_typed_at_a_terminal_is_not_echoed(ctl):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(
            BUILD / "odmrctl",
            ["odmrctl", "-c", ctl.conf, "account", "add", "tessa"]
            + ["--cram-md5"],
        )
    assert b"Password: " in read_terminal(fd, b"Password: ")
    os.write(fd, b"pencil\n")
    rest = read_terminal(fd, None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, rest
    os.close(fd)
    assert b"pencil" not in rest
    assert ctl.sql(ctl.database, "SELECT password FROM account") == [("pencil",)]


@pytest.mark.parametrize(
    "login",
    ["tessa", "tessa@a.example", "DOMAIN\\user", "a" * 64, LONG_DOMAIN],
)
def test_login_may_be_any_printable_name_or_a_domain(ctl, login):
    ctl.ok("account", "add", login, stdin="pencil\n")
    assert login in ctl.ok("account", "list")


@pytest.mark.parametrize(
    "login, why",
    [
        ("", "empty"),
        ("a" * 65, "64 octets"),
        ("two words", "printable"),
        ("tab\tbed", "printable"),
        ("tür", "printable"),
    ],
)
def test_bad_login_is_refused_with_its_reason(ctl, login, why):
    assert why in ctl.refused(
        os.EX_DATAERR, "account", "add", login, stdin="pencil\n"
    )


def test_duplicate_account_is_refused_and_unchanged(ctl):
    ctl.ok("account", "add", "tessa", "--cram-md5", stdin="pencil\n")
    text = ctl.refused(
        os.EX_DATAERR, "account", "add", "tessa", stdin="other\n"
    )
    assert "tessa" in text and "already" in text
    assert ctl.sql(ctl.database, "SELECT password FROM account") == [("pencil",)]


@pytest.mark.parametrize("seconds", ["-1", "1h", "", "99999999999"])
def test_linger_must_be_seconds(ctl, seconds):
    text = ctl.refused(
        os.EX_USAGE,
        *["account", "add", "tessa", f"--linger={seconds}"],
        stdin="pencil\n",
    )
    assert "--linger" in text


def test_linger_is_kept(ctl):
    ctl.ok("account", "add", "tessa", "--linger", "3600", stdin="pencil\n")
    assert re.search("linger +3600 s", ctl.ok("account", "show", "tessa"))


@pytest.mark.parametrize(
    "verb", ["show", "passwd", "disable", "enable", "remove", "grant", "revoke"]
)
def test_unknown_account_is_named(ctl, verb):
    domains = ["a.example"] if verb in ("grant", "revoke") else []
    ctl.ok("domain", "add", "a.example")
    text = ctl.refused(
        os.EX_NOUSER, "account", verb, "nobody", *domains, stdin="pencil\n"
    )
    assert "nobody" in text


def test_passwd_says_what_becomes_of_cram_md5(ctl):
    ctl.ok("account", "add", "tessa", "--cram-md5", stdin="pencil\n")
    before = ctl.sql(ctl.database, "SELECT scram FROM account")
    said = ctl.ok("account", "passwd", "tessa", stdin="eraser\n")
    assert "CRAM-MD5 is off" in said and "--cram-md5" in said
    rows = ctl.sql(ctl.database, "SELECT password FROM account")
    assert rows == [(None,)]
    assert ctl.sql(ctl.database, "SELECT scram FROM account") != before
    said = ctl.ok("account", "passwd", "tessa", "--cram-md5", stdin="nib\n")
    assert "CRAM-MD5 is on" in said
    rows = ctl.sql(ctl.database, "SELECT password FROM account")
    assert rows == [("nib",)]


def test_account_is_disabled_enabled_and_removed(customer):
    customer.ok("account", "disable", "tessa")
    assert re.search("state +disabled", customer.ok("account", "show", "tessa"))
    customer.ok("account", "enable", "tessa")
    assert re.search("state +enabled", customer.ok("account", "show", "tessa"))
    customer.ok("account", "remove", "tessa")
    assert "tessa" not in customer.ok("account", "list")
    assert customer.sql(customer.database, "SELECT * FROM access") == []


def test_domain_may_be_granted_to_several_accounts(customer):
    customer.ok("account", "add", "second", stdin="x\n")
    customer.ok("account", "grant", "second", "A.Example")
    shown = customer.ok("domain", "show", "a.example")
    assert "tessa" in shown and "second" in shown


def test_grant_of_an_unknown_domain_grants_none_of_the_list(customer):
    customer.ok("domain", "add", "b.example")
    text = customer.refused(
        os.EX_NOHOST, "account", "grant", "tessa", "b.example", "c.example"
    )
    assert "c.example" in text
    assert "b.example" not in customer.ok("account", "show", "tessa")


def test_grant_again_is_a_note_for_scripts(customer):
    said = customer.ok("account", "grant", "tessa", "a.example")
    assert said == "tessa has a.example already\n"


def test_revoke_takes_all_the_domains_or_none(customer):
    customer.ok("domain", "add", "b.example")
    text = customer.refused(
        os.EX_DATAERR, "account", "revoke", "tessa", "a.example", "b.example"
    )
    assert "tessa does not have b.example" in text
    assert "a.example" in customer.ok("account", "show", "tessa")
    customer.ok("account", "revoke", "tessa", "a.example")
    assert "a.example" not in customer.ok("account", "show", "tessa")


# ---- queue names


@pytest.fixture
def domains(ctl):
    for name in ("a.example", "b.example", "c.example"):
        ctl.ok("domain", "add", name)
    return ctl


def queue_names(ctl, *name):
    rows = json.loads(ctl.ok("queue-name", "list", *name, "--json"))
    assert list(rows) == ["queue_names"]
    assert all(list(row) == ["name", "domain"] for row in rows["queue_names"])
    return [tuple(row.values()) for row in rows["queue_names"]]


def test_queue_name_is_given_to_domains_listed_and_taken_back(domains):
    domains.ok("queue-name", "add", "#Second", "B.Example", "a.example")
    domains.ok("queue-name", "add", "first", "b.example")
    both = [("second", "a.example"), ("second", "b.example")]
    assert queue_names(domains) == [("first", "b.example"), *both]
    assert queue_names(domains, "#SECOND") == both
    table = domains.ok("queue-name", "list", "second").splitlines()
    assert table[0].split() == ["QUEUE", "NAME", "DOMAIN"]
    assert [tuple(row.split()) for row in table[1:]] == both
    domains.ok("queue-name", "remove", "second", "b.example")
    assert queue_names(domains, "second") == both[:1]
    domains.ok("queue-name", "remove", "first")
    domains.ok("queue-name", "remove", "second")
    assert queue_names(domains) == []


@pytest.mark.parametrize("typed, kept", [
    ("192.0.2.1", "[192.0.2.1]"),
    ("[192.0.2.1]", "[192.0.2.1]"),
    ("[ipv6:2001:DB8::1]", "[IPv6:2001:db8::1]"),
    ("d.example", "d.example"),
    ("under_score", "under_score"),
])
def test_queue_name_has_one_form(domains, typed, kept):
    domains.ok("queue-name", "add", typed, "a.example")
    assert queue_names(domains) == [(kept, "a.example")]
    domains.ok("queue-name", "remove", typed)


@pytest.mark.parametrize("name, why", [
    ("", "is empty"),
    ("#", "is empty"),
    ("a b", "has a character"),
    ("a;b", "has a character"),
    ("a..b", "has an empty label"),
    ("x" * 300, "longer than 253"),
    ("12", "is a number"),
    ("[2001:db8::1]", "is no address such as"),
    ("#_at.a.example", "stands for @"),
    ("_at.a.example", "stands for a domain and those below it"),
    ("@a.example", "stands for a domain and those below it"),
])
def test_what_is_no_queue_name_is_refused_with_its_reason(domains, name, why):
    text = domains.refused(
        os.EX_DATAERR, "queue-name", "add", name, "a.example")
    assert f'"{name}" is no queue name: it ' in text and why in text
    assert queue_names(domains) == []


@pytest.mark.parametrize("name", ["b.example", "#B.Example"])
def test_domain_cannot_be_a_queue_name(domains, name):
    text = domains.refused(
        os.EX_DATAERR, "queue-name", "add", name, "a.example")
    assert "b.example is a domain" in text
    assert queue_names(domains) == []


def test_queue_name_is_given_to_all_the_domains_or_none(domains):
    text = domains.refused(
        os.EX_NOHOST, "queue-name", "add", "q", "a.example", "x.example")
    assert "no such domain: x.example" in text
    assert queue_names(domains) == []


def test_queue_name_is_taken_from_all_the_domains_or_none(domains):
    domains.ok("queue-name", "add", "q", "a.example", "b.example")
    text = domains.refused(
        os.EX_DATAERR, "queue-name", "remove", "q", "a.example", "c.example")
    assert "q does not have c.example" in text
    assert len(queue_names(domains)) == 2


@pytest.mark.parametrize("verb", ["remove", "list"])
def test_unknown_queue_name_is_named(domains, verb):
    text = domains.refused(os.EX_NOHOST, "queue-name", verb, "q")
    assert "no such queue name: q" in text


def test_queue_name_again_is_a_note_for_scripts(domains):
    domains.ok("queue-name", "add", "q", "a.example")
    said = domains.ok("queue-name", "add", "q", "a.example", "b.example")
    assert said == "q has a.example already\n"
    assert len(queue_names(domains)) == 2


def test_removed_domain_leaves_its_queue_names(domains):
    domains.ok("queue-name", "add", "q", "a.example", "b.example")
    domains.ok("domain", "remove", "a.example")
    assert queue_names(domains) == [("q", "b.example")]


# ---- status and queue


def test_status_json_has_exactly_the_promised_keys(customer):
    customer.add_tag("4Q1", "a.example", size=100, arrived=1700000100)
    customer.add_tag("4Q2", "a.example", size=200, arrived=1700000000)
    customer.add_tag("4Q3", "a.example", state="delivered", rcpts_open=0)
    customer.sql(
        customer.database,
        "UPDATE domain_count SET collected_at = 1700000200, collected = 7",
    )
    customer.ok("domain", "add", "b.example", "--mode", "hold")
    customer.add_session("S1", os.getpid())
    assert json.loads(customer.ok("status", "--json")) == {
        "domains": [
            {
                "domain": "a.example",
                "mode": "odmr",
                "held": 2,
                "bytes": 300,
                "oldest": "2023-11-14T22:13:20Z",
                "last_collected": "2023-11-14T22:16:40Z",
                "delivered": 7,
                "doubted": 0,
                "set_apart": 0,
                "on_hold": 0,
            },
            {
                "domain": "b.example",
                "mode": "hold",
                "held": 0,
                "bytes": 0,
                "oldest": None,
                "last_collected": None,
                "delivered": 0,
                "doubted": 0,
                "set_apart": 0,
                "on_hold": 0,
            },
        ],
        "sessions": [
            {
                "id": "S1",
                "account": "tessa",
                "client": "2001:db8::1",
                "domains": ["a.example", "b.example"],
                "state": "delivering",
                "delivered": 3,
                "bytes": 5000,
                "since": "2023-11-14T22:13:20Z",
                "refused": 0,
                "kept": 0,
                "in_flight": 0,
                "rate": 0,
                "held": 2,
                "noted": "2023-11-14T22:13:21Z",
            }
        ],
    }


def test_status_of_an_empty_database_is_empty_lists(ctl):
    assert json.loads(ctl.ok("status", "--json")) == {
        "domains": [],
        "sessions": [],
    }


def test_session_of_a_dead_odmrd_is_not_shown(ctl):
    dead = subprocess.Popen(["true"])
    dead.wait()
    ctl.add_session("DEAD", dead.pid)
    assert json.loads(ctl.ok("status", "--json"))["sessions"] == []
    assert "DEAD" not in ctl.ok("status")
    ctl.add_session("LIVE", os.getpid())
    assert "LIVE" in ctl.ok("status")


def test_tables_fit_80_columns(ctl):
    mode = ["--mode", "backup", "--nexthop", "[2001:db8::1]:2525"]
    ctl.ok("domain", "add", "quite-a-long-domain-name.example", *mode)
    ctl.ok("account", "add", "a-customer@provider.example", stdin="x\n")
    ctl.add_tag(
        "4dJ3Xz1QwLz2K9bT",
        "quite-a-long-domain-name.example",
        size=10**13,
        last_answer="450 4.2.1 the mailbox is busy, come again",
    )
    ctl.sql(
        ctl.database,
        "UPDATE domain_count SET collected_at = 1, collected = 999999999",
    )
    ctl.add_session("0123456789ABCDEF", os.getpid())
    for command in (
        ["status"],
        ["queue"],
        ["domain", "list"],
        ["account", "list"],
    ):
        for line in ctl.ok(*command).splitlines():
            assert len(line) <= 80, line


def test_name_that_is_too_long_for_its_column_is_not_cut(ctl):
    ctl.ok("domain", "add", LONG_DOMAIN)
    for command in (["status"], ["domain", "list"]):
        lines = ctl.ok(*command).splitlines()
        assert LONG_DOMAIN in lines
        assert len(lines[-1]) <= 80


def test_queue_shows_what_waits_oldest_first(customer):
    customer.ok("domain", "add", "b.example")
    customer.add_tag("4NEW", "a.example", arrived=1700000900, sender="")
    customer.add_tag(
        "4OLD",
        "b.example",
        recipients=["r1@b.example", "r2@b.example"],
        attempts=2,
        last_answer="450 busy",
    )
    customer.add_tag("4GONE", "a.example", state="delivered", rcpts_open=0)
    messages = json.loads(customer.ok("queue", "--json"))["messages"]
    assert messages == [
        {
            "id": "4OLD",
            "domain": "b.example",
            "arrived": "2023-11-14T22:13:20Z",
            "size": 4096,
            "sender": "s@sender.example",
            "recipients": ["r1@b.example", "r2@b.example"],
            "client": "192.0.2.1",
            "attempts": 2,
            "last_answer": "450 busy",
            "doubted": None,
            "faults": 0,
            "set_apart": False,
            "state": "held",
            "settled": None,
            "session": None,
            "on_hold": False,
        },
        {
            "id": "4NEW",
            "domain": "a.example",
            "arrived": "2023-11-14T22:28:20Z",
            "size": 4096,
            "sender": "",
            "recipients": ["r@a.example"],
            "client": "192.0.2.1",
            "attempts": 0,
            "last_answer": None,
            "doubted": None,
            "faults": 0,
            "set_apart": False,
            "state": "held",
            "settled": None,
            "session": None,
            "on_hold": False,
        },
    ]
    one = json.loads(customer.ok("queue", "A.example", "--json"))["messages"]
    assert [message["id"] for message in one] == ["4NEW"]
    table = customer.ok("queue", "b.example")
    assert "4OLD" in table and "r2@b.example" in table and "450 busy" in table
    assert "4NEW" not in table


def test_queue_of_an_unknown_domain_is_refused(ctl):
    assert "c.example" in ctl.refused(os.EX_NOHOST, "queue", "c.example")


def test_what_a_peer_sent_cannot_break_json_or_a_terminal(customer):
    nasty = 'q"b\\c\x1b[2J\x7f\u00e9\U0001f4e7'
    customer.add_tag("4Q1", "a.example", sender=nasty, last_answer=nasty)
    customer.sql(
        customer.database,
        "UPDATE recipient SET address = CAST(? AS TEXT)",
        b"bad\xff\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80\xe2\x82",
    )
    message = json.loads(customer.ok("queue", "--json"))["messages"][0]
    assert message["sender"] == nasty
    assert message["last_answer"] == nasty
    assert message["recipients"] == ["bad" + "\ufffd" * 12]
    table = customer.ok("queue")
    assert "\\033[2J\\177" in table
    assert all(" " <= c <= "~" or c == "\n" for c in table)


# ---- a database that cannot be used


def test_missing_database_is_named_and_nothing_is_created(bare):
    text = bare.refused(os.EX_TEMPFAIL, "status", "--json")
    assert f"{bare.database}: missing" in text
    assert not bare.dir.exists()


def test_damaged_database_gives_no_half_json(customer):
    customer.database.write_bytes(b"garbage " * 1000)
    text = customer.refused(os.EX_TEMPFAIL, "status", "--json")
    assert str(customer.database) in text


def test_newer_database_is_refused_by_every_command(customer):
    customer.sql(customer.database, "PRAGMA user_version = 99")
    text = customer.refused(os.EX_TEMPFAIL, "account", "list")
    assert "version 99" in text
    text = customer.refused(os.EX_CANTCREAT, "init")
    assert "version 99" in text


def test_lock_is_waited_for(customer):
    """It is released once odmrctl has run into it."""
    db = sqlite3.connect(customer.database, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    child = subprocess.Popen(
        [BUILD / "odmrctl", "-c", customer.conf, "domain", "add", "b.example"],
    )
    deadline = time.monotonic() + 20
    while not has_open(child.pid, customer.database):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    assert child.poll() is None
    db.execute("ROLLBACK")
    db.close()
    assert child.wait(timeout=30) == 0
    assert "b.example" in customer.ok("domain", "list")


def test_reader_does_not_wait_for_a_writer(customer):
    db = sqlite3.connect(customer.database, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    assert "a.example" in customer.ok("domain", "list")
    db.close()


def has_open(pid, path):
    descriptors = pathlib.Path(f"/proc/{pid}/fd")
    try:
        return any(
            os.readlink(entry) == str(path) for entry in descriptors.iterdir()
        )
    except FileNotFoundError:
        return False


def test_output_that_cannot_be_written_is_an_error(customer):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [BUILD / "odmrctl", "-c", customer.conf, "status"],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == os.EX_IOERR
    assert done.stderr.startswith(b"odmrctl: standard output")
