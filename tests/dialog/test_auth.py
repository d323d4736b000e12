# SPDX-License-Identifier: ISC
"""AUTH: mechanisms, exchanges, refusals."""

import pytest

from odmrd_alone import b64, cram_md5, plain


def challenged(line):
    line.say("AUTH CRAM-MD5")
    return line.expect("334 ...")


def refused(daemon, line, login, why):
    line.expect("535 5.7.8 Authentication failed")
    daemon.wait_for_log("warning: refused: AUTH", "client=127.0.0.1",
                        f"login={login}: {why}")
    line.play("""
        C: ATRN example.org
        P: 530 5.7.0 Authentication required
    """)


def test_cram_md5_with_the_right_password(daemon):
    line = daemon.greeted()
    line.say(cram_md5(challenged(line), "alice"))
    line.play("""
        P: 235 2.7.0 Authenticated as alice
        C: QUIT
        P: 221 ...
    """)
    daemon.wait_for_log("ended account=alice client=127.0.0.1 tls=no "
                        "mech=CRAM-MD5", "reason=quit")


def test_challenges_differ(daemon):
    assert challenged(daemon.greeted()) != challenged(daemon.greeted())


def test_answer_to_an_earlier_challenge_is_refused(daemon):
    line = daemon.greeted()
    old = cram_md5(challenged(line), "alice")
    line.play("""
        C: *
        P: 501 5.7.0 Authentication cancelled
    """)
    challenged(line)
    line.say(old)
    line.expect("535 5.7.8 Authentication failed")


@pytest.mark.parametrize("login, password, why", [
    ("alice", "a wrong one", "..."),
    ("nobody", "open sesame", "no such account"),
    ("off", "open sesame", "account is disabled"),
    ("plain", "open sesame", "account has no CRAM-MD5 secret"),
])
def test_cram_md5_refuses(daemon, login, password, why):
    line = daemon.greeted()
    line.say(cram_md5(challenged(line), login, password))
    refused(daemon, line, login, why.replace("...", ""))


@pytest.mark.parametrize("initial", [True, False])
def test_plain_under_tls(daemon, initial):
    line = daemon.greeted(tls=True)
    if initial:
        line.say(f"AUTH PLAIN {plain('plain')}")
    else:
        line.play(f"""
            C: AUTH PLAIN
            P: 334 ...
            C: {plain("plain")}
        """)
    line.play("""
        P: 235 2.7.0 Authenticated as plain
        C: ATRN
        P: 453 4.0.0 You have no mail
        C: QUIT
        P: 221 ...
    """)
    daemon.wait_for_log("ended account=plain", "tls=TLSv1.3 mech=PLAIN")


@pytest.mark.parametrize("login, password, act_as, why", [
    ("alice", "a wrong one", "", ""),
    ("nobody", "open sesame", "", "no such account"),
    ("off", "open sesame", "", "account is disabled"),
    ("alice", "open sesame", "bob", ""),
])
def test_plain_refuses(daemon, login, password, act_as, why):
    line = daemon.greeted(tls=True)
    line.say(f"AUTH PLAIN {plain(login, password, act_as)}")
    refused(daemon, line, login, why)


def test_plain_in_clear_is_not_offered_and_reads_no_password(daemon):
    daemon.greeted().play(f"""
        C: AUTH PLAIN {plain("alice")}
        P: 504 5.5.4 Mechanism is not offered
        C: AUTH PLAIN
        P: 504 5.5.4 Mechanism is not offered
        C: AUTH XYZZY
        P: 504 5.5.4 Mechanism is not offered
        C: AUTH
        P: 501 5.5.4 Syntax: AUTH mechanism
        C: ATRN
        P: 530 5.7.0 Authentication required
    """)


def test_star_cancels(daemon):
    line = daemon.greeted()
    challenged(line)
    line.play("""
        C: *
        P: 501 5.7.0 Authentication cancelled
        C: NOOP
        P: 250 2.0.0 Ok
    """)
    line.say(cram_md5(challenged(line), "alice"))
    line.expect("235 2.7.0 Authenticated as alice")


@pytest.mark.parametrize("answer", ["!!!! not base64 !!!!", "YWxpY2U", "====",
                                    "NOOP?"])
def test_bad_base64_is_refused_and_the_session_goes_on(daemon, answer):
    line = daemon.greeted()
    challenged(line)
    line.play(f"""
        C: {answer}
        P: 501 5.5.2 Cannot decode the response
        C: NOOP
        P: 250 2.0.0 Ok
    """)


@pytest.mark.parametrize("answer", ["", b64("alice"), b64("alice "),
                                    b64(b"alice\0 00"), b64("a" * 5000),
                                    b64(b"\xff\xfe\xfd" * 20)])
def test_senseless_answers_are_refused(daemon, answer):
    line = daemon.greeted()
    challenged(line)
    line.say(answer)
    line.expect("5...")
    line.play("""
        C: ATRN
        P: 530 5.7.0 Authentication required
    """)


def test_second_auth_replaces_the_first(daemon):
    daemon.tag("Q1", "own.test")
    line = daemon.known("carol")
    line.say(cram_md5(challenged(line), "alice"))
    line.play("""
        P: 235 2.7.0 Authenticated as alice
        C: ATRN own.test
        P: 450 4.7.0 own.test is not yours to collect
        C: ATRN example.org
        P: 453 4.0.0 You have no mail
    """)


def test_login_cannot_forge_a_line_of_the_log(daemon):
    line = daemon.greeted()
    line.say(cram_md5(challenged(line), "\nodmrd[1]: forged"))
    line.expect("535 ...")
    row = daemon.wait_for_log("refused: AUTH CRAM-MD5")
    assert "login=\\012odmrd\\1331\\135\\072\\040forged: " in row


def test_initial_response_where_the_server_begins_is_501(daemon):
    """RFC 4954 4: MUST."""
    daemon.greeted().play(f"""
        C: AUTH CRAM-MD5 {b64("alice 00")}
        P: 501 ...
        C: NOOP
        P: 250 2.0.0 Ok
    """)


def test_client_that_goes_while_its_password_is_checked_does_no_harm(daemon):
    for _ in range(20):
        line = daemon.greeted(tls=True)
        line.say(f"AUTH PLAIN {plain('alice')}")
        line.hang_up()
    daemon.known()
