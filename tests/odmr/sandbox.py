# SPDX-License-Identifier: ISC
"""The provider under test: tests/sandbox.sh, and what one does with it."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from odmr.postfix import Postfix
from odmr.wait import wait_for

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ODMR_BUILD", TREE / "build")).resolve()
SCRIPT = TREE / "tests" / "sandbox.sh"

# No test may leave one of these in the log, whatever it tested.
FAULT = re.compile(r"\bpanic:|ERROR: AddressSanitizer|runtime error:"
                   r"|LeakSanitizer|\*\*\* buffer overflow|Assertion .* failed")


def temporary_directory():
    """One that the daemons may enter after they gave up root."""
    directory = Path(tempfile.mkdtemp(prefix="odmr-test."))
    directory.chmod(0o755)
    return directory


def no_postfix(directory):
    """A configuration that is enough for postmap, and for nothing else."""
    directory.mkdir()
    (directory / "main.cf").write_text("compatibility_level = 3.6\n")
    age(directory)


def age(directory):
    """Each program of Postfix waits until main.cf and its kind are some
    seconds old: they are."""
    for path in directory.glob("*.cf"):
        os.utime(path, (1, 1))


class Sandbox(Postfix):
    def __init__(self, directory=None, environment=None):
        self.directory = Path(directory or temporary_directory())
        self.environment = dict(os.environ, ODMR_BUILD=str(BUILD),
                                **(environment or {}))
        try:
            self.start()
        except BaseException:
            if directory is None:
                self.remove()
            raise

    def start(self):
        self._script("start", self.directory)
        self.env = dict(
            line.split("=", 1) for line in
            (self.directory / "env").read_text().splitlines())
        super().__init__(self.env["POSTFIX_CONFIG"], self.env["SMTP_PORT"],
                         self.env["MAIL_LOG"])
        self.odmr_port = int(self.env["ODMR_PORT"])
        self.odmrs_port = int(self.env["ODMRS_PORT"])
        self.conf = self.env["ODMR_CONF"]
        self.tls_ca = self.env["TLS_CA"]

    def stop(self):
        self._script("stop", self.directory)

    def restart(self, part):
        """odmrd, milter or postfix."""
        self._script("restart", self.directory, part)

    def remove(self):
        shutil.rmtree(self.directory)

    def _script(self, *arguments):
        done = subprocess.run(
            ["bash", str(SCRIPT), *map(str, arguments)], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise AssertionError(f"sandbox.sh {arguments}: exit status "
                                 f"{done.returncode}\n{done.stdout}")

    # ---- the daemons

    def pid(self, part):
        """The process id of odmrd or milter if it lives, else None."""
        name = {"odmrd": "ODMRD_PID_FILE", "milter": "MILTER_PID_FILE"}[part]
        try:
            pid = int(Path(self.env[name]).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return None
        return pid if self.conf in command.split("\0") else None

    def faults(self):
        """What must never be: bad lines in the log, daemons that died."""
        lines = [line for line in self.log_lines() if FAULT.search(line)]
        return lines + [f"{part} is not running" for part in
                        ("odmrd", "milter") if self.pid(part) is None]

    # ---- odmrctl

    def odmrctl_run(self, *arguments, text=""):
        """Runs it; returns the finished process."""
        return subprocess.run(
            [str(BUILD / "odmrctl"), "-c", self.conf, *arguments], input=text,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False)

    def odmrctl(self, *arguments, text=""):
        """The output of an odmrctl that must succeed."""
        done = self.odmrctl_run(*arguments, text=text)
        if done.returncode != 0:
            raise AssertionError(f"odmrctl {arguments}: exit status "
                                 f"{done.returncode}: {done.stderr}")
        return done.stdout

    def add_domain(self, name, mode="odmr", nexthop=None):
        self.odmrctl("domain", "add", name, "--mode", mode,
                     *(["--nexthop", nexthop] if nexthop else []))

    def add_account(self, login, password, domains, *options):
        """With --cram-md5, as fetchmail needs it."""
        self.odmrctl("account", "add", login, "--cram-md5", *options,
                     text=password + "\n")
        self.odmrctl("account", "grant", login, *domains)

    def status(self, domain=None):
        """status --json, or only what it says of one domain."""
        status = json.loads(self.odmrctl("status", "--json"))
        if domain is None:
            return status
        return next(row for row in status["domains"]
                    if row["domain"] == domain)

    def wait_until_held(self, domain, count):
        """A message has its tag some milliseconds after it was accepted."""
        wait_for(lambda: self.status(domain)["held"] == count, 20,
                 f"{count} open tags of {domain}")
