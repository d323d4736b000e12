# SPDX-License-Identifier: ISC
"""What all servers have in common: a directory, a port, processes that end with
it, and the mail they took. A server takes mail for all of corpus.test but for
local parts that begin with "unknown" (550) and "deferred" (450)."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from odmr import probe
from odmr.sandbox import TREE, temporary_directory
from odmr.wait import wait_for

SCRIPTS = Path(__file__).resolve().parent / "scripts"
CACHE = TREE / "build" / "interop"
MODULES = CACHE / "npm" / "node_modules"
START_SECONDS = 30


class Missing(Exception):
    """What the server needs is not on this machine."""


def unpacked(name):
    """Where the Debian packages of a server lie beside each other."""
    directory = CACHE / name
    if not directory.is_dir():
        raise Missing(f"{name} is not unpacked (make deps DEPS=interop)")
    return directory


class Server:
    """Subclasses start their processes in start() and tell in copies() what
    they took. `options` are what the configurations of one server differ in."""

    # The Debian packages that obtain.py unpacks into CACHE / unpack[0].
    unpack = ()

    def __init__(self, **options):
        self.options = options
        self.directory = temporary_directory()
        self.spool = self.directory / "taken"
        self.spool.mkdir()
        self.port, = probe.free_ports(1)
        self.processes = []
        try:
            self.start()
            wait_for(self._greets, START_SECONDS, f"{self}: 220")
        except BaseException as error:
            if not isinstance(error, Missing):
                error.add_note(self.log()) if hasattr(error, "add_note") else 0
            self.stop()
            raise

    def __str__(self):
        return type(self).__name__

    def start(self):
        raise NotImplementedError

    def run(self, *command, **more):
        """A process that is the server, or a part of it. It gets a group of
        its own, which ends with it."""
        with open(self.directory / "log", "ab") as log:
            self.processes.append(subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                cwd=more.pop("cwd", self.directory), **more))

    def log(self):
        try:
            return (self.directory / "log").read_text(errors="replace")
        except OSError:
            return ""

    def _greets(self):
        for process in self.processes:
            if process.poll() not in (None, 0):
                raise AssertionError(f"{self} ended at once: {self.log()}")
        try:
            return probe.greets(self.port)
        except OSError:
            return False

    def idle(self):
        """Nothing that was taken is still on its way into the spool."""
        return True

    def copies(self):
        """(recipient, octets) of all that was taken. This is what scripts
        write: NAME.to has the recipients, one a line, NAME.eml the message."""
        for envelope in self.spool.glob("*.to"):
            octets = envelope.with_suffix(".eml").read_bytes()
            for recipient in envelope.read_text("utf-8").splitlines():
                yield recipient, octets

    def stop(self):
        for process in self.processes:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
        shutil.rmtree(self.directory, ignore_errors=True)
