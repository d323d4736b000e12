# SPDX-License-Identifier: ISC
"""Tags that no milter wrote, in the database of an odmrctl or odmrd."""

import sqlite3

# To select from: tags with their recipients, one a line.
TAG = ("(SELECT *, (SELECT group_concat(address, char(10)) FROM recipient "
       "WHERE recipient.tag = tag.id) AS recipients FROM tag)")

# SQL for "so many seconds earlier, but on the same day", which is counted
# already.
EARLIER = "max(arrived - ?, unixepoch('now', 'start of day'))"

COUNT = (
    "UPDATE domain_count SET held = 0, held_bytes = 0",
    "INSERT INTO domain_count (domain, held, held_bytes, delivered, "
    "delivered_bytes, refused, expired, removed, received, received_bytes) "
    "SELECT domain, sum(state = 'held'), sum(iif(state = 'held', size, 0)), "
    "sum(state = 'delivered'), sum(iif(state = 'delivered', size, 0)), "
    "sum(state = 'refused'), sum(state = 'expired'), sum(state = 'left'), "
    "count(*), sum(size) FROM tag GROUP BY domain "
    "ON CONFLICT (domain) DO UPDATE SET held = excluded.held, "
    "held_bytes = excluded.held_bytes",
    "DELETE FROM usage",
    "INSERT INTO usage (day, domain, account, messages, bytes) "
    "SELECT date(arrived, 'unixepoch'), domain, account_received, count(*), "
    "sum(size) FROM tag GROUP BY 1, 2, 3",
    "UPDATE tag SET account_settled = coalesce(account_settled, '') "
    "WHERE state != 'held'",
    "INSERT INTO usage (day, domain, account, delivered, delivered_bytes, "
    "refused, expired, removed) "
    "SELECT date(coalesce(settled, arrived), 'unixepoch'), domain, "
    "account_settled, sum(state = 'delivered'), sum(iif(state = 'delivered', size, 0)), "
    "sum(state = 'refused'), sum(state = 'expired'), sum(state = 'left') "
    "FROM tag WHERE state != 'held' GROUP BY 1, 2, 3 "
    "ON CONFLICT (day, domain, account) DO UPDATE SET "
    "delivered = excluded.delivered, "
    "delivered_bytes = excluded.delivered_bytes, refused = excluded.refused, "
    "expired = excluded.expired, removed = excluded.removed",
)


def insert(db, rows):
    """Dictionaries of columns; `recipients` is a list. What is not told is
    made up; nothing is counted."""
    for row in rows:
        row = dict({"sender": "s@sender.test", "size": 1, "arrived": 1,
                    "client": "192.0.2.1", "recipients": ["r"]}, **row)
        recipients = row.pop("recipients")
        row.setdefault("rcpts_open", len(recipients))
        [(tag,)] = db.execute(
            f"INSERT INTO tag ({', '.join(row)}) "
            f"VALUES ({', '.join('?' * len(row))}) RETURNING id",
            list(row.values())).fetchall()
        db.executemany("INSERT INTO recipient VALUES (?, ?)",
                       ((tag, address) for address in recipients))


def count(db):
    """As if nothing but these tags had ever been."""
    for statement in COUNT:
        db.execute(statement)


def add(database, *rows):
    """Inserts and counts."""
    change(database, lambda db: insert(db, rows))


def change(database, *changes):
    """By functions or statements, counted."""
    db = sqlite3.connect(database, timeout=30, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("BEGIN IMMEDIATE")
    for one in changes:
        one(db) if callable(one) else db.execute(one)
    count(db)
    db.execute("COMMIT")
    db.close()
