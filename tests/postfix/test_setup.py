# SPDX-License-Identifier: ISC
"""odmrctl setup: our lines are joined with those of a relay that was there
before, or it is said which cannot be."""

import os
import pty
import re
import subprocess

import pytest

from odmr.sandbox import TREE
from relay import Relay

DOMAINS = "lmdb:DIR/lib/domains"
NAMES = "lmdb:DIR/lib/etrn_names"
REGEXP = "regexp:DIR/odmr/etrn_flush"
MILTER = ("{ unix:odmr/milter, default_action=accept, connect_timeout=5s, "
          "command_timeout=10s, content_timeout=10s }")
POLICY = ("check_policy_service { unix:private/etrn-policy, { default_action "
          "= 458 4.3.0 Unable to queue messages } }")
FILTER = ("unionmap:{ regexp:DIR/odmr/etrn_filter, "
          f"pipemap:{{ regexp:DIR/odmr/etrn_utf8, {NAMES} }}}}")
PARENTS = ("debug_peer_list, mynetworks, permit_mx_backup_networks, "
           "qmqpd_authorized_clients, smtpd_access_maps")

# What main.cf of a relay without any of them is to have.
FRESH = {
    "relay_domains": DOMAINS,
    "transport_maps": DOMAINS,
    "fast_flush_domains": f"$relay_domains, {NAMES}, {REGEXP}",
    "parent_domain_matches_subdomains": PARENTS,
    "smtpd_milters": MILTER,
    "non_smtpd_milters": "$smtpd_milters",
    "enable_long_queue_ids": "yes",
    "maximal_queue_lifetime": "7d",
    "bounce_queue_lifetime": "7d",
    "delay_warning_time": "0h",
    "smtpd_etrn_restrictions": f"{POLICY}, reject",
    "etrn-policy_time_limit": "3600s",
    "smtpd_command_filter": FILTER,
    "odmr_destination_concurrency_limit": "200",
    "odmr_initial_destination_concurrency": "200",
    "odmr_destination_concurrency_failed_cohort_limit": "1",
    "odmr_destination_recipient_limit": "100",
}

