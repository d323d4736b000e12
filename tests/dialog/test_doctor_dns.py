# SPDX-License-Identifier: ISC
"""What odmrctl doctor finds by the DNS: next hops that lead back to this host.
Each look is in a network of its own, with a Postfix that only has a
configuration."""

import getpass
import json
import re
import subprocess
import time

import pytest

from odmr.network import inside, may_unshare
from odmr.sandbox import BUILD, no_postfix

pytestmark = pytest.mark.skipif(not may_unshare(),
                                reason="needs namespaces, that is root")

# getaddrinfo(3) tells loopback addresses first.
HOSTS = {"us.test": [["A", "192.0.2.1"]],
         "half.test": [["A", "127.0.0.11"], ["A", "192.0.2.1"]],
         "outside.test": [["A", "203.0.113.1"]],
         "other.test": [["A", "198.51.100.2"]]}

# Domain, its records, its next hop. The second group is fine.
LOOPING = [
    ("best.test", [["MX", 20, "other.test"], ["MX", 10, "us.test"]], None),
    ("equal.test", [["MX", 10, "other.test"], ["MX", 10, "us.test"]], None),
    ("address.test", [["MX", 10, "half.test"]], None),
    ("behind-nat.test", [["MX", 10, "outside.test"]], None),
    ("without-mx.test", [["A", "192.0.2.1"]], None),
    ("by-mx.test", [], "best.test"),
    ("by-name.test", [], "[half.test]"),
    ("other-port.test", [], "backup.test:2525"),
]
FINE = [
    ("backup.test", [["MX", 10, "other.test"], ["MX", 20, "us.test"]], None),
    ("primary-gone.test", [["MX", 10, "none.test"], ["MX", 20, "us.test"]],
     None),
    ("null-mx.test", [["MX", 0, ""], ["A", "192.0.2.1"]], None),
    ("fails.test", "fail", None),
    ("free-port.test", [], "best.test:2626"),
    ("own-name.test", [["MX", 10, "us.test"]], "[other.test]"),
]


class Clinic:
    def __init__(self, directory):
        self.dir = directory
        self.conf = directory / "odmr.conf"
        self.zone = dict(HOSTS)
        user = getpass.getuser()
        self.conf.write_text(f"""\
database = {directory}/odmr.db
domain_table = lmdb:{directory}/domains
etrn_table = lmdb:{directory}/etrn_names
postqueue_path = {directory}/none
postconf_path = {directory}/postconf
postfix_config_directory = {directory}/postfix
socket_directory = {directory}
milter_socket = unix:{directory}/milter
listen = 127.0.0.1:366
user = {user}
postfix_user = {user}
""")
        self.postconf()
        no_postfix(directory / "postfix")
        self.odmrctl("init")

    def postconf(self, relayhost=""):
        """It has smtpd at two ports."""
        path = self.dir / "postconf"
        path.write_text(f"""#!/bin/sh
case $3 in
-x) echo 'relayhost = {relayhost}'
    echo 'proxy_interfaces = 203.0.113.9, 203.0.113.1' ;;
-M) printf '%s inet n - y - - smtpd\\n' 25 2525 ;;
esac
""")
        path.chmod(0o755)

    def odmrctl(self, *arguments):
        subprocess.run([BUILD / "odmrctl", "-c", self.conf, *arguments],
                       check=True, timeout=60)

    def domain(self, name, records, hop=None):
        self.zone[name] = records
        self.odmrctl("domain", "add", name, "--mode", "backup",
                     *(["--nexthop", hop] if hop else []))

    def findings(self):
        """As (name, what) pairs, those that the DNS has to do with."""
        world = {"zone": self.zone, "hosts": [], "own": ["192.0.2.1"]}
        done = inside(self.dir, world, BUILD / "odmrctl", "-c", self.conf,
                      "doctor", "--json")
        assert done.stderr == ""
        found = [(found["name"], found["what"])
                 for found in json.loads(done.stdout)["findings"]
                 if found["name"] in ("loop", "relayhost-loop", "dns-slow")]
        print(self.zone, found)
        return found


@pytest.fixture
def clinic(tmp_path):
    return Clinic(tmp_path)


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """What one look at all those domains has found."""
    clinic = Clinic(tmp_path_factory.mktemp("doctor"))
    for case in LOOPING + FINE:
        clinic.domain(*case)
    return clinic.findings()


def looping(findings):
    return {re.match(r"domain (\S+):", what)[1] for name, what in findings
            if name == "loop"}


@pytest.mark.parametrize("name", [case[0] for case in LOOPING])
def test_mail_that_would_come_back_is_found(looked, name):
    assert name in looping(looked)


@pytest.mark.parametrize("name", [case[0] for case in FINE])
def test_mail_that_goes_elsewhere_is_no_finding(looked, name):
    assert name not in looping(looked)


def test_dns_that_answers_leaves_no_domain_out(looked):
    assert {name for name, _ in looked} == {"loop"}


@pytest.mark.parametrize("hop, found", [
    ("best.test", ["relayhost-loop"]), ("backup.test", []),
    ("[half.test]", ["relayhost-loop"]), ("backup.test:2525",
                                          ["relayhost-loop"])])
def test_relayhost_is_judged_alike(clinic, hop, found):
    clinic.zone.update({case[0]: case[1] for case in LOOPING + FINE})
    clinic.postconf(relayhost=hop)
    assert [name for name, _ in clinic.findings()] == found


def test_silent_dns_leaves_domains_out_and_says_so(clinic):
    for number in range(5):
        clinic.domain(f"silent{number}.test", "silent")
    began = time.monotonic()
    found = clinic.findings()
    assert time.monotonic() - began < 20
    assert found == [("dns-slow", "3 domains left out after 10 seconds")]
