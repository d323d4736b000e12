# SPDX-License-Identifier: ISC
"""Fixtures of the tests that collect mail. The tests of a file share a
provider and a customer's mail server; each has accounts and domains of its
own."""

import itertools

import pytest

from clinic import Patient
from lone_milter import Milter
from odmr.customer import Customer
from party import Party
from policy import Policy
from retrying import clear, queue_runs, retrying
from sluice import Sluice

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def retrying_sandbox(sandbox):
    """Its Postfix tries each message again every two seconds."""
    with retrying(sandbox) as provider:
        yield provider


@pytest.fixture
def retrying_provider(retrying_sandbox):
    """Without what a test before has started: the next queue run after a flush
    tries all mail on hold that has its route."""
    queue_runs(retrying_sandbox, 1)
    yield retrying_sandbox
    clear(retrying_sandbox)


@pytest.fixture(scope="module")
def shared_policy():
    service = Policy()
    yield service
    service.close()


@pytest.fixture(scope="module")
def server(sandbox, shared_policy):
    """The mail server of all customers of a file."""
    running = Customer(["static:all"], **shared_policy.settings())
    yield running
    running.stop()


@pytest.fixture
def policy(shared_policy):
    """What `server` says of each recipient and each whole message."""
    yield shared_policy
    failure = shared_policy.failure
    shared_policy.clear()
    if failure:
        raise failure


@pytest.fixture
def make_party(sandbox, server, show):
    """A function: make_party(domain..., server=...) -> Party. A domain of its
    own, unless told."""
    def make(*domains, server=server):
        number = next(numbers)
        return Party(sandbox, server, f"login{number}",
                     list(domains) or [f"domain{number}.test"], show)
    return make


@pytest.fixture
def party(make_party):
    return make_party()


@pytest.fixture
def make_sluice(sandbox):
    """A function: make_sluice(amount) -> Sluice before the provider."""
    made = []

    def make(amount):
        made.append(Sluice(sandbox.odmr_port, amount))
        return made[-1]
    yield make
    for sluice in made:
        sluice.close()


@pytest.fixture
def stopped():
    """A milter with a database of its own, not started yet."""
    lone = Milter()
    yield lone
    lone.end()


@pytest.fixture
def milter(stopped):
    stopped.start()
    return stopped


@pytest.fixture
def patient(provider):
    """What doctor looks at, of the file's `provider`."""
    made = Patient(provider)
    yield made
    made.remove()
