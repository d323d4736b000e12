/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/postfix/listing.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"
#include "release.h"

enum { WHY_SIZE = 512, REST_MS = 1000 };

/* ---- counting ---------------------------------------------------------- */

struct count {
	struct waiting *domains;
	size_t count;
	struct listing listing;
	int64_t ordinal; /* of the message that is read, from 1 */
	int64_t last;    /* the last one that counted, for any domain */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct waiting *)a)->name,
	    ((const struct waiting *)b)->name);
}

static int
compare_name(const void *name, const void *element)
{
	return strcmp(name, ((const struct waiting *)element)->name);
}

static void
count_recipient(struct count *count, const char *domain)
{
	struct waiting *found = bsearch(domain, count->domains, count->count,
	    sizeof(count->domains[0]), compare_name);

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
release_count(const struct conf *conf, struct waiting *domains, size_t count)
{
	struct count state = { .domains = domains,
		.count = count,
		.listing = { .message = on_message, .arg = &state },
		.ordinal = 1 };
	const struct listing *listing = &state.listing;
	char why[WHY_SIZE] = "";
	bool ok;

	qsort(domains, count, sizeof(domains[0]), compare);
	for (size_t i = 0; i < count; i++)
		domains[i].messages = domains[i].only = domains[i].last = 0;
	ok = postqueue_list(conf, read_listing, &state, why, sizeof(why)) &&
	    listing_end(&state.listing);
	if (!ok && !program_abandoned())
		log_error(NULL, "postqueue -j: the queue cannot be read: %s",
		    listing->fault[0] != '\0' ? listing->fault : why);
	listing_clear(&state.listing);
	return ok;
}

/* ---- releasing --------------------------------------------------------- */

bool
release_flush(const struct conf *conf, const char *domain)
{
	char why[WHY_SIZE];

	if (postqueue_flush(conf, domain, why, sizeof(why)))
		return true;
	if (!program_abandoned())
		log_error(NULL, "postqueue -s %s failed: %s", domain, why);
	return false;
}

static bool
give_leave(const struct trigger *trigger, const char *domain)
{
	if (store_domain_release(trigger->store, domain, time(NULL)) !=
	    STORE_FAILED)
		return true;
	log_error(NULL, "%s", store_error(trigger->store));
	return false;
}

bool
release_domain(const struct trigger *trigger, const char *domain)
{
	return give_leave(trigger, domain) &&
	    release_flush(&trigger->conf, domain);
}

/* Are all of them started that may go? */
static bool
start_all(const struct trigger *trigger, struct waiting *domains, size_t count)
{
	char why[WHY_SIZE];
	bool all = true;

	for (size_t i = 0; i < count; i++) {
		domains[i].started = domains[i].may_go &&
		    postqueue_flush(
			&trigger->conf, domains[i].name, why, sizeof(why));
		all &= domains[i].started || !domains[i].may_go;
	}
	return all;
}

/* postqueue fails where another process has relay.db locked for a moment. */
void
release_all(
    const struct trigger *trigger, struct waiting *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		domains[i].may_go = domains[i].messages > 0 &&
		    give_leave(trigger, domains[i].name);
	if (start_all(trigger, domains, count))
		return;
	poll(NULL, 0, REST_MS);
	for (size_t i = 0; i < count; i++)
		if (domains[i].may_go && !domains[i].started)
			domains[i].started =
			    release_flush(&trigger->conf, domains[i].name);
}
