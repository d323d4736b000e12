-- The database, version 1 (owner odmr, 0600, WAL). Only the toolkit reads it;
-- Postfix has tables of its own, which odmrctl writes from it. Times are
-- seconds since 1970; a domain is in A-label form and lower case.

-- ---- who is served ---------------------------------------------------------

-- The socket of a long domain is named by the id, and a session may listen
-- there longer than the domain lives: an id is given only once.
CREATE TABLE domain (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	name    TEXT NOT NULL UNIQUE,
	mode    TEXT NOT NULL CHECK (mode IN ('odmr', 'backup', 'hold')),
	nexthop TEXT,                       -- as in transport(5); NULL: its MX
	socket  TEXT NOT NULL UNIQUE,       -- file name in socket_directory
	created INTEGER NOT NULL
) STRICT;

-- Customers. Sessions keep the id: it is never given to another account.
CREATE TABLE account (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	login     TEXT NOT NULL UNIQUE,
	scram     TEXT NOT NULL,            -- SCRAM-SHA-256 verifier, RFC 5803
	password  TEXT,                     -- only where CRAM-MD5 was asked for
	passwords INTEGER NOT NULL DEFAULT 1, -- that it has had so far
	linger    INTEGER NOT NULL DEFAULT 0, -- seconds
	disabled  INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
	created   INTEGER NOT NULL
) STRICT;

