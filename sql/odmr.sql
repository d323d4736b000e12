-- The database, version 1 (owner odmr, 0600, WAL). Only the toolkit reads it;
-- Postfix has tables of its own, which odmrctl writes from it.

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

-- Sessions keep the id: it is never given to another account.
CREATE TABLE account (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	login     TEXT NOT NULL UNIQUE,
	scram     TEXT NOT NULL,            -- SCRAM-SHA-256 verifier, RFC 5803
	password  TEXT,                     -- only where CRAM-MD5 was asked for
	passwords INTEGER NOT NULL DEFAULT 1, -- that it has had so far
	linger    INTEGER NOT NULL DEFAULT 0,
	disabled  INTEGER NOT NULL DEFAULT 0,
	created   INTEGER NOT NULL
);

-- Who may collect what. A domain may be granted to several accounts.
CREATE TABLE access (
	account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
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

-- One row: from this secret and the login come the salts of all verifiers, and
-- those that unknown logins are shown, so that nobody learns which logins exist.
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
	doubted_up  INTEGER,                -- how long the machine was up then
	doubted_by  TEXT,                   -- and the session that heard it
	suspect     INTEGER NOT NULL DEFAULT 0, -- of a session's end, see
	                                    -- lib/store/suspicion.h
	faults      INTEGER NOT NULL DEFAULT 0, -- sessions that ended at it
	faulted     INTEGER,                -- when the last of them did
	on_hold     INTEGER NOT NULL DEFAULT 0, -- by postsuper -h, when last seen
	settled     INTEGER,
	came_for    TEXT,                   -- the account it was counted for
	counted     TEXT,                   -- and once it was settled
	UNIQUE (queue_id, domain)
);
CREATE INDEX tag_held ON tag (domain, arrived) WHERE state = 'held';
CREATE INDEX tag_doubted ON tag (domain)
	WHERE state = 'held' AND doubted IS NOT NULL;
CREATE INDEX tag_suspect ON tag (domain)
	WHERE state = 'held' AND suspect > 0;
CREATE INDEX tag_on_hold ON tag (domain) WHERE state = 'held' AND on_hold;
-- Those that history_days is about.
CREATE INDEX tag_finished ON tag (settled) WHERE state != 'held';

-- What waits, by domain. Kept by the triggers below, whoever changes a tag.
CREATE TABLE waiting (
	domain TEXT PRIMARY KEY NOT NULL,
	held   INTEGER NOT NULL,
	bytes  INTEGER NOT NULL
) WITHOUT ROWID;

-- What the service was used for, by day (local time). A message counts once
-- for each relay domain. `account` is who collected it; where nobody did, the
-- one account that has the domain, or '' if none or several have. Sessions
-- count under domain ''.
CREATE TABLE usage (
	day             TEXT NOT NULL,      -- YYYY-MM-DD
	domain          TEXT NOT NULL,
	account         TEXT NOT NULL,
	messages        INTEGER NOT NULL DEFAULT 0, -- that came in
	bytes           INTEGER NOT NULL DEFAULT 0,
	delivered       INTEGER NOT NULL DEFAULT 0,
	delivered_bytes INTEGER NOT NULL DEFAULT 0,
	refused         INTEGER NOT NULL DEFAULT 0,
	expired         INTEGER NOT NULL DEFAULT 0,
	vanished        INTEGER NOT NULL DEFAULT 0, -- tags that became "left"
	peak            INTEGER NOT NULL DEFAULT 0, -- most that waited at a time
	sessions        INTEGER NOT NULL DEFAULT 0,
	seconds         INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (day, domain, account)
) WITHOUT ROWID;

-- The account of a domain that is nobody else's.
CREATE VIEW owner AS
	SELECT access.domain AS domain, max(account.login) AS login
	FROM access JOIN account ON account.id = access.account
	GROUP BY access.domain HAVING count(*) = 1;

-- What comes settled may be held again: it needs its row of waiting, too.
CREATE TRIGGER tag_comes AFTER INSERT ON tag BEGIN
	INSERT INTO waiting (domain, held, bytes) VALUES (new.domain,
		new.state = 'held', iif(new.state = 'held', new.size, 0))
		ON CONFLICT (domain) DO UPDATE SET
		held = held + excluded.held, bytes = bytes + excluded.bytes;
	UPDATE tag SET came_for = coalesce(
		(SELECT login FROM owner WHERE domain = new.domain), '')
		WHERE id = new.id;
	INSERT INTO usage (day, domain, account, messages, bytes)
		SELECT date(new.arrived, 'unixepoch', 'localtime'), new.domain,
		(SELECT came_for FROM tag WHERE id = new.id), 1, new.size
		WHERE true
		ON CONFLICT (day, domain, account) DO UPDATE SET
		messages = messages + 1, bytes = bytes + excluded.bytes;
