#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Gets the mail servers that cannot be installed beside Postfix: their packages
are unpacked into build/interop/, and what npm has is installed there.

    obtain.py test|interop

What is there already is not got again. Without npm its servers are left out,
and that is said. Exit status: 0, 1 (something could not be had)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "interop"
# What "make check" tries as well, and the rest of "make interop".
SETS = {
    "exim": ["exim4-daemon-light", "exim4-base"],
    "chasquid": ["chasquid"],
}
MORE = {
    "opensmtpd": ["opensmtpd"],
    "sendmail": ["sendmail-bin", "sendmail-base", "sendmail-cf",
                 "liblockfile1", "libwrap0"],
    "courier": ["courier-mta", "courier-base", "courier-authlib",
                "courier-authlib-userdb", "libcourier-unicode4"],
    "msmtp": ["msmtp-mta", "libsecret-1-0"],
}
MODULES = ["Haraka", "smtp-server"]


def download(packages, directory):
    """The lists of packages may be older than the archive."""
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
               *packages]
    if subprocess.run(command, cwd=directory, check=False).returncode != 0:
        subprocess.run(["apt-get", "-q", "update"], check=True)
        subprocess.run(command, cwd=directory, check=True)


def unpack(name, packages):
    """Whole or not at all: it is made beside its place."""
    half = CACHE / f"{name}.{os.getpid()}"
    half.mkdir(parents=True)
    try:
        download(packages, half)
        for package in half.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, half], check=True)
            package.unlink()
        # As on a system where /lib is /usr/lib.
        for old in ("lib", "bin", "sbin"):
            if (half / old).is_dir():
                shutil.copytree(half / old, half / "usr" / old, symlinks=True,
                                dirs_exist_ok=True)
        for needed in ("etc", "usr", "var"):
            (half / needed).mkdir(exist_ok=True)
        half.rename(CACHE / name)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def install_modules():
    if not shutil.which("npm"):
        print("no npm: the tests will do without", " and ".join(MODULES))
        return
    (CACHE / "npm").mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--omit=dev",
                    "--ignore-scripts", "--prefer-offline", "--prefix",
                    CACHE / "npm", *MODULES], check=True)


def main(what):
    sets = {**SETS, **(MORE if what == "interop" else {})}
    try:
        for name, packages in sets.items():
            if not (CACHE / name).is_dir():
                unpack(name, packages)
        if not all((CACHE / "npm" / "node_modules" / name).is_dir()
                   for name in MODULES):
            install_modules()
    except subprocess.CalledProcessError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
