# SPDX-License-Identifier: ISC
"""Mode backup on a real Postfix that soon retries: its mail goes by itself,
where its domain says then."""

import pytest

from retrying import send, tries, wait_until_gone, wait_until_tried


@pytest.fixture
def provider(retrying_provider):
    return retrying_provider


@pytest.mark.parametrize("number, host", enumerate(
    ["[127.0.0.1]", "127.0.0.1", "[localhost]", "localhost"]))
def test_backup_reaches_a_host_that_comes_up_by_itself(
        provider, make_customer, number, host):
    domain = f"backup{number}.test"
    customer = make_customer([domain])
    customer.halt()
    provider.add_domain(domain, "backup", f"{host}:{customer.port}")
    send(provider, domain, 3)
    wait_until_tried(provider, domain, 3)
    assert tries(provider, domain, "relay/smtp") > 0
    customer.start()
    customer.wait_for_messages(3)
    wait_until_gone(provider, domain)
