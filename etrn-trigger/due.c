/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger --due: starts the mail of each domain that has a schedule with a
 * minute between its last run and now, however many minutes and schedules.
 *
 * Only then is it written down that nothing is due any more. So a start that
 * failed, or that a crash has cut off, is made by the next run; it may be made
 * twice, and is never lost. A lock on a file beside state.db, which ends with
 * its process, keeps a second run away meanwhile: what becomes due until then
 * is the next one's as well.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/cron.h"
#include "lock.h"
#include "lib/log.h"
#include "release.h"
#include "trigger.h"

/* The domains that are due, each once. */
struct due {
	struct store *store;
	time_t now;
	struct waiting *domains;
	size_t count, room;
	int code; /* the first fault; the rest is done nevertheless */
};

static void
note(struct due *due, int code)
{
	if (due->code == EX_OK)
		due->code = code;
}

/* ---- what is due --------------------------------------------------------- */

static bool
is_due(struct due *due, const struct schedule *schedule)
{
	char error[CRON_ERROR_SIZE];
	struct cron cron;

	if (cron_parse(&cron, schedule->fields, error))
		return schedule->last < due->now &&
		    cron_next(&cron, schedule->last) <= due->now;
	log_error(NULL, "schedule \"%s\" of %s: %s", schedule->fields,
	    schedule->domain, error);
	note(due, EX_DATAERR);
	return false;
}

static void
copy_mode(const struct domain *domain, void *arg)
{
	*(enum domain_mode *)arg = domain->mode;
}

/* In mode odmr, which it may have got since, there is nothing to start. */
static bool
can_be_started(struct due *due, const char *domain)
{
	enum domain_mode mode = MODE_ODMR;

	if (store_domain_get(due->store, domain, copy_mode, &mode) ==
	    STORE_FAILED) {
		log_error(NULL, "%s", store_error(due->store));
		note(due, EX_TEMPFAIL);
	}
	return mode != MODE_ODMR;
}

static bool
add_room(struct due *due)
{
	size_t room = due->room == 0 ? 16 : due->room * 2;
	struct waiting *domains =
	    reallocarray(due->domains, room, sizeof(*domains));

	if (domains == NULL)
		return false;
	due->domains = domains;
	due->room = room;
	return true;
}

static void
add_domain(const char *name, void *arg)
{
	struct due *due = arg;

	if (due->count == due->room && !add_room(due)) {
		log_error(NULL, "out of memory");
		note(due, EX_OSERR);
		return;
	}
	snprintf(due->domains[due->count].name, DOMAIN_SIZE, "%s", name);
	due->count++;
}

/* Schedules come in the order of their domains. */
static void
take_schedule(const struct schedule *schedule, void *arg)
{
	struct due *due = arg;

	if (due->count > 0 &&
	    strcmp(due->domains[due->count - 1].name, schedule->domain) == 0)
		return;
	if (is_due(due, schedule) && can_be_started(due, schedule->domain))
		add_domain(schedule->domain, due);
}

static bool
find_due(struct trigger *trigger, struct due *due)
{
	enum store_result result = STORE_OK;

	due->now = time(NULL);
	if (!trigger->dry_run)
		result = store_schedule_wind_back(trigger->store, due->now);
	if (result == STORE_OK)
		result = store_schedule_each(
		    trigger->store, NULL, take_schedule, due);
	return result == STORE_OK;
}

/* ---- starting ------------------------------------------------------------ */

static void
finish(struct trigger *trigger, struct due *due, const struct waiting *waiting)
{
	if (waiting->started)
		log_info(NULL, "due: domain=%s messages=%" PRId64,
		    waiting->name, waiting->messages);
	if (waiting->messages > 0 && !waiting->started)
		note(due, EX_TEMPFAIL);
	else if (store_schedule_done(trigger->store, waiting->name, due->now) !=
	    STORE_OK) {
		log_error(NULL, "%s", store_error(trigger->store));
		note(due, EX_TEMPFAIL);
	}
}

static void
start_all(struct trigger *trigger, struct due *due)
{
	release_all(&trigger->conf, due->domains, due->count);
	for (size_t i = 0; i < due->count; i++)
		finish(trigger, due, &due->domains[i]);
}

static void
tell_all(const struct due *due)
{
	for (size_t i = 0; i < due->count; i++)
		printf("%s is due, %" PRId64 " messages would be started\n",
		    due->domains[i].name, due->domains[i].messages);
}

/* Without anything due no postqueue runs. */
static int
start_due(struct trigger *trigger)
{
	struct due due = { .store = trigger->store, .code = EX_OK };

	if (!find_due(trigger, &due)) {
		log_error(NULL, "%s", store_error(trigger->store));
		note(&due, EX_TEMPFAIL);
	} else if (due.count > 0 &&
	    !release_count(&trigger->conf, due.domains, due.count)) {
		note(&due, EX_TEMPFAIL);
	} else if (trigger->dry_run) {
		tell_all(&due);
	} else {
		start_all(trigger, &due);
	}
	free(due.domains);
	return due.code;
}

int
trigger_due(struct trigger *trigger, const struct arguments *args)
{
	int lock, code;

	(void)args;
	if (trigger->dry_run)
		return start_due(trigger);
	lock = lock_take(&trigger->conf, "-due", &code);
	if (lock == -1)
		return code;
	code = start_due(trigger);
	close(lock);
	return code;
}
