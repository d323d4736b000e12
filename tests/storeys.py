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
    "odmrctl": [["odmrctl"], ["odmrctl/doctor"]],
}
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


def main():
    found = [line for program in HOUSE for line in complaints(program)]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
