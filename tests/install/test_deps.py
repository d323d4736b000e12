# SPDX-License-Identifier: ISC
"""tests/deps.sh, with programs of Debian's that only write down their call."""

import os
import subprocess
from pathlib import Path

import pytest

DEPS = Path(__file__).resolve().parents[1] / "deps.sh"


@pytest.fixture
def deps(tmp_path):
    """A function: what deps.sh calls where these packages are installed."""
    calls = tmp_path / "calls"
    for name, script in {
            "id": "echo 0",
            "dpkg-query": 'case " $INSTALLED " in *" $4 "*) echo installed ;; '
                          "*) exit 1 ;; esac",
            "apt-get": f'echo "apt-get $*" >>{calls}',
            "debconf-set-selections": f"echo debconf >>{calls}"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def deps(*installed, what=()):
        calls.write_text("")
        subprocess.run(
            [DEPS, *what], check=True, timeout=60, stdout=subprocess.DEVNULL,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
                 "INSTALLED": " ".join(installed)})
        return calls.read_text().splitlines()
    return deps


def test_building_takes_no_tests_and_no_analysers(deps):
    *_, install = deps()
    wanted = install.split()
    assert {"gcc", "make", "libmilter-dev", "postfix-lmdb"} <= set(wanted)
    assert not {"fetchmail", "python3-pytest", "clang", "debhelper",
                "libcmocka-dev"} & set(wanted)


def test_a_postfix_that_is_there_keeps_its_answers(deps):
    assert "debconf" in deps()
    assert "debconf" not in deps("postfix")


@pytest.mark.parametrize("what, package", [
    ("demo", "fetchmail"), ("lint", "clang-tidy"), ("deb", "debhelper"),
    ("install", "debootstrap"), ("bench", "gnuplot-nox")])
def test_what_is_named_comes_besides(deps, what, package):
    *_, install = deps("postfix", what=[what])
    assert {"gcc", package} <= set(install.split())
