# SPDX-License-Identifier: ISC
"""A copy of the running provider's configuration, to be broken in one place
and looked at by odmrctl doctor. Queue, sockets and daemons are the provider's
own, and stay as they are."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

from odmr.sandbox import BUILD, age, temporary_directory

CA_CONFIG = """
[ca]
default_ca = d
[d]
database = {0}/index.txt
new_certs_dir = {0}
rand_serial = yes
policy = p
default_md = sha256
[p]
commonName = supplied
[x]
{1}
"""


def paste(*cures):
    """In a shell that has the programs of this tree."""
    for cure in cures:
        done = subprocess.run(
            ["/bin/sh", "-ec", cure], timeout=60, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={
                **os.environ,
                "PATH": f"{BUILD}:/usr/sbin:/usr/bin:/sbin:/bin"})
        assert done.returncode == 0, (cure, done.stdout)


class Patient:
    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.original = Path(sandbox.env["ODMR_CONF"]).parents[2]
        self.directory = temporary_directory()
        self.etc = self.directory / "etc" / "odmr"
        self.postfix = self.directory / "etc" / "postfix"
        self.conf = self.etc / "odmr.conf"
        self.lib = self.directory / "lib"
        self.database = self.lib / "odmr.db"
        self.spool = self.original / "spool"
        subprocess.run(["cp", "-a", self.original / "etc", self.directory],
                       check=True, timeout=60)
        self._copy_data()
        for path in [*self.etc.iterdir(), *self.postfix.iterdir()]:
            self.edit(path, lambda text: text.replace(
                f"{self.original}/etc", f"{self.directory}/etc").replace(
                    f"{self.original}/lib", f"{self.directory}/lib"))

    def _copy_data(self):
        subprocess.run(["cp", "-a", "--attributes-only",
                        self.original / "lib", self.directory],
                       check=True, timeout=60)
        source = sqlite3.connect(self.original / "lib" / "odmr.db")
        target = sqlite3.connect(self.database)
        source.backup(target)
        target.execute("PRAGMA journal_mode = wal")
        target.close()
        source.close()
        for path in self.lib.glob("odmr.db-*"):
            path.unlink()
        for table in "domains.lmdb", "etrn_names.lmdb":
            shutil.copy(self.original / "lib" / table, self.lib / table)

    def remove(self):
        shutil.rmtree(self.directory)

    # ---- how to break it

    def edit(self, path, change):
        """In place: owner and mode stay."""
        text = path.read_text()
        path.write_text(change(text))

    def main(self, name, value):
        self.postconf("-e", f"{name} = {value}")

    def master(self, service, name, value):
        self.postconf("-P", f"{service}/{name}={value}")

    def field(self, service, name, value):
        self.postconf("-F", f"{service}/{name}={value}")

    def postconf(self, *arguments):
        subprocess.run(["/usr/sbin/postconf", "-c", self.postfix, *arguments],
                       check=True, timeout=60)

    def odmr_conf(self, name, value):
        line = f"{name} = {value}\n"
        self.edit(self.conf, lambda text: re.sub(
            rf"^{name} = .*\n", "", text, flags=re.MULTILINE) + line)

    def ctl(self, *arguments):
        subprocess.run([str(BUILD / "odmrctl"), "-c", str(self.conf),
                        *arguments], check=True, timeout=60,
                       stdin=subprocess.DEVNULL)

    def sql(self, path, *statements):
        with sqlite3.connect(path) as db:
            for statement in statements:
                db.execute(statement)
        db.close()

    def programs(self, **scripts):
        """Shell scripts in the place of Postfix's programs."""
        directory = self.directory / "sbin"
        directory.mkdir()
        for name, script in scripts.items():
            path = directory / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            self.odmr_conf(f"{name}_path", path)

    def certificate(self, start="20200101", end="20990101", name="localhost",
                    extensions=""):
        """In the place of the one that is there, from the same CA."""
        work = self.directory / "ca"
        work.mkdir()
        (work / "index.txt").touch()
        (work / "ca.cnf").write_text(CA_CONFIG.format(
            work, f"subjectAltName = DNS:{name}\n{extensions}"))
        self._openssl("req", "-new", "-key", self.etc / "server.key", "-subj",
                      f"/CN={name}", "-out", work / "csr.pem")
        self._openssl("ca", "-batch", "-notext", "-config", work / "ca.cnf",
                      "-cert", self.etc / "ca.pem", "-keyfile",
                      self.etc / "ca.key", "-extensions", "x",
                      "-startdate", start + "000000Z", "-enddate",
                      end + "000000Z", "-in", work / "csr.pem",
                      "-out", self.etc / "server.pem")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], timeout=60, text=True,
                              stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout

    # ---- the doctor

    def doctor(self, *options):
        for directory in self.conf.parents[1].iterdir():
            age(directory)
        return subprocess.run(
            [str(BUILD / "odmrctl"), "-c", str(self.conf), "doctor", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    def diagnose(self):
        """The findings and the exit status, which must fit each other."""
        done = self.doctor("--json")
        assert done.stderr == ""
        report = json.loads(done.stdout)
        counted = [len([f for f in report["findings"]
                        if f["severity"] == severity])
                   for severity in ("error", "warning", "note")]
        assert counted == [report["errors"], report["warnings"],
                           report["notes"]]
        assert done.returncode == (
            2 if counted[0] else 1 if counted[1] else 0)
        return report["findings"]

    def files(self):
        """What is there, without SQLite's own files beside a database."""
        return {str(path): (path.stat().st_mode, path.stat().st_uid,
                            path.read_bytes() if path.is_file() else None)
                for path in self.directory.rglob("*")
                if not path.name.endswith(("-wal", "-shm"))}
