/* SPDX-License-Identifier: ISC */
/* What the service was used for, by day and since the beginning. */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "store_common.h"

/* Of one account, domain and day, or of the days of a period. Sessions and
 * seconds are an account's and have domain ''; account '' is nobody's. */
struct usage {
	const char *day; /* YYYY-MM-DD, in UTC; NULL: a period */
	const char *account;
	const char *domain;
	int64_t messages; /* that came in */
	int64_t bytes;
	int64_t delivered;
	int64_t delivered_bytes;
	int64_t refused;
	int64_t expired;
	int64_t left;
	int64_t peak; /* most that waited at a time */
	int64_t sessions;
	int64_t seconds;
};

typedef void usage_visit(const struct usage *, void *arg);

/* Of the days `from` to `to`, both included: by day, account and domain; or
 * one for each account and domain, in their order, nobody's last. */
enum store_result store_usage_days(struct store *, const char *from,
    const char *to, usage_visit *visit, void *arg);
enum store_result store_usage_period(struct store *, const char *from,
    const char *to, usage_visit *visit, void *arg);

/* ---- totals -------------------------------------------------------------- */

struct amount {
	int64_t messages;
	int64_t bytes;
};

/* Since the beginning; they never become less. */
struct domain_total {
	const char *domain;
	struct amount received;
	struct amount delivered;
	struct amount refused;
	struct amount expired;
	struct amount left;
};

typedef void total_visit(const struct domain_total *total, void *arg);

/* Every domain that ever had mail, in the order of the names. */
enum store_result store_total_each(
    struct store *, total_visit *visit, void *arg);
/* Of the sessions that have ended. */
enum store_result store_total_sessions(
    struct store *, int64_t *sessions, int64_t *seconds);

#endif
