# SPDX-License-Identifier: ISC
"""With CI=true a test that is skipped fails, for it proves nothing; but for
these, which are skipped for a reason."""

import os

import pytest

# Part of the reason that the test gives: why it may be skipped.
ALLOWED = {
    "a sanitizer ": "SAN=1 changes what is measured; without it the test runs",
    "no npm on this machine": "Debian's npm is large, and its registry is not "
                              "to be had everywhere",
    "may raise its limit as far as it likes": "then nothing runs into it",
}
if os.path.isdir("/run/systemd/system"):
    ALLOWED["needs fail2ban"] = "deps.sh does not install what would start"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    report = (yield).get_result()
    if os.environ.get("CI") != "true" or not report.skipped \
            or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2]
    if not any(part in reason for part in ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"CI=true, and not in tests/odmr/skips.py: {reason}"
