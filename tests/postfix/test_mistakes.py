# SPDX-License-Identifier: ISC
"""Ten mistakes of who sets it up for the first time: for each a line of the log
or odmrctl doctor leads to the cure. What others test already stands where it
is: a domain that is not granted (3: tests/dialog/test_atrn.py), a wrong password
and an account without --cram-md5 (4: test_scram.py, test_auth.py, there), port
366 behind a firewall (5: test_firewall.py)."""

import os

import pytest

from clinic import paste
from faults import domains, files, service
from odmr.wait import wait_for

FAULTS = {fault[0]: fault[2]
          for fault in domains.FAULTS + files.FAULTS + service.FAULTS}
MESSAGE = b"Subject: x\r\n\r\nx\r\n"
SENDER = "s@sender.test"


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain("a.test")
    sandbox.add_account("joe", "correct horse", ["a.test"])
    # Of what follows, each fault finds its domain there.
    for name, mode in ("b.test", "backup"), ("h.test", "hold"):
        sandbox.add_domain(name, mode, "[192.0.2.1]")
    return sandbox


@pytest.fixture
def doctor(patient):
    """The cures by the names of the findings, of the provider as it runs."""
    def cures():
        return {found["name"]: found["cure"] for found in patient.diagnose()}
    return cures


def send(provider, domain="a.test"):
    provider.send(SENDER, f"r@{domain}", MESSAGE)


def held(provider):
    return provider.status("a.test")["held"]


def test_1_the_milter_does_not_run(provider, doctor):
    socket = provider.directory / "spool" / "odmr" / "milter"
    away = socket.with_name("away")
    socket.rename(away)  # as one that was never made
    try:
        before = held(provider)
        send(provider)
        provider.wait_for_log("connect to Milter service unix:odmr/milter",
                              "No such file or directory")
        assert doctor()["milter-down"] == "systemctl restart odmr-milter"
        assert held(provider) == before, "but mail comes in"
    finally:
        away.rename(socket)


@pytest.mark.parametrize("owner", ["root", "odmrd's"])
def test_2_the_socket_directory_has_another_owner(provider, doctor, owner):
    """After the cure the milter's socket is still one that Postfix may not
    use: that is told as well, and cured."""
    directory = provider.directory / "spool" / "odmr"
    socket = directory / "milter"
    right, other = directory.stat(), 0 if owner == "root" else \
        directory.stat().st_uid
    group = 0 if owner == "root" else 1
    os.chown(directory, other, group)
    os.chown(socket, socket.stat().st_uid, group)
    os.chmod(directory, 0o2750)
    cures = doctor()
    assert "milter-forbidden" not in cures
    paste(cures["socket-directory"])
    assert (directory.stat().st_uid, directory.stat().st_gid) == (
        right.st_uid, right.st_gid)

    before = held(provider)
    send(provider)
    provider.wait_for_log("connect to Milter service unix:odmr/milter",
                          "Permission denied")
    paste(doctor()["milter-forbidden"])
    assert not {"milter-forbidden", "milter-down"} & set(doctor())
    send(provider)
    wait_for(lambda: held(provider) == before + 1, 20, "a tag")


def test_6_the_order_of_wildcards_in_transport_maps_is_no_mistake(
        provider, patient):
    patient.main("transport_maps", "inline:{.test=smtp:[192.0.2.9]}, "
                 f"lmdb:{patient.lib}/domains")
    found = {finding["name"] for finding in patient.diagnose()}
    assert not {"wrong-transport", "no-transport"} & found


def test_8_tables_that_only_root_reads_are_no_mistake(provider, doctor):
    """Postfix opens them as root."""
    lib = provider.directory / "lib"
    mode = lib.stat().st_mode & 0o7777
    lib.chmod(0o700)
    for path in lib.glob("*.lmdb"):
        path.chmod(0o600)
    try:
        provider.restart("postfix")
        send(provider)
        assert not [name for name in doctor() if name.startswith("table")]
    finally:
        lib.chmod(mode)
        for path in lib.glob("*.lmdb"):
            path.chmod(0o644)


@pytest.mark.parametrize("fault, name, cure", [
    pytest.param("wrong_transport", "wrong-transport",
                 "-e 'transport_maps = lmdb:{lib}/domains, inline:",
                 id="6_the_domain_is_still_in_an_older_table"),
    pytest.param("expired", "certificate-expired", "certbot renew",
                 id="7_the_certificate_has_expired"),
    pytest.param("no_lmdb", "table-type", "apt-get install postfix-lmdb",
                 id="9_postfix_lmdb_is_missing"),
    pytest.param("no_such_user", "user-missing", "adduser --system --group "
                 "--no-create-home nosuchuser", id="10_the_user_is_missing"),
    pytest.param("nothing_granted", "no-domain", "account grant ann DOMAIN",
                 id="3_nothing_is_granted")])
def test_doctor_has_the_cure(patient, fault, name, cure):
    FAULTS[fault](patient)
    told = {finding["name"]: finding["cure"] for finding in patient.diagnose()}
    assert cure.format(lib=patient.lib) in told[name]
