# SPDX-License-Identifier: ISC
"""Mail through the turned line: envelopes, bodies, answers, tags."""

import random
import threading

import pytest

from odmr.wait import wait_for
from scripted_customer import PLANS, Customer

# Small, so that a body of a few KiB meets its bounds.
SETTINGS = {"message_buffer": "4k"}
BODY = b"Subject: x\r\n\r\nhello\r\n"
MIB = 1 << 20

# A sanitizer's own memory is not what is measured here.
FRUGAL = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb"
          "=0:malloc_context_size=0"}

plans = pytest.mark.parametrize("plan", PLANS)


@plans
def test_message_is_delivered_and_its_tag_settled(daemon, collect, plan):
    daemon.tag("Q1", "example.org", recipients=2)
    daemon.tag("Q2", "example.org")
    customer = collect(plan)
    postfix = daemon.postfix()
    answers = postfix.deliver("Q1", ["a@example.org", "b@example.org"], BODY)
    assert answers == ["250 2.0.0 taken"] * 2
    daemon.wait_for_tag("Q1", ("delivered", 0, 2, 1, "250 2.0.0 taken"),
                        "state, rcpts_open, delivered, attempts, last_answer")
    assert daemon.tag_state("Q2", "state, attempts") == ("held", 0)
    postfix.deliver("Q2", ["r0@example.org"])
    postfix.expect_close()
    customer.join()
    assert customer.quit
    [first, _] = customer.accepted
    assert first.mail == "FROM:<s@sender.test>"
    assert first.recipients == ["TO:<a@example.org>", "TO:<b@example.org>"]
    assert first.body == BODY
    size = len(BODY) + len(b"Subject: x\r\n\r\nhello\r\n")
    daemon.ended("drained", delivered=2, kept=0, refused=0, bytes=size,
                 plan=plan, domains="example.org", client="127.0.0.1",
                 tls="no", mech="CRAM-MD5")
    assert daemon.sql("SELECT domain, collected, collected_bytes "
                      "FROM domain_count") == [("example.org", 2, size)]
    assert daemon.sockets() == []


@plans
def test_session_over_tls(daemon, plan):
    daemon.tag("Q1", "example.org")
    customer = Customer(daemon.turned(tls=True), plan)
    body = random.Random(1).randbytes(100_000) + b"\r\n"
    assert daemon.postfix().deliver("Q1", ["a@example.org"], body) == \
        ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [body]
    daemon.ended("drained", tls="TLSv1.3")


@plans
def test_null_sender_and_parameters_pass_through(daemon, collect, plan):
    daemon.tag("Q1", "example.org")
    offers = {"chunking": ["PIPELINING", "CHUNKING"],
              "pipelining": ["PIPELINING"], "lockstep": []}[plan]
    customer = collect(plan, offers=offers + ["SIZE 1000000", "8BITMIME",
                                              "DSN", "SMTPUTF8"])
    postfix = daemon.postfix()
    postfix.deliver("Q1", ["a@example.org"], sender="", parameters=" SIZE=123 "
                    "BODY=8BITMIME RET=HDRS ENVID=x+2By SMTPUTF8",
                    rcpt_parameters=" NOTIFY=SUCCESS,FAILURE "
                    "ORCPT=rfc822;o@x.test")
    customer.join()
    [message] = customer.accepted
    assert message.mail == ("FROM:<> SIZE=123 BODY=8BITMIME RET=HDRS "
                            "ENVID=x+2By SMTPUTF8")
    assert message.recipients == ["TO:<a@example.org> NOTIFY=SUCCESS,FAILURE "
                                  "ORCPT=rfc822;o@x.test"]


@pytest.mark.parametrize("offers, mirrored", [
    ([], []),
    (["SIZE"], ["SIZE"]),
    (["SIZE 1234567", "8BITMIME"], ["SIZE", "8BITMIME", "SMTPUTF8"]),
    (["size 5", "8bitmime", "Dsn", "SmtpUtf8"],
     ["SIZE", "8BITMIME", "SMTPUTF8", "DSN"]),
    (["XSIZE", "8BITMIMES", "DSNX", "AUTH PLAIN", "STARTTLS", "VRFY"], []),
])
def test_lhlo_mirrors_what_the_customer_can_do(
        daemon, collect, offers, mirrored):
    """But how large SIZE is, and SMTPUTF8: Postfix would return such mail at
    once."""
    daemon.tag("Q1", "example.org")
    collect("lockstep", offers=offers)
    assert daemon.postfix().extensions == [
        "PIPELINING", *mirrored, "ENHANCEDSTATUSCODES",
        "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"]


