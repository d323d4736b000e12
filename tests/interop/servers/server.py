# SPDX-License-Identifier: ISC
"""What all servers have in common: a directory, a port, processes that end with
it, and the mail they took. A server takes mail for all of corpus.test but for
local parts that begin with "unknown" (550) and "deferred" (450)."""

import contextlib
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
    """What the server needs is not on this machine. `of_npm`: it comes from
    there."""

    def __init__(self, what, of_npm=False):
        super().__init__(what)
        self.of_npm = of_npm


# /etc, /usr and /var as if the packages were installed; in /etc the server's
# own files stand above theirs, and what is written to /var stays in DIR.
ROOM = """\
set -e
dir=$1 packages=$2
shift 2
mount -t overlay overlay -o "lowerdir=$dir/etc:$packages/etc:/etc" /etc
mount -t overlay overlay -o "lowerdir=$packages/usr:/usr" /usr
mount -t overlay overlay -o \\
    "lowerdir=$packages/var:/var,upperdir=$dir/var,workdir=$dir/work" /var
exec "$@"
"""


class Server:
    """Subclasses start their processes in start() and tell in copies() what
    they took. `options` are what the configurations of one server differ in."""

    def __init__(self, **options):
        self.options = options
        self.directory = temporary_directory()
        self.spool = self.directory / "taken"
        self.logs = self.directory / "logs"
        for directory in (self.spool, self.logs):
            directory.mkdir()
            directory.chmod(0o1777)
        self.port, = probe.free_ports(1)
        self.processes = []
        try:
            self.start()
            wait_for(self._greets, START_SECONDS, f"{self}: 220")
        except BaseException:
            self.stop()
            raise

    def __str__(self):
        return type(self).__name__

    def start(self):
        raise NotImplementedError

    def run(self, *command, **more):
        """A process that is the server, or a part of it. It gets a group of
        its own, which ends with it."""
        with open(self.logs / "output", "ab") as log:
            self.processes.append(subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                cwd=more.pop("cwd", self.directory), **more))

    def log(self):
        return "".join(path.read_text(errors="replace")
                       for path in sorted(self.logs.iterdir()))

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
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Unpacked(Server):
    """One whose Debian package cannot be installed beside Postfix, or would
    start a service. It runs in a room of its own, in which it is installed.
    """

    packages = ""       # the name of a set in obtain.py
    users = ()          # that the packages would make, each with its group

    def start(self):
        self.where = CACHE / self.packages
        if not self.where.is_dir():
            raise Missing(f"{self.packages} is not unpacked "
                          "(tests/deps.sh interop)")
        for name in ("etc", "var", "work"):
            (self.directory / name).mkdir()
        self._make_users()
        self.configure()
        self.run_inside(*self.command())

    def _make_users(self):
        passwd, group = (Path("/etc", name).read_text("utf-8")
                         for name in ("passwd", "group"))
        for number, user in enumerate(self.users, 64000):
            passwd += f"{user}:x:{number}:{number}::/nonexistent:/bin/false\n"
            group += f"{user}:x:{number}:\n"
        self.write("passwd", passwd)
        self.write("group", group)

    def write(self, name, text):
        """A file of /etc."""
        path = self.directory / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def run_inside(self, *command):
        """All that the command starts ends with it."""
        self.run("unshare", "--mount", "--pid", "--fork", "--kill-child",
                 "--mount-proc", "sh", "-c", ROOM, "room", self.directory,
                 self.where, *command)

    def configure(self):
        """Writes the files in /etc."""
        raise NotImplementedError

    def command(self):
        """The server, in the foreground."""
        raise NotImplementedError
