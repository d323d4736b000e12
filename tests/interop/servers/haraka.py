# SPDX-License-Identifier: ISC
"""Haraka, from npm. It refuses pipelining after DATA."""

import json
import shutil

from interop.servers.server import MODULES, SCRIPTS, Missing, Server


# What it has for itself in the file of this name, but for sizes.
CONNECTION = """\
[main]
[message]
helo=Haraka is at your service.
close=closing connection. Have a jolly good day.
[haproxy]
[headers]
[uuid]
[max]
bytes=0
line_length=512
data_line_length=992
"""


def module(name):
    if not shutil.which("node"):
        raise Missing("no node", of_npm=True)
    if not (MODULES / name).is_dir():
        raise Missing(f"no {name} (tests/deps.sh interop)", of_npm=True)
    return MODULES / name


class Haraka(Server):
    def start(self):
        haraka = module("Haraka")
        for name in ("config", "plugins"):
            (self.directory / name).mkdir()
        files = {
            "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=0\n"
                        "[headers]\nadd_received=false\n",
            "connection.ini": CONNECTION,
            "plugins": "take\n",
            "log.ini": "[main]\nlevel=NOTICE\n",
            "spool": str(self.spool),
            "me": "customer.test",
        }
        for name, text in files.items():
            (self.directory / "config" / name).write_text(text)
        (self.directory / "package.json").write_text(json.dumps({}))
        shutil.copy(SCRIPTS / "haraka_take.js",
                    self.directory / "plugins" / "take.js")
        self.run("node", haraka / "bin" / "haraka", "-c", self.directory)
