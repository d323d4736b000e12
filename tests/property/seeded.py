#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Does the property test find faults? Each of these, put into a copy of
odmrd, has to be found within SECONDS, by the runs of SEED.

    seeded.py [NAME...]
    seeded.py --match       only: does each still match the code?"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
SECONDS = 120
SEED = 1

# name: (file, what stands there, what the fault makes of it)
FAULTS = {
    # What is said, and heard.
    "no RSET behind a failure": (
        "odmrd/delivery/pipeline.c", "p->dirty || p->in_flight > 1 ? STEP_RSET",
        "p->in_flight > 1 ? STEP_RSET"),
    "no RSET behind messages in flight": (
        "odmrd/delivery/pipeline.c", "p->dirty || p->in_flight > 1 ? STEP_RSET",
        "p->dirty ? STEP_RSET"),
    "no RSET after a refused message": (
        "odmrd/delivery/pipeline_end.c", "\tif (!clean)\n\t\tc->pipeline.dirty = true;\n",
        "\t(void)clean;\n"),
    "the wrong recipient's answer": (
        "odmrd/delivery/pipeline_reply.c", "tx_answer(tx, rcpt, reply->code",
        "tx_answer(tx, tx->rcpt_count - 1 - rcpt, reply->code"),
    "LAST for a message that was cut": (
        "odmrd/delivery/pipeline.c",
        "\t\ttx->discard = true;\n\t\tpipeline_conclude(c, false);\n"
        "\t\t/* A chunk",
        "\t\ttx->whole = true;\n\t\tpipeline_run(c);\n\t\treturn;\n\t\t/*"),
    "a dot for a message that was cut": (
        "odmrd/delivery/pipeline.c", 'p->lost(c, "postfix-gave-up")',
        "pipeline_dot(c, tx, true)"),
    "dots forgotten at the boundary of two pieces": (
        "odmrd/delivery/pipeline_step.c", "\tsize_t at = 0, run;\n\tbool stuff;\n",
        "\tsize_t at = 0, run;\n\tbool stuff;\n\n"
        "\tif (tx->dot.state == DOT_BOL && tx->bytes > (int64_t)tx->body_len)"
        "\n\t\ttx->dot.state = DOT_TEXT;\n"),
    "421 is a success": (
        "odmrd/delivery/customer_reply.c",
        "tx_answer_rest(e->tx, false, 451, reply->text)",
        "tx_answer_rest(e->tx, false, 250, reply->text)"),
    "the FIFO is off by one": (
        "odmrd/delivery/customer_reply.c",
        "first != NULL ? *first : (struct expected) { 0 };\n",
        "first == NULL ? (struct expected) { 0 } : c->owed.count <= 3 ? *first"
        "\n\t    : (struct expected) { first->what, first->tx,\n"
        "\t\t  reply_queue_at(&c->owed, 1)->rcpt };\n"),
    "RCPT refused, but the message decides": (
        "odmrd/delivery/pipeline_reply.c",
        "\telse {\n\t\ttx_answer(tx, rcpt",
        "\telse if (tx->rcpt_count > 1)\n\t\ttx->rcpts[rcpt].accepted = true;"
        "\n\telse {\n\t\ttx_answer(tx, rcpt"),
    "a refused chunk is overlooked": (
        "odmrd/delivery/pipeline_reply.c",
        "\tif (reply_class(reply) == 2)\n\t\treturn;\n\ttx_answer_rest",
        "\tif (reply_class(reply) <= 5)\n\t\treturn;\n\ttx_answer_rest"),
    "replies are not waited for": (
        "odmrd/delivery/pipeline.c",
        "c->pipeline.current->plan == PLAN_LOCKSTEP;",
        "c->pipeline.current->rcpt_count == 0;"),
    "a lost line is a success": (
        "odmrd/delivery/pipeline.c", 'tx, false, 451, "4.4.2 The line',
        'tx, false, 250, "4.4.2 The line'),
    "answers that never come": (
        "odmrd/delivery/pipeline_reply.c",
        "\tif (tx->state == TX_SENT && tx->expected == 0)\n",
        "\tif (tx->state == TX_SENT && tx->expected == 0 &&\n"
        "\t    !tx->mail_refused)\n"),
    # A 5xx about the session is no refusal of the message.
    "503 is a refusal": (
        "odmrd/delivery/refusal.c",
        '{ 503, 503, "", ANYWHERE, REFUSAL_OF_SESSION }',
        '{ 503, 503, "", ANYWHERE, REFUSAL_OF_MESSAGE }'),
    "530 is a refusal": (
        "odmrd/delivery/refusal.c",
        '{ 530, 530, "", ANYWHERE, REFUSAL_OF_SESSION }',
        '{ 530, 530, "", ANYWHERE, REFUSAL_OF_MESSAGE }'),
    "521 is a refusal": (
        "odmrd/delivery/refusal.c",
        '{ 521, 521, "", ANYWHERE, REFUSAL_OF_SESSION }',
        '{ 521, 521, "", ANYWHERE, REFUSAL_OF_MESSAGE }'),
    "5.5.1 is a refusal": (
        "odmrd/delivery/refusal.c",
        '{ 500, 599, "5.5.", ANYWHERE, REFUSAL_FOR_NOW }',
        '{ 500, 599, "5.5.", ANYWHERE, REFUSAL_OF_MESSAGE }'),
    "5.3.2 is a refusal": (
        "odmrd/delivery/refusal.c",
        '{ 500, 599, "5.3.2", ANYWHERE, REFUSAL_FOR_NOW }',
        '{ 500, 599, "5.3.2", ANYWHERE, REFUSAL_OF_MESSAGE }'),
    "the session goes on out of step": (
        "odmrd/delivery/refusal.c", '{ 500, 500, "", ANYWHERE, REFUSAL_OF_SESSION }',
        '{ 500, 500, "", ANYWHERE, REFUSAL_FOR_NOW }'),
    "503 becomes 403": (
        "odmrd/delivery/refusal.c", "? code - 100 : 451", "? code - 100 : code - 100"),
    "every refusal is believed": (
        "odmrd/delivery/outcome.c", "== BELIEVE_SECOND_OPINION &&",
        "== BELIEVE_ALWAYS &&"),
    # What has to be waited for, and how much goes at a time.
    "commands behind the dot": (
        "odmrd/delivery/pipeline.c", "\tcase EXPECT_DOT:\n\tcase EXPECT_NOOP:\n",
        "\tcase EXPECT_NOOP:\n"),
    "commands behind NOOP": (
        "odmrd/delivery/pipeline.c", "\tcase EXPECT_DOT:\n\tcase EXPECT_NOOP:\n",
        "\tcase EXPECT_DOT:\n"),
    "many in flight at once": (
        "odmrd/delivery/pace.c", "FIRST = 4", "FIRST = 400"),
    "bodies for nobody": (
        "odmrd/delivery/pipeline_step.c", "return p->pace.wary && (",
        "return tx->rcpt_count == 0 && ("),
    "many in flight after a broken session": (
        "odmrd/delivery/pace.c", ".cautious = avoids(c, AVOID_CROWD)",
        ".cautious = false"),
    "in flight grows too fast": (
        "odmrd/delivery/pace.c", "pace->most = 1 + ++pace->calm / STEP",
        "pace->most = 8 + ++pace->calm / STEP"),
    # Who ended a session.
    "nobody is blamed for the end": (
        "odmrd/delivery/customer.c", "\tblame(c);\n", ""),
    "who ended a session goes with others": (
        "odmrd/delivery/put_off.c", "return tx->suspicion >= SUSPECT_DOUBTED;",
        "return tx->suspicion > SUSPECT_APART;"),
    "who ended a session goes first": (
        "odmrd/delivery/put_off.c", "return tx->suspicion != SUSPECT_NOT &&\n",
        "return tx->suspicion == SUSPECT_APART &&\n"),
    "nobody is set apart": (
        "odmrd/delivery/put_off.c", "if (tx->suspicion == SUSPECT_APART)",
        "if (tx->suspicion > SUSPECT_APART)"),
    "who is put off stays so": (
        "odmrd/delivery/drain.c",
        "\t\tpipeline_release(c);\n\telse\n\t\tc->drain.over(c, reason);",
        "\t\tc->drain.over(c, reason);\n\telse\n"
        "\t\tc->drain.over(c, reason);"),
    # What is learnt.
    "that BDAT is refused is not heeded": (
        "odmrd/delivery/hello.c", "CAP_CHUNKING && !avoids(c, AVOID_CHUNKING)",
        "CAP_CHUNKING"),
    "a line closed at BDAT teaches nothing": (
        "odmrd/delivery/workaround.c", "\tif (tx->plan == PLAN_CHUNKING)\n",
        "\tif (tx->plan == PLAN_CHUNKING)\n\t\treturn;\n"
        "\telse if (tx->plan == PLAN_CHUNKING)\n"),
    "broken TLS teaches nothing": (
        "odmrd/delivery/workaround.c", "reverse_tls == REVERSE_TLS_MAY)",
        "reverse_tls == 99)"),
    "530 teaches nothing": (
        "odmrd/delivery/hello.c", "bool tls = code == 530 &&",
        "bool tls = code == 539 &&"),
    "EHLO again instead of HELO": (
        "odmrd/delivery/hello.c", '"HELO %s\\r\\n"', '"EHLO %s\\r\\n"'),
    "RSET where none is needed": (
        "odmrd/delivery/pipeline.c", "p->dirty || p->in_flight > 1 ? STEP_RSET",
        "p->in_flight > 0 ? STEP_RSET"),
    # Between Postfix and the customer's server.
    "552 to RCPT is final": (
        "odmrd/delivery/refusal.c", "AT(EXPECT_RCPT), REFUSAL_FOR_NOW",
        "AT(EXPECT_RCPT), REFUSAL_OF_MESSAGE"),
    "SIZE with a number": (
        "odmrd/delivery/lmtp_command.c", '"250-SIZE"', '"250-SIZE 1000"'),
    "SMTPUTF8 as the customer has it": (
        "odmrd/delivery/lmtp_command.c", '\treply(lmtp, "250-SMTPUTF8");',
        '\tif (c->caps & CAP_SMTPUTF8)\n\t\treply(lmtp, "250-SMTPUTF8");'),
    "SMTPUTF8 for a server that has it not": (
        "odmrd/delivery/smtputf8.c", "\tif (c->caps & CAP_SMTPUTF8 ||",
        "\tif (c->caps + 1 > 0 ||"),
}


