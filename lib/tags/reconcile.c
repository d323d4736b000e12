/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "lib/postfix/lifetime.h"
#include "lib/postfix/listing.h"
#include "lib/log.h"
#include "mail_log.h"
#include "lib/postfix/postqueue.h"
#include "reconcile.h"
#include "lib/store/store_reconcile.h"
#include "untagged.h"

enum {
	/* How often in a row a tag must be missing, after the first time. */
	CONFIRMATIONS = 2,
	/* While messages that were missing come back, the queue moves too
	 * fast to tell; after so many listings it is left for another run. */
	LISTINGS_MAX = 8,
	TURN_MS = 100,
	TURNS_MAX = 1200, /* two minutes */
	DAY = 86400
};

struct run {
	const struct conf *conf;
	struct store *store;
	struct reconcile_report *report;
	struct listing listing;
	int64_t began; /* the last listing */
	bool settles;  /* the tags of what is gone */
	char *error;
	size_t size;
};

static bool
store_fault(struct run *run)
{
	snprintf(run->error, run->size, "%s", store_error(run->store));
	return false;
}

/* ---- one listing ------------------------------------------------------- */

static const char *
first_reason(const struct share *share)
{
	for (size_t i = 0; i < share->count; i++)
		if (share->recipients[i].reason != NULL)
			return share->recipients[i].reason;
	return NULL;
}

static bool
add_share(
    struct run *run, const struct queued *message, const struct share *share)
{
	struct tag tag = {
		.queue_id = message->queue_id,
		.domain = share->domain,
		.sender = message->sender,
		.recipient_count = (long)share->count,
		.size = message->size,
		.arrived = message->arrived,
		.last_answer = first_reason(share),
		.on_hold = strcmp(message->queue, "hold") == 0,
	};
	char *addresses = share_addresses(share);
	bool ok;

	if (addresses == NULL) {
		snprintf(run->error, run->size, "out of memory");
		return false;
	}
	tag.recipients = addresses;
	ok = store_listing_add(run->store, &tag) == STORE_OK;
	free(addresses);
	return ok || store_fault(run);
}

static void
note_tag(const struct tag *tag, void *found)
{
	(void)tag;
	*(bool *)found = true;
}

/* In maildrop a message has another queue id than it will get: the one that it
 * had, if "postsuper -r" has put it there. */
static bool
has_tag(struct run *run, const char *queue_id)
{
	bool found = false;

	store_tag_find(run->store, queue_id, note_tag, &found);
	return found;
}

static bool
on_message(void *arg, const struct queued *message)
{
	struct run *run = arg;
	struct share share;
	size_t next = 0;

	if (strcmp(message->queue, "maildrop") == 0 &&
	    !has_tag(run, message->queue_id))
		return true;
	run->report->listed++;
	while (recipients_share(&message->recipients, &next, &share))
		if (!add_share(run, message, &share))
			return false;
	return true;
}

static bool
on_output(void *arg, const char *bytes, size_t len)
{
	struct run *run = arg;

	if (listing_read(&run->listing, bytes, len))
		return true;
	if (run->listing.fault[0] != '\0')
		snprintf(run->error, run->size, "%s -j: %s",
		    run->conf->postqueue_path, run->listing.fault);
	return false;
}

static bool
list(struct run *run)
{
	bool ok;

	run->listing = (struct listing) { .message = on_message, .arg = run };
	run->report->listed = 0;
	run->began = time(NULL);
	if (store_listing_restart(run->store) != STORE_OK)
		return store_fault(run);
	ok = postqueue_list(run->conf, on_output, run, run->error, run->size);
	if (ok && !listing_end(&run->listing)) {
		snprintf(run->error, run->size, "%s -j: %s",
		    run->conf->postqueue_path, run->listing.fault);
		ok = false;
	}
	listing_clear(&run->listing);
	return ok;
}

/* Lists until it is certain what is gone. *missing becomes 0 if it cannot be.
 */
static bool
list_until_certain(struct run *run, int64_t *missing)
{
	int64_t returned;
	int confirmed = 0;

	if (!list(run))
		return false;
	if (store_unlisted_find(
		run->store, run->began - RECONCILE_YOUNG, missing) != STORE_OK)
		return store_fault(run);
	for (int listings = 1; *missing > 0 && confirmed < CONFIRMATIONS;
	     listings++) {
		if (listings == LISTINGS_MAX) {
			*missing = 0;
			break;
		}
		if (!list(run))
			return false;
		if (store_unlisted_check(run->store, missing, &returned) !=
		    STORE_OK)
			return store_fault(run);
		confirmed = returned == 0 ? confirmed + 1 : 0;
	}
	return true;
}

