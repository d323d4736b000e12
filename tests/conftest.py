# SPDX-License-Identifier: ISC
"""Fixtures of the integration tests. Whatever a test started ends with it, and
a fault in a daemon's log fails the tests even if all they saw was right."""

import os
import shutil

import pytest

from odmr import skips
from odmr.customer import Customer
from odmr.fetchmail import fetchmail as run_fetchmail
from odmr.sandbox import BUILD, Sandbox

TAIL = 150  # lines of a log shown with a failure


def need_root():
    if os.getuid() != 0:
        pytest.skip("needs root: it runs a Postfix")


def pytest_configure(config):
    """What a thread of a test finds wrong fails the test."""
    config.pluginmanager.register(skips)
    config.addinivalue_line(
        "filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


TRANSCRIPTS = pytest.StashKey()


def transcripts(item):
    return item.stash.setdefault(TRANSCRIPTS, [])


def tail_of(path):
    try:
        return "\n".join(
            path.read_text(errors="replace").splitlines()[-TAIL:])
    except OSError as error:
        return str(error)


@pytest.fixture(scope="module")
def sandbox():
    """A provider for all tests of a file; no domains, no accounts yet."""
    need_root()
    provider = Sandbox()
    try:
        yield provider
        faults = provider.faults()
    finally:
        provider.stop()
    faults += [line for line in provider.faults()
               if "is not running" not in line and line not in faults]
    log = tail_of(provider.log)
    provider.remove()
    if faults:
        pytest.fail("\n".join(["faults of the daemons:", *faults,
                               "the log ends with:", log]), pytrace=False)


@pytest.fixture
def make_customer():
    """A function: make_customer(domains, **main_cf) -> Customer."""
    need_root()
    made = []

    def make(domains, **settings):
        made.append(Customer(domains, **settings))
        return made[-1]
    yield make
    for customer in made:
        customer.stop()


@pytest.fixture
def fetchmail(request):
    """A function: fetchmail(sandbox, login, password, domains, customer,
    tls=False) -> Result. Its transcript is shown if the test fails."""
    if not shutil.which("fetchmail"):
        pytest.skip("needs fetchmail")

    def run(provider, login, password, domains, customer, tls=False, **more):
        result = run_fetchmail(
            provider.odmrs_port if tls else provider.odmr_port, login,
            password, domains, customer.port,
            tls_ca=provider.tls_ca if tls else None, **more)
        transcripts(request.node).append(("fetchmail", result.transcript))
        return result
    return run


@pytest.fixture
def show(request):
    """A function: show(title, text) keeps what is printed on failure, such as
    the dialogue of a scripted customer."""
    return lambda title, text: transcripts(request.node).append((title, text))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed:
        return
    report.sections += transcripts(item)
    provider = getattr(item, "funcargs", {}).get("sandbox")
    if provider:
        report.sections.append(("mail log", tail_of(provider.log)))


def pytest_report_header():
    return f"programs: {BUILD}"
