# SPDX-License-Identifier: ISC
"""fetchmail in clear, through openssl(1) as its plugin, and with its own ssl,
which hangs where one TLS record carries several lines."""

import pytest

import odmr.fetchmail

DOMAIN = "tls.test"
PASSWORD = "open sesame"
MESSAGES = 20


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain(DOMAIN)
    sandbox.add_account("carol", PASSWORD, [DOMAIN])
    return sandbox


@pytest.fixture
def with_ssl(monkeypatch, provider):
    """fetchmail's own TLS instead of the plugin."""
    text = odmr.fetchmail.RC.replace("{plugin}", "").replace(
        "    smtphost", f'    ssl sslcertck sslcertfile "{provider.tls_ca}"\n'
        "    smtphost")
    monkeypatch.setattr(odmr.fetchmail, "RC",
                        text.replace("poll 127.0.0.1", "poll localhost"))


@pytest.mark.parametrize("way, version", [
    ("clear", "no"), ("plugin", "TLSv1.3"), ("ssl", "TLSv1.3")])
def test_fetchmail_collects(request, provider, make_customer, fetchmail, way,
                            version):
    if way == "ssl":
        request.getfixturevalue("with_ssl")
    customer = make_customer([DOMAIN])
    for i in range(MESSAGES):
        provider.send("s@sender.test", [f"carol@{DOMAIN}"],
                      b"Subject: number %d\r\n\r\nhello\r\n" % i)
    provider.wait_until_deferred(MESSAGES)
    provider.wait_until_held(DOMAIN, MESSAGES)
    result = fetchmail(provider, "carol", PASSWORD, [DOMAIN], customer,
                       tls=way != "clear")
    assert result.status == 0
    customer.wait_for_messages(MESSAGES)
    provider.wait_until_empty()
    rows = provider.wait_for_log(": session account=", "reason=drained")
    assert f" tls={version} " in rows[-1]
    assert f" delivered={MESSAGES} " in rows[-1]
