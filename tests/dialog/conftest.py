# SPDX-License-Identifier: ISC
"""Fixtures of the dialogue tests: an odmrd for all tests of a file, or one of
its own for a test. They need no root and no Postfix."""

import shutil

import pytest

from odmr.sandbox import temporary_directory
from odmrd_alone import Odmrd, make_template
from scripted_customer import Customer

LOG_SHOWN = 20000


@pytest.fixture(scope="session")
def template():
    directory = temporary_directory()
    make_template(directory)
    yield directory
    shutil.rmtree(directory)


def end(daemons):
    faults = [fault for daemon in daemons for fault in daemon.remove()]
    if faults:
        pytest.fail("\n".join(["faults of odmrd:", *faults]), pytrace=False)


@pytest.fixture(scope="module")
def shared(request, template):
    """The odmrd of a file, set up as its SETTINGS say; replaced by a new one
    if it dies."""
    made = []

    def get():
        if not made or made[-1].process.poll() is not None:
            settings = getattr(request.module, "SETTINGS", {})
            made.append(Odmrd(template, **settings))
        return made[-1]
    yield get
    end(made)


@pytest.fixture
def daemon(shared):
    running = shared()
    running.reset()
    yield running
    status = running.process.poll()
    assert status is None, f"odmrd died: exit status {status}"


@pytest.fixture
def make_daemon(request, template):
    """A function: make_daemon(setting=value...) -> Odmrd."""
    made = []

    def make(**settings):
        made.append(Odmrd(template, **settings))
        request.node.own_daemons = made
        return made[-1]
    yield make
    end(made)


@pytest.fixture
def collect(daemon):
    """A function: collect(plan, domains=..., login=..., **answers) ->
    Customer, for a line that was just turned."""
    def begin(plan="chunking", domains="example.org", login="alice", **more):
        return Customer(daemon.turned(domains, login), plan, **more)
    return begin


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed or call.when == "setup":
        return
    running = item.funcargs.get("daemon")
    for odmrd in [running] if running else getattr(item, "own_daemons", []):
        if not odmrd.dir.exists():
            continue
        report.sections.append(("dialogue", "\n".join(odmrd.transcript[-200:])))
        report.sections.append(("odmrd's log", odmrd.new_log()[-LOG_SHOWN:]))
