# SPDX-License-Identifier: ISC
"""Which servers there are, in which configurations, and what each is known to
do to mail by itself."""

from dataclasses import dataclass, field

from interop.servers.chasquid import Chasquid
from interop.servers.exim import Exim
from interop.servers.haraka import Haraka
from interop.servers.libraries import Aiosmtpd, NetServerMail, Twisted
from interop.servers.msmtpd import Msmtpd
from interop.servers.opensmtpd import OpenSmtpd
from interop.servers.postfix import Postfix
from interop.servers.sendmail import Sendmail
from interop.servers.smtp_server import SmtpServer


@dataclass
class Configuration:
    """refuses and keeps: kind of mail -> why this server does not take it, for
    good or for now ("*": any). traits: what it does to messages; "header": of
    that kind ("*": of any), "folds": long lines, "nul": it drops it or the rest
    of its line, "encoding": the provider's Postfix recodes 8-bit mail for it.
    """
    name: str
    make: type
    options: dict = field(default_factory=dict)
    refuses: dict = field(default_factory=dict)
    keeps: dict = field(default_factory=dict)
    traits: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)    # of odmr.conf
    over_tls: bool = False
    in_check: bool = False                          # also in make check
    # It closes with input unread, and the reset that follows takes replies
    # away: what was in flight in the first session may come once more.
    cuts: bool = False

    def server(self):
        return self.make(**self.options)


NO_UTF8 = "offers no SMTPUTF8"
QUOTED = "501 to quoted local parts"
NO_KEYWORDS = "chunking, pipelining, 8bitmime, smtputf8, size, dsn, " \
    "enhancedstatuscodes, vrfy, etrn"
# Of 1000 octets without the CRLF.
AIOSMTPD_LINES = {kind: "500 Line too long" for kind in (
    "long-line", "longer-line", "long-header")}

CONFIGURATIONS = [
    Configuration("postfix", Postfix, in_check=True),
    Configuration("postfix-line-with-tls", Postfix, over_tls=True),
    Configuration("postfix-starttls", Postfix,
                  {"tls": True, "smtpd_tls_security_level": "may"},
                  in_check=True),
    Configuration(
        "postfix-encrypt", Postfix,
        {"tls": True, "smtpd_tls_security_level": "encrypt"},
        keeps={"*": "530 before STARTTLS, which fetchmail cannot carry"}),
    Configuration("postfix-no-chunking", Postfix,
                  {"smtpd_discard_ehlo_keywords": "chunking"}, in_check=True),
    Configuration("postfix-no-pipelining", Postfix,
                  {"smtpd_discard_ehlo_keywords": "chunking, pipelining"}),
    Configuration("postfix-no-keywords", Postfix,
                  {"smtpd_discard_ehlo_keywords": NO_KEYWORDS},
                  refuses={"smtputf8": NO_UTF8},
                  traits={"encoding": True}),
    Configuration("postfix-5-errors", Postfix,
                  {"smtpd_hard_error_limit": "5",
                   "smtpd_soft_error_limit": "5"}, in_check=True, cuts=True),
    Configuration("postfix-1-error", Postfix,
                  {"smtpd_hard_error_limit": "1"},
                  keeps={"mixed": "421 after its unknown recipient"}),
    Configuration("postfix-no-early-talkers", Postfix,
                  {"smtpd_forbid_unauth_pipelining": "yes",
                   "smtpd_data_restrictions": "reject_unauth_pipelining"}),
    Configuration("postfix-no-early-talkers-no-chunking", Postfix,
                  {"smtpd_forbid_unauth_pipelining": "yes",
                   "smtpd_data_restrictions": "reject_unauth_pipelining",
                   "smtpd_discard_ehlo_keywords": "chunking"}),
    Configuration("postfix-content-filter", Postfix,
                  {"filtered": True, "smtp_line_length_limit": "0"}),
    Configuration("postfix-10-recipients", Postfix,
                  {"smtpd_recipient_limit": "10"},
                  keeps={"many": "some tens more in each session"}),
    Configuration("postfix-1-megabyte", Postfix,
                  {"message_size_limit": "1000000"},
                  refuses={"big": "552, 5 MB"}),
    Configuration("postfix-421-to-one", Postfix,
                  {"verdict": "regexp:{{/^plus[+]@/ 421 4.3.2 go away}}"},
                  keeps={"plus": "421"}, in_check=True, cuts=True),
    Configuration("exim", Exim, in_check=True),
    Configuration("exim-no-chunking", Exim,
                  {"main": "chunking_advertise_hosts ="}),
    Configuration("exim-drop", Exim, {"refuse": "drop"}, cuts=True),
    Configuration("exim-20-messages", Exim,
                  {"main": "smtp_accept_max_per_connection = 20"}),
    Configuration("exim-10-recipients", Exim,
                  {"main": "recipients_max = 10\nrecipients_max_reject"},
                  keeps={"many": "ten in each session",
                         "dozen": "ten in each session"}),
    Configuration("haraka", Haraka, in_check=True,
                  traits={"folds": True, "header": "8bit-header"}),
    Configuration("smtp-server", SmtpServer, refuses={"quoted": QUOTED},
                  in_check=True),
    Configuration("smtp-server-no-pipelining", SmtpServer,
                  {"hide": ["PIPELINING"]}, refuses={"quoted": QUOTED}),
    Configuration("aiosmtpd", Aiosmtpd, refuses=AIOSMTPD_LINES,
                  in_check=True),
    Configuration("aiosmtpd-20-calls", Aiosmtpd, {"calls": [20]},
                  refuses=AIOSMTPD_LINES,
                  keeps={"many": "421 at the 20th RCPT"}),
    Configuration("chasquid", Chasquid, in_check=True,
                  refuses={"quoted": QUOTED,
                           "no-body": "554 Error parsing message",
                           "empty": "554 Error parsing message"}),
    Configuration("opensmtpd", OpenSmtpd,
                  refuses={"quoted": QUOTED, "smtputf8": NO_UTF8,
                           "longer-line": "500 beyond 64 KB"},
                  traits={"nul": True, "header": "*"}),
    # A field of one line ends with its 2,303rd octet.
    Configuration("sendmail", Sendmail, refuses={"smtputf8": NO_UTF8},
                  traits={"header": "long-header"}),
    Configuration("msmtpd", Msmtpd, traits={"encoding": True, "nul": True},
                  refuses={"quoted": QUOTED, "smtputf8": NO_UTF8}),
    Configuration("twisted", Twisted, traits={"encoding": True},
                  refuses={"longer-line": "500 beyond 16 KB",
                           "smtputf8": NO_UTF8, "quoted": QUOTED}),
    Configuration("net-server-mail", NetServerMail, in_check=True,
                  refuses={"smtputf8": NO_UTF8,
                           "longer-line": "552 line too long"}),
]
