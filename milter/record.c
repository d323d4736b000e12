/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "record.h"
#include "store.h"

enum {
	BUSY_MS = 100,     /* a call's wait for another process's lock */
	PATIENCE_MS = 300, /* a message's wait for its turn, and for lookups */
	QUIET_SECONDS = 60
};

/* One store for all threads: a tag is written in microseconds, and SQLite
 * would let only one of them write anyway. */
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *store;

static pthread_mutex_t missed_lock = PTHREAD_MUTEX_INITIALIZER;
static time_t missed_logged;
static unsigned long missed_unlogged;

static struct timespec
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

static bool
is_past(const struct timespec *deadline)
{
	struct timespec now = clock_now();

	return now.tv_sec > deadline->tv_sec ||
	    (now.tv_sec == deadline->tv_sec &&
		now.tv_nsec >= deadline->tv_nsec);
}

static struct timespec
deadline_in(long ms)
{
	struct timespec t = clock_now();

	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

bool
record_start(const struct conf *conf)
{
	store = store_new(conf, BUSY_MS);
	return store != NULL;
}

/* Threads of SMTP sessions may still be there: they find no store. */
void
record_stop(void)
{
	pthread_mutex_lock(&store_lock);
	store_free(&store);
	pthread_mutex_unlock(&store_lock);
	pthread_mutex_lock(&missed_lock);
	if (missed_unlogged > 0)
		log_warning(
		    NULL, "%lu more messages passed untagged", missed_unlogged);
	missed_unlogged = 0;
	pthread_mutex_unlock(&missed_lock);
}

void
record_missed(const char *queue_id, const char *why)
{
	time_t now = clock_now().tv_sec;

	pthread_mutex_lock(&missed_lock);
	if (missed_logged != 0 && now - missed_logged < QUIET_SECONDS) {
		missed_unlogged++;
	} else {
		if (missed_unlogged == 0)
			log_warning(
			    queue_id, "message passes untagged: %s", why);
		else
			log_warning(queue_id,
			    "message passes untagged, and %lu before it: %s",
			    missed_unlogged, why);
		missed_logged = now;
		missed_unlogged = 0;
	}
	pthread_mutex_unlock(&missed_lock);
}

/*
 * Moves the shares of `message` that are in relay domains into `held`, which
 * has room for one share a recipient. False: the databases could not tell.
 */
static bool
find_held(const struct message *message, const struct timespec *deadline,
    struct share *held, size_t *count, const char **why)
{
	struct share share;
	size_t next = 0;

	*count = 0;
	while (message_share(message, &next, &share)) {
		if (is_past(deadline)) {
			*why = "looking up its domains takes too long";
			return false;
		}
		switch (store_domain_get(store, share.domain, NULL, NULL)) {
		case STORE_OK:
			held[(*count)++] = share;
			break;
		case STORE_NONE:
			break;
		default:
			*why = store_error(store);
			return false;
		}
	}
	return true;
}

static bool
add_tag(const struct tag *common, const struct share *share, const char **why)
{
	struct tag tag = *common;
	char *addresses = share_addresses(share);
	enum store_result result;

	if (addresses == NULL) {
		*why = "out of memory";
		return false;
	}
	tag.domain = share->domain;
	tag.recipients = addresses;
	tag.recipient_count = (long)share->count;
	result = store_tag_add(store, &tag);
	free(addresses);
	*why = store_error(store);
	return result == STORE_OK;
}

/* All tags of a message or none. */
static bool
add_tags(const struct tag *common, const struct share *held, size_t count,
    const char **why)
{
	if (store_begin(store) != STORE_OK) {
		*why = store_error(store);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!add_tag(common, &held[i], why)) {
			store_rollback(store);
			return false;
		}
	}
	if (store_commit(store) != STORE_OK) {
		*why = store_error(store);
		return false;
	}
	return true;
}

/* With the store locked. */
static bool
write_tags(const struct message *message, const struct tag *common,
    const struct timespec *deadline, const char **why)
{
	struct share *held;
	size_t count;
	bool ok;

	if (store == NULL) {
		*why = "the milter is stopping";
		return false;
	}
	held = calloc(message->count, sizeof(*held));
	if (held == NULL) {
		*why = "out of memory";
		return false;
	}
	ok = find_held(message, deadline, held, &count, why);
	if (ok && count > 0)
		ok = add_tags(common, held, count, why);
	free(held);
	return ok;
}

void
record_message(
    struct message *message, const char *queue_id, const char *client)
{
	struct timespec deadline = deadline_in(PATIENCE_MS);
	struct tag common = {
		.queue_id = queue_id,
		.sender = message->sender,
		.size = message->size,
		.client = client,
		.arrived = time(NULL),
	};
	char reason[512];
	const char *why = NULL;
	bool ok;

	if (message->broken) {
		record_missed(queue_id, "out of memory");
		return;
	}
	if (message->count == 0)
		return;
	if (queue_id == NULL) {
		record_missed(NULL,
		    "the mail system gives no queue id (is \"i\" in "
		    "milter_end_of_data_macros?)");
		return;
	}
	message_sort(message);
	if (pthread_mutex_clocklock(&store_lock, CLOCK_MONOTONIC, &deadline) !=
	    0) {
		record_missed(queue_id, "other messages hold the database");
		return;
	}
	ok = write_tags(message, &common, &deadline, &why);
	/* The store's own text lives only as long as nobody else calls it. */
	strlcpy(reason, ok ? "" : why, sizeof(reason));
	pthread_mutex_unlock(&store_lock);
	if (!ok)
		record_missed(queue_id, reason);
}
