/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: domains in mode hold. Their mail waits because of a route
 * that leads nowhere, unless they are new or were given leave, and because of
 * Postfix's settings in the minutes when they have their true route.
 */
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "roster.h"

#define TRANSPORT "etrn-hold"
#define NOWHERE   "odmr:unix:odmr/mode=hold"

/* A route that was looked up just before it ended is right as well. */
enum { JUDGED_AFTER = RELEASE_SECONDS + 60 };

static void
check_service(struct doctor *doctor)
{
	if (postfix_service(doctor->postfix, TRANSPORT, "unix") == NULL)
		doctor_find(doctor, HOLD_MISSING, doctor->master_cf,
		    CURE_MASTER_CF, "no service \"" TRANSPORT " unix\"");
}

static void
check_deferred(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "defer_transports");

	if (!postfix_lists(value, TRANSPORT))
		doctor_find(doctor, HOLD_AT_ONCE, doctor->main_cf,
		    doctor_cure(doctor, "defer_transports",
			doctor_text(doctor, "%s%s" TRANSPORT, value,
			    value[0] != '\0' ? ", " : "")),
		    "defer_transports = %s", value);
}

static void
check_backoff(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "minimal_backoff_time");

	if (postfix_seconds(value, 's') <= RELEASE_SECONDS)
		doctor_find(doctor, HOLD_BACKOFF, doctor->main_cf,
		    doctor_cure(doctor, "minimal_backoff_time", "300s"),
		    "minimal_backoff_time = %s", value);
}

static void
check_route(struct doctor *doctor, const struct entry *entry)
{
	if (entry->answer == NULL || strcmp(entry->answer, NOWHERE) == 0)
		return;
	doctor_find(doctor, HOLD_LEAKS, doctor->main_cf,
	    doctor_text(doctor,
		"$EDITOR %s # transport_maps: sqlite:" CONFDIR
		"/transport.cf first, as it is in postfix-conf",
		doctor->main_cf),
	    "%s: transport_maps has \"%s\" for it, not \"" NOWHERE "\"",
	    entry->name, entry->answer);
}

static void
mark(const char *name, void *arg)
{
	struct entry *entry = roster_find(arg, name);

	if (entry != NULL)
		entry->listed = true;
}

static void
check_routes(struct doctor *doctor, struct roster *roster)
{
	const int64_t now = time(NULL), before = now - JUDGED_AFTER;
	struct entry *entry;

	for (size_t i = 0; i < roster->count; i++)
		roster->entries[i].listed = false;
	if (store_domain_released(doctor->store, before, now, mark, roster) !=
	    STORE_OK)
		return;
	for (size_t i = 0; i < roster->count; i++) {
		entry = &roster->entries[i];
		if (entry->mode == MODE_HOLD && !entry->spelled &&
		    !entry->listed && entry->created < before)
			check_route(doctor, entry);
	}
}

void
check_hold(struct doctor *doctor, struct roster *roster)
{
	size_t count = 0;

	for (size_t i = 0; i < roster->count; i++)
		count += roster->entries[i].mode == MODE_HOLD;
	if (count == 0)
		return;
	check_service(doctor);
	check_deferred(doctor);
	check_backoff(doctor);
	check_routes(doctor, roster);
}
