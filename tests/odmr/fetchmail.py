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


class Fetchmail:
    """One that runs. It collects once and hands everything to
    127.0.0.1:smtp_port. With `tls_ca`, `port` is taken to speak TLS from the
    first byte: openssl(1) makes the connection.
    """

    def __init__(self, port, login, password, domains, smtp_port, tls_ca=None):
        self.home = temporary_directory()
        rc = self.home / "fetchmailrc"
        # Not as root, whose fetchmails share one lock on the machine.
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        plugin = ""
        if tls_ca:
            plugin = ('plugin "openssl s_client -quiet -verify_return_error '
                      f'-CAfile {tls_ca} -connect %h:%p"')
        rc.write_text(RC.format(
            port=port, login=login, password=password,
            domains=",".join(domains), smtp_port=smtp_port, plugin=plugin))
        rc.chmod(0o600)
        if owner:
            os.chown(self.home, owner.pw_uid, owner.pw_gid)
            os.chown(rc, owner.pw_uid, owner.pw_gid)
        self.process = subprocess.Popen(
            ["fetchmail", "-v", "-v", "--nosyslog", "--nodetach", "-f",
             str(rc)],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C",
                 "HOME": str(self.home), "FETCHMAILHOME": str(self.home)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **({"user": owner.pw_uid, "group": owner.pw_gid,
                "extra_groups": []} if owner else {}))

    def wait(self, timeout=120):
        """Its Result, when it has ended; or it is ended by force."""
        try:
            output, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        finally:
            shutil.rmtree(self.home)
        return Result(self.process.returncode, output.decode("latin-1"))


def fetchmail(*arguments, timeout=120, **more):
    """Collects once: the Result."""
    return Fetchmail(*arguments, **more).wait(timeout)