# Lines of main.cf, and what is to become of which setting.
JOINED = {
    "a list goes on": (
        "relay_domains = hash:/etc/postfix/relay\n",
        {"relay_domains": f"hash:/etc/postfix/relay, {DOMAINS}",
         "fast_flush_domains": f"$relay_domains, {NAMES}, {REGEXP}"}),
    "a list over several lines, with a comment between": (
        "relay_domains = $mydestination,\n    hash:/etc/postfix/relay\n"
        "# the old ones, {\n\n    a.test b.test\nbiff = no\n",
        {"relay_domains": "$mydestination, hash:/etc/postfix/relay a.test "
                          f"b.test, {DOMAINS}", "biff": "no"}),
    "a list that ends in a comma": (
        "relay_domains = a.test, b.test,\n",
        {"relay_domains": f"a.test, b.test, {DOMAINS},"}),
    "an empty one": (
        "relay_domains =\nsmtpd_milters =  \nnon_smtpd_milters =\n",
        {"relay_domains": DOMAINS, "smtpd_milters": MILTER,
         "non_smtpd_milters": "$smtpd_milters"}),
    "a value that begins on the next line": (
        "transport_maps =\n    hash:/etc/postfix/transport\n",
        {"transport_maps": f"{DOMAINS}, hash:/etc/postfix/transport"}),
    "our transports come first": (
        "transport_maps = hash:/etc/postfix/transport, inline:{ a.test=x: }\n",
        {"transport_maps": f"{DOMAINS}, hash:/etc/postfix/transport, "
                           "inline:{ a.test=x: }"}),
    "through a variable": (
        "ours = lmdb:{0}/lib/domains\nrelay_domains = a.test, $ours\n"
        "transport_maps = proxy:lmdb:{0}/lib/domains, hash:/x\n",
        {"relay_domains": "a.test, $ours",
         "transport_maps": "proxy:lmdb:DIR/lib/domains, hash:/x"}),
    "one list is the other": (
        "transport_maps = hash:/x\nrelay_domains = $transport_maps\n",
        {"transport_maps": f"{DOMAINS}, hash:/x",
         "relay_domains": "$transport_maps"}),
    "opendkim stays, for both": (
        "smtpd_milters = inet:127.0.0.1:8891\n"
        "non_smtpd_milters = $smtpd_milters\n",
        {"smtpd_milters": f"inet:127.0.0.1:8891, {MILTER}",
         "non_smtpd_milters": "$smtpd_milters"}),
    "opendkim signs no local mail because of us": (
        "smtpd_milters = inet:127.0.0.1:8891\n",
        {"smtpd_milters": f"inet:127.0.0.1:8891, {MILTER}",
         "non_smtpd_milters": MILTER}),
    "opendkim in braces": (
        "smtpd_milters = { inet:localhost:8891,\n    default_action=reject }\n"
        "non_smtpd_milters = unix:/run/x\n",
        {"smtpd_milters":
            "{ inet:localhost:8891, default_action=reject }, " + MILTER,
         "non_smtpd_milters": f"unix:/run/x, {MILTER}"}),
    "our milter with options of the operator's": (
        "smtpd_milters = unix:{0}/spool/odmr/milter inet:127.0.0.1:8891\n",
        {"smtpd_milters":
            "unix:DIR/spool/odmr/milter inet:127.0.0.1:8891"}),
    "the longer lifetime wins": (
        "maximal_queue_lifetime = 14\nbounce_queue_lifetime = 12h\n",
        {"maximal_queue_lifetime": "14", "bounce_queue_lifetime": "7d"}),
    "no delayed notices": (
        "delay_warning_time = 4h\nenable_long_queue_ids=no\n",
        {"delay_warning_time": "0h", "enable_long_queue_ids": "yes"}),
    "two words less": (
        "parent_domain_matches_subdomains = relay_domains,\n"
        "    fast_flush_domains,\n    mynetworks, relay_domains\n",
        {"parent_domain_matches_subdomains": "mynetworks"}),
    "only one there": (
        "parent_domain_matches_subdomains = relay_domains\n",
        {"parent_domain_matches_subdomains": ""}),
    "flush lists of the operator's": (
        "fast_flush_domains = hash:/etc/postfix/relay\n",
        {"fast_flush_domains": f"hash:/etc/postfix/relay, {DOMAINS}, {NAMES}, "
                               f"{REGEXP}"}),
    "a relay whose domains are in a proxied table": (
        "relay_domains = proxy:hash:/etc/postfix/relay\n",
        {"fast_flush_domains": f"{NAMES}, {DOMAINS}, {REGEXP}"}),
    "ETRN for those whom the operator allows": (
        "smtpd_etrn_restrictions = permit_mynetworks,\n    # these {, permit\n"
        "    check_etrn_access hash:/x, reject\n",
        {"smtpd_etrn_restrictions":
            f"permit_mynetworks, check_etrn_access hash:/x, {POLICY}, "
            "reject"}),
    "ETRN for nobody": (
        "smtpd_etrn_restrictions = reject\n",
        {"smtpd_etrn_restrictions": f"{POLICY}, reject"}),
    "ETRN without an end": (
        "smtpd_etrn_restrictions = permit_mynetworks warn_if_reject reject\n",
        {"smtpd_etrn_restrictions":
            f"permit_mynetworks warn_if_reject reject, {POLICY}, reject"}),
    "ETRN with a class that does not decide for all": (
        "smtpd_restriction_classes = known\n"
        "known = check_client_access hash:/x\n"
        "smtpd_etrn_restrictions = known, reject\n",
        {"smtpd_etrn_restrictions": f"known, {POLICY}, reject"}),
    "ETRN that asks us in a class": (
        "smtpd_restriction_classes = known\n"
        "known = check_policy_service unix:private/etrn-policy, reject\n"
        "smtpd_etrn_restrictions = known\n",
        {"smtpd_etrn_restrictions": "known"}),
    "a command filter": (
        "smtpd_command_filter = pcre:/etc/postfix/filter\n",
        {"smtpd_command_filter": f"{FILTER}, pcre:/etc/postfix/filter"}),
    "an older compatibility_level": (
        "compatibility_level = 1\nmydestination = a.test\n",
        {"relay_domains": f"$mydestination, {DOMAINS}",
         "smtpd_tls_fingerprint_digest": "sha256"}),
    "fingerprints of the operator's": (
        "smtpd_tls_fingerprint_digest = md5\n",
        {"smtpd_tls_fingerprint_digest": "md5"}),
    "a concurrency of the operator's": (
        "odmr_destination_concurrency_limit = 50\n",
        {"odmr_destination_concurrency_limit": "50",
         "odmr_initial_destination_concurrency": "200"}),
    "who may flush": (
        "authorized_flush_users = root, joe\n"
        "authorized_mailq_users = hash:/x\n",
        {"authorized_flush_users": "root, joe, nobody",
         "authorized_mailq_users": "hash:/x"}),
    "no end of the last line": (
        "relay_domains = a.test", {"relay_domains": f"a.test, {DOMAINS}"}),
    "what is right twice is the operator's": (
        "enable_long_queue_ids = no\nenable_long_queue_ids = yes\n",
        {"enable_long_queue_ids": "yes"}),
}

