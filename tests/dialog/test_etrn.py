# SPDX-License-Identifier: ISC
"""ETRN on port 366 (RFC 1985): who may, what is answered, what is started."""

import json
import socket
import sqlite3

import pytest

from odmr.wait import wait_for
from scripted_line import Line

FOREIGN, ALLOWED = "127.0.0.3", "127.0.0.2"

# Notes its runs. While the file "stop" is there, a flush waits in its middle,
# and while "stop-listing" is there, a listing.
POSTQUEUE = """\
#!/bin/sh
if test "$3" = -j; then
    echo >>{dir}/listed
    while test -e {dir}/stop-listing; do sleep 0.02; done
    cat {dir}/queue && exit $(cat {dir}/status)
else
    echo "$@" >>{dir}/flushed
    while test -e {dir}/stop; do sleep 0.02; done
fi
"""


class Provider:
    def __init__(self, odmrd):
        self.odmrd = odmrd
        odmrd.postqueue(POSTQUEUE)
        for name in ("flushed", "listed", "stop", "stop-listing"):
            (odmrd.dir / name).unlink(missing_ok=True)
        self.queue()
        odmrd.sql("DELETE FROM etrn")
        odmrd.sql("DELETE FROM queue_name")

    def queue(self, *messages, status=0):
        """What postqueue -j shows: each message is a list of recipients."""
        rows = [json.dumps({
            "queue_name": "deferred", "queue_id": f"Q{number}",
            "arrival_time": 1700000000, "message_size": 330,
            "sender": "s@sender.test", "recipients": [
                {"address": address, "delay_reason": "no"}
                for address in addresses]}) + "\n"
            for number, addresses in enumerate(messages)]
        (self.odmrd.dir / "queue").write_text("".join(rows))
        (self.odmrd.dir / "status").write_text(str(status))

    def allow(self, domain, who):
        self.odmrd.sql("INSERT INTO etrn VALUES (?, ?)", domain, who)

    def add_domain(self, name, mode):
        self.odmrd.sql(
            "INSERT OR IGNORE INTO domain (name, mode, socket, created)"
            " VALUES (?, ?, ?, 0)", name, mode, name)

    def client(self, address=ALLOWED, ehlo=True):
        sock = socket.create_connection(
            ("127.0.0.1", self.odmrd.port), 20, source_address=(address, 0))
        line = Line(sock, self.odmrd.transcript)
        self.odmrd.lines.append(line)
        line.expect("220 ...")
        if ehlo:
            line.say("EHLO customer.test")
            line.reply()
        return line

    def listed(self):
        try:
            return len((self.odmrd.dir / "listed").read_text())
        except FileNotFoundError:
            return 0

    def wait_for_flushed(self, *domains):
        self.odmrd.wait_for_flushed(*domains)


@pytest.fixture
def provider(daemon):
    made = Provider(daemon)
    yield made
    for name in ("stop", "stop-listing"):
        (daemon.dir / name).unlink(missing_ok=True)


def ask(line, node, answer):
    line.say(f"ETRN {node}")
    line.expect(answer)


# ---- who may


def offers(line):
    line.say("EHLO again.test")
    return [row[4:] for row in line.reply()].count("ETRN") == 1


def test_ehlo_shows_etrn_to_accounts_and_to_allowed_networks(provider):
    assert not offers(provider.client(ALLOWED))
    provider.allow("backup.test", f"{ALLOWED}/32")
    assert offers(provider.client(ALLOWED))
    assert not offers(provider.client(FOREIGN))
    assert offers(provider.odmrd.known("alice"))
    assert offers(provider.odmrd.known("none"))


def test_network_may_start_the_domains_it_is_allowed_for(provider):
    provider.allow("backup.test", "127.0.0.2/31")
    ask(provider.client("127.0.0.2"), "backup.test", "251 OK, ...")
    ask(provider.client("127.0.0.3"), "backup.test", "251 OK, ...")
    ask(provider.client("127.0.0.4"), "backup.test", "459 ...")
    ask(provider.client("127.0.0.2"), "hold.test", "459 ...")


def test_account_may_start_what_it_may_collect_from_anywhere(provider):
    line = provider.odmrd.known("carol")
    ask(line, "backup.test", "251 OK, ...")
    ask(line, "hold.test", "251 OK, ...")
    ask(line, "example.org", "459 ...")


