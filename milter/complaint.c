/* SPDX-License-Identifier: ISC */
#include <pthread.h>
#include <stdbool.h>

#include "lib/clock.h"
#include "complaint.h"
#include "lib/log.h"

enum { QUIET_MS = 60000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t logged;       /* 0: never */
static unsigned long missed; /* since then */

static bool
is_due(void)
{
	int64_t now = clock_ms();

	if (logged != 0 && now - logged < QUIET_MS)
		return false;
	logged = now;
	return true;
}

void
complaint_missed(const char *queue_id, const char *why)
{
	pthread_mutex_lock(&lock);
	if (!is_due()) {
		missed++;
	} else {
		if (missed == 0)
			log_warning(
			    queue_id, "message passes untagged: %s", why);
		else
			log_warning(queue_id,
			    "message passes untagged, and %lu before it: %s",
			    missed, why);
		missed = 0;
	}
	pthread_mutex_unlock(&lock);
}

void
complaint_lost(size_t count, const char *why)
{
	pthread_mutex_lock(&lock);
	log_warning(NULL, "%zu messages passed untagged: %s", count, why);
	pthread_mutex_unlock(&lock);
}

void
complaint_end(void)
{
	pthread_mutex_lock(&lock);
	if (missed > 0)
		log_warning(NULL, "%lu more messages passed untagged", missed);
	missed = 0;
	pthread_mutex_unlock(&lock);
}
