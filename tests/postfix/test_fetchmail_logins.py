# SPDX-License-Identifier: ISC
"""fetchmail collects with the logins that customers have: its own, one for
ESMTP besides, and forms of it."""

import pytest

import odmr.fetchmail

DOMAIN = "logins.test"
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain(DOMAIN)
    sandbox.add_account("carol", PASSWORD, [DOMAIN])
    sandbox.odmrctl("account", "add", "dave", "--cram-md5",
                    text=PASSWORD + "\n")
    return sandbox


@pytest.mark.parametrize("login, esmtpname", [
    ("carol", "dave"), ("carol@provider.test", None), (DOMAIN, None)])
def test_fetchmail_collects(provider, make_customer, fetchmail, monkeypatch,
                            login, esmtpname):
    if esmtpname:
        monkeypatch.setattr(
            odmr.fetchmail, "RC", odmr.fetchmail.RC.replace(
                "{plugin}", f'esmtpname "{esmtpname}" '
                f'esmtppassword "{PASSWORD}" {{plugin}}'))
    customer = make_customer([DOMAIN])
    provider.send("s@sender.test", [f"carol@{DOMAIN}"],
                  b"Subject: to be collected\r\n\r\nhello\r\n")
    provider.wait_until_deferred(1)
    provider.wait_until_held(DOMAIN, 1)
    result = fetchmail(provider, login, PASSWORD, [DOMAIN], customer)
    assert result.status == 0
    logins = [row.split()[-1] for row in result.transcript.splitlines()
              if " 235 2.7.0 " in row]
    assert logins == ([esmtpname] if esmtpname else []) + ["carol"]
    messages = customer.wait_for_messages(1)
    assert b"Subject: to be collected" in messages[0]
    provider.wait_until_empty()
    rows = provider.wait_for_log(": session account=", "reason=drained")
    assert " account=carol " in rows[-1] and " mech=CRAM-MD5 " in rows[-1]
