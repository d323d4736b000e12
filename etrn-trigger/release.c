/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/postfix/listing.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"
#include "release.h"

enum { WHY_SIZE = 512 };

/* ---- counting ---------------------------------------------------------- */

struct count {
	struct domain_count *domains;
	size_t count;
	struct listing listing;
	int64_t ordinal; /* of the message that is read, from 1 */
	int64_t last;    /* the last one that counted, for any domain */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct domain_count *)a)->name,
	    ((const struct domain_count *)b)->name);
}

static int
compare_name(const void *name, const void *element)
{
	return strcmp(name, ((const struct domain_count *)element)->name);
}

static void
count_recipient(struct count *count, const char *domain)
{
	struct domain_count *found = bsearch(domain, count->domains,
	    count->count, sizeof(count->domains[0]), compare_name);

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
release_count(
    const struct conf *conf, struct domain_count *domains, size_t count)
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
release_domain(const struct conf *conf, const char *domain)
{
	char why[WHY_SIZE];

	if (postqueue_flush(conf, domain, why, sizeof(why)))
		return true;
	if (!program_abandoned())
		log_error(NULL, "postqueue -s %s failed: %s", domain, why);
	return false;
}

void
release_all(const struct conf *conf, struct domain_count *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		domains[i].started = domains[i].messages > 0 &&
		    release_domain(conf, domains[i].name);
}

/* ---- dialling ---------------------------------------------------------- */

bool
release_dial(const struct conf *conf, const char *domain)
{
	char command[sizeof("dial ") + DOMAIN_SIZE], fault[DAEMON_FAULT_SIZE];

	snprintf(command, sizeof(command), "dial %s", domain);
	if (daemon_ask(conf, command, NULL, NULL, fault) == DAEMON_OK)
		return true;
	log_error(NULL, "%s: odmrd cannot be told: %s: %s", domain,
	    conf->control_socket, fault);
	return false;
}