END;

-- The peak of a day is what was seen on it, whenever the messages came: the
-- number before a change, which waited since midnight at least, or after it.
-- Where nothing changes, reconcile writes the same number again.
CREATE TRIGGER waiting_begins AFTER INSERT ON waiting WHEN new.held > 0 BEGIN
	UPDATE waiting SET held = new.held WHERE domain = new.domain;
END;

CREATE TRIGGER waiting_changes AFTER UPDATE OF held ON waiting
WHEN max(old.held, new.held) > 0 AND NOT EXISTS (SELECT 1 FROM usage
	WHERE day = date('now', 'localtime') AND domain = new.domain
	AND peak >= max(old.held, new.held)) BEGIN
	INSERT INTO usage (day, domain, account, peak)
		VALUES (date('now', 'localtime'), new.domain,
		coalesce((SELECT login FROM owner WHERE domain = new.domain),
		''), max(old.held, new.held))
		ON CONFLICT (day, domain, account) DO UPDATE SET
		peak = excluded.peak;
END;

CREATE TRIGGER tag_changes AFTER UPDATE OF state, size ON tag
WHEN old.state IS NOT new.state OR old.size IS NOT new.size BEGIN
	UPDATE waiting SET
		held = held - (old.state = 'held') + (new.state = 'held'),
		bytes = bytes - iif(old.state = 'held', old.size, 0)
		+ iif(new.state = 'held', new.size, 0)
		WHERE domain = new.domain;
	UPDATE usage SET bytes = bytes + new.size - old.size
		WHERE day = date(new.arrived, 'unixepoch', 'localtime')
		AND domain = new.domain AND account = old.came_for
		AND new.size IS NOT old.size;
END;

CREATE TRIGGER tag_settled AFTER UPDATE OF state ON tag
WHEN new.state != 'held' AND new.state IS NOT old.state BEGIN
	UPDATE tag SET counted = coalesce(
		(SELECT nullif(account, '') FROM session
		WHERE id = new.session),
		(SELECT login FROM owner WHERE domain = new.domain), '')
		WHERE id = new.id;
END;

-- Who settles a message before its tag came brings the tag.
CREATE TRIGGER tag_comes_settled AFTER INSERT ON tag
WHEN new.state != 'held' BEGIN
	UPDATE tag SET counted = coalesce(
		(SELECT nullif(account, '') FROM session
		WHERE id = new.session),
		(SELECT login FROM owner WHERE domain = new.domain), '')
		WHERE id = new.id;
END;

-- Both say for whom it is counted; that it counts follows from that.
CREATE TRIGGER tag_counted AFTER UPDATE OF counted ON tag BEGIN
	INSERT INTO usage (day, domain, account, delivered, delivered_bytes,
		refused, expired, vanished)
		VALUES (date(coalesce(new.settled, new.arrived), 'unixepoch',
		'localtime'), new.domain, new.counted,
		new.state = 'delivered',
		iif(new.state = 'delivered', new.size, 0),
		new.state = 'refused', new.state = 'expired',
		new.state = 'left')
		ON CONFLICT (day, domain, account) DO UPDATE SET
		delivered = delivered + excluded.delivered,
		delivered_bytes = delivered_bytes + excluded.delivered_bytes,
		refused = refused + excluded.refused,
		expired = expired + excluded.expired,
		vanished = vanished + excluded.vanished;
END;

-- It was settled falsely, or its true fate is known only now: what was counted
-- first is taken back.
CREATE TRIGGER tag_resettled AFTER UPDATE OF state ON tag
WHEN old.state != 'held' AND new.state IS NOT old.state BEGIN
	UPDATE usage SET
		delivered = delivered - (old.state = 'delivered'),
		delivered_bytes = delivered_bytes
		- iif(old.state = 'delivered', old.size, 0),
		refused = refused - (old.state = 'refused'),
		expired = expired - (old.state = 'expired'),
		vanished = vanished - (old.state = 'left')
		WHERE day = date(coalesce(old.settled, old.arrived),
		'unixepoch', 'localtime') AND domain = old.domain
		AND account = old.counted;
END;

-- Only what never was mail of the domain is deleted while it is held.
CREATE TRIGGER tag_goes AFTER DELETE ON tag WHEN old.state = 'held' BEGIN
	UPDATE waiting SET held = held - 1, bytes = bytes - old.size
		WHERE domain = old.domain;
	UPDATE usage SET messages = messages - 1, bytes = bytes - old.size
		WHERE day = date(old.arrived, 'unixepoch', 'localtime')
		AND domain = old.domain AND account = old.came_for;
END;

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

