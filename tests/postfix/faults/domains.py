# SPDX-License-Identifier: ISC
"""Faults of domains, accounts and routes, and of the tags beside the queue."""

from faults import main
from odmr import tags


def make_old(p):
    """The domains are no new ones any more, and a timer reconciles."""
    p.sql(p.database, "UPDATE domain SET created = 1")
    p.sql(p.database, "UPDATE reconciled SET began = strftime('%s', 'now')")


def local(name):
    return lambda p: p.main(name, "localhost, a.test")


def without_spelling(setting):
    """Only the names in A-labels."""
    return main(setting, "inline:{a.test=odmr:unix:odmr/a.test, b.test=relay:, "
                "h.test=odmr:unix:odmr/h.test, "
                "xn--b-xka.test=odmr:unix:odmr/xn--b-xka.test}")


def loop(p):
    p.ctl("domain", "set", "b.test", "--nexthop",
          f"[127.0.0.1]:{p.sandbox.port}")


def relayhost(p):
    p.main("relayhost", f"[localhost]:{p.sandbox.port}")


def probed_by_class(p):
    p.main("smtpd_restriction_classes", "strict")
    p.main("strict", "reject_unknown_sender_domain reject_unverified_recipient")
    p.main("smtpd_sender_restrictions", "strict")


def probed_by_service(p):
    p.postconf("-MX", "discard/unix")
    p.master(f"{p.sandbox.port}/inet", "smtpd_relay_restrictions",
             "permit_mynetworks,reject_unverified_recipient")


FAULTS = [
    ("not_relayed", "not-relayed", main("relay_domains", "a.test, h.test")),
    ("not_relayed_file", "not-relayed",
     lambda p: ((p.directory / "list").write_text("a.test\nh.test\n"),
                p.main("relay_domains", p.directory / "list"))),
    ("not_relayed_in_utf8", "not-relayed", without_spelling("relay_domains")),
    ("not_flushed_in_utf8", "not-flushed",
     without_spelling("fast_flush_domains")),
    ("no_transport_in_utf8", "no-transport", without_spelling("transport_maps")),
    ("mydestination_in_utf8", "local-domain",
     main("mydestination", "localhost, bü.test")),
    ("list_in_itself", "map-failed",
     lambda p: ((p.directory / "list").write_text(f"{p.directory}/list\n"),
                p.main("relay_domains", p.directory / "list"))),
    ("not_flushed", "not-flushed", main("fast_flush_domains", "test")),
    ("no_transport", "no-transport",
     main("transport_maps", "inline:{a.test=odmr:unix:odmr/a.test}")),
    ("wrong_transport", "wrong-transport",
     lambda p: p.main("transport_maps", "inline:{a.test=smtp:[127.0.0.1]}, "
                      f"lmdb:{p.lib}/domains")),
    ("hold_leaks", "wrong-transport",
     lambda p: p.main("transport_maps", "inline:{h.test=smtp:[127.0.0.1]}, "
                      f"lmdb:{p.lib}/domains")),
    ("no_recipient", "no-recipient",
     main("relay_recipient_maps", "inline:{joe@b.test=OK, @h.test=OK}")),
    ("recipients_unknown", "recipients-unknown",
     main("relay_recipient_maps", "regexp:{{/^joe@b/ OK}}")),
    ("probed", "recipient-probed",
     main("smtpd_recipient_restrictions",
          "permit_mynetworks, reject_unverified_recipient, permit")),
    ("probed_by_class", "recipient-probed", probed_by_class),
    ("probed_by_one_service", "recipient-probed", probed_by_service),
    ("mydestination", "local-domain", local("mydestination")),
    ("mailboxes", "local-domain", local("virtual_mailbox_domains")),
    ("aliases", "local-domain", local("virtual_alias_domains")),
    ("no_table", "map-failed",
     lambda p: p.main("relay_domains", f"hash:{p.directory}/none, "
                      f"lmdb:{p.lib}/domains")),
    ("table_not_made", "map-failed",
     lambda p: ((p.directory / "list").write_text("c.test x\n"),
                p.main("relay_domains", f"hash:{p.directory}/list, "
                       f"lmdb:{p.lib}/domains"))),
    ("disabled", "no-account",
     lambda p: p.sql(p.database, "UPDATE account SET disabled = 1")),
    ("nothing_granted", "no-domain",
     lambda p: p.sql(p.database, "INSERT INTO account (login, scram, created) "
                     "VALUES ('ann', 'x', 1)")),
    ("loop", "loop", loop),
    ("relayhost", "relayhost-loop", relayhost),
    ("untagged", "tags-disagree",
     lambda p: p.sql(p.database, "DELETE FROM tag WHERE id = 1")),
    ("mail_gone", "tags-disagree",
     lambda p: tags.add(p.database, {"queue_id": "x", "domain": "a.test"})),
    ("set_apart", "set-apart",
     lambda p: p.sql(p.database, "UPDATE tag SET suspect = 3, faults = 3, "
                     "faulted = unixepoch() WHERE id = 1")),
    ("never_reconciled", "reconcile-late",
     lambda p: p.sql(p.database, "UPDATE domain SET created = created - 3600")),
    ("reconciled_long_ago", "reconcile-late",
     lambda p: (make_old(p), p.sql(
         p.database, "UPDATE reconciled SET began = began - 1810"))),
    ("postqueue_warns", "postqueue-warns",
     lambda p: p.programs(postqueue="echo postqueue: warning: this and that >&2; "
                          'exec /usr/sbin/postqueue "$@"')),
    ("queue", "queue-unreadable",
     lambda p: p.programs(postqueue="echo 'mail system is down' >&2; exit 69")),
]
