# SPDX-License-Identifier: ISC
"""Faults between Postfix and the milter."""

from faults import main


def set_milter(*others, path="unix:odmr/milter", action="accept"):
    value = "{ " + ", ".join([path, f"default_action={action}", *others]) + " }"
    return main("smtpd_milters", value)


def far_milter(p):
    p.main("smtpd_milters", f"{{ unix:{p.spool}/odmr/milter, "
           "default_action=accept, content_timeout=10s }")
    p.field("*/inet", "chroot", "y")


def milter_down(p):
    p.odmr_conf("milter_socket", f"unix:{p.spool}/odmr/none")
    set_milter("content_timeout=10s", path="unix:odmr/none")(p)


def open_milter(p):
    p.odmr_conf("milter_socket", "inet:1@0.0.0.0")
    set_milter("content_timeout=10s", path="inet:127.0.0.1:1")(p)


def no_macros(p):
    for stage in "rcpt", "data", "end_of_data":
        p.main(f"milter_{stage}_macros", "j")


def milters_of_services(p):
    p.master("*/inet", "smtpd_milters", "inet:[::1]:1")


def behind(**settings):
    """A filter, and the smtpd that takes its mail back."""
    def break_it(p):
        p.main("content_filter", "smtp:[127.0.0.1]:1")
        returns(**settings)(p)
    return break_it


def returns(**settings):
    def break_it(p):
        name = "127.0.0.1:10026"
        p.postconf("-M", f"{name}/inet={name} inet n - n - - smtpd")
        for setting, value in {"content_filter": "", **settings}.items():
            p.master(f"{name}/inet", setting, value)
    return break_it


def filter_by_table(p):
    p.main("header_checks", "regexp:{{/^Subject:/ FILTER smtp:[127.0.0.1]:1}}")
    returns(smtpd_milters="")(p)


FAULTS = [
    ("no_milter", "milter-missing", main("smtpd_milters", "inet:[::1]:1")),
    ("milters_of_a_service", "milter-missing", milters_of_services),
    ("filter", "filter-without-milter", behind(smtpd_milters="inet:[::1]:1")),
    ("filter_without_milters", "filter-without-milter", behind(
        receive_override_options="no_address_mappings,no_milters")),
    ("filter_by_table", "filter-without-milter", filter_by_table),
    ("local_milter_of_others", "milter-local",
     main("non_smtpd_milters", "inet:[::1]:1")),
    ("no_local_milter", "milter-local", main("non_smtpd_milters", "")),
    ("tempfail", "milter-action",
     set_milter("content_timeout=10s", action="tempfail")),
    ("default_action", "milter-action milter-timeout",
     main("smtpd_milters", "unix:odmr/milter")),
    ("milter_timeout", "milter-timeout", set_milter()),
    ("macros", "milter-macros", no_macros),
    ("milter_in_jail", "milter-chroot", far_milter),
    ("milter_gone", "milter-down", milter_down),
    ("milter_for_all", "milter-down milter-open", open_milter),
]