AFTER_FILTER = """\
127.0.0.1:10025 inet n - n - - smtpd
  -o smtpd_milters=
  -o smtpd_etrn_restrictions=reject
"""
OTHER_PORT = """\
2526 inet n - n - - smtpd
  -o smtpd_client_restrictions=reject
  # signed elsewhere
  -o smtpd_milters=inet:127.0.0.1:8891
  -o { smtpd_etrn_restrictions = permit_mynetworks, reject }
"""

# Lines of main.cf and master.cf, the file and the line that is named, and what
# is said.
REFUSED = {
    "set twice": (
        "relay_domains = a.test\nbiff = no\nrelay_domains = b.test\n", "",
        "main.cf", "relay_domains = a.test", "set here and again in line"),
    "a proxied flush list": (
        "fast_flush_domains = proxy:hash:/x\n", "",
        "main.cf", "fast_flush_domains", "without proxy:"),
    "two words less through a variable": (
        "x = relay_domains\nparent_domain_matches_subdomains = mynetworks $x\n",
        "", "main.cf", "parent_domain_matches", "through a $variable"),
    "ETRN is open to all": (
        "smtpd_etrn_restrictions = permit\n", "",
        "main.cf", "smtpd_etrn_restrictions", 'decides by "permit"'),
    "ETRN by a class that decides": (
        "smtpd_restriction_classes = c\nc = permit_mynetworks, reject\n"
        "smtpd_etrn_restrictions = c, reject\n", "",
        "main.cf", "smtpd_etrn_restrictions", "by a class"),
    "ETRN by a variable that decides": (
        "c = permit_mynetworks, reject\n"
        "smtpd_etrn_restrictions = $c, reject\n", "",
        "main.cf", "smtpd_etrn_restrictions", "by a $variable"),
    "the name odmr is taken": (
        "", "odmr unix - n n - - pipe\n  user=nobody argv=/bin/true\n",
        "master.cf", "odmr ", 'it runs "pipe"'),
    "the name etrn-policy is taken": (
        "", "etrn-policy unix - n n - 0 spawn\n  user=nobody argv=/bin/true\n",
        "master.cf", "etrn-policy", 'it runs "spawn"'),
    "a lifetime in master.cf": (
        "", "other unix - - n - - smtp -o maximal_queue_lifetime=1d\n",
        "master.cf", "other", "-o maximal_queue_lifetime=1d goes against"),
    "no smtpd calls a milter": (
        "receive_override_options = no_milters\n", "",
        "master.cf", "smtp ", "calls no milter"),
    "a line that continues nothing": (
        None, "", "main.cf", "  biff", "there is nothing that it continues"),
    "CR LF": (
        "relay_domains = a.test\r\n", "",
        "main.cf", "relay_domains", "has a CR"),
}


@pytest.fixture
def make_relay():
    made = []

    def make(*arguments, **options):
        made.append(Relay(*arguments, **options))
        return made[-1]
    yield make
    for relay in made:
        relay.remove()


def lines(relay, text):
    return text.replace("{0}", str(relay.directory))


def test_a_relay_without_any_of_them_gets_them_all(make_relay):
    relay = make_relay()
    relay.setup("--yes")
    assert {name: relay.value(name) for name in FRESH} == FRESH
    assert relay.value("relay_domains", "-x") == DOMAINS
    assert relay.called() == ["status", "check", "check"]