def test_lmtp_waits_until_the_customer_is_ready(daemon):
    daemon.tag("Q1", "example.org")
    line = daemon.turned()
    postfix = daemon.postfix(hello=False)
    line.say("220 customer.test")
    line.expect("EHLO relay.test")
    assert not postfix.line.pending()
    line.say("250 customer.test")
    postfix.hello()


# ---- bodies ----------------------------------------------------------------

TRICKY = {
    "empty": b"",
    "one line": b"x\r\n",
    "dots": b".\r\n..\r\n...\r\n.x\r\nx.\r\n.\r\n\r\n.\r\n",
    "dot at the end of a line": b"x.\r\n\r\n.\r\n",
    "bare cr": b"a\rb\r.\r\r\n.\r\n",
    "bare lf": b"a\n.\nb\n.\r\n.\r\n",
    "cr dot": b"\r.\r\n\r\r\n.\r\n",
    "nul": b"\0\0.\0\r\n.\0\r\n",
    "8 bit": bytes(range(128, 256)) * 10 + b"\r\n",
    "long line": b"y" * MIB + b"\r\n",
    "long line of dots": b"." * MIB + b"\r\n",
    "blank lines": b"\r\n" * 5000,
    "dot lines": b".\r\n" * 5000,
}


@plans
@pytest.mark.parametrize("name", TRICKY)
def test_body_arrives_as_it_was(daemon, collect, plan, name):
    daemon.tag("Q1", "example.org")
    customer = collect(plan)
    assert daemon.postfix().deliver("Q1", ["a@example.org"], TRICKY[name]) == \
        ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == [TRICKY[name]]


@plans
@pytest.mark.parametrize("size", [4094, 4095, 4096, 4097, 8191, 8192, 8193,
                                  65535, 65536, 65537])
@pytest.mark.parametrize("row", [b".\r\n", b"..\r\n", b"x.\r\n", b"\r\n.x"])
def test_dots_at_the_bounds_of_buffers(daemon, collect, plan, size, row):
    daemon.tag("Q1", "example.org")
    customer = collect(plan)
    body = b"x" * (size - len(row)) + b"\r\n" + row * 3 + b"\r\n"
    daemon.postfix().deliver("Q1", ["a@example.org"], body)
    customer.join()
    assert customer.bodies() == [body]


@plans
def test_bodies_of_random_lines_in_random_pieces(daemon, collect, plan):
    seed = random.randrange(1 << 32)
    daemon.transcript.append(f"seed {seed}")
    rng = random.Random(seed)
    rows = [b"", b".", b"..", b".x", b"x.", b"\r", b"\n", b"x" * 2000, b"\0"]
    bodies = [b"".join(rng.choice(rows) + b"\r\n"
                       for _ in range(rng.randrange(40))) for _ in range(30)]
    for i in range(len(bodies)):
        daemon.tag(f"Q{i}", "example.org")
    customer = collect(plan)
    postfix = daemon.postfix()
    for i, body in enumerate(bodies):
        postfix.envelope(f"Q{i}", ["a@example.org"])
        wire = stuff(body)
        while wire:
            size = rng.choice([1, 2, 3, 5, 4096, 100_000])
            postfix.line.send(wire[:size])
            wire = wire[size:]
        assert postfix.answers(1) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.bodies() == bodies


def stuff(body):
    rows = body.split(b"\r\n")[:-1]
    return b"".join((b"." if row.startswith(b".") else b"") + row + b"\r\n"
                    for row in rows) + b".\r\n"