def test_login_may_start_what_it_is_allowed_for(provider):
    provider.allow("backup.test", "login:alice")
    ask(provider.odmrd.known("alice"), "backup.test", "251 OK, ...")
    ask(provider.odmrd.known("bob"), "backup.test", "459 ...")
    ask(provider.client(), "backup.test", "459 ...")


def test_unknown_and_foreign_domains_and_queues_are_answered_alike(provider):
    line = provider.odmrd.known("alice")
    answer = "459 Node {} not allowed: unknown, or not yours to start"
    for node in ("backup.test", "unknown.test", "@backup.test",
                 "@unknown.test", "#queue", "queue", "[192.0.2.1]"):
        ask(line, node, answer.format(node))
        provider.odmrd.wait_for_log(
            f"refused: ETRN {node} client=127.0.0.1 account=alice")
    assert provider.odmrd.flushed() == []


def test_permission_that_is_taken_back_ends_at_once(provider):
    provider.allow("backup.test", f"{ALLOWED}/32")
    line = provider.client()
    ask(line, "backup.test", "251 OK, ...")
    provider.odmrd.sql("DELETE FROM etrn")
    ask(line, "backup.test", "459 ...")


# ---- what is said


def test_etrn_before_ehlo_is_out_of_sequence(provider):
    provider.allow("backup.test", f"{ALLOWED}/32")
    ask(provider.client(ehlo=False), "backup.test", "503 5.5.1 ...")


def test_bad_nodes_are_syntax_errors(provider):
    line = provider.odmrd.known("alice")
    line.say("ETRN")
    line.expect("500 Syntax error: ETRN needs a node")
    for node in ("@com", "@", "#", "example.org.", "a b.test", "a..b",
                 "[127.0.0]", "#a;b", "#" + "x" * 300):
        ask(line, node, "501 Syntax error in parameters: the node ...")


def test_node_may_be_written_in_any_case(provider):
    line = provider.odmrd.known("carol")
    line.say("eTrN  Backup.TEST  ")
    line.expect("251 OK, no messages waiting for node backup.test")


def test_etrn_in_a_pipeline_is_answered_in_its_place(provider):
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    provider.queue(["r@backup.test"])
    line.send(b"NOOP\r\nETRN backup.test\r\nETRN own.test\r\nQUIT\r\n")
    line.play("""
        P: 250 2.0.0 Ok
        P: 253 OK, 1 pending messages for node backup.test started
        P: 251 OK, no messages waiting for node own.test
        P: 221 ...
        P: <closed>
    """)


def test_etrn_leaves_the_way_to_auth_and_atrn_open(provider):
    provider.allow("backup.test", "127.0.0.1/32")
    provider.odmrd.tag("Q1", "example.org")
    line = provider.client("127.0.0.1")
    ask(line, "backup.test", "251 OK, ...")
    line.say("ATRN example.org")
    line.expect("530 ...")
    line = provider.odmrd.known("alice")
    ask(line, "example.org", "253 OK, 1 pending ...")
    line.say("ATRN example.org")
    line.expect("250 2.0.0 OK now reversing the connection")


# ---- numbers


def test_domain_for_atrn_is_counted_by_tags_and_left_alone(provider):
    line = provider.odmrd.known("alice")
    provider.queue(["r@example.org"] * 7)
    ask(line, "example.org", "251 OK, no messages waiting for node ...")
    for number in range(12):
        provider.odmrd.tag(f"Q{number}", "example.org")
    ask(line, "example.org",
        "253 OK, 12 pending messages for node example.org started")
    assert provider.odmrd.flushed() == []
    assert provider.listed() == 0


@pytest.mark.parametrize("domain", ["backup.test", "branch.test"])
def test_domain_that_postfix_delivers_is_counted_in_its_queue(
        provider, domain):
    line = provider.odmrd.known("carol")
    for number in range(5):
        provider.odmrd.tag(f"Q{number}", domain)
    provider.queue([f"r@{domain}"], ["r@other.test", f"r@{domain}"],
                   [f"a@{domain.upper()}", f"b@{domain}"], ["r@other.test"],
                   [f"r@sub.{domain}"])
    ask(line, domain, f"253 OK, 3 pending messages for node {domain} started")
    provider.wait_for_flushed(domain)


def test_domain_on_hold_is_counted_by_tags_and_dialled(provider):
    line = provider.odmrd.known("carol")
    ask(line, "hold.test", "251 OK, no messages waiting for node hold.test")
    for number in range(3):
        provider.odmrd.tag(f"Q{number}", "hold.test")
    ask(line, "@hold.test",
        "253 OK, 3 pending messages for node @hold.test started")
    provider.odmrd.wait_for_log("unreachable: domain=hold.test ", timeout=60)
    assert provider.listed() == 0


