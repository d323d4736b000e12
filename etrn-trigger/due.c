/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger --due, each minute: looks after the domains on hold that were
 * let go lately, by whomever. Mail that came just before may have been put off
 * once more, at a route from the queue manager's memory; it may still go.
 *
 * A lock on a file beside state.db, which ends with its process, keeps a second
 * run away meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lock.h"
#include "release.h"
#include "trigger.h"

/* Postfix's queue manager takes the address that it looked up last from memory
 * for 30 s (resolve_clnt.c). */
enum { REMEMBERED_SECONDS = 31 };

struct released {
	struct waiting *domains;
	size_t count, room;
	bool short_of_memory;
};

static bool
add_room(struct released *released)
{
	size_t room = released->room == 0 ? 16 : released->room * 2;
	struct waiting *domains =
	    reallocarray(released->domains, room, sizeof(*domains));

	if (domains == NULL)
		return false;
	released->domains = domains;
	released->room = room;
	return true;
}

static void
add_domain(const char *name, void *arg)
{
	struct released *released = arg;

	if (released->count == released->room && !add_room(released)) {
		released->short_of_memory = true;
		return;
	}
	snprintf(
	    released->domains[released->count++].name, DOMAIN_SIZE, "%s", name);
}

static int
find(struct trigger *trigger, struct released *released)
{
	const time_t now = time(NULL);

	if (store_domain_released(trigger->store, now - RELEASE_SECONDS,
		now - REMEMBERED_SECONDS, add_domain, released) != STORE_OK) {
		log_error(NULL, "%s", store_error(trigger->store));
		return EX_TEMPFAIL;
	}
	if (released->short_of_memory) {
		log_error(NULL, "out of memory");
		return EX_OSERR;
	}
	return EX_OK;
}

/* Where nothing was let go no postqueue runs. */
static int
start_again(struct trigger *trigger)
{
	struct released released = { 0 };
	int code = find(trigger, &released);

	if (code == EX_OK && released.count > 0 &&
	    !release_count(&trigger->conf, released.domains, released.count))
		code = EX_TEMPFAIL;
	for (size_t i = 0; code == EX_OK && i < released.count; i++)
		if (released.domains[i].messages > 0 &&
		    !release_flush(&trigger->conf, released.domains[i].name))
			code = EX_TEMPFAIL;
	free(released.domains);
	return code;
}

int
trigger_due(struct trigger *trigger, const struct arguments *args)
{
	int code, lock = lock_take(&trigger->conf, "-due", &code);

	(void)args;
	if (lock == -1)
		return code;
	code = start_again(trigger);
	close(lock);
	return code;
}
