# SPDX-License-Identifier: ISC
"""The forms of a login, and AUTH said twice."""

import shutil

import pytest

import odmr.fetchmail
from odmrd_alone import PASSWORD, cram_md5, plain
from sasl_dialogue import REFUSED, SETTINGS, authenticated, odmrctl, refused
from scram_client import Scram


# ---- forms of a login


@pytest.mark.parametrize("form", [
    "alice", "alice@provider.test", "alice@example.org", "PROVIDER\\alice",
    "\\alice", "example.org", "EXAMPLE.net"])
@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-256", "PLAIN"])
def test_forms_of_a_login(daemon, form, mechanism):
    line = daemon.greeted(tls=True)
    if mechanism == "CRAM-MD5":
        line.say("AUTH CRAM-MD5")
        line.say(cram_md5(line.expect("334 ..."), form))
        line.expect("235 2.7.0 Authenticated as alice")
    elif mechanism == "PLAIN":
        line.say(f"AUTH PLAIN {plain(form)}")
        line.expect("235 2.7.0 Authenticated as alice")
    elif form.lower().startswith("example."):
        # Its salt, shown before the password, would tell whose domain it is.
        assert Scram(form).log_in(line) == REFUSED
        daemon.wait_for_log("refused: AUTH SCRAM-SHA-256",
                            "SCRAM takes no domain's name for a login")
        return
    else:
        assert Scram(form).log_in(line) == "235 2.7.0 Authenticated as alice"
    line.play("""
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
        C: QUIT
        P: 221 ...
    """)
    authenticated(daemon, "alice", mechanism, "TLSv1.3")


@pytest.mark.parametrize("form, why", [
    ("shared.test", "several accounts have this domain, its name cannot be a "
                    "login"),
    ("unknown.test", "no such account"),
    ("@alice", "no such account"), ("alice@", "wrong password"),
    ("alice\\", "no such account"), ("Alice", "no such account"),
    ("org", "no such account"), ("example.org.", "no such account"),
    ("x" * 300 + "@a.test", "no such account"),
    ("example.org\\nobody", "no such account"),
])
def test_what_names_no_account(daemon, form, why):
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain(form, 'a wrong one')}")
    refused(line, daemon, why)


def test_exact_match_wins(make_daemon):
    daemon = make_daemon(**SETTINGS)
    for login in ["alice@provider.test", "PROVIDER\\alice", "example.org"]:
        odmrctl(daemon, "account", "add", login, text=f"{login}'s own\n")
        line = daemon.greeted(tls=True)
        line.play(f"""
            C: AUTH PLAIN {plain(login)}
            P: {REFUSED}
            C: AUTH PLAIN {plain(login, login + "'s own")}
            P: 235 2.7.0 Authenticated as {login}
        """)


@pytest.mark.parametrize("form", ["bücher.test", "BÜCHER.test",
                                  "bu\u0308cher.test", "xn--bcher-kva.test"])
def test_domain_as_login_may_be_in_utf8(make_daemon, form):
    daemon = make_daemon(**SETTINGS)
    odmrctl(daemon, "domain", "add", "bücher.test")
    odmrctl(daemon, "account", "add", "xn--bcher-kva.test", text="its own\n")
    for login in "alice", "bob":
        odmrctl(daemon, "account", "grant", login, "bücher.test")
    daemon.greeted(tls=True).play(f"""
        C: AUTH PLAIN {plain(form, "its own")}
        P: 235 2.7.0 Authenticated as xn--bcher-kva.test
    """)


def test_disabled_account_is_disabled_in_every_form(daemon):
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain('off.test')}")
    refused(line, daemon, "account is disabled")


# ---- the second AUTH


def test_second_auth_replaces_the_first_and_a_failed_one_does_not(daemon):
    line = daemon.greeted(tls=True)
    line.play(f"""
        C: AUTH PLAIN {plain("alice")}
        P: 235 2.7.0 Authenticated as alice
        C: AUTH PLAIN {plain("bob", "a wrong one")}
        P: {REFUSED}
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
        C: AUTH PLAIN {plain("bob")}
        P: 235 2.7.0 Authenticated as bob
        C: ATRN example.org
        P: 450 ...
        C: ATRN shared.test
        P: 453 4.0.0 You have no mail
        C: QUIT
        P: 221 ...
    """)
    authenticated(daemon, "bob", "PLAIN", "TLSv1.3")


def test_fetchmail_with_esmtpname_authenticates_twice(daemon, monkeypatch,
                                                      show):
    if not shutil.which("fetchmail"):
        pytest.skip("needs fetchmail")
    monkeypatch.setattr(
        odmr.fetchmail, "RC", odmr.fetchmail.RC.replace(
            "{plugin}", f'esmtpname "bob" esmtppassword "{PASSWORD}"'))
    result = odmr.fetchmail.fetchmail(
        daemon.port, "alice", PASSWORD, ["example.org"], 9)
    show("fetchmail", result.transcript)
    rows = result.transcript.splitlines()
    assert [row.split()[-1] for row in rows if " 235 2.7.0 " in row] == \
        ["bob", "alice"], rows
    assert "fetchmail: ODMR< 453 4.0.0 You have no mail" in rows
    assert result.status == 0
