-- state.db, version 1: what only the toolkit reads (owner odmr, 0600, WAL).

CREATE TABLE account (
	id       INTEGER PRIMARY KEY,
	login    TEXT NOT NULL UNIQUE,
	scram    TEXT NOT NULL,             -- SCRAM-SHA-256 verifier, RFC 5803
	password TEXT,                      -- only where CRAM-MD5 was asked for
	linger   INTEGER NOT NULL DEFAULT 0,
	disabled INTEGER NOT NULL DEFAULT 0,
	created  INTEGER NOT NULL
);

-- Who may collect what. A domain may be granted to several accounts.
CREATE TABLE access (
	account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL,
	PRIMARY KEY (account, domain)
) WITHOUT ROWID;
CREATE INDEX access_domain ON access (domain);

-- Client certificates for AUTH EXTERNAL.
CREATE TABLE certificate (
	fingerprint TEXT PRIMARY KEY NOT NULL, -- SHA-256, hex, lower case
	account     INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	created     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX certificate_account ON certificate (account);

-- One row: from this secret come the salts that unknown logins are shown, so
-- that they stay the same and nobody learns which logins exist.
CREATE TABLE decoy (seed TEXT NOT NULL);
INSERT INTO decoy VALUES (hex(randomblob(32)));

-- One row for each message and relay domain: an index of the Postfix queue,
-- never the truth about it.
CREATE TABLE tag (
	id          INTEGER PRIMARY KEY,
	queue_id    TEXT NOT NULL,
	domain      TEXT NOT NULL,
	sender      TEXT NOT NULL,
	recipients  TEXT NOT NULL,          -- one a line
	size        INTEGER NOT NULL,
	client      TEXT NOT NULL,
	arrived     INTEGER NOT NULL,
	state       TEXT NOT NULL DEFAULT 'held' CHECK (state IN
	            ('held', 'delivered', 'refused', 'expired', 'left')),
	open        INTEGER NOT NULL,       -- recipients without a final answer
	delivered   INTEGER NOT NULL DEFAULT 0, -- recipients answered 2xx
	attempts    INTEGER NOT NULL DEFAULT 0,
	session     TEXT,                   -- the last one that attempted it
	tried       INTEGER NOT NULL DEFAULT 0, -- of open, answered 4xx by then
	last_answer TEXT,
	doubted     INTEGER,                -- first 5xx that was not believed
	doubted_by  TEXT,                   -- and the session that heard it
	settled     INTEGER,
	UNIQUE (queue_id, domain)
);
-- Holds all that status asks for, and spares it the rows.
CREATE INDEX tag_held ON tag (domain, arrived, size) WHERE state = 'held';

-- Totals of a domain over all sessions.
CREATE TABLE collected (
	domain    TEXT PRIMARY KEY NOT NULL,
	last      INTEGER NOT NULL,
	delivered INTEGER NOT NULL DEFAULT 0,
	bytes     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- When a domain's mail was last started by an ETRN that Postfix asked about
-- (etrn_min_interval). Only domains that somebody was allowed to start.
CREATE TABLE started (
	node TEXT PRIMARY KEY NOT NULL,
	last INTEGER NOT NULL
) WITHOUT ROWID;

-- When domains are started by the clock: cron fields, in local time.
CREATE TABLE schedule (
	domain TEXT NOT NULL,
	fields TEXT NOT NULL,
	last   INTEGER NOT NULL,            -- up to then nothing is due
	PRIMARY KEY (domain, fields)
) WITHOUT ROWID;

-- Next hops of domains with mail waiting, as probed last. What has no row was
-- never probed and counts as down.
CREATE TABLE probe (
	domain TEXT PRIMARY KEY NOT NULL,
	up     INTEGER NOT NULL,
	times  INTEGER NOT NULL,            -- in a row that it was found so
	next   INTEGER NOT NULL             -- not before then
) WITHOUT ROWID;

-- The reversed sessions of the running odmrd; emptied when it starts.
CREATE TABLE session (
	id        TEXT PRIMARY KEY NOT NULL,
	pid       INTEGER NOT NULL,
	account   TEXT NOT NULL,
	client    TEXT NOT NULL,
	domains   TEXT NOT NULL,            -- one a line
	state     TEXT NOT NULL,
	delivered INTEGER NOT NULL DEFAULT 0,
	bytes     INTEGER NOT NULL DEFAULT 0,
	since     INTEGER NOT NULL
) WITHOUT ROWID;
