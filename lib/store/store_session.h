/* SPDX-License-Identifier: ISC */
/* The reversed sessions of the running odmrd. */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include "store_common.h"

struct session_row {
	const char *id;
	long pid;
	const char *account;
	const char *client;
	const char *domains; /* one a line */
	const char *state;
	int64_t attempted; /* messages that have an answer; of those: */
	int64_t delivered;
	int64_t refused;
	int64_t kept;
	int64_t bytes;     /* of the delivered */
	int64_t in_flight; /* given to the customer, not answered yet */
	int64_t rate;      /* delivered a minute, in the last ten seconds */
	int64_t since;
	int64_t noted; /* when odmrd wrote this */
	/* what a visitor sees besides: */
	int64_t held; /* for its domains, those kept in this session too */
};

typedef void session_visit(const struct session_row *session, void *arg);

/* Inserts or replaces; the domains of a session stay what they were first. */
enum store_result store_session_put(struct store *, const struct session_row *);
/* The session ended at `now`: its row goes into usage. */
enum store_result store_session_end(
    struct store *, const char *id, int64_t now);
/* The same for all that a dead odmrd left, as far as it had noted them. */
enum store_result store_session_clear(struct store *);
enum store_result store_session_each(
    struct store *, session_visit *visit, void *arg);

#endif