def copy_tree(to):
    to.mkdir()
    for name in ("Makefile", "VERSION", "lib", "odmrd", "odmrctl",
                 "etrn-trigger", "sql", "tests"):
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, to / name)
        else:
            shutil.copy(source, to / name)


def build(tree):
    subprocess.run(["make", "-s", "-C", str(tree), "BUILD=build",
                    "build/odmrd", "build/odmrctl"], check=True)


def matches(tree, name):
    file, there, _ = FAULTS[name]
    path = tree / file
    count = path.read_text().count(there) if path.exists() else 0
    if count != 1:
        print(f"{name}: {file} has {count} times: {there!r}")
    return count == 1


def try_fault(trees, name):
    """True if it is found."""
    file, there, fault = FAULTS[name]
    tree = trees.get()
    path = tree / file
    sound = path.read_text()
    path.write_text(sound.replace(there, fault))
    try:
        build(tree)
        return run(tree, name)
    finally:
        path.write_text(sound)
        trees.put(tree)


def run(tree, name):
    began = time.monotonic()
    done = subprocess.run(
        [tree / "tests" / "property" / "property.py", "--seconds",
         str(SECONDS), "--seed", str(SEED)],
        env=dict(os.environ, ODMR_BUILD=str(tree / "build")), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - began
    last = (done.stdout.splitlines() or [""])[-1]
    print(f"{name}: {'found' if done.returncode else 'NOT FOUND'} after "
          f"{seconds:.0f} s: {last[:150]}", flush=True)
    return done.returncode == 1


def try_all(names):
    """As many at a time as there are processors, each in a copy."""
    top = Path(tempfile.mkdtemp(prefix="odmr-seeded."))
    workers = os.cpu_count()
    trees = queue.Queue()
    try:
        copy_tree(top / "0")
        build(top / "0")
        for i in range(1, workers):
            subprocess.run(["cp", "-a", top / "0", top / str(i)], check=True)
        for i in range(workers):
            trees.put(top / str(i))
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(lambda name: try_fault(trees, name), names))
    finally:
        shutil.rmtree(top)
    print(f"seeded faults: {sum(found)} of {len(found)} found")
    return all(found)


def main(names):
    if not all([matches(TREE, name) for name in FAULTS]):
        return False
    return names == ["--match"] or try_all(names or FAULTS)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
