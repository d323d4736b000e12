-- relay.db, version 1: what Postfix may read through its sqlite maps.
-- It holds no secret. Rollback journal, never WAL: a reader that may not
-- write cannot open a WAL database whose writer is gone.

-- A long domain's socket is named by the id, and a session may listen there
-- longer than the domain lives: an id is given only once.
CREATE TABLE domain (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	name    TEXT NOT NULL UNIQUE,       -- A-label form, lower case
	mode    TEXT NOT NULL CHECK (mode IN ('odmr', 'backup', 'hold')),
	nexthop TEXT,                       -- as in transport(5); NULL: its MX
	socket  TEXT NOT NULL UNIQUE,       -- file name in socket_directory
	created INTEGER NOT NULL
);

-- What Postfix looks up where a name is written in UTF-8 (lib/spelling.h). True
-- of any domain, so it does no harm where there is none; it is gone with the
-- domain or the queue whose it was.
CREATE TABLE spelling (
	utf8 TEXT PRIMARY KEY,
	name TEXT NOT NULL                  -- A-label form
) WITHOUT ROWID;

-- Who may start a domain's deliveries by ETRN, besides the accounts that have
-- a grant of it: a network in its canonical text (lib/network.h), or
-- "login:" and a login.
CREATE TABLE etrn (
	domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
	who    TEXT NOT NULL,
	PRIMARY KEY (domain, who)
) WITHOUT ROWID;
CREATE INDEX etrn_who ON etrn (who);

-- What an ETRN may name instead of a domain: it means all domains of the name.
CREATE TABLE queue_name (
	name   TEXT NOT NULL,
	domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
	PRIMARY KEY (name, domain)
) WITHOUT ROWID;
CREATE INDEX queue_name_domain ON queue_name (domain);

CREATE TRIGGER domain_spelling AFTER DELETE ON domain
BEGIN
	DELETE FROM spelling WHERE name = old.name;
END;

CREATE TRIGGER queue_name_spelling AFTER DELETE ON queue_name
WHEN NOT EXISTS (SELECT 1 FROM queue_name WHERE name = old.name)
BEGIN
	DELETE FROM spelling WHERE name = old.name;
END;