-- What a customer's server cannot do, or needs, beside what it offers
-- (odmrd/delivery/workaround.h): learnt from a session, for a time.
CREATE TABLE workaround (
	account INTEGER REFERENCES account (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL,              -- without an account: that is dialled
	what    TEXT NOT NULL,
	why     TEXT NOT NULL,
	since   INTEGER NOT NULL,
	until   INTEGER NOT NULL
);
CREATE UNIQUE INDEX workaround_of ON
	workaround (coalesce(account, 0), domain, what);

-- Next hops of domains with mail waiting, as probed last. What has no row was
-- never probed and counts as down.
CREATE TABLE probe (
	domain TEXT PRIMARY KEY NOT NULL,
	up     INTEGER NOT NULL,
	times  INTEGER NOT NULL,            -- in a row that it was found so
	next   INTEGER NOT NULL             -- not before then
) WITHOUT ROWID;

-- The reversed sessions of the running odmrd. What one that died left behind
-- goes into usage when the next one starts.
CREATE TABLE session (
	id        TEXT PRIMARY KEY NOT NULL,
	pid       INTEGER NOT NULL,
	account   TEXT NOT NULL,            -- '': odmrd has dialled
	client    TEXT NOT NULL,
	domains   TEXT NOT NULL,            -- one a line
	state     TEXT NOT NULL,
	attempted INTEGER NOT NULL DEFAULT 0, -- messages, as all of these
	delivered INTEGER NOT NULL DEFAULT 0,
	refused   INTEGER NOT NULL DEFAULT 0,
	kept      INTEGER NOT NULL DEFAULT 0,
	bytes     INTEGER NOT NULL DEFAULT 0, -- of the delivered
	in_flight INTEGER NOT NULL DEFAULT 0, -- given to the customer, unanswered
	rate      INTEGER NOT NULL DEFAULT 0, -- delivered a minute, lately
	since     INTEGER NOT NULL,
	noted     INTEGER NOT NULL          -- when odmrd last wrote the row
) WITHOUT ROWID;

-- When the tags were last compared with the Postfix queue as a whole: one row.
CREATE TABLE reconciled (began INTEGER NOT NULL);
INSERT INTO reconciled VALUES (0);

-- How far the mail log was read.
CREATE TABLE mail_log (
	path   TEXT PRIMARY KEY NOT NULL,   -- or 'journal'
	inode  INTEGER NOT NULL,
	offset INTEGER NOT NULL,
	cursor TEXT NOT NULL                -- in the journal
) WITHOUT ROWID;

-- What the log told of a message before its tag came. `event` is an enum
-- mail_event.
CREATE TABLE early (
	id       INTEGER PRIMARY KEY,       -- in the order of the log
	queue_id TEXT NOT NULL,
	domain   TEXT NOT NULL,
	event    INTEGER NOT NULL,
	local    TEXT NOT NULL,             -- of the recipient's address
	answer   TEXT NOT NULL,
	logged   INTEGER NOT NULL,
	kept     INTEGER NOT NULL           -- when it was read
);
CREATE INDEX early_message ON early (queue_id);

-- What came and what became of it, since the beginning: counters, which only
-- grow. In usage a message that is held again is taken back.
CREATE TABLE total (
	what     TEXT NOT NULL,             -- 'received', or a state of a tag
	domain   TEXT NOT NULL,
	messages INTEGER NOT NULL,
	bytes    INTEGER NOT NULL,
	PRIMARY KEY (what, domain)
) WITHOUT ROWID;

CREATE TRIGGER total_comes AFTER INSERT ON tag BEGIN
	INSERT INTO total VALUES ('received', new.domain, 1, new.size)
		ON CONFLICT (what, domain) DO UPDATE SET
		messages = messages + 1, bytes = bytes + excluded.bytes;
	INSERT INTO total SELECT new.state, new.domain, 1, new.size
		WHERE new.state != 'held'
		ON CONFLICT (what, domain) DO UPDATE SET
		messages = messages + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER total_settled AFTER UPDATE OF state ON tag
WHEN old.state = 'held' AND new.state != 'held' BEGIN
	INSERT INTO total VALUES (new.state, new.domain, 1, new.size)
		ON CONFLICT (what, domain) DO UPDATE SET
		messages = messages + 1, bytes = bytes + excluded.bytes;
END;

-- The sender had not said how large it is.
CREATE TRIGGER total_grows AFTER UPDATE OF size ON tag
WHEN new.size > old.size BEGIN
	UPDATE total SET bytes = bytes + new.size - old.size
		WHERE what = 'received' AND domain = new.domain;
END;

-- Spares who sums up the sessions the rows of the domains.
CREATE INDEX usage_sessions ON usage (sessions, seconds) WHERE domain = '';
