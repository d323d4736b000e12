/* SPDX-License-Identifier: ISC */
/*
 * One line of Postfix's log, if it tells what became of a message:
 *
 *	STAMP HOST postfix/smtp[9]: ID: to=<A>, relay=R, ..., status=sent (TEXT)
 *	STAMP HOST postfix/qmgr[9]: ID: from=<A>, status=expired, returned to
 *	    sender
 *	STAMP HOST postfix/qmgr[9]: ID: removed		(done with it)
 *	STAMP HOST postfix/postsuper[9]: ID: removed	(deleted by hand)
 *
 * What can be trusted in it: up to the queue id all is Postfix's own. The
 * addresses are the sender's choice, and TEXT is what another server said;
 * both may look like the rest of a line. So it is read from the left, and
 * whatever stands behind "status=WORD (" is TEXT, though a syslogd may have cut
 * it short. A quoted local part is read as such (info_log_addr_form is
 * "external", as Postfix has it).
 *
 * No domain of ours has a '>', but another domain in a sender's address may:
 * sendmail(1) takes a@"b.test>, relay=...", and the quotes are not logged.
 * Postfix gives such a recipient to error(8), whose lines say nothing where
 * ">, relay=" comes a second time, or where it may have been cut off. Such an
 * orig_to, where an alias takes any domain at all, can call a message of its
 * own sender's delivered; the next comparison with the queue holds it again.
 */
#ifndef MAIL_LOG_LINE_H
#define MAIL_LOG_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/domain.h"

/* The numbers stand in the database. */
enum mail_event {
	MAIL_SENT,
	MAIL_BOUNCED,
	MAIL_DEFERRED,
	MAIL_EXPIRED,
	MAIL_REMOVED, /* after all recipients had a final answer */
	MAIL_DELETED, /* by postsuper */
};

struct mail_log_line {
	const char *stamp; /* see mail_log_time */
	const char *queue_id;
	/* SENT, BOUNCED, DEFERRED: */
	const char *local; /* without quotes */
	const char *answer;
	enum mail_event event;
	bool by_socket; /* the next hop was a unix socket */
	bool by_host;   /* or a host, not a program such as pipe(8)'s */
	bool by_server; /* the answer is the next hop's */
	char domain[DOMAIN_SIZE];
};

/* Takes `text` apart in place; `line` points into it. False: it is none of
 * these. */
bool mail_log_line_read(struct mail_log_line *line, char *text);

/* The time of a stamp, ISO 8601 or "Nov 22 06:05:51": the last time before
 * `now`, give or take a day, that it can mean. `now` where it means none. */
int64_t mail_log_time(const char *stamp, time_t now);

#endif
