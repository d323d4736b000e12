# SPDX-License-Identifier: ISC
"""What the customer's server answers is what Postfix hears, and mail that
comes while the customer is there goes with the rest."""

import re
import subprocess
from collections import Counter

from odmr.wait import wait_for
from party import SENDER, text

LATER = "451 4.7.1 come back later"
NEVER = "550 5.7.1 not here, not ever"


def number_of(request):
    """Of a sender such as s7@sender.test."""
    return int(re.match(r"s(\d+)@", request["sender"]).group(1))


def delete_bounces(provider):
    """From the queue, where they would disturb other tests. Returns their
    text."""
    bounces = [message["queue_id"] for message in provider.queue()
               if message["sender"] == "MAILER-DAEMON"]
    texts = []
    for queue_id in bounces:
        texts.append(subprocess.run(
            ["/usr/sbin/postcat", "-c", provider.config, "-q", queue_id],
            check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode())
        subprocess.run(
            ["/usr/sbin/postsuper", "-c", provider.config, "-d", queue_id],
            check=True, stderr=subprocess.DEVNULL, timeout=60)
    return texts


def test_every_tenth_of_500_is_kept_and_comes_with_the_next_session(
        party, policy):
    def unwanted(request):
        return number_of(request) % 10 == 0

    def odd_ten(request):
        return number_of(request) // 10 % 2

    # Half of them at RCPT, half when they are there already.
    policy.at_rcpt = lambda request: \
        LATER if unwanted(request) and odd_ten(request) else None
    policy.at_end = lambda request: \
        LATER if unwanted(request) and not odd_ten(request) else None
    messages = [text(n, b"body %d\n" % n * (n % 7)) for n in range(500)]
    party.send(*messages, sender=lambda number: f"s{number}@sender.test")
    party.wait_until_held(500)
    kept, taken = party.sent[::10], \
        [one for n, one in enumerate(party.sent) if n % 10]

    assert party.collect() == 0
    party.expect_session(delivered=450, kept=50)
    party.expect_arrived(taken)
    wait_for(lambda: party.held() == 50, 20, "50 open tags")
    assert party.queued() == Counter(recipient for recipient, _ in kept)
    assert {tag["attempts"] for tag in party.tags()} == {1}
    assert all("4.7.1" in tag["last_answer"] and
               "come back later" in tag["last_answer"]
               for tag in party.tags())

    policy.clear()
    party.wait_until_held(50)
    assert party.collect() == 0
    party.expect_session(delivered=50, count=2)
    party.expect_all_collected()
    assert party.provider.status(party.domain)["delivered"] == 500


def test_each_recipient_has_the_answer_that_was_for_it(party, policy):
    answers = {"later": LATER, "never": NEVER}
    policy.at_rcpt = lambda request: \
        answers.get(request["recipient"].partition("@")[0])
    names = ["good", "later", "never", "fine"]
    addresses = [f"{name}@{party.domain}" for name in names]
    party.send_to(addresses, text(1))
    party.wait_until_held(1)

    assert party.collect() == 0
    party.expect_session(delivered=1, kept=1, refused=1)
    party.expect_arrived([(addresses[0], text(1)), (addresses[3], text(1))])
    wait_for(lambda: party.queued() == {addresses[1]: 1}, 20,
             "only the recipient for later in the queue")
    assert party.held() == 1
    party.provider.wait_for_log(f"to=<{addresses[2]}>", "dsn=5.7.1",
                                "status=bounced", "not here, not ever")
    party.provider.wait_for_log(f"to=<{addresses[1]}>", "dsn=4.7.1",
                                "status=deferred", "come back later")
    [bounce] = wait_for(lambda: delete_bounces(party.provider), 20,
                        "the bounce")
    failed = re.findall(r"^Final-Recipient: .*?; *(\S+)$", bounce,
                        re.MULTILINE)
    assert failed == [addresses[2]]

    policy.clear()
    party.wait_until_held(1)
    assert party.collect() == 0
    party.expect_session(delivered=1, count=2)
    party.sent = [(addresses[n], text(1)) for n in (0, 1, 3)]
    party.expect_all_collected()
    assert delete_bounces(party.provider) == []


def test_a_message_refused_for_good_bounces_and_leaves_the_queue(
        party, policy):
    """The customer has taken a message in this session: then its 5xx is
    believed at once."""
    def answer(request):
        if request["sender"] == SENDER:
            return NEVER
        party.send(text(1))
        recipient, _ = party.sent.pop()
        party.wait_until_tagged(recipient)
        return None

    policy.at_end = answer
    party.send(text(2), sender="bob@sender.test")
    party.wait_until_held(1)
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=1, refused=1)
    [bounce] = wait_for(lambda: delete_bounces(party.provider), 20,
                        "the bounce")
    assert "not here, not ever" in bounce
    assert "Subject: message 1" in bounce


def test_the_backlog_does_not_bounce_at_a_half_repaired_server(
        party, policy):
    policy.at_end = lambda request: NEVER
    party.send(text(1), text(2), text(3))
    party.wait_until_held(3)
    assert party.collect() == 0
    assert party.arrived() == {}
    party.expect_session(delivered=0, refused=0, kept=3)
    assert len(party.queued()) == 3
    assert all("kept for a second opinion" in tag["last_answer"] and
               tag["doubted"] for tag in party.tags())
    policy.at_end = lambda request: None
    assert party.collect() == 0
    party.expect_all_collected()


def test_mail_that_comes_during_a_session_goes_with_it(party, policy):
    """The customer's server has the first message when the second is sent, and
    the second when the third is."""
    waiting = [text(2, b"sent when the first was there\n"),
               text(3, b"sent when the second was there\n" * 3000)]

    def meanwhile(_):
        if waiting:
            party.send(waiting.pop(0))
            party.wait_until_tagged(party.sent[-1][0])

    policy.at_end = meanwhile
    party.send(text(1))
    party.wait_until_held(1)
    assert party.collect() == 0
    assert len(party.sent) == 3
    party.expect_all_collected()
    party.expect_session(delivered=3)


def test_mail_for_another_domain_of_the_session_comes_during_it(
        make_party, policy):
    first, second = "first.example", "second.example"
    party = make_party(first, second)
    late = [text(2)]

    def meanwhile(_):
        if late:
            party.send_to([f"late@{second}"], late.pop())
            party.wait_until_tagged(f"late@{second}")

    policy.at_rcpt = meanwhile
    party.send_to([f"early@{first}"], text(1))
    party.wait_until_held(1)
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=2)
