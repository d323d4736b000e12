# SPDX-License-Identifier: ISC
"""Waiting for what must come true, instead of sleeping."""

import time


PATIENCE = 60  # with a machine that has other work


def wait_for(condition, timeout, what):
    """The first true value of `condition`, which is asked again and again.
    `timeout` is what it takes on an idle machine at most."""
    timeout = max(timeout, PATIENCE)
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout} s still not: {what}")
        time.sleep(0.02)
