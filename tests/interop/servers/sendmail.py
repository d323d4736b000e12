# SPDX-License-Identifier: ISC
"""sendmail. It delivers before it replies."""

import socket
import subprocess

from interop.servers.server import CACHE, SCRIPTS, Unpacked

CONFIGURATION = """\
divert(0)dnl
include(`{where}/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `customer.test')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
define(`confTO_IDENT', `0')dnl
define(`confLOG_LEVEL', `4')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
{options}
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
DAEMON_OPTIONS(`Port={port}, Addr=127.0.0.1, Name=MTA')dnl
LOCAL_DOMAIN(`corpus.test')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Kunknown regex -a@UNKNOWN ^<?"?unknown
Kdeferred regex -a@DEFERRED ^<?"?deferred
LOCAL_RULE_0
R$+ < @ corpus.test . >	$#take $@ corpus.test $: $1@corpus.test
LOCAL_RULESETS
SLocal_check_rcpt
R$*	$: $(unknown $1 $)
R@UNKNOWN	$#error $@ 5.1.1 $: "550 no such user here"
R$*	$: $(deferred $1 $)
R@DEFERRED	$#error $@ 4.2.1 $: "450 not now"
MAILER_DEFINITIONS
Mtake, P=/bin/sh, F=lnuhP8, L=0, E=\\n, U=nobody, T=DNS/RFC822/X-Unix,
	A=sh {script} {spool} $u
"""


class Sendmail(Unpacked):
    """`options`: further lines of the .mc file."""

    packages = "sendmail"
    users = ("smmta", "smmsp")

    def configure(self):
        made = subprocess.run(
            ["m4"], input=CONFIGURATION.format(
                where=CACHE / self.packages, port=self.port,
                script=SCRIPTS / "take.sh", spool=self.spool,
                options=self.options.get("options", "")).encode(),
            stdout=subprocess.PIPE, check=True, timeout=60,
            cwd=CACHE / self.packages / "usr/share/sendmail/cf/cf")
        self.write("mail/sendmail.cf", made.stdout.decode())
        # It waits for the name of its host, and asks the DNS unless told.
        self.write("hosts", f"127.0.0.1 customer.test {socket.gethostname()} "
                            "localhost\n")
        self.write("mail/service.switch", "hosts files\naliases files\n")
        (self.directory / "var/spool/mqueue").mkdir(parents=True)
        (self.directory / "var/spool/mqueue").chmod(0o700)

    def idle(self):
        return not list(self.directory.glob("var/spool/mqueue/[dq]f*"))

    def command(self):
        return ["/usr/libexec/sendmail/sendmail", "-bD", "-X",
                self.logs / "dialogue"]
