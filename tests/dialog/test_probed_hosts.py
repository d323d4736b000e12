# SPDX-License-Identifier: ISC
"""Which hosts etrn-trigger --probe asks: MX hosts, addresses, and not us. Each
test has a network of its own."""

import os
import time

import pytest

from odmr.network import inside, may_unshare
from test_probe import Provider

OWN = "192.0.2.1"

pytestmark = pytest.mark.skipif(not may_unshare(),
                                reason="needs namespaces, that is root")


@pytest.fixture
def probe(show):
    """A function: what a probe says of the next hop of backup.test."""
    provider = Provider()
    provider.domain("backup.test")
    provider.queue("backup.test")

    def run(zone, hosts, hop=None):
        value = f"'{hop}'" if hop else "NULL"
        provider.sql(f"UPDATE domain SET nexthop = {value}")
        world = {"zone": zone, "hosts": hosts, "own": [OWN]}
        done = inside(provider.dir, world, *provider.command("-n"))
        show("it said", done.stdout + done.stderr)
        assert done.returncode == os.EX_OK, done.stderr
        assert done.stdout.startswith("backup.test: ")
        return done.stdout[len("backup.test: "):].rstrip("\n")
    yield run
    assert not provider.close()


def up(address):
    return f"up: [{address}]:25; 1 messages would be released"


def mx(*hosts):
    """The zone of backup.test: its MX hosts as (preference, name)."""
    return {"backup.test": [["MX", *host] for host in hosts],
            "one.test": [["A", "192.0.2.11"]],
            "two.test": [["A", "192.0.2.12"]],
            "three.test": [["A", "192.0.2.13"]],
            "us.test": [["A", OWN]],
            "relay.test": [["A", "192.0.2.19"]]}


def test_best_mx_that_answers_is_up(probe):
    zone = mx((20, "two.test"), (30, "three.test"), (10, "one.test"))
    assert probe(zone, ["192.0.2.11", "192.0.2.12", "192.0.2.13"]) == \
        up("192.0.2.11")
    assert probe(zone, ["192.0.2.12", "192.0.2.13"]) == up("192.0.2.12")
    assert probe(zone, []) == "down: [192.0.2.13]:25: Connection refused"


def test_hosts_at_or_behind_our_own_preference_are_not_asked(probe):
    zone = mx((10, "one.test"), (20, "us.test"), (20, "two.test"),
              (30, "three.test"))
    everybody = [OWN, "192.0.2.12", "192.0.2.13"]
    assert probe(zone, everybody) == \
        "down: [192.0.2.11]:25: Connection refused"
    assert probe(zone, [*everybody, "192.0.2.11"]) == up("192.0.2.11")


def test_we_are_known_by_our_name_too(probe):
    zone = mx((10, "one.test"), (20, "relay.test"), (30, "three.test"))
    assert probe(zone, ["192.0.2.19", "192.0.2.13"]) == \
        "down: [192.0.2.11]:25: Connection refused"


def test_domain_whose_best_mx_we_are_is_down(probe):
    assert probe(mx((10, "us.test"), (20, "two.test")),
                 [OWN, "192.0.2.12"]) == \
        "down: backup.test: its best mail server is this host"


def test_domain_without_mx_is_reached_by_its_address(probe):
    zone = {"backup.test": [["A", "192.0.2.11"], ["A", "192.0.2.12"]]}
    assert probe(zone, ["192.0.2.12"]) == up("192.0.2.12")


def test_domain_that_takes_no_mail_is_down(probe):
    zone = {"backup.test": [["MX", 0, ""], ["A", "192.0.2.11"]]}
    assert probe(zone, ["192.0.2.11"]) == \
        "down: backup.test: has no mail server (null MX)"


def test_mx_that_has_no_address_does_not_hide_the_others(probe):
    zone = mx((10, "nowhere.test"), (20, "two.test"))
    assert probe(zone, ["192.0.2.12"]) == up("192.0.2.12")


def test_host_in_brackets_has_no_mx(probe):
    zone = {"host.test": [["MX", 10, "one.test"], ["A", "192.0.2.12"]],
            "one.test": [["A", "192.0.2.11"]]}
    both = ["192.0.2.11", "192.0.2.12"]
    assert probe(zone, both, "[host.test]") == up("192.0.2.12")
    assert probe(zone, both, "host.test") == up("192.0.2.11")
    assert probe(zone, both, "[192.0.2.12]") == up("192.0.2.12")


def test_name_that_does_not_exist_is_down(probe):
    assert probe({}, []) == "down: backup.test: Name or service not known"


def test_dns_that_fails_is_not_taken_for_a_domain_without_mx(probe):
    zone = {"backup.test": "fail"}
    assert probe(zone, []) == "down: backup.test: the DNS does not tell its MX"


def test_dns_that_is_silent_costs_seconds(probe):
    begin = time.monotonic()
    assert probe({"backup.test": "silent"}, []) == \
        "down: backup.test: the DNS does not tell its MX"
    assert time.monotonic() - begin < 40


def test_five_addresses_are_tried_at_most(probe):
    zone = {"backup.test": [["A", f"192.0.2.{n}"] for n in range(10, 20)]}
    assert probe(zone, []).startswith("down: ")
    zone = mx(*[(n, f"mx{n}.test") for n in range(6)])
    zone.update({f"mx{n}.test": [["A", f"192.0.2.{10 + n}"]]
                 for n in range(6)})
    assert probe(zone, ["192.0.2.14"]) == up("192.0.2.14")
    assert probe(zone, ["192.0.2.15"]) == \
        "down: [192.0.2.14]:25: Connection refused"
