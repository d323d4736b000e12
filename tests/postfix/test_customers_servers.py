# SPDX-License-Identifier: ISC
"""Some messages, collected into the real mail servers that start within
seconds. All servers and a larger corpus: make interop."""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from interop.configurations import CONFIGURATIONS
from interop.corpus import sample
from interop.servers.server import Missing
from interop.trial import Trial

SESSION_SECONDS = 60
GOOD = 23       # recipients of the sample that every server takes
AT_ONCE = 4     # trials mostly wait
TWICE = re.compile(r"doubled: .* came 2 times$")


@pytest.fixture(scope="module")
def trials(request):
    """(trial, its future) by the name of the configuration, for all that are
    asked for."""
    chosen = [item.callspec.params["configuration"]
              for item in request.session.items
              if item.module is request.module]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {}
        for each in chosen:
            trial = Trial(each, sample(), SESSION_SECONDS)
            begun[each.name] = trial, pool.submit(trial.run)
        yield begun


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it runs a Postfix")
@pytest.mark.parametrize("configuration", [
    pytest.param(each, id=each.name) for each in CONFIGURATIONS
    if each.in_check])
def test_mail_comes_once_and_unharmed_into(configuration, trials, show):
    trial, future = trials[configuration.name]
    try:
        outcome = future.result()
    except Missing as missing:
        if missing.of_npm and not shutil.which("npm"):
            pytest.skip(f"{missing}: no npm on this machine")
        raise
    finally:
        for title, text in trial.logs.items():
            show(title, text)
    assert [fault for fault in outcome.faults
            if not (configuration.cuts and TWICE.match(fault))] == []
    assert outcome.counts[0] >= GOOD - len(configuration.keeps)
