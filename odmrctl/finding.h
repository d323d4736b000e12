/* SPDX-License-Identifier: ISC */
/*
 * What odmrctl doctor can find: a name that stays, how bad it is, and what it
 * does to mail. The names are an interface, see odmrctl(8).
 */
#ifndef FINDING_H
#define FINDING_H

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR, SEVERITIES };

enum finding {
	/* Postfix as a whole */
	POSTFIX_UNREADABLE,
	POSTFIX_SQLITE,
	/* main.cf: how mail waits */
	LONG_QUEUE_IDS,
	QUEUE_LIFETIME,
	BOUNCE_LIFETIME,
	DELAY_NOTICES,
	SUBDOMAINS,
	FLUSH_REFRESH,
	QUEUE_USERS,
	PROXIED_FLUSH,
	/* main.cf and master.cf: the odmr transport */
	ODMR_MISSING,
	ODMR_COMMAND,
	XFORWARD_OFF,
	LINE_FOLDING,
	LMTP_TIMEOUT,
	CONNECTION_CACHE,
	CONCURRENCY,
	INITIAL_CONCURRENCY,
	MAXPROC,
	RECIPIENT_LIMIT,
	RATE_DELAY,
	ODMR_DEFERRED,
	FLUSH_MISSING,
	/* mode hold */
	HOLD_MISSING,
	HOLD_LEAKS,
	HOLD_AT_ONCE,
	HOLD_BACKOFF,
	/* ETRN */
	ETRN_OPEN,
	ETRN_UNASKED,
	ETRN_SERVICE,
	ETRN_USER,
	ETRN_PROGRAM,
	/* the milter */
	MILTER_MISSING,
	MILTER_LOCAL,
	MILTER_ACTION,
	MILTER_TIMEOUT,
	MILTER_MACROS,
	MILTER_CHROOT,
	MILTER_DOWN,
	/* files */
	UNSEEN,
	USER_MISSING,
	CONF_WRITABLE,
	CONF_UNREADABLE,
	SOCKET_DIRECTORY,
	SOCKET_PLACE,
	KEY_EXPOSED,
	KEY_UNREADABLE,
	MAP_UNREADABLE,
	MAP_DATABASE,
	/* databases */
	DATABASE_UNUSABLE,
	DATABASE_OWNER,
	RELAY_WAL,
	RELAY_UNREADABLE,
	RELAY_WRITABLE,
	STATE_EXPOSED,
	/* domains and accounts */
	NOT_RELAYED,
	NOT_FLUSHED,
	NO_TRANSPORT,
	WRONG_TRANSPORT,
	LOCAL_DOMAIN,
	MAP_FAILED,
	NO_ACCOUNT,
	NO_DOMAIN,
	LOOP,
	RELAYHOST_LOOP,
	DNS_SLOW,
	/* the certificate */
	NO_TLS,
	PLAINTEXT_AUTH,
	CERTIFICATE_UNREADABLE,
	CERTIFICATE_EXPIRED,
	CERTIFICATE_EXPIRING,
	CERTIFICATE_NAME,
	CERTIFICATE_CHAIN,
	CERTIFICATE_STALE,
	KEY_MISMATCH,
	/* odmrd */
	LISTEN_BAD,
	ODMRD_DOWN,
	PORT_TAKEN,
	PORT_NAME,
	/* the tags */
	TAGS_DISAGREE,
	QUEUE_UNREADABLE,
	FINDINGS
};

struct finding_kind {
	const char *name;
	enum severity severity;
	const char *effect;
};

extern const struct finding_kind finding_kinds[FINDINGS];

/* "error", "warning", "note" */
const char *severity_name(enum severity severity);

#endif
