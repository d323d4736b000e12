/* SPDX-License-Identifier: ISC */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "customer.h"
#include "lib/log.h"
#include "share.h"

struct shares {
	void *owners; /* a tsearch(3) tree of struct share */
	long held;
};

struct share {
	struct shares *all;
	char *owner;
	unsigned sessions;
	long held;
	long mark; /* what was held when some were turned away last */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct share *)a)->owner, ((const struct share *)b)->owner);
}

struct shares *
shares_new(void)
{
	return calloc(1, sizeof(struct shares));
}

void
shares_free(struct shares **shares)
{
	free(*shares);
	*shares = NULL;
}

static void
share_free(struct share *share)
{
	free(share->owner);
	free(share);
}

struct share *
share_join(struct shares *shares, const char *owner)
{
	struct share *share = calloc(1, sizeof(*share)), **found = NULL;

	if (share == NULL)
		return NULL;
	share->all = shares;
	share->owner = strdup(owner);
	if (share->owner != NULL)
		found = tsearch(share, &shares->owners, compare);
	if (found == NULL || *found != share)
		share_free(share);
	if (found == NULL)
		return NULL;
	(*found)->sessions++;
	return *found;
}

void
share_leave(struct share **sharep)
{
	struct share *share = *sharep;

	*sharep = NULL;
	if (share == NULL || --share->sessions > 0)
		return;
	tdelete(share, &share->all->owners, compare);
	share_free(share);
}

/* Less than odmr_destination_concurrency_limit for who is slow, so that Postfix
 * has processes by which it learns that the rest is put off: otherwise it would
 * stay in the active queue, and fill it. */
static long
limit_of(const struct customer *c)
{
	long limit = c->server->conf->delivery_limit;

	return c->progress.slow && limit > 1 ? limit / 2 : limit;
}

static bool
may_take(const struct customer *c)
{
	const struct share *share = c->share;
	long all = c->server->conf->delivery_total;

	return !c->progress.stalls && share->held < limit_of(c) &&
	    share->held < all - share->all->held;
}

long
share_held(const struct share *share)
{
	return share->held;
}

bool
share_take(struct customer *c)
{
	if (!may_take(c)) {
		share_want(c);
		return false;
	}
	c->share->held++;
	c->share->all->held++;
	return true;
}

bool
share_give(struct customer *c)
{
	c->share->held--;
	c->share->all->held--;
	return share_refill(c);
}

void
share_want(struct customer *c)
{
	struct share *share = c->share;

	if (!c->told_share)
		log_info(c->who.id,
		    "mail is put off: account=%s has %ld deliveries of %ld",
		    c->who.login, share->held, share->all->held);
	c->told_share = true;
	c->wants_more = true;
	share->mark = share->held;
}

bool
share_refill(struct customer *c)
{
	if (!c->wants_more || c->progress.stalls ||
	    c->share->held > c->share->mark / 2)
		return false;
	c->wants_more = false;
	return true;
}