@plans
def test_large_message_needs_little_memory(make_daemon, plan):
    daemon = make_daemon(environment=FRUGAL)
    for i in range(2):
        daemon.tag(f"Q{i}", "example.org")
    customer = Customer(daemon.turned(), plan)
    postfix = daemon.postfix()
    postfix.deliver("Q0", ["a@example.org"], b"x" * MIB + b"\r\n")
    before = daemon.peak_memory()
    row = random.Random(2).randbytes(50).hex().encode() + b"\r\n"
    body = row * (20 * MIB // len(row))
    assert postfix.deliver("Q1", ["a@example.org"], body) == \
        ["250 2.0.0 taken"]
    grown = daemon.peak_memory() - before
    customer.join()
    assert customer.bodies()[1] == body
    assert grown < 4 * MIB, f"{grown} bytes more"


def test_slow_customer_bounds_memory_too(make_daemon):
    daemon = make_daemon(environment=FRUGAL)
    daemon.tag("Q1", "example.org")
    taken = threading.Event()

    def wait(_argument):
        assert taken.wait(20)
        return None
    customer = Customer(daemon.turned(), "chunking", RCPT=wait)
    postfix = daemon.postfix()
    before = daemon.peak_memory()
    body = b"x" * 998 + b"\r\n"
    postfix.envelope("Q1", ["a@example.org"])
    postfix.line.sock.setblocking(False)
    sent = 0
    try:  # as much as odmrd and the kernel take
        while sent < 64 * MIB:
            sent += postfix.line.sock.send(body * 1000)
    except BlockingIOError:
        pass
    assert daemon.peak_memory() - before < 4 * MIB
    postfix.line.sock.settimeout(20)
    taken.set()
    postfix.line.sock.sendall(b"\r\n.\r\n")
    assert postfix.answers(1) == ["250 2.0.0 taken"]
    customer.join()
    [got] = customer.bodies()
    assert len(got) == sent + 2


# ---- many ------------------------------------------------------------------


@plans
def test_twenty_connections_at_once_each_get_their_own_answers(
        daemon, collect, plan):
    seed = random.randrange(1 << 32)
    daemon.transcript.append(f"seed {seed}")
    count, each = 20, 10
    jobs = {}
    rng = random.Random(seed)
    for i in range(count * each):
        queue_id = f"Q{i:03}"
        names = [f"{rng.choice(['ok', 'later', 'never'])}.{queue_id}.{n}"
                 f"@example.org" for n in range(rng.randrange(1, 6))]
        final = rng.choice(["250 2.0.0 as", "250 2.0.0 as", "452 4.2.2 full",
                            "554 5.6.0 bad"])
        mail = rng.choice(["250 2.1.0 ok"] * 6 + ["451 4.7.1 grey",
                                                  "550 5.7.1 spam"])
        size = rng.choice([0, 10, 100, 5000, 50_000])
        jobs[queue_id] = (names, mail, f"{final} {queue_id}", size)
        daemon.tag(queue_id, "example.org", len(names))

    def on_mail(argument):
        return jobs[argument[6:10]][1]

    def on_rcpt(argument):
        name = argument[4:argument.index("@")]
        return {"o": None, "l": f"450 4.2.1 {name}",
                "n": f"550 5.1.1 {name}"}[name[0]]

    def on_end(body):
        return jobs[body[:4].decode()][2]
    customer = collect(plan, MAIL=on_mail, RCPT=on_rcpt, END=on_end)

    def wanted(queue_id):
        names, mail, final, _ = jobs[queue_id]
        if mail[0] != "2":
            return [mail] * len(names)
        return [on_rcpt(f"TO:<{name}>") or final for name in names]

    wrong = []

    def deliver(queue_ids):
        postfix = daemon.postfix()
        for queue_id in queue_ids:
            names, _, _, size = jobs[queue_id]
            body = queue_id.encode() + b"\r\n" + b".z" * (size // 2) + b"\r\n"
            answers = postfix.deliver(queue_id, names, body,
                                      sender=f"{queue_id}@sender.test")
            if answers != wanted(queue_id):
                wrong.append((queue_id, answers, wanted(queue_id)))
    queue_ids = list(jobs)
    threads = [threading.Thread(target=deliver, args=(queue_ids[i::count],))
               for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert not wrong
    customer.join()
    daemon.ended("drained")
    for queue_id, (names, *_) in jobs.items():
        answers = wanted(queue_id)
        kept = sum(answer[0] == "4" for answer in answers)
        taken = sum(answer[0] == "2" for answer in answers)
        state = "held" if kept else "delivered" if taken else "refused"
        assert daemon.tag_state(queue_id, "state, rcpts_open, delivered") == \
            (state, kept, taken), (queue_id, answers)


@plans
def test_message_of_many_recipients(daemon, collect, plan):
    names = [f"r{i}@example.org" for i in range(1000)]
    daemon.tag("Q1", "example.org", recipients=1000)
    customer = collect(plan, RCPT=lambda a: "550 5.1.1 no" if "3@" in a
                       else None)
    answers = daemon.postfix().deliver("Q1", names)
    assert answers == ["550 5.1.1 no" if "3@" in name else "250 2.0.0 taken"
                       for name in names]
    customer.join()
    daemon.wait_for_tag("Q1", ("delivered", 0, 900),
                        "state, rcpts_open, delivered")


@plans
def test_recipients_in_several_transactions_settle_the_tag_at_the_last(
        daemon, collect, plan):
    daemon.tag("Q1", "example.org", recipients=3)
    customer = collect(plan)
    postfix = daemon.postfix()
    postfix.deliver("Q1", ["a@example.org"])
    daemon.wait_for_tag("Q1", ("held", 2), "state, rcpts_open")
    daemon.postfix().deliver("Q1", ["b@example.org"])
    daemon.wait_for_tag("Q1", ("held", 1), "state, rcpts_open")
    postfix.deliver("Q1", ["c@example.org"])
    daemon.wait_for_tag("Q1", ("delivered", 0, 3, 1),
                        "state, rcpts_open, delivered, attempts")
    customer.join()
    daemon.ended("drained", delivered=3)


def test_message_of_two_domains_settles_the_tag_of_each(daemon, collect):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q1", "example.net")
    customer = collect(domains="example.org,example.net")
    daemon.postfix("example.org").deliver("Q1", ["a@example.org"])
    wait_for(lambda: ("example.org", "delivered") in daemon.sql(
        "SELECT domain, state FROM tag"), 5, "the first tag")
    assert ("example.net", "held") in daemon.sql(
        "SELECT domain, state FROM tag")
    daemon.postfix("example.net").deliver("Q1", ["a@example.net"])
    customer.join()
    assert [message.recipients for message in customer.accepted] == \
        [["TO:<a@example.org>"], ["TO:<a@example.net>"]]


def test_message_without_ident_is_delivered_and_settles_nothing(
        daemon, collect):
    daemon.tag("Q1", "example.org")
    collect()
    postfix = daemon.postfix()
    assert postfix.deliver(None, ["a@example.org"]) == ["250 2.0.0 taken"]
    # The queue id of the message before does not linger either.
    assert postfix.deliver("Q1", ["a@example.org"])[0][:3] == "250"
    daemon.wait_for_tag("Q1", "delivered")
    assert daemon.sql("SELECT count(*) FROM tag") == [(1,)]


def test_untagged_message_is_delivered_and_recorded(daemon, collect):
    daemon.tag("Q1", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    assert postfix.deliver("Q9", ["a@example.org"]) == ["250 2.0.0 taken"]
    wait_for(lambda: ("Q9", "delivered") in daemon.sql(
        "SELECT queue_id, state FROM tag"), 5, "a tag of Q9")
    postfix.deliver("Q1", ["r0@example.org"])
    customer.join()
    daemon.ended("drained", delivered=2)


def test_connection_from_postfix_may_be_reused_reset_and_quit(daemon, collect):
    daemon.tag("Q1", "example.org")
    daemon.tag("Q2", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    postfix.deliver("Q1", ["a@example.org"])
    postfix.line.play("""
        L: MAIL FROM:<s@sender.test>
        P: 250 2.1.0 Ok
        L: RCPT TO:<a@example.org>
        P: 250 2.1.5 Ok
        L: RSET
        P: 250 2.0.0 Ok
        L: RCPT TO:<a@example.org>
        P: 503 5.5.1 Bad sequence of commands
        L: DATA
        P: 503 5.5.1 Bad sequence of commands
        L: MAIL FROM:<s@sender.test>
        P: 250 2.1.0 Ok
        L: DATA
        P: 503 5.5.1 No recipients
        L: RCPT a@example.org
        P: 501 ...
        L: RSET
        P: 250 2.0.0 Ok
        L: MAIL s@sender.test
        P: 501 ...
        L: VRFY x
        P: 502 ...
        L: NOOP
        P: 250 2.0.0 Ok
    """)
    postfix.quit()
    daemon.postfix().deliver("Q2", ["r0@example.org"])
    customer.join()
    assert len(customer.accepted) == 2


@pytest.mark.parametrize("data", [b"x" * 5000, b"NO\0OP\r\n", b"NOOP\n"])
def test_what_is_no_lmtp_is_refused_and_the_session_goes_on(
        daemon, collect, data):
    daemon.tag("Q1", "example.org")
    customer = collect()
    postfix = daemon.postfix()
    postfix.line.send(data)
    postfix.line.expect("500 ...")
    postfix.expect_close()
    daemon.wait_for_log("refused: no LMTP on the socket of example.org")
    assert daemon.postfix().deliver("Q1", ["a@example.org"]) == \
        ["250 2.0.0 taken"]
    customer.join()


def test_messages_pipelined_by_lmtp_clients_beyond_the_354(daemon, collect):
    """Postfix does not, but nothing forbids it."""
    for i in range(30):
        daemon.tag(f"Q{i}", "example.org")
    customer = collect(MAIL=["550 5.7.1 no", None] * 15)
    postfix = daemon.postfix()
    body = b"x" * 9000 + b"\r\n"
    postfix.line.send(b"".join(
        b"XFORWARD IDENT=Q%d\r\nMAIL FROM:<s@x.test>\r\nRCPT TO:<a@b.test>\r\n"
        b"DATA\r\n%s.\r\n" % (i, body) for i in range(30)))
    for i in range(30):
        postfix.line.play(f"""
            P: 250 2.0.0 Ok
            P: 250 2.1.0 Ok
            P: 250 2.1.5 Ok
            P: 354 ...
            P: {"250 2.0.0 taken" if i % 2 else "550 5.7.1 no"}
        """)
    customer.join()
    assert customer.bodies() == [body] * 15
