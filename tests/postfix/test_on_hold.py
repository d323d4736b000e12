# SPDX-License-Identifier: ISC
"""Mail that the operator has put on hold with postsuper -h."""

import json
import subprocess

from party import text


def postsuper(party, option, *ids):
    subprocess.run(["/usr/sbin/postsuper", "-c", party.provider.config, option,
                    "-"], input="\n".join(ids), text=True, check=True,
                   timeout=60, stderr=subprocess.DEVNULL)


def hold(party, count):
    ids = [message["queue_id"] for message in party.queue()][:count]
    postsuper(party, "-h", *ids)
    return ids


def shown(party):
    """How many are on hold: what status, queue and metrics say, each."""
    provider = party.provider
    queue = provider.odmrctl("queue", party.domain)
    in_json = [tag["on_hold"] for tag in party.tags()]
    metrics = [line for line in provider.odmrctl("metrics").splitlines() if
               line.startswith("odmr_on_hold_messages{") and
               f'domain="{party.domain}"' in line]
    counts = {provider.status(party.domain)["on_hold"],
              queue.count("on hold in the Postfix queue"), sum(in_json),
              int(metrics[0].split()[-1])}
    assert len(counts) == 1, counts
    return counts.pop()


def test_hold_is_shown_and_there_is_no_mail_until_its_release(party):
    party.send(*(text(number) for number in range(3)))
    party.wait_until_held(3)
    ids = hold(party, 3)
    party.provider.odmrctl("reconcile")
    assert shown(party) == 3
    assert "3 on hold in the Postfix queue" in party.provider.odmrctl("status")
    message = party.provider.odmrctl("message", ids[0])
    assert "is on hold in the Postfix queue" in message
    assert json.loads(party.provider.odmrctl(
        "message", ids[0], "--json"))["messages"][0]["on_hold"] is True
    assert party.collect() == 0
    assert party.sessions() == [], "it hears 453"
    postsuper(party, "-H", *ids)
    party.provider.odmrctl("reconcile")
    assert shown(party) == 0
    assert party.collect() == 0
    party.expect_all_collected()


def test_hold_between_two_comparisons_is_found_by_the_session(party):
    party.send(*(text(number) for number in range(3)))
    party.wait_until_held(3)
    ids = hold(party, 2)
    assert party.collect() == 0
    party.expect_session(delivered=1)
    assert shown(party) == 2
    assert party.collect() == 0
    party.expect_session(delivered=1)
    postsuper(party, "-H", *ids)
    party.provider.odmrctl("reconcile")
    assert party.collect() == 0
    party.expect_all_collected()
    party.expect_session(delivered=2, count=2)
