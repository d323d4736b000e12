# SPDX-License-Identifier: ISC
"""odmrctl setup --undo: what setup did is taken away again, and what the
operator has done since stays."""

import pytest

from relay import Relay

BEFORE = """\
relay_domains = hash:/etc/postfix/relay,
    # the last one
    b.test
smtpd_milters = inet:127.0.0.1:8891
maximal_queue_lifetime = 3d
delay_warning_time = 4h
smtpd_etrn_restrictions = permit_mynetworks, reject
parent_domain_matches_subdomains = relay_domains, mynetworks
"""
MASTER = """\
2526 inet n - n - - smtpd -o smtpd_milters=inet:127.0.0.1:8891
  -o smtpd_client_restrictions=reject
"""


@pytest.fixture
def relay():
    made = Relay(BEFORE, MASTER)
    yield made
    made.remove()


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_nothing_of_it_is_left(relay):
    before = relay.files()
    relay.setup("--yes")
    assert relay.files() != before
    relay.called()
    said = relay.setup("--undo", "--yes")
    assert "-odmr      unix" in said and "held mail: none\n" in said
    assert relay.files() == before
    assert relay.called() == ["status", "check", "check"]
    assert relay.setup("--undo", "--yes") == "nothing to undo\n"


def test_it_shows_and_asks_first(relay):
    relay.setup("--yes")
    after = relay.files()
    assert relay.odmrctl("setup", "--undo", "--check").returncode == 1
    assert "-odmr      unix" in relay.setup("--undo", "--diff")
    assert "needs --yes" in relay.refused("--undo")
    assert relay.files() == after
    assert relay.called() == ["status", "check", "check"]


def test_what_the_operator_did_elsewhere_stays(relay):
    main, master = relay.main.read_text(), relay.master.read_text()
    relay.setup("--yes")
    replace(relay.main, "biff = no", "biff = yes")
    replace(relay.master, "2526 inet", "2527 inet")
    for path in relay.main, relay.master:
        with path.open("a") as file:
            file.write("# the end\n")
    replace(relay.master, "2527 inet", "2526 inet")
    relay.setup("--undo", "--yes")
    assert relay.main.read_text() == main.replace(
        "biff = no", "biff = yes") + "# the end\n"
    assert relay.master.read_text() == master + "# the end\n"


def test_what_the_operator_did_to_our_settings_stays(relay):
    relay.setup("--yes")
    replace(relay.main, "    b.test,\n", "    b.test, c.test,\n")
    replace(relay.main, "transport_maps = ", "transport_maps = hash:/x, ")
    replace(relay.main, "maximal_queue_lifetime = 7d",
            "maximal_queue_lifetime = 9d")
    replace(relay.main, "inet:127.0.0.1:8891", "inet:127.0.0.1:8892")
    replace(relay.main, "permit_mynetworks,", "permit_mynetworks, permit_x,")
    replace(relay.main, "subdomains = mynetworks",
            "subdomains = mynetworks, debug_peer_list")
    replace(relay.master, "       1000    lmtp", "       4200    lmtp")
    said = relay.setup("--undo", "--yes")
    assert {name: relay.value(name) for name in (
        "relay_domains", "transport_maps", "maximal_queue_lifetime",
        "smtpd_milters", "delay_warning_time", "smtpd_etrn_restrictions",
        "parent_domain_matches_subdomains")} == {
            "relay_domains": "hash:/etc/postfix/relay, b.test, c.test",
            "transport_maps": "hash:/x",
            "maximal_queue_lifetime": "9d",
            "smtpd_milters": "inet:127.0.0.1:8892",
            "delay_warning_time": "4h",
            "smtpd_etrn_restrictions": "permit_mynetworks, permit_x, reject",
            "parent_domain_matches_subdomains":
                "mynetworks, debug_peer_list, relay_domains"}
    assert "maximal_queue_lifetime stays as you have set it" in said
    for path in relay.main, relay.master:
        assert "odmr" not in path.read_text().replace(
            str(relay.directory), "")
    assert not (relay.config / "odmr-setup").exists()


def test_a_service_that_was_edited_beside_our_option(relay):
    relay.setup("--yes")
    replace(relay.master, "smtpd_client_restrictions=reject",
            "smtpd_client_restrictions=permit")
    relay.setup("--undo", "--yes")
    assert ("smtpd -o smtpd_milters=inet:127.0.0.1:8891\n"
            "  -o smtpd_client_restrictions=permit\n") in (
                relay.master.read_text())


def test_an_option_that_cannot_be_told_apart_is_named(relay):
    relay.setup("--yes")
    replace(relay.master, "{ smtpd_milters = inet:127.0.0.1:8891",
            "{ smtpd_milters = inet:127.0.0.1:8892")
    error = relay.refused("--undo", "--yes")
    number = relay.line(relay.master, "2526")
    assert f"{relay.master}:{number}: -o smtpd_milters has been edited" in error


def test_it_undoes_a_second_setup_too(relay):
    """What the operator wrote between the two is not undone."""
    main, master = relay.main.read_text(), relay.master.read_text()
    relay.setup("--yes")
    replace(relay.main, "biff = no", "biff = yes")
    replace(relay.main, "enable_long_queue_ids = yes\n", "")
    relay.setup("--yes")
    assert relay.value("enable_long_queue_ids") == "yes"
    relay.setup("--undo", "--yes")
    assert relay.main.read_text() == main.replace("biff = no", "biff = yes")
    assert relay.master.read_text() == master
