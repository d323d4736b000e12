/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain_count.h"
#include "listing.h"
#include "postqueue.h"

struct count {
	struct domain_count *domains;
	size_t count;
	struct listing listing;
	int64_t ordinal; /* of the message that is read, from 1 */
	int64_t last;    /* the last one that counted, for any domain */
};

/* The name is the first member. */
static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct domain_count *
domain_count_find(struct domain_count *domains, size_t count, const char *name)
{
	return count == 0
	    ? NULL
	    : bsearch(name, domains, count, sizeof(domains[0]), compare);
}

static void
count_recipient(struct count *count, const char *domain)
{
	struct domain_count *found =
	    domain_count_find(count->domains, count->count, domain);

	if (found == NULL || found->last == count->ordinal)
		return;
	found->last = count->ordinal;
	found->messages++;
	found->only += count->last != count->ordinal;
	count->last = count->ordinal;
}

static bool
on_message(void *arg, const struct queued *message)
{
	struct count *count = arg;

	for (size_t i = 0; i < message->recipients.count; i++)
		count_recipient(count, message->recipients.all[i].domain);
	count->ordinal++;
	return true;
}

static bool
read_listing(void *arg, const char *bytes, size_t len)
{
	return listing_read(&((struct count *)arg)->listing, bytes, len);
}

bool
domain_count(const struct conf *conf, struct domain_count *domains,
    size_t count, char *why, size_t size)
{
	struct count state = { .domains = domains,
		.count = count,
		.listing = { .message = on_message, .arg = &state },
		.ordinal = 1 };
	bool ok;

	qsort(domains, count, sizeof(domains[0]), compare);
	for (size_t i = 0; i < count; i++)
		domains[i].messages = domains[i].only = domains[i].last = 0;
	ok = postqueue_list(conf, read_listing, &state, why, size) &&
	    listing_end(&state.listing);
	if (state.listing.fault[0] != '\0')
		snprintf(why, size, "%s", state.listing.fault);
	listing_clear(&state.listing);
	return ok;
}