-- Who may collect what. A domain may be granted to several accounts.
CREATE TABLE access (
	account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
	PRIMARY KEY (account, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_domain ON access (domain);

-- Client certificates for AUTH EXTERNAL.
CREATE TABLE certificate (
	fingerprint TEXT PRIMARY KEY NOT NULL, -- SHA-256, hex, lower case
	account     INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	created     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_account ON certificate (account);

-- One row: from this secret and the login come the salts of all verifiers, and
-- those that unknown logins are shown, so that nobody learns which logins exist.
CREATE TABLE decoy (seed TEXT NOT NULL) STRICT;
INSERT INTO decoy VALUES (hex(randomblob(32)));

-- Who may start a domain's deliveries by ETRN, besides the accounts that have
-- a grant of it: a network in its canonical text (lib/network.h), or a login.
CREATE TABLE etrn (
	domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
	who    TEXT NOT NULL CHECK (who GLOB '*/*' OR who GLOB 'login:?*'),
	PRIMARY KEY (domain, who)
) STRICT, WITHOUT ROWID;
CREATE INDEX etrn_who ON etrn (who);

-- When a domain's mail was last started by an ETRN that Postfix asked about
-- (etrn_min_interval). Only domains that somebody was allowed to start.
CREATE TABLE etrn_last (
	domain TEXT PRIMARY KEY NOT NULL,
	at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an ETRN may name instead of a domain: it means all domains of the name.
CREATE TABLE queue_name (
	name   TEXT NOT NULL,
	domain TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
	PRIMARY KEY (name, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_name_domain ON queue_name (domain);

-- ---- messages --------------------------------------------------------------

-- One row for each message and relay domain: an index of the Postfix queue,
-- never the truth about it. What has left the queue stays for history_days.
CREATE TABLE tag (
	id                INTEGER PRIMARY KEY,
	queue_id          TEXT NOT NULL,
	domain            TEXT NOT NULL,
	sender            TEXT NOT NULL,
	size              INTEGER NOT NULL,  -- 0: not known yet
	client            TEXT NOT NULL,     -- its address; '': not known
	arrived           INTEGER NOT NULL,
	state             TEXT NOT NULL DEFAULT 'held' CHECK (state IN
	                  ('held', 'delivered', 'refused', 'expired', 'left')),
	rcpts_open        INTEGER NOT NULL,  -- recipients without a final answer
	rcpts_deferred    INTEGER NOT NULL DEFAULT 0, -- of them, in `session`
	delivered         INTEGER NOT NULL DEFAULT 0, -- recipients answered 2xx
	attempts          INTEGER NOT NULL DEFAULT 0,
	session           TEXT,              -- the last one that attempted it
	last_answer       TEXT,
	first_5xx_at      INTEGER,           -- a 5xx that was not believed,
	first_5xx_uptime  INTEGER,           -- the machine's then,
	first_5xx_session TEXT,              -- and who heard it
	suspect           INTEGER NOT NULL DEFAULT 0 -- lib/store/suspicion.h
	                  CHECK (suspect BETWEEN 0 AND 3),
	faults            INTEGER NOT NULL DEFAULT 0, -- sessions that ended at it
	faulted           INTEGER,           -- when the last of them did
	on_hold           INTEGER NOT NULL DEFAULT 0  -- by postsuper -h
	                  CHECK (on_hold IN (0, 1)),
	settled           INTEGER,           -- NULL: held
	account_received  TEXT NOT NULL DEFAULT '', -- that usage counts it for
	account_settled   TEXT,              -- and once it is settled
	UNIQUE (queue_id, domain)
) STRICT;
CREATE INDEX tag_held ON tag (domain, arrived) WHERE state = 'held';
CREATE INDEX tag_first_5xx ON tag (domain)
	WHERE state = 'held' AND first_5xx_at IS NOT NULL;
CREATE INDEX tag_suspect ON tag (domain)
	WHERE state = 'held' AND suspect > 0;
CREATE INDEX tag_on_hold ON tag (domain) WHERE state = 'held' AND on_hold;
CREATE INDEX tag_settled ON tag (settled) WHERE state != 'held';
CREATE INDEX tag_finished ON tag (state, domain) WHERE state != 'held';

-- The recipients of a tag that wait, or waited last. A tag has none while all
-- that is known of its message is what became of it.
CREATE TABLE recipient (
	tag     INTEGER NOT NULL REFERENCES tag (id) ON DELETE CASCADE,
	address TEXT NOT NULL COLLATE NOCASE,
	PRIMARY KEY (tag, address)
) STRICT, WITHOUT ROWID;

-- What the log told of a message before its tag came.
CREATE TABLE log_without_tag (
	id       INTEGER PRIMARY KEY,       -- in the order of the log
	queue_id TEXT NOT NULL,
	domain   TEXT NOT NULL,
	event    INTEGER NOT NULL           -- an enum mail_event: 0 sent,
	         CHECK (event BETWEEN 0 AND 5), -- 1 bounced, 2 deferred,
	                                    -- 3 expired, 4 removed, 5 deleted
	local    TEXT NOT NULL,             -- of the recipient's address
	answer   TEXT NOT NULL,
	logged   INTEGER NOT NULL,
	kept     INTEGER NOT NULL           -- when it was read
) STRICT;
CREATE INDEX log_without_tag_message ON log_without_tag (queue_id);

-- How far the mail log was read.
CREATE TABLE mail_log (
	path   TEXT PRIMARY KEY NOT NULL,   -- or 'journal'
	inode  INTEGER NOT NULL,
	offset INTEGER NOT NULL,
	cursor TEXT NOT NULL                -- in the journal
) STRICT, WITHOUT ROWID;

-- When the tags were last compared with the Postfix queue as a whole: one row.
CREATE TABLE reconciled (began INTEGER NOT NULL) STRICT;
INSERT INTO reconciled VALUES (0);

-- ---- what is counted (lib/store/store_count.c) -----------------------------

-- Of a domain, whether it is ours still: what waits, and since the beginning
-- what came, what became of it, and what sessions collected.
CREATE TABLE domain_count (
	domain          TEXT PRIMARY KEY NOT NULL,
	held            INTEGER NOT NULL DEFAULT 0,
	held_bytes      INTEGER NOT NULL DEFAULT 0,
	received        INTEGER NOT NULL DEFAULT 0,
	received_bytes  INTEGER NOT NULL DEFAULT 0,
	delivered       INTEGER NOT NULL DEFAULT 0,
	delivered_bytes INTEGER NOT NULL DEFAULT 0,
	refused         INTEGER NOT NULL DEFAULT 0,
	refused_bytes   INTEGER NOT NULL DEFAULT 0,
	expired         INTEGER NOT NULL DEFAULT 0,
	expired_bytes   INTEGER NOT NULL DEFAULT 0,
	removed         INTEGER NOT NULL DEFAULT 0, -- tags that became "left"
	removed_bytes   INTEGER NOT NULL DEFAULT 0,
	collected       INTEGER NOT NULL DEFAULT 0,
	collected_bytes INTEGER NOT NULL DEFAULT 0,
	collected_at    INTEGER NOT NULL DEFAULT 0  -- 0: never
) STRICT, WITHOUT ROWID;

-- By day (UTC); a message counts once for each relay domain. `account` is who
-- collected it; where nobody did, the one account that has the domain, or '' if
-- none or several have.
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
	removed         INTEGER NOT NULL DEFAULT 0,
	peak            INTEGER NOT NULL DEFAULT 0, -- most that waited at a time
	PRIMARY KEY (day, domain, account)
) STRICT, WITHOUT ROWID;

-- The sessions that ended on a day, and how long they took.
CREATE TABLE session_usage (
	day      TEXT NOT NULL,
	account  TEXT NOT NULL,             -- '': odmrd has dialled
	sessions INTEGER NOT NULL,
	seconds  INTEGER NOT NULL,
	PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;

-- ---- sessions and servers --------------------------------------------------

-- The reversed sessions of the running odmrd. What one that died left behind
-- goes into session_usage when the next one starts.
CREATE TABLE session (
	id        TEXT PRIMARY KEY NOT NULL,
	pid       INTEGER NOT NULL,
	account   TEXT NOT NULL,            -- '': odmrd has dialled
	client    TEXT NOT NULL,
	state     TEXT NOT NULL CHECK (state IN ('greeting', 'delivering',
	          'lingering', 'quitting', 'ending')),
	attempted INTEGER NOT NULL DEFAULT 0, -- messages, as all of these
	delivered INTEGER NOT NULL DEFAULT 0,
	refused   INTEGER NOT NULL DEFAULT 0,
	kept      INTEGER NOT NULL DEFAULT 0,
	bytes     INTEGER NOT NULL DEFAULT 0, -- of the delivered
	in_flight INTEGER NOT NULL DEFAULT 0, -- given to the customer, unanswered
	rate      INTEGER NOT NULL DEFAULT 0, -- delivered a minute, lately
	since     INTEGER NOT NULL,
	noted     INTEGER NOT NULL          -- when odmrd last wrote the row
) STRICT, WITHOUT ROWID;
CREATE TABLE session_domain (
	session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL,
	PRIMARY KEY (session, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_domain_domain ON session_domain (domain);

-- What a customer's server cannot do, or needs, beside what it offers
-- (odmrd/delivery/workaround.h): learnt from a session, for a time.
CREATE TABLE workaround (
	account INTEGER REFERENCES account (id) ON DELETE CASCADE,
	domain  TEXT NOT NULL,              -- without an account: that is dialled
	what    TEXT NOT NULL CHECK (what IN ('no-tls', 'tls', 'no-chunking',
	        'no-pipelining', 'helo', 'no-noop', 'few-rset',
	        'few-in-flight')),
	why     TEXT NOT NULL,
	since   INTEGER NOT NULL,
	until   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX workaround_of ON
	workaround (coalesce(account, 0), domain, what);

-- Next hops of domains with mail waiting, as probed last. What has no row was
-- never probed and counts as down.
CREATE TABLE probe (
	domain TEXT PRIMARY KEY NOT NULL,
	up     INTEGER NOT NULL CHECK (up IN (0, 1)),
	times  INTEGER NOT NULL,            -- in a row that it was found so
	next   INTEGER NOT NULL             -- not before then
) STRICT, WITHOUT ROWID;
