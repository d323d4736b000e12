/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: are the tags compared with the queue from time to time, can
 * they be, and do they agree with it? Each domain's messages in
 * "postqueue -j" are counted between two looks at the tags; mail that comes
 * and goes meanwhile makes no difference that counts.
 *
 * Mail that Postfix delivers by itself (modes backup and hold) keeps its tag
 * until the next reconcile, so more tags than messages are no finding there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/postfix/domain_count.h"
#include "odmrctl/rights.h"
#include "roster.h"
#include "lib/store/store_reconcile.h"

/* Which check_twice tells. */
#define SET_AGAIN "overriding earlier entry"

enum { RECONCILED_WITHIN = 1800 };

/* Beside the roster's entries. */
struct tally {
	int64_t before, after; /* tags */
};

struct count {
	struct roster roster;
	struct tally *tags;
	struct domain_count *queued;
};

static bool
count_tags(struct doctor *doctor, struct count *count, bool before)
{
	struct tally *tally;

	for (size_t i = 0; i < count->roster.count; i++) {
		tally = &count->tags[i];
		if (store_tag_count(doctor->store,
			count->roster.entries[i].name, NULL,
			before ? &tally->before : &tally->after) ==
		    STORE_FAILED)
			return false;
	}
	return true;
}

static bool
count_queue(struct doctor *doctor, struct count *count)
{
	const struct conf *conf = doctor->conf;
	char error[POSTFIX_ERROR_SIZE] = "";
	bool counted;

	if (access(conf->postqueue_path, X_OK) == -1)
		return false; /* check_files tells */
	for (size_t i = 0; i < count->roster.count; i++)
		strlcpy(count->queued[i].name, count->roster.entries[i].name,
		    DOMAIN_SIZE);
	/* Set-group-id, postqueue takes no -c that Postfix does not know. */
	rights_take_up();
	counted = domain_count(
	    conf, count->queued, count->roster.count, error, sizeof(error));
	rights_lay_off_again(conf);
	if (!counted)
		doctor_find(doctor, QUEUE_UNREADABLE, conf->postqueue_path,
		    doctor_text(doctor, "%s -c %s -j", conf->postqueue_path,
			conf->postfix_config_directory),
		    "%s", error);
	else if (error[0] != '\0' && strstr(error, SET_AGAIN) == NULL)
		doctor_find(doctor, POSTQUEUE_WARNS, conf->postqueue_path,
		    doctor_text(doctor, "$EDITOR %s", doctor->main_cf), "%s",
		    error);
	return counted;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
compare(struct doctor *doctor, const struct count *count)
{
	int64_t untagged = 0, gone = 0, domains = 0, least, most, queued;
	const struct tally *tally;

	for (size_t i = 0; i < count->roster.count; i++) {
		tally = &count->tags[i];
		queued = count->queued[i].messages;
		least = smaller(tally->before, tally->after);
		most = tally->before + tally->after - least;
		if (queued > most)
			untagged += queued - most;
		else if (queued < least &&
		    domain_mode_is_carried(count->roster.entries[i].mode))
			gone += least - queued;
		else
			continue;
		domains++;
	}
	if (domains > 0)
		doctor_find(doctor, TAGS_DISAGREE, doctor->conf->database,
		    doctor_odmrctl(doctor, "reconcile"),
		    "%" PRId64 " messages without a tag, %" PRId64
		    " tags without a message, in %" PRId64 " domains",
		    untagged, gone, domains);
}

/* Domains that are newer need no timer yet. */
static void
check_reconciled(struct doctor *doctor, const struct roster *roster)
{
	const int64_t now = time(NULL), late = now - RECONCILED_WITHIN;
	int64_t began;
	size_t old = 0;

	for (size_t i = 0; i < roster->count; i++)
		old += roster->entries[i].created < late;
	if (old == 0 || store_reconciled(doctor->store, &began) != STORE_OK ||
	    began >= late)
		return;
	doctor_find(doctor, RECONCILE_LATE, doctor->conf->database,
	    "systemctl enable --now odmr-reconcile.timer # or postfix-conf/"
	    "odmr.cron",
	    began == 0 ? "odmrctl reconcile has never come to its end"
		       : "the last odmrctl reconcile that came to its end "
			 "began %" PRId64 " minutes ago",
	    (now - began) / 60);
}

static void
on_status(const struct domain_status *status, void *arg)
{
	struct doctor *doctor = arg;

	if (status->apart > 0)
		doctor_find(doctor, SET_APART_MAIL,
		    doctor_text(doctor, "%s", status->domain.name),
		    doctor_odmrctl(doctor,
			"queue %s # then release or delete each",
			status->domain.name),
		    "sessions with the customer's server broke at %" PRId64
		    " of its messages, each time",
		    status->apart);
}

void
check_tags(struct doctor *doctor)
{
	struct count count = { 0 };

	if (doctor->store == NULL || doctor->postfix == NULL)
		return;
	store_status_each(doctor->store, on_status, doctor);
	if (roster_load(&count.roster, doctor) == STORE_OK &&
	    count.roster.count > 0) {
		check_reconciled(doctor, &count.roster);
		count.tags =
		    must(calloc(count.roster.count, sizeof(*count.tags)));
		count.queued =
		    must(calloc(count.roster.count, sizeof(*count.queued)));
		if (count_tags(doctor, &count, true) &&
		    count_queue(doctor, &count) &&
		    count_tags(doctor, &count, false))
			compare(doctor, &count);
	}
	free(count.tags);
	free(count.queued);
	roster_free(&count.roster);
}
