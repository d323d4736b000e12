# SPDX-License-Identifier: ISC
"""Checks of recipients that refuse mail for domains of customers who are away,
on a running Postfix: what odmrctl doctor says against it lets it in."""

import json
import smtplib
import subprocess

import pytest

from clinic import paste
from odmr.postfix import LOOPBACK


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain("a.test")
    sandbox.add_domain("h.test", "hold", "[192.0.2.1]")
    sandbox.add_domain("b.test", "backup", f"[{LOOPBACK}]:1")
    return sandbox


@pytest.fixture
def setting(provider):
    """Set in main.cf for one test; what a cure has set goes too."""
    names = {"relay_recipient_maps", "smtpd_recipient_restrictions",
             "address_verify_transport_maps"}

    def set_it(name, value):
        subprocess.run(["/usr/sbin/postconf", "-c", provider.config,
                        f"{name}={value}"], check=True, timeout=60)
        provider.restart("postfix")
    yield set_it
    subprocess.run(["/usr/sbin/postconf", "-c", provider.config, "-X", *names],
                   check=False, timeout=60, stderr=subprocess.DEVNULL)
    provider.restart("postfix")


def answer(provider, recipient):
    with smtplib.SMTP(LOOPBACK, provider.port, timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail("s@sender.test")
        return smtp.rcpt(recipient)[0]


def diagnose(provider):
    return json.loads(
        provider.odmrctl_run("doctor", "--json").stdout)["findings"]


def cure(provider, name):
    """Of this finding, pasted and taken up."""
    for found in diagnose(provider):
        if found["name"] == name:
            paste(found["cure"])
    provider.restart("postfix")
    assert name not in {found["name"] for found in diagnose(provider)}


def test_a_domain_that_relay_recipient_maps_lacks_is_let_in(provider, setting):
    setting("relay_recipient_maps", "inline:{joe@b.test=OK, x@other.test=OK}")
    assert answer(provider, "joe@b.test") == 250
    assert answer(provider, "ann@a.test") == 550
    cure(provider, "no-recipient")
    assert answer(provider, "ann@a.test") == 250
    assert answer(provider, "ann@h.test") == 250
    assert answer(provider, "ann@b.test") == 550, "but all is as it was there"


def test_probes_of_recipients_do_not_put_mail_off(provider, setting):
    setting("smtpd_recipient_restrictions", "reject_unverified_recipient")
    assert answer(provider, "ann@a.test") == 450
    cure(provider, "recipient-probed")
    assert answer(provider, "joe@a.test") == 250
    assert answer(provider, "joe@h.test") == 250
    assert answer(provider, "joe@b.test") == 450, "whose server is down"
    assert provider.status("a.test")["held"] == 0
    assert not [message for message in provider.queue()
                if "joe@a.test" in str(message)], "a probe is no mail"


@pytest.mark.parametrize("restrictions", [
    "check_recipient_access inline:{a.test=OK, h.test=OK}, "
    "reject_unverified_recipient",
    "warn_if_reject reject_unverified_recipient",
    "permit, reject_unverified_recipient"])
def test_probes_that_do_not_matter_are_no_finding(provider, setting,
                                                  restrictions):
    setting("smtpd_recipient_restrictions", restrictions)
    assert "recipient-probed" not in {
        found["name"] for found in diagnose(provider)}
