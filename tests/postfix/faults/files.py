# SPDX-License-Identifier: ISC
"""Faults of users, programs, files, directories and databases."""

import os
import re
import shutil


def no_user(p):
    p.odmr_conf("user", "nosuchuser")
    p.edit(p.postfix / "master.cf",
           lambda text: re.sub(r"user=\w+:postdrop", "user=nosuchuser:postdrop",
                               text))


def forbidden_program(p):
    p.programs(postqueue='exec /usr/sbin/postqueue "$@"')
    (p.directory / "sbin" / "postqueue").chmod(0o700)


def closed_log(p):
    log = p.directory / "mail.log"
    log.touch(0o640)
    p.odmr_conf("mail_log", log)


def jail(p):
    """The sockets are reached by a link, which a jail does not have."""
    spool = p.directory / "spool"
    spool.mkdir()
    for path in p.spool.iterdir():
        (spool / path.name).symlink_to(path)
    p.main("queue_directory", spool)
    p.odmr_conf("milter_socket", f"unix:{spool}/odmr/milter")
    p.field("odmr/unix", "chroot", "y")


def other_place(p):
    path = p.directory / "sockets"
    path.mkdir()
    shutil.copystat(p.spool / "odmr", path)
    owner = (p.spool / "odmr").stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o2750)
    p.odmr_conf("socket_directory", path)


def other_database(p):
    old = p.directory / "lib" / "old.db"
    shutil.copy2(p.relay, old)
    shutil.chown(old, p.relay.owner(), p.relay.group())
    p.edit(p.etc / "transport.cf",
           lambda text: text.replace("relay.db", "old.db"))


FAULTS = [
    ("no_such_user", "user-missing", no_user),
    ("no_postqueue", "program-missing",
     lambda p: p.odmr_conf("postqueue_path", "/nonexistent/postqueue")),
    ("no_postconf", "program-missing",
     lambda p: p.odmr_conf("postconf_path", "/nonexistent/postconf")),
    ("forbidden_postqueue", "program-missing", forbidden_program),
    ("closed_log", "mail-log-unreadable", closed_log),
    ("no_log", "mail-log-unreadable",
     lambda p: p.odmr_conf("mail_log", p.directory / "none.log")),
    ("jail", "socket-jail", jail),
    ("writable_conf", "conf-writable", lambda p: p.conf.chmod(0o666)),
    ("unreadable_conf", "conf-unreadable", lambda p: p.conf.chmod(0o600)),
    ("other_place", "socket-place", other_place),
    ("exposed_key", "key-exposed",
     lambda p: (p.etc / "server.key").chmod(0o644)),
    ("key_of_root", "key-unreadable",
     lambda p: os.chown(p.etc / "server.key", 0, 0)),
    ("no_key", "key-unreadable", lambda p: (p.etc / "server.key").unlink()),
    ("other_database", "map-database", other_database),
    ("no_state_db", "database-unusable", lambda p: p.state.unlink()),
    ("newer_schema", "database-unusable",
     lambda p: p.sql(p.state, "PRAGMA user_version = 99")),
    ("no_database", "database-unusable",
     lambda p: p.state.write_bytes(b"this is no database" * 100)),
    ("owner", "database-owner", lambda p: os.chown(p.state, 0, 0)),
    ("wal", "relay-wal",
     lambda p: p.sql(p.relay, "PRAGMA journal_mode = wal")),
    ("unreadable_relay", "relay-unreadable", lambda p: p.relay.chmod(0o600)),
    ("writable_relay", "relay-writable", lambda p: p.relay.chmod(0o660)),
    ("exposed_state", "state-exposed", lambda p: p.state.chmod(0o640)),
]
