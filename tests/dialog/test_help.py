# SPDX-License-Identifier: ISC
"""--help, help and --version of all programs: on standard output, without a
configuration, and wrong usage on standard error."""

import os
import subprocess

import pytest

from odmr.sandbox import BUILD, TREE

PROGRAMS = ("odmrd", "odmr-milter", "etrn-trigger", "odmrctl")


def run(program, *arguments):
    done = subprocess.run([BUILD / program, *arguments], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_is_that_of_the_tree(program):
    version = (TREE / "VERSION").read_text().strip()
    assert run(program, "--version") == (
        0, f"{program} (postfix-odmr) {version}\n", "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_no_error_and_takes_no_configuration(program):
    status, said, complained = run(program, "--help")
    assert (status, complained) == (0, "")
    assert said.startswith("usage:") and program in said
    assert run(program, "-h") == (0, said, "")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("option", ("--help", "--version"))
def test_what_cannot_be_written_is_an_error(program, option):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / program, option], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == os.EX_IOERR


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_usage_is_told_on_standard_error(program):
    status, said, complained = run(program, "--frobnicate")
    assert (status, said) == (os.EX_USAGE, "")
    assert "--frobnicate" in complained


def commands_of(text):
    """Each command that a help is about, without what it takes."""
    return [line.split("[-c FILE] ")[1] for line in text.splitlines()
            if "[-c FILE] " in line]


def test_help_shows_all_commands_and_what_each_does():
    status, said, _ = run("odmrctl", "help")
    lines = said.splitlines()
    assert status == 0
    assert len(commands_of(said)) > 35
    for at, line in enumerate(lines):
        if "[-c FILE] " in line:
            assert lines[at + 1].startswith(" " * 15) and \
                lines[at + 1].strip()


@pytest.mark.parametrize("words, shown", [
    ("domain add", ["domain add NAME"]),
    ("domain", ["domain add", "domain set", "domain list", "domain show",
                "domain remove"]),
    ("account cert", ["account cert add", "account cert remove",
                      "account cert list"]),
    ("sessions", ["sessions end", "sessions"]),
    ("sessions end", ["sessions end"]),
    ("doctor", ["doctor"])])
def test_help_of_a_command_is_the_same_in_both_forms(words, shown):
    first = run("odmrctl", "help", *words.split())
    assert first == run("odmrctl", *words.split(), "--help")
    assert first == run("odmrctl", *words.split(), "-h")
    assert first[0] == 0 and first[2] == ""
    told = commands_of(first[1])
    assert len(told) == len(shown)
    for line, wanted in zip(told, shown):
        assert line.startswith(wanted)


def test_help_is_asked_for_behind_operands_too():
    assert run("odmrctl", "domain", "add", "example.org", "--mode", "hold",
               "--help") == run("odmrctl", "help", "domain", "add")


@pytest.mark.parametrize("words", ["frobnicate", "domain frobnicate",
                                   "account cert frobnicate"])
def test_help_of_what_is_no_command_is_wrong_usage(words):
    status, said, complained = run("odmrctl", "help", *words.split())
    assert (status, said) == (os.EX_USAGE, "")
    assert "unknown command" in complained
