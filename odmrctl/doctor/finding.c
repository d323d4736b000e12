/* SPDX-License-Identifier: ISC */
#include "finding.h"

#define ERROR   SEVERITY_ERROR
#define WARNING SEVERITY_WARNING
#define NOTE    SEVERITY_NOTE

/* clang-format off */
const struct finding_kind finding_kinds[FINDINGS] = {
	[POSTFIX_UNREADABLE] = { "postfix-unreadable", ERROR,
	    "Nothing of Postfix could be checked." },
	[POSTFIX_SQLITE] = { "postfix-sqlite", ERROR,
	    "Postfix cannot read relay.db: it refuses all mail for now." },

	[LONG_QUEUE_IDS] = { "short-queue-ids", WARNING,
	    "Short ids come back for other messages: the tag of one may be "
	    "settled by another." },
	[QUEUE_LIFETIME] = { "queue-lifetime", WARNING,
	    "Mail of customers who stay away longer goes back to its "
	    "senders." },
	[BOUNCE_LIFETIME] = { "bounce-lifetime", WARNING,
	    "Bounces that wait longer for a customer are thrown away." },
	[DELAY_NOTICES] = { "delay-notices", WARNING,
	    "Each sender is told that his mail is late, although it waits as "
	    "it should." },
	[SUBDOMAINS] = { "subdomains", ERROR,
	    "Mail for subdomains of a customer's domain is accepted, loops "
	    "back and bounces." },
	[FLUSH_REFRESH] = { "flush-refresh", WARNING,
	    "flush(8) tries all mail that waits again and again." },
	[QUEUE_USERS] = { "queue-users", ERROR,
	    "odmrd may not start or list mail: sessions bring nothing." },
	[PROXIED_FLUSH] = { "proxied-flush", ERROR,
	    "postqueue -s cannot read the table as odmrd's user: sessions "
	    "bring nothing that waited." },

	[ODMR_MISSING] = { "odmr-missing", ERROR,
	    "Mail of customers cannot be delivered to odmrd." },
	[ODMR_COMMAND] = { "odmr-command", ERROR,
	    "odmrd takes mail by LMTP only: nothing is delivered." },
	[XFORWARD_OFF] = { "xforward-off", WARNING,
	    "Where header_checks remove Received: fields, odmrd cannot tell "
	    "which tag a message has: it stays listed as held." },
	[LINE_FOLDING] = { "line-folding", WARNING,
	    "Lines longer than that are folded, which breaks DKIM "
	    "signatures." },
	[LMTP_TIMEOUT] = { "lmtp-timeout", WARNING,
	    "On a slow line Postfix gives up while odmrd still delivers: the "
	    "message comes twice." },
	[CONNECTION_CACHE] = { "connection-cache", WARNING,
	    "Each message needs a connection of its own: large backlogs come "
	    "slowly." },
	[CONCURRENCY] = { "concurrency", WARNING,
	    "No more messages than that come in one round trip: backlogs drain "
	    "slowly over distant lines." },
	[INITIAL_CONCURRENCY] = { "initial-concurrency", WARNING,
	    "Each session starts slowly, and a few lost connections stop it." },
	[MAXPROC] = { "maxproc", WARNING,
	    "Not even one customer gets as many deliveries at a time as "
	    "odmr_destination_concurrency_limit allows." },
	[RECIPIENT_LIMIT] = { "recipient-limit", WARNING,
	    "With 1, each recipient is a destination of its own and gets a "
	    "copy; with more than 100, servers defer those beyond." },
	[RATE_DELAY] = { "rate-delay", WARNING,
	    "Deliveries to a customer come one by one, with pauses." },
	[ODMR_DEFERRED] = { "odmr-deferred", WARNING,
	    "Mail that arrives while a customer is connected waits for his "
	    "next session." },
	[FLUSH_MISSING] = { "flush-missing", ERROR,
	    "Without flush(8) no session and no ETRN starts mail that "
	    "waits." },

	[ETRN_OPEN] = { "etrn-open", ERROR,
	    "Anybody may start anybody's mail, as often as he likes, and learn "
	    "which domains are served." },
	[ETRN_UNASKED] = { "etrn-unasked", NOTE,
	    "ETRN is closed: what odmrctl etrn allows is not asked for." },
	[ETRN_SERVICE] = { "etrn-service", ERROR,
	    "Nobody can start mail by ETRN: smtpd(8) finds no policy "
	    "service." },
	[ETRN_USER] = { "etrn-user", ERROR,
	    "The policy service cannot read the databases or start mail: ETRN "
	    "is refused." },
	[ETRN_PROGRAM] = { "etrn-program", ERROR,
	    "The policy service cannot run: ETRN is refused." },

	[MILTER_MISSING] = { "milter-missing", ERROR,
	    "Mail is not tagged: customers hear that nothing waits." },
	[MILTER_LOCAL] = { "milter-local", WARNING,
	    "Mail from sendmail(1) is not tagged: customers may hear that "
	    "nothing waits." },
	[MILTER_ACTION] = { "milter-action", ERROR,
	    "While odmr-milter is away, Postfix accepts no mail." },
	[MILTER_TIMEOUT] = { "milter-timeout", WARNING,
	    "While odmr-milter hangs, each message is held up for so long." },
	[MILTER_MACROS] = { "milter-macros", ERROR,
	    "The milter learns no queue id: mail is not tagged." },
	[MILTER_CHROOT] = { "milter-chroot", ERROR,
	    "smtpd(8) in its jail does not find the socket: mail is not "
	    "tagged." },
	[MILTER_DOWN] = { "milter-down", ERROR,
	    "Mail is not tagged: customers may hear that nothing waits." },

	[UNSEEN] = { "unseen", NOTE,
	    "What only root may look at was not checked." },
	[PROGRAM_MISSING] = { "program-missing", ERROR,
	    "Postfix cannot be asked: sessions bring nothing that waited, tags "
	    "stay as they are, or doctor checks nothing of Postfix." },
	[MAIL_LOG_UNREADABLE] = { "mail-log-unreadable", WARNING,
	    "What Postfix delivered or returned itself ends as \"left\"." },
	[USER_MISSING] = { "user-missing", ERROR,
	    "The daemons do not start." },
	[CONF_WRITABLE] = { "conf-writable", ERROR,
	    "Others can make the daemons use what they like." },
	[CONF_UNREADABLE] = { "conf-unreadable", ERROR,
	    "The daemons cannot start, or not reload." },
	[SOCKET_DIRECTORY] = { "socket-directory", ERROR,
	    "odmrd cannot make its sockets, Postfix cannot reach them, or "
	    "others can." },
	[SOCKET_PLACE] = { "socket-place", ERROR,
	    "Postfix finds sockets below queue_directory only: nothing is "
	    "delivered." },
	[SOCKET_JAIL] = { "socket-jail", ERROR,
	    "lmtp(8) in its jail does not find the sockets: nothing is "
	    "delivered." },
	[KEY_EXPOSED] = { "key-exposed", ERROR,
	    "Others can read or replace the key, and with it pretend to be "
	    "this server." },
	[KEY_UNREADABLE] = { "key-unreadable", ERROR,
	    "odmrd cannot load the key when it reloads, or not start." },
	[MAP_UNREADABLE] = { "map-unreadable", ERROR,
	    "postqueue -s as odmrd's user cannot read it: sessions bring "
	    "nothing that waited." },
	[MAP_DATABASE] = { "map-database", ERROR,
	    "Postfix asks another database than odmrctl writes." },

	[DATABASE_UNUSABLE] = { "database-unusable", ERROR,
	    "Customers hear 451, mail is not tagged; without relay.db Postfix "
	    "takes no mail." },
	[DATABASE_OWNER] = { "database-owner", ERROR,
	    "The daemons cannot write to it: customers hear 451, mail is not "
	    "tagged." },
	[RELAY_WAL] = { "relay-wal", ERROR,
	    "Postfix may not write and so cannot read it once its writer is "
	    "gone: it takes no mail." },
	[RELAY_UNREADABLE] = { "relay-unreadable", ERROR,
	    "Postfix cannot read it: it takes no mail for now." },
	[RELAY_WRITABLE] = { "relay-writable", ERROR,
	    "Others can send customers' mail wherever they like." },
	[STATE_EXPOSED] = { "state-exposed", ERROR,
	    "Others can read customers' secrets." },

	[NOT_RELAYED] = { "not-relayed", ERROR,
	    "Its mail is refused: relay access denied." },
	[NOT_FLUSHED] = { "not-flushed", ERROR,
	    "Sessions and ETRN cannot start its mail that waits." },
	[NO_TRANSPORT] = { "no-transport", ERROR,
	    "Its mail follows its MX back to this host, and bounces." },
	[WRONG_TRANSPORT] = { "wrong-transport", ERROR,
	    "Its mail goes elsewhere than to odmrd." },
	[LOCAL_DOMAIN] = { "local-domain", ERROR,
	    "Postfix takes its mail for its own: it is not held for the "
	    "customer." },
	[MAP_FAILED] = { "map-failed", ERROR,
	    "Postfix cannot look the domains up: it takes no mail for now." },
	[NO_ACCOUNT] = { "no-account", WARNING,
	    "Nobody can collect its mail." },
	[NO_DOMAIN] = { "no-domain", NOTE,
	    "It can log in but has nothing to collect." },
	[LOOP] = { "loop", ERROR,
	    "Its mail comes back to this host and bounces." },
	[RELAYHOST_LOOP] = { "relayhost-loop", ERROR,
	    "Bounces and outgoing mail come back to this host, until they have "
	    "too many hops." },
	[DNS_SLOW] = { "dns-slow", NOTE,
	    "Whether mail of these domains would come back here was not "
	    "checked." },

	[NO_TLS] = { "no-tls", WARNING,
	    "Sessions are in clear: mail can be read on its way." },
	[PLAINTEXT_AUTH] = { "plaintext-auth", WARNING,
	    "Passwords can be read on their way, and mail be stolen with "
	    "them." },
	[CERTIFICATE_UNREADABLE] = { "certificate-unreadable", ERROR,
	    "odmrd does not start, or keeps the old one when it reloads." },
	[CERTIFICATE_EXPIRED] = { "certificate-expired", ERROR,
	    "Customers who check it cannot collect." },
	[CERTIFICATE_EXPIRING] = { "certificate-expiring", WARNING,
	    "Then customers who check it cannot collect." },
	[CERTIFICATE_NAME] = { "certificate-name", WARNING,
	    "Customers who check names cannot collect, if they connect to "
	    "this one." },
	[CERTIFICATE_CHAIN] = { "certificate-chain", WARNING,
	    "Many customers cannot check it, and so not collect." },
	[CERTIFICATE_STALE] = { "certificate-stale", WARNING,
	    "Customers see the old one until odmrd reloads." },
	[KEY_MISMATCH] = { "key-mismatch", ERROR,
	    "odmrd does not start, or keeps the old pair when it reloads." },

	[LISTEN_BAD] = { "listen-bad", ERROR,
	    "odmrd does not start." },
	[ODMRD_DOWN] = { "odmrd-down", ERROR,
	    "Customers cannot collect." },
	[PORT_TAKEN] = { "port-taken", ERROR,
	    "odmrd cannot listen there: customers reach another program." },
	[PORT_NAME] = { "port-name", NOTE,
	    "Programs that name the port instead of its number do not find "
	    "it." },
	[CONTROL_SILENT] = { "control-silent", WARNING,
	    "What is taken from a customer is collected for up to a minute "
	    "more, and no session can be ended." },

	[RECONCILE_LATE] = { "reconcile-late", WARNING,
	    "Mail that Postfix delivered, returned or took in without the "
	    "milter is not accounted for." },
	[TAGS_DISAGREE] = { "tags-disagree", WARNING,
	    "Customers may hear that nothing waits, or sessions look for mail "
	    "that is gone." },
	[SET_APART_MAIL] = { "set-apart", WARNING,
	    "These messages wait until they are returned to their senders." },
	[POSTQUEUE_WARNS] = { "postqueue-warns", NOTE,
	    "Postfix may not do what main.cf seems to say." },
	[QUEUE_UNREADABLE] = { "queue-unreadable", WARNING,
	    "Tags and queue were not compared; odmrd asks for the queue in the "
	    "same way." },
};
/* clang-format on */

const char *
severity_name(enum severity severity)
{
	static const char *const names[SEVERITIES] = { "note", "warning",
		"error" };

	return names[severity];
}