def test_delivered_mail_whose_tags_remain_is_not_pending(provider):
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    provider.queue(["r@other.test"])
    ask(line, "backup.test", "251 OK, no messages waiting ...")


def test_nothing_is_started_where_nothing_waits(provider):
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    provider.odmrd.tag("Q1", "own.test")
    ask(line, "branch.test", "251 OK, ...")
    assert provider.listed() == 0
    ask(line, "backup.test", "251 OK, ...")
    assert provider.listed() == 1
    ask(line, "own.test", "253 OK, ...")
    # Flushes begin in the order in which they were asked for.
    provider.odmrd.tag("Q2", "branch.test")
    provider.queue(["r@branch.test"])
    ask(line, "branch.test", "253 OK, ...")
    provider.wait_for_flushed("branch.test")


def test_queue_that_tells_nothing_leaves_the_number_open(provider):
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    provider.queue(status=69)
    ask(line, "backup.test", "250 OK, queuing for node backup.test started")
    provider.wait_for_flushed("backup.test")
    provider.odmrd.wait_for_log("postqueue -j: exit status 69")


def test_queue_that_is_slow_to_tell_is_not_waited_for(provider):
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    (provider.odmrd.dir / "stop-listing").touch()
    ask(line, "backup.test", "250 OK, queuing for node backup.test started")
    provider.wait_for_flushed("backup.test")
    provider.odmrd.wait_for_log("postqueue -j: cut short")


def test_listing_whose_output_another_process_holds_is_not_waited_for(provider):
    hold = "while test -e {dir}/stop-listing; do sleep 0.02; done &\n"
    provider.odmrd.postqueue(
        POSTQUEUE.replace("#!/bin/sh\n", "#!/bin/sh\n" + hold))
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    (provider.odmrd.dir / "stop-listing").touch()
    ask(line, "backup.test", "250 OK, queuing for node backup.test started")
    (provider.odmrd.dir / "stop-listing").unlink()


# ---- several domains


@pytest.fixture
def family(provider):
    """top.test (odmr), a.top.test and b.top.test (backup), allowed;
    c.top.test and nottop.test are not."""
    for name, mode in (("top.test", "odmr"), ("a.top.test", "backup"),
                       ("b.top.test", "backup"), ("c.top.test", "backup"),
                       ("nottop.test", "backup")):
        provider.add_domain(name, mode)
        if name[0] not in "cn":
            provider.allow(name, f"{ALLOWED}/32")
    return provider


def test_at_starts_the_domain_and_those_below_that_are_allowed(family):
    for name in ("top.test", "a.top.test", "b.top.test", "c.top.test"):
        family.odmrd.tag(f"Q-{name}", name)
    family.queue(["r@a.top.test"], ["r@b.top.test", "r@a.top.test"],
                 ["r@c.top.test"], ["r@top.test"])
    ask(family.client(), "@top.test",
        "253 OK, 3 pending messages for node @top.test started")
    family.wait_for_flushed("a.top.test", "b.top.test")


def test_at_starts_only_those_that_have_mail(family):
    family.odmrd.tag("Q0", "a.top.test")
    family.odmrd.tag("Q0", "b.top.test")
    family.queue(["r@b.top.test"])
    ask(family.client(), "@top.test",
        "253 OK, 1 pending messages for node @top.test started")
    family.wait_for_flushed("b.top.test")


def test_at_names_no_domain_that_is_not_allowed(family):
    ask(family.client(), "@c.top.test", "459 ...")
    ask(family.client(FOREIGN), "@top.test", "459 ...")
    assert family.odmrd.flushed() == []


def test_some_pending_but_the_number_unknown_is_252(family):
    family.odmrd.tag("Q1", "top.test")
    family.odmrd.tag("Q2", "a.top.test")
    family.queue(status=1)
    ask(family.client(), "@top.test",
        "252 OK, pending messages for node @top.test started")


def test_queue_name_starts_those_of_its_domains_that_are_allowed(family):
    for name in ("top.test", "a.top.test", "c.top.test", "backup.test"):
        family.odmrd.sql("INSERT INTO queue_name VALUES ('mine', ?)", name)
        family.odmrd.tag(f"Q-{name}", name)
    family.queue(["r@a.top.test"], ["r@a.top.test", "r@backup.test"],
                 ["r@c.top.test"])
    ask(family.client(), "#Mine",
        "253 OK, 3 pending messages for node #mine started")
    family.wait_for_flushed("a.top.test")
    ask(family.client(), "mine", "253 OK, 3 ...")
    ask(family.client(FOREIGN), "#mine", "459 ...")
    family.allow("backup.test", f"{FOREIGN}/32")
    ask(family.client(FOREIGN), "#mine", "253 OK, 1 ...")


