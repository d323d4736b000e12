# SPDX-License-Identifier: ISC
"""A customer that lingers gets new mail while its fetchmail stays connected."""

import time

import pytest

from odmr.fetchmail import Fetchmail
from odmr.wait import wait_for

DOMAIN = "linger.test"
PASSWORD = "open sesame"
LINGER = 5


@pytest.fixture(scope="module")
def provider(sandbox):
    sandbox.add_domain(DOMAIN)
    sandbox.add_account("carol", PASSWORD, [DOMAIN], "--linger", str(LINGER))
    return sandbox


def test_new_mail_is_there_soon_after_its_acceptance(
        provider, make_customer):
    customer = make_customer([DOMAIN])
    fetchmail = Fetchmail(provider.odmr_port, "carol", PASSWORD, [DOMAIN],
                          customer.port)
    wait_for(lambda: [row for row in provider.status()["sessions"]
                      if row["state"] == "lingering"], 20, "it lingers")
    for count in range(1, 4):
        provider.send("s@sender.test", [f"carol@{DOMAIN}"],
                      b"Subject: number %d\r\n\r\nhello\r\n" % count)
        accepted = time.monotonic()
        customer.wait_for_messages(count)
        # Without being asked for: a fetchmail comes back in minutes.
        assert time.monotonic() - accepted < 20
    assert fetchmail.wait().status == 0
    rows = provider.wait_for_log(": session account=carol",
                                 "reason=linger-over")
    assert " delivered=3 " in rows[-1]
    provider.wait_until_empty()