def test_they_are_the_lines_that_are_shipped(make_relay):
    """The same settings, and the same services with the same options."""
    relay = make_relay()
    relay.setup("--yes")
    shipped = (TREE / "postfix-conf/main.cf").read_text()
    names = set(re.findall(r"^([a-z_-]+) =", shipped, re.MULTILINE))
    assert names - set(FRESH) == {"smtpd_tls_fingerprint_digest"}
    added = relay.master.read_text().split("postfix-conf/master.cf\n")[-1]
    for service in re.findall(
            r"^(?:odmr|etrn-policy) .*\n(?:  .*\n)+",
            (TREE / "postfix-conf/master.cf").read_text(), re.MULTILINE):
        service = service.replace("user=odmr", "user=nobody").replace(
            "/usr/local/sbin", f"{relay.directory}/sbin").replace(
                "/etc/odmr", f"{relay.directory}/odmr")
        assert service in added
    assert relay.setup("--check") == "nothing to do\n"


@pytest.mark.parametrize("name", JOINED)
def test_joined(make_relay, name):
    main, wanted = JOINED[name]
    relay = make_relay()
    with relay.main.open("a") as file:
        file.write(lines(relay, main))
    relay.setup("--yes")
    assert {name: relay.value(name) for name in wanted} == wanted
    before = relay.files()
    assert relay.setup("--yes").startswith("nothing to do\n")
    assert relay.files() == before
    relay.setup("--undo", "--yes")
    assert relay.main.read_text().endswith(lines(relay, main))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(make_relay, name):
    main, master, path, begins, words = REFUSED[name]
    relay = make_relay()
    with relay.main.open("a", newline="") as file:
        file.write(main or "")
    if main is None:
        relay.main.write_text("  biff = no\n")
    with relay.master.open("a") as file:
        file.write(master)
    error = relay.refused("--yes")
    number = relay.line(relay.config / path, begins)
    assert f"{relay.config / path}:{number}: " in error
    assert words in error
    assert relay.called() == []


def test_the_shipped_lines_are_right_as_they_are(make_relay):
    relay = make_relay()
    for name in "main.cf", "master.cf":
        with (relay.config / name).open("a") as file:
            file.write((TREE / "postfix-conf" / name).read_text().replace(
                "/etc/odmr", f"{relay.directory}/odmr").replace(
                    "/var/lib/odmr", f"{relay.directory}/lib").replace(
                        "/usr/local/sbin", f"{relay.directory}/sbin"))
    assert relay.setup("--check") == "nothing to do\n"


def test_what_master_says_instead_of_main_is_joined(make_relay):
    relay = make_relay(master=AFTER_FILTER + OTHER_PORT)
    relay.setup("--yes")
    assert relay.option("127.0.0.1:10025/inet", "smtpd_milters") == ""
    assert relay.option("127.0.0.1:10025/inet",
                        "smtpd_etrn_restrictions") == "reject"
    assert relay.option("2526/inet", "smtpd_milters") == (
        f"inet:127.0.0.1:8891, {MILTER}")
    assert relay.option("2526/inet", "smtpd_etrn_restrictions") == (
        f"permit_mynetworks, {POLICY}, reject")
    assert "  # signed elsewhere\n" in relay.master.read_text()
    before = relay.files()
    relay.setup("--yes")
    assert relay.files() == before


def test_the_service_behind_postscreen_is_joined(make_relay):
    relay = make_relay()
    text = relay.master.read_text()
    relay.master.write_text(re.sub(
        r"^smtp  *inet .*$", "smtp inet n - y - 1 postscreen\n"
        "smtpd pass - - y - - smtpd\n"
        "  -o smtpd_milters=$mua_milters,inet:127.0.0.1:1", text, count=1,
        flags=re.MULTILINE))
    relay.setup("--yes")
    assert relay.option("smtpd/pass", "smtpd_milters") == (
        f"$mua_milters,inet:127.0.0.1:1, {MILTER}")


def test_submission_has_its_service_when_it_is_on(make_relay):
    relay = make_relay(odmr_conf="submission = yes\n")
    relay.setup("--yes")
    assert relay.option("127.0.0.1:10587/inet",
                        "smtpd_authorized_xclient_hosts") == "127.0.0.1"
    assert relay.setup("--check") == "nothing to do\n"


def test_a_milter_elsewhere_is_called_there(make_relay):
    relay = make_relay()
    text = relay.conf.read_text()
    relay.conf.write_text(re.sub(r"(milter_socket = ).*", r"\1inet:8899@::1",
                                 text))
    with relay.main.open("a") as file:
        file.write("non_smtpd_milters = inet:[::1]:8899\n")
    relay.setup("--yes")
    assert relay.value("smtpd_milters").startswith("{ inet:[::1]:8899, ")
    assert relay.value("non_smtpd_milters") == "inet:[::1]:8899"


