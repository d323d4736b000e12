# SPDX-License-Identifier: ISC
"""A disk that can be filled: a small tmpfs, which nobody but the test and the
programs that it starts can see."""

import contextlib
import ctypes
import os
import subprocess

import pytest

from odmr.sandbox import temporary_directory

NEW_NAMESPACE = 0x20000  # CLONE_NEWNS


def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


class SmallDisk:
    def __init__(self, size="1536k"):
        """Skips the test where nothing may be mounted."""
        self.world = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            call("unshare", NEW_NAMESPACE)
        except PermissionError:
            os.close(self.world)
            pytest.skip("may not mount a disk of its own")
        self.directory = temporary_directory()
        self.filling = self.directory / "filling"
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755",
                        "tmpfs", self.directory], check=True)

    def fill(self):
        with open(self.filling, "wb", buffering=0) as file:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def make_room(self):
        self.filling.unlink()

    def end(self):
        """The last of those that see it is gone then."""
        here = os.getcwd()
        call("setns", self.world, NEW_NAMESPACE)
        os.chdir(here)
        os.close(self.world)
        self.directory.rmdir()
