# SPDX-License-Identifier: ISC
"""Memory that runs short for one moment."""

import os
import struct
import subprocess
from pathlib import Path


class Shortage:
    """Refuses one piece of memory to the program that runs in `environment`,
    the n-th from when it is told."""

    def __init__(self, directory):
        self.path = directory / "countdown"
        self.path.write_bytes(bytes(4))
        library = directory / "short_of_memory.so"
        source = Path(__file__).with_name("short_of_memory.c")
        subprocess.run(
            [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o",
             library, source], check=True, timeout=60)
        self.environment = {"LD_PRELOAD": str(library),
                            "SHORT_OF_MEMORY": str(self.path)}

    def begin(self, number):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("i", number))

    def end(self):
        """Had the program asked so often?"""
        had = struct.unpack("i", self.path.read_bytes())[0] == 0
        self.begin(0)
        return had
