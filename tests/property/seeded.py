#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Does the property test find faults? Each of these, put into a copy of
odmrd, has to be found within SECONDS.

    seeded.py [NAME...]"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
SECONDS = 60

# name: (file, what stands there, what the fault makes of it)
FAULTS = {
    "no RSET from an unknown state": (
        "odmrd/pipeline.c",
        "p->dirty || unknown ? STEP_RSET", "false && unknown ? STEP_RSET"),
    "no RSET behind messages in flight": (
        "odmrd/pipeline.c",
        "p->dirty || unknown ? STEP_RSET",
        "(unknown && 0) || p->dirty ? STEP_RSET"),
    "no RSET after a refused message": (
        "odmrd/pipeline.c", "\t\tc->pipeline.dirty = true;\n}", "\t\t(void)0;\n}"),
    "the wrong recipient's answer": (
        "odmrd/pipeline.c", "tx_answer(tx, e->rcpt, reply->code",
        "tx_answer(tx, tx->rcpt_count - 1 - e->rcpt, reply->code"),
    "LAST for a message that was cut": (
        "odmrd/pipeline.c",
        "\t\ttx->discard = true;\n\t\tconclude(c, false);\n\t\t/* A chunk",
        "\t\ttx->whole = true;\n\t\tpipeline_run(c);\n\t\treturn;\n\t\t/*"),
    "a dot for a message that was cut": (
        "odmrd/pipeline.c", 'customer_lost(c, "postfix-gave-up")',
        "send_dot(c, tx, true)"),
    "dots forgotten at the boundary of two pieces": (
        "odmrd/pipeline.c", "\tsize_t at = 0, run;\n\tbool stuff;\n",
        "\tsize_t at = 0, run;\n\tbool stuff;\n\n"
        "\tif (tx->dot.state == DOT_BOL && tx->bytes > (int64_t)tx->body_len)"
        "\n\t\ttx->dot.state = DOT_TEXT;\n"),
    "421 is a success": (
        "odmrd/customer.c",
        "tx_answer_rest(e.tx, false, 451, reply.text)",
        "tx_answer_rest(e.tx, false, 250, reply.text)"),
    "the FIFO is off by one": (
        "odmrd/customer.c",
        "\te = c->fifo[c->fifo_head];\n",
        "\te = c->fifo[c->fifo_head];\n"
        "\tif (c->fifo_count > 3)\n"
        "\t\te.rcpt = c->fifo[(c->fifo_head + 1) & (c->fifo_size - 1)].rcpt;\n"),
    "RCPT refused, but the message decides": (
        "odmrd/pipeline.c",
        "tx->rcpts[e->rcpt].accepted = !tx->mail_refused;\n\t\telse\n",
        "tx->rcpts[e->rcpt].accepted = !tx->mail_refused;\n"
        "\t\telse if (tx->rcpt_count > 1)\n"
        "\t\t\ttx->rcpts[e->rcpt].accepted = true;\n\t\telse\n"),
    "a refused chunk is overlooked": (
        "odmrd/pipeline.c",
        "\tif (reply_class(reply) == 2)\n\t\treturn;\n",
        "\tif (reply_class(reply) <= 5)\n\t\treturn;\n"),
    "replies are not waited for": (
        "odmrd/pipeline.c",
        "return p->plan != PLAN_LOCKSTEP ||", "return p->plan != 9 ||"),
    "a lost line is a success": (
        "odmrd/customer.c",
        "pipeline_fail(c, 451,", "pipeline_fail(c, 250,"),
    "answers that never come": (
        "odmrd/pipeline.c",
        "\tif (tx->state == TX_SENT && tx->expected == 0)\n"
        "\t\tfinish(c, tx);\n}\n\nvoid",
        "\tif (tx->state == TX_SENT && tx->expected == 0 &&\n"
        "\t    !tx->mail_refused)\n\t\tfinish(c, tx);\n}\n\nvoid"),
}


def copy_tree(to):
    for name in ("Makefile", "lib", "odmrd", "odmrctl", "milter", "sql",
                 "tests"):
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, to / name)
        else:
            shutil.copy(source, to / name)


def build(tree):
    subprocess.run(["make", "-s", "-C", str(tree), "BUILD=build",
                    "build/odmrd", "build/odmrctl"], check=True)


def try_fault(tree, name):
    """True if it is found."""
    file, there, fault = FAULTS[name]
    path = tree / file
    sound = path.read_text()
    if sound.count(there) != 1:
        print(f"{name}: {file} has {sound.count(there)} times: {there!r}")
        return False
    path.write_text(sound.replace(there, fault))
    try:
        build(tree)
        return run(tree, name)
    finally:
        path.write_text(sound)


def run(tree, name):
    began = time.monotonic()
    done = subprocess.run(
        [tree / "tests" / "property" / "property.py", "--seconds",
         str(SECONDS)],
        env=dict(os.environ, ODMR_BUILD=str(tree / "build")), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - began
    last = (done.stdout.splitlines() or [""])[-1]
    print(f"{name}: {'found' if done.returncode else 'NOT FOUND'} after "
          f"{seconds:.0f} s: {last[:150]}", flush=True)
    return done.returncode == 1


def main(names):
    tree = Path(tempfile.mkdtemp(prefix="odmr-seeded."))
    try:
        copy_tree(tree)
        build(tree)
        missed = [name for name in names or FAULTS
                  if not try_fault(tree, name)]
    finally:
        shutil.rmtree(tree)
    return not missed


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
