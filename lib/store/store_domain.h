/* SPDX-License-Identifier: ISC */
/* Domains, and what waits for each. */
#ifndef STORE_DOMAIN_H
#define STORE_DOMAIN_H

#include "store_common.h"

enum domain_mode { MODE_ODMR, MODE_BACKUP, MODE_HOLD };

/* "odmr", "backup", "hold"; domain_mode_parse returns false for others. */
const char *domain_mode_name(enum domain_mode mode);
bool domain_mode_parse(const char *text, enum domain_mode *mode);
/* odmrd carries its mail; that of others Postfix delivers by itself. */
static inline bool
domain_mode_is_carried(enum domain_mode mode)
{
	return mode != MODE_BACKUP;
}

enum { SOCKET_NAME_MAX = 100 };

struct domain {
	const char *name;
	enum domain_mode mode;
	const char *nexthop; /* NULL: by MX */
	const char *socket;  /* file name: the domain, or d<id> if too long */
	int64_t created;
};

typedef void domain_visit(const struct domain *domain, void *arg);

enum store_result store_domain_add(struct store *, const char *name,
    enum domain_mode mode, const char *nexthop);
enum store_result store_domain_set(struct store *, const char *name,
    enum domain_mode mode, const char *nexthop);
/* With all that was granted of it. Its tags stay. */
enum store_result store_domain_remove(struct store *, const char *name);
/* `visit` may be NULL: is it there? */
enum store_result store_domain_get(
    struct store *, const char *name, domain_visit *visit, void *arg);
/* The account that has it, of several the oldest; STORE_NONE: nobody has. */
enum store_result store_domain_owner(
    struct store *, const char *name, int64_t *account);
enum store_result store_domain_each(
    struct store *, domain_visit *visit, void *arg);

/* ---- status -------------------------------------------------------------- */

struct domain_status {
	struct domain domain;
	int64_t held;
	int64_t bytes;
	int64_t oldest;         /* arrival time, 0: none held */
	int64_t last_collected; /* 0: never */
	int64_t delivered;
	int64_t doubted; /* of those held: the customer refused them once */
	int64_t apart;   /* of those held: sessions broke at them */
	int64_t on_hold; /* of those held: Postfix does not try them */
};

typedef void status_visit(const struct domain_status *status, void *arg);

enum store_result store_status_each(
    struct store *, status_visit *visit, void *arg);

#endif
