# SPDX-License-Identifier: ISC
"""A skipped test is a failed one where CI=true, but for a short list."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_runs():
    pass

def test_skips():
    pytest.skip("needs a thing that deps.sh forgot")

@pytest.mark.skipif(True, reason="needs another")
def test_is_skipped():
    pass

def test_may_be_skipped():
    pytest.skip("a sanitizer keeps what was freed")

@pytest.mark.xfail
def test_may_fail():
    assert False
"""


@pytest.mark.parametrize("ci, counts", [
    ("true", ["1 failed", "1 error", "1 passed", "1 skipped",
              "1 xfailed"]),
    ("", ["1 passed", "3 skipped", "1 xfailed"])])
def test_skipped_tests_fail_where_ci_is_true(tmp_path, ci, counts):
    (tmp_path / "test_some.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "odmr.skips", "-p",
         "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        env={**os.environ, "CI": ci,
             "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    summary = done.stdout.splitlines()[-1]
    assert [count for count in counts if count not in summary] == [], done.stdout
    assert done.returncode == (1 if ci else 0)
    if ci:
        assert "skips.py: Skipped: needs a thing that deps.sh forgot" \
            in done.stdout
