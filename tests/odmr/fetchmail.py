# SPDX-License-Identifier: ISC
"""fetchmail in ODMR mode."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass

from odmr.sandbox import temporary_directory

RC = """\
poll 127.0.0.1 protocol ODMR port {port} {plugin}
    user "{login}" password "{password}"
    fetchdomains {domains}
    smtphost 127.0.0.1/{smtp_port}
"""


@dataclass
class Result:
    status: int
    # One character an octet, as it came over the line.
    transcript: str


def fetchmail(port, login, password, domains, smtp_port, tls_ca=None,
              timeout=120):
    """Collects once and hands everything to 127.0.0.1:smtp_port. With `tls_ca`,
    `port` is taken to speak TLS from the first byte: openssl(1) makes the
    connection, because fetchmail's own "ssl" hangs in this mode."""
    home = temporary_directory()
    rc = home / "fetchmailrc"
    # Not as root, whose fetchmails share one lock on the machine.
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    plugin = ""
    if tls_ca:
        plugin = ('plugin "openssl s_client -quiet -verify_return_error '
                  f'-CAfile {tls_ca} -connect %h:%p"')
    rc.write_text(RC.format(
        port=port, login=login, password=password, domains=",".join(domains),
        smtp_port=smtp_port, plugin=plugin))
    rc.chmod(0o600)
    if owner:
        os.chown(home, owner.pw_uid, owner.pw_gid)
        os.chown(rc, owner.pw_uid, owner.pw_gid)
    try:
        done = subprocess.run(
            ["fetchmail", "-v", "-v", "--nosyslog", "--nodetach", "-f", str(rc)],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(home),
                 "FETCHMAILHOME": str(home)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=timeout, check=False,
            **({"user": owner.pw_uid, "group": owner.pw_gid,
                "extra_groups": []} if owner else {}))
    finally:
        shutil.rmtree(home)
    return Result(done.returncode, done.stdout.decode("latin-1"))