/* ---- what follows from it ---------------------------------------------- */

static bool
settle_missing(struct run *run, const struct lifetime *lifetime)
{
	struct unlisted_fate fate = {
		.now = time(NULL),
		.lifetime = lifetime->maximal,
		.bounce_lifetime = lifetime->bounce,
	};
	enum store_result result;

	result = store_unlisted_settle(run->store, &fate);
	run->report->changed += fate.changed;
	run->report->delivered += fate.delivered;
	run->report->expired += fate.expired;
	run->report->left += fate.left;
	return result == STORE_OK || store_fault(run);
}

static bool
change(struct run *run, int64_t missing)
{
	struct lifetime lifetime;

	if (!run->settles)
		missing = 0;
	if (missing > 0 &&
	    !lifetime_ask(run->conf, &lifetime, run->error, run->size))
		return false;
	if (store_listing_compare(run->store, run->began) != STORE_OK ||
	    store_listing_rename(
		run->store, run->began, &run->report->changed) != STORE_OK)
		return store_fault(run);
	if (missing > 0 && !settle_missing(run, &lifetime))
		return false;
	if (store_listing_apply(run->store, run->began, &run->report->added,
		&run->report->changed) != STORE_OK ||
	    store_history_end(run->store,
		time(NULL) - run->conf->history_days * DAY) != STORE_OK ||
	    store_peaks_note(run->store) != STORE_OK ||
	    store_reconciled_set(run->store, run->began) != STORE_OK)
		return store_fault(run);
	return true;
}

/* ---- one at a time ----------------------------------------------------- */

/* A file of its own: to close one of the database's would drop SQLite's locks
 * on it. */
static int
open_lock(const struct conf *conf, char *path, size_t size)
{
	snprintf(path, size, "%s.reconcile", conf->database);
	return open(
	    path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

static bool
take_turn(int fd)
{
	static const struct timespec pause = { .tv_nsec = TURN_MS * 1000000L };

	for (int turns = 0; turns < TURNS_MAX; turns++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		if (program_abandoned())
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Between the two: what the log says of a message that is gone from the listing
 * is written by now, and what it does not say is then settled without it. */
static void
read_mail_log(struct run *run)
{
	struct settled settled = { 0 };

	if (!mail_log_follow(
		run->conf, run->store, &settled, run->error, run->size)) {
		run->settles = !conf_has_journal(run->conf);
		log_warning(NULL, "reconcile goes on without the mail log: %s",
		    run->error);
	}
	run->report->delivered += settled.delivered;
	run->report->refused += settled.refused;
	run->report->expired += settled.expired;
	run->report->left += settled.left;
}

static bool
run_locked(struct run *run)
{
	int64_t missing;

	if (store_listing_begin(run->store) != STORE_OK)
		return store_fault(run);
	if (!list_until_certain(run, &missing))
		return false;
	if (run->settles)
		read_mail_log(run);
	return change(run, missing);
}

bool
reconcile(const struct conf *conf, struct store *store, enum reconcile_by by,
    struct reconcile_report *report, char *error, size_t size)
{
	struct run run = { .conf = conf,
		.store = store,
		.report = report,
		.settles = by == RECONCILE_BY_TOOL || !conf_has_journal(conf),
		.error = error,
		.size = size };
	char path[PATH_MAX];
	bool ok;
	int fd;

	*report = (struct reconcile_report) { 0 };
	error[0] = '\0';
	fd = open_lock(conf, path, sizeof(path));
	if (fd == -1 || !take_turn(fd)) {
		snprintf(error, size, "%s: %s", path,
		    errno == EWOULDBLOCK ? "another reconcile is running"
					 : strerror(errno));
		if (fd != -1)
			close(fd);
		return false;
	}
	ok = run_locked(&run);
	store_listing_end(store);
	close(fd);
	return ok;
}

enum store_result
reconcile_fresh(const struct conf *conf, struct store *store, int64_t *seconds)
{
	enum store_result result;
	int64_t began, age;

	*seconds = 0;
	result = store_reconciled(store, &began);
	if (result != STORE_OK)
		return result;
	age = time(NULL) - began;
	/* A time to come is a clock that went back. */
	if (age >= 0 && age < conf->reconcile_interval &&
	    !untagged_since(conf, began))
		*seconds = conf->reconcile_interval - age;
	return STORE_OK;
}
