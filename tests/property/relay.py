# SPDX-License-Identifier: ISC
"""An odmrd for many runs at once, and its odmr.db."""

import json
import re
import sqlite3
import ssl
import time
from pathlib import Path

from odmr import tags
from odmrd_alone import Odmrd

LINGER = 4      # seconds


class Relay:
    def __init__(self, template, **settings):
        self.doubting = settings["believe_5xx"] == "second-opinion"
        self.odmrd = Odmrd(template, customer_timeout=60, data_done_timeout=60,
                           noop_interval=1, postqueue_path="/bin/true",
                           **settings)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.odmrd.dir / "server.pem",
                                 self.odmrd.dir / "server.key")
        self.db = sqlite3.connect(self.odmrd.dir / "odmr.db", timeout=20,
                                  isolation_level=None)
        self.db.execute("PRAGMA foreign_keys = ON")

    def begin(self, login, linger):
        """The account is as new."""
        self.db.execute("UPDATE account SET linger = ? WHERE login = ?",
                        (LINGER if linger else 0, login))
        self.db.execute("DELETE FROM workaround WHERE account = "
                        "(SELECT id FROM account WHERE login = ?)", (login,))

    def learnt(self, login):
        """What odmrd believes of the account's server."""
        return [row[0] for row in self.db.execute(
            "SELECT what FROM workaround JOIN account ON account.id = account "
            "WHERE login = ?", (login,))]

    # ---- tags

    def add_tags(self, messages):
        now = int(time.time())
        self.db.execute("BEGIN IMMEDIATE")
        tags.insert(self.db, (
            {"queue_id": m.queue_id, "domain": m.domain, "sender": m.sender,
             "recipients": m.recipients, "size": len(m.body), "client": "",
             "arrived": now} for m in messages))
        self.db.execute("COMMIT")

    def forget(self, messages):
        """They do not come any more: the session need not wait for them."""
        self._delete(messages, " AND state = 'held'")

    def remove_tags(self, messages):
        self._delete(messages, "")

    def _delete(self, messages, condition):
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany(
            f"DELETE FROM tag WHERE queue_id = ?{condition}",
            [(message.queue_id,) for message in messages])
        self.db.execute("COMMIT")

    def tag(self, message):
        return self.db.execute(
            "SELECT state, rcpts_open, delivered, rcpts_deferred FROM tag "
            "WHERE queue_id = ?",
            (message.queue_id,)).fetchone()

    def in_session(self, domains):
        return self.db.execute(
            "SELECT 1 FROM session_domain WHERE domain IN "
            "(SELECT value FROM json_each(?)) GROUP BY session "
            "HAVING count(*) = ?",
            (json.dumps(domains), len(domains))).fetchone()

    # ---- the process

    def alive(self):
        return self.odmrd.process.poll() is None

    def descriptors(self):
        return len(list(
            Path(f"/proc/{self.odmrd.process.pid}/fd").iterdir()))

    def memory(self):
        """Resident, in bytes."""
        text = Path(f"/proc/{self.odmrd.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    def remove(self):
        """Ends it; returns what was wrong with it."""
        self.db.close()
        return self.odmrd.remove()