def test_address_is_a_queue_name_with_and_without_brackets(family):
    family.odmrd.sql("INSERT INTO queue_name VALUES ('[192.0.2.1]',"
                     " 'a.top.test')")
    line = family.client()
    for node in ("192.0.2.1", "[192.0.2.1]"):
        ask(line, node, "251 OK, no messages waiting for node [192.0.2.1]")
    ask(line, "192.0.2.2", "459 ...")


# ---- faults


def test_missing_database_is_458(provider):
    database = provider.odmrd.dir / "odmr.db"
    line = provider.odmrd.known("carol")
    database.rename(database.with_suffix(".away"))
    try:
        ask(line, "backup.test",
            "458 Unable to queue messages for node backup.test")
        assert offers(line)
        assert not offers(provider.client())
    finally:
        database.with_suffix(".away").rename(database)
    provider.odmrd.wait_for_log("ETRN: ", "odmr.db: missing")
    ask(line, "backup.test", "251 OK, ...")


def test_nobody_waits_for_another_who_writes_to_the_database(provider):
    provider.allow("backup.test", f"{ALLOWED}/32")
    locked = sqlite3.connect(provider.odmrd.dir / "odmr.db",
                             isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    line = provider.client()
    assert offers(line)
    ask(line, "backup.test", "251 OK, ...")
    locked.close()


def test_postqueue_that_cannot_be_started_is_458(provider):
    (provider.odmrd.dir / "postqueue").unlink()
    line = provider.odmrd.known("carol")
    provider.odmrd.tag("Q0", "backup.test")
    ask(line, "backup.test",
        "458 Unable to queue messages for node backup.test")
    ask(line, "own.test", "251 OK, ...")


def test_client_that_does_not_wait_for_the_answer_is_served(provider):
    provider.odmrd.tag("Q0", "backup.test")
    provider.queue(["r@backup.test"])
    (provider.odmrd.dir / "stop-listing").touch()
    line = provider.odmrd.known("carol")
    line.say("ETRN backup.test")
    wait_for(provider.listed, 10, "the queue is listed")
    line.close()
    provider.odmrd.wait_for_log(": ended account=carol ")
    assert provider.odmrd.flushed() == []
    (provider.odmrd.dir / "stop-listing").unlink()
    provider.wait_for_flushed("backup.test")


def test_repeats_run_one_flush_and_keep_one_waiting(provider):
    (provider.odmrd.dir / "stop").touch()
    for domain in ("backup.test", "branch.test"):
        provider.odmrd.tag("Q0", domain)
    provider.queue(["r@backup.test", "r@branch.test"])
    line = provider.odmrd.known("carol")
    for _ in range(20):
        ask(line, "backup.test", "253 OK, 1 ...")
    ask(line, "branch.test", "253 OK, 1 ...")
    provider.wait_for_flushed("backup.test", "branch.test")
    (provider.odmrd.dir / "stop").unlink()
    # Mail that came after the first began is in the second.
    provider.wait_for_flushed("backup.test", "backup.test", "branch.test")
    ask(line, "backup.test", "253 OK, 1 ...")
    wait_for(lambda: provider.odmrd.flushed().count("backup.test") == 3, 10,
             "the next request is served")


def test_clients_that_ask_together_share_a_listing(provider):
    provider.odmrd.tag("Q0", "backup.test")
    provider.odmrd.tag("Q0", "branch.test")
    provider.queue(["r@backup.test"], ["r@branch.test"], ["r@branch.test"])
    (provider.odmrd.dir / "stop-listing").touch()
    lines = [provider.odmrd.known("carol") for _ in range(6)]
    lines[0].say("ETRN backup.test")
    wait_for(provider.listed, 10, "the queue is listed")
    for line in lines[1:]:
        line.say("ETRN @branch.test")
    provider.client()  # its EHLO goes behind those lines to the workers
    (provider.odmrd.dir / "stop-listing").unlink()
    lines[0].expect("253 OK, 1 pending messages for node backup.test started")
    for line in lines[1:]:
        line.expect("253 OK, 2 pending messages for node @branch.test started")
    assert provider.listed() == 2
