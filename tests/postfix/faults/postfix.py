# SPDX-License-Identifier: ISC
"""Faults of Postfix as a whole, its queue, the transport odmr, and ETRN."""

from faults import main

CLOSED = "check_policy_service unix:private/etrn-policy, reject"


def odmr(name, value):
    return lambda p: p.master("odmr/unix", name, value)


def policy(what, instead):
    def break_it(p):
        p.edit(p.postfix / "master.cf",
               lambda text: text.replace(what, instead))
    return break_it


def beside(text, *, before=False):
    """What somebody has put at an end of main.cf."""
    def break_it(p):
        p.edit(p.postfix / "main.cf", lambda there:
               f"{text}\n{there}" if before else f"{there}\n{text}\n")
    return break_it


def default_concurrency(p):
    p.postconf("-X", "odmr_destination_concurrency_limit",
               "odmr_initial_destination_concurrency")


FAULTS = [
    ("no_main_cf", "postfix-unreadable",
     lambda p: (p.postfix / "main.cf").unlink()),
    ("postconf_fails", "postfix-unreadable",
     lambda p: p.programs(postconf="exit 1")),
    ("set_twice", "set-twice", beside("relayhost = [a.example]\nrelayhost =")),
    ("set_before", "set-twice",
     beside("relay_domains = c.test,\n# a comment\n  d.test", before=True)),
    ("set_after", "set-twice not-relayed", beside("relay_domains = c.test")),
    ("short_ids", "short-queue-ids", main("enable_long_queue_ids", "no")),
    ("lifetime_5d", "queue-lifetime", main("maximal_queue_lifetime", "5d")),
    ("lifetime_in_hours", "queue-lifetime",
     main("maximal_queue_lifetime", "167h")),
    ("bounces_1d", "bounce-lifetime", main("bounce_queue_lifetime", "1")),
    ("notices", "delay-notices", main("delay_warning_time", "4h")),
    ("parents", "subdomains",
     main("parent_domain_matches_subdomains", "relay_domains")),
    ("refresh", "flush-refresh", main("fast_flush_refresh_time", "30s")),
    ("flush_users", "queue-users", main("authorized_flush_users", "root")),
    ("mailq_users", "queue-users", main("authorized_mailq_users", "")),
    ("proxied", "proxied-flush",
     lambda p: p.main("fast_flush_domains", f"proxy:lmdb:{p.lib}/domains")),
    ("no_odmr", "odmr-missing", lambda p: p.postconf("-MX", "odmr/unix")),
    ("odmr_smtp", "odmr-command",
     lambda p: p.field("odmr/unix", "command", "smtp")),
    ("no_xforward", "xforward-off", odmr("lmtp_send_xforward_command", "no")),
    ("folding", "line-folding", odmr("lmtp_line_length_limit", "998")),
    ("init_timeout", "lmtp-timeout", odmr("lmtp_data_init_timeout", "120s")),
    ("done_timeout", "lmtp-timeout", odmr("lmtp_data_done_timeout", "600")),
    ("no_cache", "connection-cache",
     odmr("lmtp_connection_cache_on_demand", "no")),
    ("concurrency", "concurrency",
     main("odmr_destination_concurrency_limit", "20")),
    ("default_concurrency", "concurrency initial-concurrency",
     default_concurrency),
    ("slow_start", "initial-concurrency",
     main("odmr_initial_destination_concurrency", "5")),
    ("maxproc", "maxproc",
     lambda p: p.field("odmr/unix", "process_limit", "100")),
    ("default_maxproc", "maxproc",
     lambda p: p.field("odmr/unix", "process_limit", "-")),
    ("one_recipient", "recipient-limit",
     main("odmr_destination_recipient_limit", "1")),
    ("rate", "rate-delay", main("default_destination_rate_delay", "1s")),
    ("transport_rate", "rate-delay", main("odmr_transport_rate_delay", "1s")),
    ("deferred", "odmr-deferred",
     main("defer_transports", "odmr, other")),
    ("no_flush", "flush-missing", lambda p: p.postconf("-MX", "flush/unix")),
    ("etrn_empty", "etrn-open", main("smtpd_etrn_restrictions", "")),
    ("etrn_permit", "etrn-open",
     main("smtpd_etrn_restrictions", "permit, " + CLOSED)),
    ("etrn_mynetworks", "etrn-open",
     main("smtpd_etrn_restrictions", "permit_mynetworks")),
    ("etrn_of_one_service", "etrn-open",
     lambda p: p.master(f"{p.sandbox.port}/inet", "smtpd_etrn_restrictions",
                        "")),
    ("etrn_reject", "etrn-unasked",
     main("smtpd_etrn_restrictions", "permit_mynetworks, reject")),
    ("no_policy", "etrn-service",
     lambda p: p.postconf("-MX", "etrn-policy/unix")),
    ("policy_user", "etrn-user", policy(":postdrop", "x:postdrop")),
    ("policy_program", "etrn-program",
     policy("sbin/etrn-trigger", "sbin/none")),
    ("policy_jail", "etrn-program",
     lambda p: p.field("etrn-policy/unix", "chroot", "y")),
]
