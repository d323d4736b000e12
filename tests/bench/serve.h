/* SPDX-License-Identifier: ISC */
#ifndef SERVE_H
#define SERVE_H

#include <pthread.h>

#include "stream.h"

enum dialect { LMTP, LOCKSTEP, PIPELINING, CHUNKING };

/* What came, on all connections together. Times are stream_clock()'s. */
struct tally {
	pthread_mutex_t lock;
	pthread_cond_t grown;
	long messages;
	long long bytes;
	double first, last;
};

/* "lmtp", "lockstep" ... into the dialect; false if it is none. */
bool dialect_parse(const char *name, enum dialect *dialect);

void tally_init(struct tally *tally);

/* Is a server that takes all mail, from its greeting until QUIT or the end of
 * the connection. True if it was QUIT. */
bool serve(struct stream *s, enum dialect dialect, struct tally *tally);

#endif
