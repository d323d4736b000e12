# SPDX-License-Identifier: ISC
"""make install and make uninstall, below a DESTDIR."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from odmr.sandbox import BUILD

TREE = Path(__file__).resolve().parents[2]
PROGRAMS = ["etrn-trigger", "odmr-milter", "odmrctl", "odmrd"]
MINE = "# /usr/local/sbin is where I have it\n"
CONFIGURATION = ["etrn_filter", "etrn_flush", "etrn_utf8", "odmr.conf"]


def make(goal, root, **variables):
    """With what is built: nothing is built anew beside other tests."""
    subprocess.run(
        ["make", "-s", "-o", "all", goal, f"BUILD={BUILD}", f"DESTDIR={root}",
         *(f"{name}={value}" for name, value in variables.items())],
        cwd=TREE, check=True, timeout=60,
        env={name: value for name, value in os.environ.items()
             if name not in ("MAKEFLAGS", "MFLAGS")})


def files_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*")
                  if not path.is_dir())


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    make("install", root, PREFIX="/usr")
    return root


@pytest.fixture
def installed(original, tmp_path):
    return shutil.copytree(original, tmp_path / "root")


def test_everything_is_where_systems_look_for_it(installed):
    found = set(files_below(installed))
    assert {f"usr/sbin/{name}" for name in PROGRAMS} <= found
    assert {f"etc/odmr/{name}" for name in CONFIGURATION} <= found
    pages = {path.name for path in (TREE / "man").iterdir()}
    assert {f"usr/share/man/man{name[-1]}/{name}" for name in pages} <= found
    units = {path.name for path in (TREE / "postfix-conf").iterdir()
             if path.suffix in (".service", ".timer")}
    assert {f"usr/lib/systemd/system/{name}" for name in units} <= found
    assert {"usr/lib/sysusers.d/postfix-odmr.conf",
            "usr/lib/tmpfiles.d/postfix-odmr.conf",
            "usr/share/bash-completion/completions/odmrctl",
            "etc/fail2ban/filter.d/odmrd.conf"} <= found


def test_programs_alone_may_be_run(installed):
    modes = {path.name: path.stat().st_mode & 0o777
             for path in installed.rglob("*") if path.is_file()}
    for name, mode in modes.items():
        assert mode == (0o755 if name in PROGRAMS else 0o644), name


def test_no_file_names_a_place_of_another_installation(tmp_path):
    make("install", tmp_path, PREFIX="/opt/odmr", CONFDIR="/opt/relay")
    for path in tmp_path.rglob("*"):
        if not path.is_file() or path.name in PROGRAMS:
            continue
        text = path.read_text()
        assert "/usr/local/sbin" not in text and "/etc/odmr" not in text, path
    unit = (tmp_path / "opt/odmr/lib/systemd/system/odmrd.service").read_text()
    assert "ExecStart=/opt/odmr/sbin/odmrd -f -c /opt/relay/odmr.conf" in unit


def test_configuration_of_the_operator_outlives_another_installation(installed):
    before = files_below(installed)
    for name in CONFIGURATION:
        (installed / "etc/odmr" / name).write_text(MINE)
    make("install", installed, PREFIX="/usr")
    assert files_below(installed) == before
    for name in CONFIGURATION:
        assert (installed / "etc/odmr" / name).read_text() == MINE


def test_uninstall_leaves_configuration_and_what_others_installed(installed):
    other = installed / "usr/lib/systemd/system/other.service"
    other.write_text("")
    make("uninstall", installed, PREFIX="/usr")
    assert files_below(installed) == sorted(
        [*(f"etc/odmr/{name}" for name in CONFIGURATION),
         str(other.relative_to(installed))])
    assert not (installed / "usr/share/doc/postfix-odmr").exists()
    make("uninstall", installed, PREFIX="/usr")  # nothing is left to do


def test_installed_configuration_is_one(installed):
    """Whatever is missing here besides."""
    conf = installed / "etc/odmr/odmr.conf"
    done = subprocess.run([BUILD / "odmr-milter", "-t", "-c", conf],
                          stderr=subprocess.PIPE, text=True, timeout=20,
                          check=False)
    assert f"{conf}:" not in done.stderr
    conf.write_text(conf.read_text() + "nonsense = yes\n")
    done = subprocess.run([BUILD / "odmr-milter", "-t", "-c", conf],
                          stderr=subprocess.PIPE, text=True, timeout=20,
                          check=False)
    assert f"{conf}:" in done.stderr


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("systemd-sysusers"),
    reason="needs root and systemd")
def test_systemd_makes_the_user_and_his_directory(installed):
    (installed / "etc/passwd").touch()
    (installed / "etc/group").write_text("postfix:x:4711:\n")
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        subprocess.run([*command, f"--root={installed}", "postfix-odmr.conf"],
                       check=True, timeout=60)
    accounts = (installed / "etc/passwd").read_text()
    uid = int(accounts.split("odmr:x:")[1].split(":")[0])
    made = (installed / "var/spool/postfix/odmr").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o7777) == (
        uid, 4711, 0o2750)


def test_package_and_changes_have_the_version_of_the_programs():
    version = (TREE / "VERSION").read_text().strip()
    package = (TREE / "debian/changelog").read_text().split()[1]
    assert package.strip("()").rpartition("-")[0] == version
    changes = (TREE / "CHANGELOG.md").read_text()
    assert re.search(r"^## (\S+)", changes, re.MULTILINE)[1] == version


# ---- completion

@pytest.fixture
def complete(installed):
    """A function: what bash offers for the last of these words."""
    script = installed / "usr/share/bash-completion/completions/odmrctl"

    def complete(*words):
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); '
             'COMP_CWORD=$(($# - 1)); _odmrctl; printf "%s\\n" "${COMPREPLY[@]}"',
             script, "odmrctl", *words],
            env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=True)
        return done.stdout.split()
    return complete


@pytest.mark.parametrize("words, offered", [
    (["doma"], ["domain"]),
    (["account", "cert", ""], ["add", "list", "remove"]),
    (["domain", "set", "a.test", "--"], ["--mode", "--nexthop"]),
    (["domain", "set", "a.test", "--mode", ""], ["backup", "hold", "odmr"]),
    (["domain", "set", "--mode", "hold", "a.test", "--n"], ["--nexthop"]),
    (["-c", "nowhere.conf", "usage", "--"],
     ["--csv", "--from", "--json", "--to"]),
    (["usage", "--from", ""], []),
    (["status", "x", ""], []),
])
def test_shell_completes_what_odmrctl_says_of_itself(complete, words, offered):
    assert complete(*words) == offered


def test_shell_completes_domains_and_logins(complete, tmp_path):
    conf = tmp_path / "conf"
    conf.write_text(f"""\
database = {tmp_path}/odmr.db
domain_table = lmdb:{tmp_path}/domains
etrn_table = lmdb:{tmp_path}/etrn_names
user = {os.environ.get('USER') or 'root'}
""")
    odmrctl = [BUILD / "odmrctl", "-c", conf]
    for words in (["init"], ["domain", "add", "example.org"],
                  ["account", "add", "customer"]):
        subprocess.run([*odmrctl, *words], input="secret\n", text=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=60, check=False)  # no Postfix hears of it
    assert "customer" in complete("-c", str(conf), "account", "grant", "")
    assert "example.org" in complete(
        "-c", str(conf), "account", "grant", "customer", "")
