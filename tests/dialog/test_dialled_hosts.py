# SPDX-License-Identifier: ISC
"""Which host is dialled for a domain on hold: as Postfix finds it, by the DNS
of that moment, and never ourselves."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from odmr import network
from odmr.sandbox import BUILD
from odmr.wait import wait_for
from odmrd_alone import Odmrd

OWN = "192.0.2.1"
NAME = "hold.test"


class SecludedOdmrd(Odmrd):
    """In a network of its own. It is asked by the control socket."""

    def __init__(self, template, zone, hosts, mute):
        self.world = {"zone": zone, "hosts": hosts, "own": [OWN], "mute": mute}
        super().__init__(template)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                network.command(str(self.dir), self.world, str(BUILD / "odmrd"),
                                "-f", "-c", str(self.dir / "odmr.conf")),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: b": started\n" in self.log.read_bytes() or
                 self.process.poll() is not None, 30, "odmrd starts")
        assert self.process.poll() is None, self.log.read_text()

    def terminate(self):
        os.kill(int(Path(self.dir, "odmrd.pid").read_text()), signal.SIGTERM)

    def dial(self, nexthop=None):
        if nexthop:
            self.sql("UPDATE domain SET nexthop = ? WHERE name = ?", nexthop,
                     NAME)
        assert self.control().ask(f"dial {NAME}") == ["ok"]

    def dial_all(self, names):
        """Of nobody, and without a next hop."""
        for name in names:
            self.sql("INSERT INTO domain (name, mode, socket, created)"
                     " VALUES (?, 'hold', ?, 0)", name, name)
            assert self.control().ask(f"dial {name}") == ["ok"]

    def dialled(self, address):
        """A session with that host has ended."""
        self.wait_for_log(": session account=- ", f" client={address} ",
                          timeout=40)

    def unreachable(self, why):
        self.wait_for_log(f'unreachable: domain={NAME} reason="{why}"',
                          timeout=60)


@pytest.fixture
def begin(template):
    """A function: begin(zone, hosts, mute) -> SecludedOdmrd."""
    if not network.may_unshare():
        pytest.skip("needs a network of its own")
    made = []

    def make(zone, hosts=(), mute=()):
        made.append(SecludedOdmrd(template, zone, list(hosts), list(mute)))
        return made[-1]
    yield make
    faults = [fault for daemon in made for fault in daemon.remove()]
    assert not faults


def mx(*hosts):
    """The zone of hold.test: its MX hosts as (preference, name)."""
    return {NAME: [["MX", *host] for host in hosts],
            "one.test": [["A", "192.0.2.11"]],
            "two.test": [["A", "192.0.2.12"]],
            "three.test": [["A", "192.0.2.13"]],
            "us.test": [["A", OWN]]}


def test_best_mx_that_answers_is_dialled(begin):
    daemon = begin(mx((20, "two.test"), (30, "three.test"), (10, "one.test")),
                   ["192.0.2.12", "192.0.2.13"])
    daemon.dial()
    daemon.dialled("192.0.2.12")


def test_we_and_who_is_behind_us_are_not_dialled(begin):
    daemon = begin(mx((10, "one.test"), (20, "us.test"), (30, "three.test")),
                   [OWN, "192.0.2.13"])
    daemon.dial()
    daemon.unreachable("[192.0.2.11]:25: Connection refused")
    assert not daemon.logged(": session ")


def test_we_are_never_dialled(begin):
    daemon = begin({**mx((10, "us.test")), NAME: [["MX", 10, "us.test"]]},
                   [OWN])
    daemon.dial(f"[{OWN}]")
    daemon.unreachable(f"{OWN}: its best mail server is this host")


@pytest.mark.parametrize("address", ["127.0.0.2", "127.255.255.254", "0.0.0.0"])
def test_loopback_is_never_dialled_whatever_the_dns_says(begin, address):
    daemon = begin({NAME: [["MX", 10, "loop.test"]],
                    "loop.test": [["A", address]]}, [address])
    daemon.dial()
    daemon.unreachable(f"{NAME}: its best mail server is this host")
    daemon.dial("[loop.test]")
    daemon.unreachable("loop.test: its best mail server is this host")


def test_mapped_addresses_are_what_they_map(begin):
    daemon = begin({}, ["127.0.0.1", OWN])
    for address in ("::ffff:127.0.0.1", "::ffff:0.0.0.0", f"::ffff:{OWN}"):
        daemon.dial(f"[{address}]")
        daemon.unreachable(f"{address}: its best mail server is this host")


def say_of_postfix(daemon, name, proxies=""):
    daemon.script("postconf", f"#!/bin/sh\necho {name}\necho {proxies}\n")


@pytest.mark.parametrize("name", ["host.test", "MAIL.host.test"])
def test_server_with_the_name_of_our_postfix_is_ourselves(begin, name):
    """By its greeting, or by its reply to EHLO."""
    daemon = begin(mx((10, "two.test")), ["192.0.2.12"])
    say_of_postfix(daemon, name)
    daemon.dial()
    daemon.dialled("192.0.2.12")
    assert daemon.logged(" warning: ", f": mail for {NAME} loops back to this "
                         f"host: 192.0.2.12 is called {name.lower()}")
    assert daemon.logged(": session ", " reason=loop")


def test_our_address_behind_a_translator_is_not_dialled(begin):
    daemon = begin(mx((10, "two.test")), ["192.0.2.12"])
    say_of_postfix(daemon, "relay.test", "203.0.113.9, 192.0.2.12")
    daemon.dial()
    daemon.unreachable(f"{NAME}: its best mail server is this host")


def test_address_of_the_moment_is_dialled(begin):
    daemon = begin({"home.test": [["A", "192.0.2.11"]]},
                   ["192.0.2.11", "192.0.2.12"])
    daemon.dial("[home.test]")
    daemon.dialled("192.0.2.11")
    network.write_zone(daemon.dir, {"home.test": [["A", "192.0.2.12"]]})
    daemon.dial()
    daemon.dialled("192.0.2.12")


def test_hosts_of_one_preference_that_the_dns_is_silent_about_cost_seconds(
        begin):
    names = [f"silent{number}.test" for number in range(32)]
    daemon = begin({NAME: [["MX", 10, name] for name in names],
                    **dict.fromkeys(names, "silent")})
    daemon.dial()
    daemon.wait_for_log(f"unreachable: domain={NAME}", timeout=40)


def test_dns_that_is_silent_keeps_nobody_waiting(begin):
    daemon = begin({NAME: "silent"})
    daemon.dial()
    assert json.loads(daemon.odmrctl("sessions", "--json")) == {
        "sessions": [], "strangers": 0}
    assert not daemon.logged("unreachable")
    daemon.unreachable(f"{NAME}: the DNS does not tell its MX")


def test_odmrd_that_stops_does_not_wait_for_the_dns(begin):
    names = [f"silent{number}.test" for number in range(32)]
    daemon = begin({NAME: [["MX", 10, name] for name in names],
                    **dict.fromkeys(names, "silent")})
    daemon.dial()
    time.sleep(2)
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait_for_exit() == 0
    assert time.monotonic() - began < 5


def test_dns_that_is_silent_about_many_keeps_nobody_else_waiting(begin):
    """They are nobody's, so each has turns of its own."""
    names = [f"held{number}.test" for number in range(150)]
    daemon = begin({NAME: [["A", "192.0.2.12"]],
                    **dict.fromkeys(names, "silent")}, ["192.0.2.12"])
    daemon.dial_all(names)
    began = time.monotonic()
    daemon.dial()
    daemon.dialled("192.0.2.12")
    assert time.monotonic() - began < 20


def test_names_of_one_server_that_does_not_greet_keep_nobody_waiting(begin):
    """They are nobody's: of the places their address has its part."""
    names = [f"held{number}.test" for number in range(120)]
    daemon = begin({NAME: [["A", "192.0.2.12"]],
                    **dict.fromkeys(names, [["A", "192.0.2.13"]])},
                   ["192.0.2.12"], ["192.0.2.13"])
    daemon.dial_all(names)
    counts = [0]

    def all_that_may():
        counts.append(daemon.sql("SELECT count(*) FROM session")[0][0])
        time.sleep(0.5)
        return counts[-1] >= 25 and set(counts[-3:]) == {counts[-1]}
    wait_for(all_that_may, 60, "those who may are connecting")
    began = time.monotonic()
    daemon.dial()
    daemon.dialled("192.0.2.12")
    assert time.monotonic() - began < 15
