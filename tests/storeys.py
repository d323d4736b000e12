#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""No include goes up: prints each that does, and fails. The house is drawn in
HACKING.md."""

import pathlib
import re
import sys

# From the ground. A file includes what is in its own folder and what is on a
# storey below, of lib or of its own program.
HOUSE = {
    "lib": [["lib"], ["lib/postfix", "lib/smtp"], ["lib/store"], ["lib/tags"]],
    "odmrd": [["odmrd/net"], ["odmrd/jobs"], ["odmrd/delivery"],
              ["odmrd/client", "odmrd/client/submission"], ["odmrd"]],
    "milter": [["milter"]],
    "etrn-trigger": [["etrn-trigger"], ["etrn-trigger/probe"]],
    "odmrctl": [["odmrctl"],
                ["odmrctl/customer", "odmrctl/doctor", "odmrctl/setup"]],
}
# The rows of a room, from the ground: no include goes up here, either. What all
# of them share is customer.h.
ROWS = {
    "odmrd/delivery": [
        "identity session_row ending refusal memory_queue transaction reply_queue "
        "customer_state",
        "workaround blame share places reach",
        "progress pace put_off",
        "pipeline pipeline_reply pipeline_step pipeline_end smtputf8",
        "strays drain linger",
        "outcome",
        "lmtp lmtp_command",
        "registry",
        "hello customer customer_reply",
        "dial",
    ],
}
SHARED = ["customer.h"]
ONE_ROOM = {"odmrd/client/submission": "odmrd/client"}
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def storeys_of(program):
    return (HOUSE["lib"] if program != "lib" else []) + HOUSE[program]


def complaints(program):
    level = {folder: number for number, storey in
             enumerate(storeys_of(program)) for folder in storey}
    for path in sorted(pathlib.Path(program).rglob("*.[ch]")):
        room = str(path.parent)
        for name in INCLUDE.findall(path.read_text()):
            other = str(pathlib.PurePath(name).parent) if "/" in name else room
            if ONE_ROOM.get(other, other) == ONE_ROOM.get(room, room):
                continue
            if room not in level or level.get(other, 99) >= level[room]:
                yield f"{path}: {name} is not below it"


def complaints_of_room(room):
    row = {noun: number for number, nouns in enumerate(ROWS[room])
           for noun in nouns.split()}
    for path in sorted(pathlib.Path(room).glob("*.[ch]")):
        if path.stem not in row:
            yield f"{path}: has no row"
        elif path.name not in SHARED:
            yield from (f"{path}: {name} is in a row above it"
                        for name in INCLUDE.findall(path.read_text())
                        if "/" not in name and name not in SHARED and
                        row[path.stem] < row[name.removesuffix(".h")])


def main():
    found = [line for program in HOUSE for line in complaints(program)]
    found += [line for room in ROWS for line in complaints_of_room(room)]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