def test_check_and_diff_change_nothing(make_relay):
    relay = make_relay("relay_domains = a.test\n")
    before = relay.files()
    done = relay.odmrctl("setup", "--check")
    assert (done.returncode, done.stdout) == (1, "")
    done = relay.odmrctl("setup", "--diff")
    assert done.returncode == 0
    assert "-relay_domains = a.test\n+relay_domains = a.test, lmdb:" in (
        done.stdout)
    assert f"--- {relay.main}\n+++ {relay.main}\n" in done.stdout
    assert "\n+odmr      unix " in done.stdout
    assert "note: a domain in relay_domains no longer stands" in done.stdout
    assert relay.files() == before
    assert relay.called() == []


def test_the_diff_is_what_is_done(make_relay):
    relay = make_relay("relay_domains = a.test\n")
    before = {path: path.read_text() for path in (relay.main, relay.master)}
    diff = relay.setup("--diff")
    relay.setup("--yes")
    for path, text in before.items():
        path.with_suffix(".old").write_text(text)
        done = subprocess.run(
            ["diff", "-u", "-L", path, "-L", path, path.with_suffix(".old"),
             path], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.stdout and done.stdout in diff


def on_terminal(relay, answer):
    """Returns what it says to somebody who answers so."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(relay.programs()[0], [*relay.programs(), "setup"])
    said = b""
    while b"[y/N]" not in said:
        said += os.read(master, 65536)
    os.write(master, answer)
    try:
        while chunk := os.read(master, 65536):
            said += chunk
    except OSError:
        pass
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_it_asks(make_relay):
    relay = make_relay()
    before = relay.files()
    assert "needs --yes" in relay.refused()
    code, said = on_terminal(relay, b"n\n")
    assert code == 65 and "nothing was changed" in said
    assert relay.files() == before
    code, said = on_terminal(relay, b"y\n")
    assert code == 0 and "+odmr      unix" in said and " errors, " in said
    assert relay.setup("--check") == "nothing to do\n"


def test_it_ends_with_doctor_and_reloads_what_runs(make_relay):
    relay = make_relay()
    (relay.directory / "running").touch()
    said = relay.setup("--yes")
    assert "done, Postfix has reloaded\n" in said
    assert "milter-down" in said and re.search(r"^\d+ errors, ", said, re.M)
    assert relay.called() == ["status", "check", "check", "reload"]


@pytest.mark.parametrize("command", ["check", "reload"])
def test_what_postfix_refuses_is_taken_back(make_relay, command):
    relay = make_relay("relay_domains = a.test\n")
    (relay.directory / "running").touch()
    before = relay.files()
    script = (relay.directory / "sbin/postfix").read_text()
    relay.program("postfix", script.replace("echo", f"""\
if [ "$3" = {command} ] && grep -q odmr_ {relay.main}; then
echo "postfix: fatal: no {command}" >&2; exit 1; fi
echo""", 1))
    error = relay.odmrctl("setup", "--yes")
    assert error.returncode == 69
    assert f"no {command}: all is as it was" in error.stderr
    assert relay.files() == before


def test_a_postfix_that_is_broken_before_is_left_alone(make_relay):
    relay = make_relay()
    (relay.directory / "fail-check").touch()
    assert "fails as it is" in relay.refused("--yes")


def test_a_table_that_cannot_be_read_stops_it(make_relay):
    relay = make_relay()
    (relay.directory / "lib/domains.lmdb").unlink()
    assert "lib/domains: cannot be read" in relay.refused("--yes")
    assert relay.called() == []


def test_a_program_that_is_not_there_stops_it(make_relay):
    relay = make_relay()
    (relay.directory / "sbin/etrn-trigger").unlink()
    assert "doctor would say: etrn-program: " in relay.refused("--yes")


def test_what_only_our_own_domains_lack_stops_nothing(make_relay):
    relay = make_relay("smtpd_recipient_restrictions = permit_mynetworks, "
                       "reject_unverified_recipient\n"
                       "relay_recipient_maps = inline:{ x@a.test=x }\n")
    relay.odmrctl("domain", "add", "ours.test", check=True)
    assert "done; Postfix is not running\n" in relay.setup("--yes")


def access_of(path):
    return subprocess.run(["getfacl", "-c", "-p", path], check=True, text=True,
                          timeout=60, stdout=subprocess.PIPE).stdout


def test_owner_mode_and_the_link_stay(make_relay):
    relay = make_relay()
    elsewhere = relay.directory / "elsewhere.cf"
    relay.main.rename(elsewhere)
    relay.main.symlink_to("../elsewhere.cf")
    os.chown(elsewhere, 0, 12)
    elsewhere.chmod(0o640)
    relay.master.chmod(0o600)
    subprocess.run(["setfacl", "-m", "u:nobody:r", elsewhere], check=True,
                   timeout=60)
    before, access = elsewhere.read_text(), access_of(elsewhere)
    relay.setup("--yes")
    assert access_of(elsewhere) == access and "user:nobody:r--" in access
    assert os.readlink(relay.main) == "../elsewhere.cf"
    assert "odmr_" in elsewhere.read_text()
    assert elsewhere.stat().st_gid == 12
    assert relay.master.stat().st_mode & 0o777 == 0o600
    relay.setup("--undo", "--yes")
    assert os.readlink(relay.main) == "../elsewhere.cf"
    assert elsewhere.read_text() == before
    assert [path.name for path in relay.directory.glob("elsewhere*")] == [
        "elsewhere.cf"]


def test_a_file_with_two_names_is_refused(make_relay):
    relay = make_relay()
    os.link(relay.main, relay.directory / "second")
    assert "has several names" in relay.refused("--yes")


@pytest.mark.parametrize("name", ["main.cf", "master.cf"])
def test_a_file_that_is_missing_is_refused(make_relay, name):
    relay = make_relay()
    (relay.config / name).unlink()
    assert f"{name}: No such file" in relay.refused("--yes")


def test_a_directory_that_cannot_be_written_is_refused(make_relay):
    relay = make_relay()
    before = relay.files()
    done = relay.odmrctl("setup", "--yes", before=[
        "unshare", "-m", "sh", "-c",
        f'mount --bind {relay.config} {relay.config} && '
        f'mount -o remount,ro,bind {relay.config} && exec "$@"', "sh"])
    assert done.returncode == 73
    assert "Read-only file system" in done.stderr
    assert relay.files() == before


@pytest.mark.parametrize("pages", [8, 11, 13])
def test_a_full_disk_changes_nothing(make_relay, pages):
    """Of 4 KiB each: main.cf has one or two, master.cf two or three."""
    relay = make_relay()
    saved = relay.directory / "saved"
    done = relay.odmrctl("setup", "--yes", before=[
        "unshare", "-m", "sh", "-c",
        f"cp -a {relay.config} {saved} && "
        f"mount -t tmpfs -o size={pages * 4}k tmpfs {relay.config} && "
        f"cp -a {saved}/. {relay.config} || exit 1\n"
        f'"$@"; code=$?; diff -r {relay.config} {saved} >&2 && exit $code',
        "sh"])
    assert done.returncode == 73, done.stderr
    assert "No space left on device" in done.stderr


def test_a_file_that_cannot_be_replaced_leaves_the_other(make_relay):
    relay = make_relay()
    before = relay.files()
    done = relay.odmrctl("setup", "--yes", before=[
        "unshare", "-m", "sh", "-c",
        f'mount --bind {relay.main} {relay.main} && exec "$@"', "sh"])
    assert done.returncode == 73
    assert "main.cf: cannot be replaced: " in done.stderr
    assert relay.files() == before


def test_a_second_one_waits_for_nothing(make_relay):
    relay = make_relay()
    pid, master = pty.fork()
    if pid == 0:
        os.execv(relay.programs()[0], [*relay.programs(), "setup"])
    said = b""
    while b"[y/N]" not in said:
        said += os.read(master, 65536)
    assert "another odmrctl setup is at work" in relay.refused("--yes")
    os.write(master, b"n\n")
    os.waitpid(pid, 0)
    os.close(master)
    relay.setup("--yes")


def test_another_postfix_than_odmr_conf_names_is_only_looked_at(make_relay):
    relay = make_relay()
    other = make_relay("relay_domains = a.test\n")
    said = relay.setup("--diff", "-c", str(other.config))
    assert f"+++ {other.main}" in said
    assert "postfix_config_directory is" in relay.refused(
        "--yes", "-c", str(other.config))
    relay.setup("--yes", "-c", f"{relay.config}/")


def test_only_root_may(make_relay):
    relay = make_relay()
    done = relay.odmrctl("setup", "--yes", user="nobody")
    assert done.returncode == 77
