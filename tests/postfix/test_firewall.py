# SPDX-License-Identifier: ISC
"""odmrctl doctor and the firewall of its own host, in a network namespace with
real rules of nft and iptables; and another host, which is a second namespace
behind a false ssh."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from clinic import Patient
from odmr import network
from odmr.sandbox import BUILD

pytestmark = pytest.mark.skipif(
    not shutil.which("nft", path="/usr/sbin") or not network.may_unshare(),
    reason="needs nft, and a network namespace")

OUTSIDE, INSIDE = "192.0.2.2", "192.0.2.1"
SSH = """\
#!/bin/sh
echo "$@" >>{0}/ssh.log
while [ "$1" != -- ]; do shift; done
[ "$2" = gone.test ] && {{ echo "ssh: no route to host" >&2; exit 255; }}
[ "$2" = bare.test ] && PATH=/none exec /bin/sh -c "$3"
exec nsenter -t $(cat {0}/other.pid) -n sh -c "$3"
"""
SERVER = """\
import socket, sys, time
with socket.create_server((sys.argv[1], 366)) as server:
    open(sys.argv[2], "w").close()
    while True:
        server.accept()[0].close()
"""
TABLE = """
nft add table inet f
nft 'add chain inet f in {{ type filter hook input priority 0; policy {0}; }}'
nft add rule inet f in ct state established,related accept
nft add rule inet f in iif lo accept
"""
DROP, ACCEPT = TABLE.format("drop"), TABLE.format("accept")


def nft(*rules, before=DROP):
    return before + "".join(f"nft 'add rule inet f in {rule}'\n"
                            for rule in rules)


def iptables(*rules, policy="DROP"):
    return f"iptables -P INPUT {policy}\n" + "".join(
        f"iptables {rule}\n" for rule in (
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            *rules))


CLOSED = {
    "policy": nft(),
    "other_ports": nft("tcp dport { 22, 25, 1000-2000 } accept"),
    "udp": nft("udp dport 366 accept", "meta l4proto icmp accept",
               "icmp type echo-request limit rate 5/second accept"),
    "states_by_map": nft("ct state vmap { established : accept, "
                         "related : accept, invalid : drop }"),
    "rejected": nft("tcp dport 366 reject with tcp reset", before=ACCEPT),
    "range": nft("tcp dport 1-1023 drop", before=ACCEPT),
    "all_but_one": nft("tcp dport != 25 drop", before=ACCEPT),
    "new": nft("ct state new counter drop", before=ACCEPT),
    "ports_by_map": nft("tcp dport vmap { 25 : accept, 366 : drop }",
                        before=ACCEPT),
    "named_set": DROP + """
        nft 'add set inet f ports { type inet_service; elements={ 22, 25 }; }'
        nft add rule inet f in tcp dport @ports accept""",
    "chain": DROP + """
        nft add chain inet f mail
        nft add rule inet f mail tcp dport 25 accept
        nft add rule inet f in meta l4proto tcp jump mail""",
    "ipv4_alone": """
        nft add table ip g
        nft 'add chain ip g in { type filter hook input priority 5; \
            policy drop; }'""",
    "iptables": iptables("-A INPUT -p tcp --dport 25 -j ACCEPT",
                         "-A INPUT -p tcp -m multiport --dports 80,443 "
                         "-m comment --comment 'the 366' -j ACCEPT"),
    "iptables_reject": iptables("-A INPUT -p tcp --dport 300:400 -j REJECT",
                                policy="ACCEPT"),
    "iptables_chain": iptables(
        "-N mail", "-A mail -p tcp ! --dport 25 -j RETURN",
        "-A mail -j ACCEPT", "-A INPUT -p tcp --syn -j mail"),
}

OPEN = {
    "nothing": "",
    "no_rules": ACCEPT,
    "port": nft("tcp dport { 25, 366 } accept"),
    "any_tcp": nft("meta l4proto tcp accept"),
    "some_address": nft("ip saddr 198.51.100.0/24 accept"),
    "some_interface": nft('iifname "eth0" accept'),
    "some_dropped": nft("ip saddr 198.51.100.0/24 drop",
                        "tcp dport 366 limit rate over 9/second drop",
                        before=ACCEPT),
    "chain": DROP + """
        nft add chain inet f mail
        nft add rule inet f mail tcp dport 366 accept
        nft add rule inet f in jump mail""",
    "ipv6_alone": """
        nft add table ip6 g
        nft 'add chain ip6 g in { type filter hook input priority 5; \
            policy drop; }'""",
    "output": """
        nft add table ip g
        nft 'add chain ip g o { type filter hook output priority 5; \
            policy drop; }'""",
    "iptables": iptables("-A INPUT -p tcp --dport 366 -j ACCEPT"),
    "iptables_some": iptables("-A INPUT -s 198.51.100.0/24 -j ACCEPT"),
    "iptables_chain": iptables(
        "-N mail", "-A mail -p tcp --dport 366 -j ACCEPT",
        "-A INPUT -p tcp -j mail"),
}


@pytest.fixture(scope="module")
def provider(sandbox):
    yield sandbox


@pytest.fixture
def patient(provider):
    made = Patient(provider)
    made.odmr_conf("listen", "0.0.0.0:366")
    made.odmr_conf("listen_tls", "")
    yield made
    made.remove()


def doctor(patient, rules, *options, after=""):
    """Its findings about ports, in a network of its own with these rules."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec",
         f"ip link set lo up\n{rules}\n{after}\n"
         f"{BUILD}/odmrctl -c {patient.conf} doctor --json "
         f"{' '.join(options)} || [ $? -lt 3 ]"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        env={**os.environ, "PATH":
             f"{patient.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert done.returncode == 0, done.stderr
    return [found for found in json.loads(done.stdout)["findings"]
            if found["name"].startswith(("port-", "outside-"))
            and found["name"] != "port-name"]


@pytest.mark.parametrize("rules", CLOSED.values(), ids=CLOSED)
def test_a_closed_port_is_found_and_the_cure_opens_it(patient, rules):
    found, = doctor(patient, rules)
    assert found["name"] == "port-closed" and "366" in found["what"]
    assert doctor(patient, rules, after=found["cure"]) == []


@pytest.mark.parametrize("rules", OPEN.values(), ids=OPEN)
def test_what_may_be_open_is_no_finding(patient, rules):
    assert doctor(patient, rules) == []


def test_the_firewall_does_not_matter_inside(patient):
    patient.odmr_conf("listen", "127.0.0.1:366")
    assert doctor(patient, CLOSED["policy"]) == []


def test_each_port_is_looked_at(patient):
    patient.odmr_conf("listen_tls", "0.0.0.0:1366")
    found = doctor(patient, nft("tcp dport 366 accept"))
    assert ["1366" in one["what"] for one in found] == [True]


@pytest.fixture
def outside(patient):
    """The lines that make a second namespace, which ssh leads to, and a server
    at port 366 of the first."""
    directory = patient.directory
    (directory / "bin").mkdir()
    ssh = directory / "bin" / "ssh"
    ssh.write_text(SSH.format(directory))
    ssh.chmod(0o755)
    (directory / "server.py").write_text(SERVER)
    patient.odmr_conf("listen", f"{INSIDE}:366")
    return f"""
        unshare --net sleep 60 >/dev/null 2>&1 &
        other=$!
        echo $other >{directory}/other.pid
        {sys.executable} {directory}/server.py 0.0.0.0 {directory}/up \
            >/dev/null 2>&1 &
        trap "kill $other $!" EXIT
        while [ "$(readlink /proc/$other/ns/net)" = \
            "$(readlink /proc/self/ns/net)" ] || [ ! -e {directory}/up ]; do
            sleep 0.05
        done
        ip link add inner type veth peer name outer netns $other
        ip addr add {INSIDE}/24 dev inner
        ip link set inner up
        nsenter -t $other -n ip addr add {OUTSIDE}/24 dev outer
        nsenter -t $other -n ip link set outer up
        """


def test_from_outside_an_open_port_is_reached(patient, outside):
    assert doctor(patient, outside, "--from", "far.test") == []
    assert "far.test" in (patient.directory / "ssh.log").read_text()


def test_from_outside_what_no_rule_tells_is_seen(patient, outside):
    rules = outside + nft("ip saddr 198.51.100.0/24 accept")
    found, = doctor(patient, rules, "--from", "root@far.test")
    assert found["name"] == "port-unreachable"
    assert (found["where"], found["what"]) == (
        "root@far.test", f"cannot connect to {INSIDE}, port 366")


@pytest.mark.parametrize("host, what", [
    ("gone.test", "no route to host"), ("bare.test", "it has no bash")])
def test_a_host_that_cannot_be_asked_is_no_closed_port(
        patient, outside, host, what):
    found, = doctor(patient, outside, "--from", host)
    assert found["name"] == "outside-unchecked"
    assert what in found["what"]


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "", "a b", "a;id"])
def test_what_is_no_host_is_refused(provider, host):
    done = provider.odmrctl_run("doctor", f"--from={host}")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("odmrctl: --from ")
