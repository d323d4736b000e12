# SPDX-License-Identifier: ISC
"""Faults of users, programs, files, directories and databases."""

import os
import re
import shutil
import subprocess


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


def postmap(p, option, *, table="domains", text=""):
    user = p.database.owner()
    subprocess.run(["/usr/sbin/runuser", "-u", user, "--", "/usr/sbin/postmap",
                    "-c", p.postfix, *option.split(), f"lmdb:{p.lib}/{table}"],
                   input=text, text=True, check=True, timeout=60)


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
    ("no_file", "database-unusable", lambda p: p.database.unlink()),
    ("newer_schema", "database-unusable",
     lambda p: p.sql(p.database, "PRAGMA user_version = 99")),
    ("no_database", "database-unusable",
     lambda p: p.database.write_bytes(b"this is no database" * 100)),
    ("owner", "database-owner", lambda p: os.chown(p.database, 0, 0)),
    ("exposed", "database-exposed", lambda p: p.database.chmod(0o640)),
    ("no_lmdb", "table-type", lambda p: p.programs(
        postconf='case "$*" in *-m) echo hash ;; '
        '*) exec /usr/sbin/postconf "$@" ;; esac')),
    ("table_of_root", "table-owner",
     lambda p: os.chown(p.lib / "domains.lmdb", 0, 0)),
    ("writable_table", "table-owner",
     lambda p: (p.lib / "etrn_names.lmdb").chmod(0o666)),
    ("entry_missing", "table-stale",
     lambda p: postmap(p, "-d a.test")),
    ("entry_too_many", "table-stale",
     lambda p: postmap(p, "-i", table="etrn_names", text="x y\n")),
    ("no_table_file", "table-stale",
     lambda p: (p.lib / "domains.lmdb").unlink()),
    ("changed_in_the_database", "table-stale", lambda p: p.sql(
        p.database, "UPDATE domain SET mode = 'backup', nexthop = '[192.0.2.9]'"
        " WHERE name = 'a.test'")),
]
