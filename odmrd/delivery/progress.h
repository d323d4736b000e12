/* SPDX-License-Identifier: ISC */
/*
 * Does the customer get on, while messages are in flight to it? A reply now and
 * then is not enough: what counts are the bytes that its host takes in, and the
 * messages that it settles, each of which stands for 64 KiB.
 *
 * Less than progress_rate for stall_time, and what waits for its turn goes back
 * to Postfix, whose processes it would hold for nothing; it comes again when
 * the customer gets on. Who settles in that time less than half of what it has
 * is slow, and gets half as much (share.h). Less than that for progress_time,
 * and the session ends.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "odmrd/net/loop.h"

struct customer;

struct progress {
	struct timer *timer; /* runs while messages are in flight */
	bool runs;
	bool stalls;
	bool slow;
	uint64_t settled; /* messages so far */
	uint64_t work;    /* done when the timer was set */
	uint64_t before;  /* settled when it was */
	uint64_t done;    /* since began_ms */
	int64_t began_ms;
};

/* `look` is called when it is time for progress_look. False: out of memory. */
bool progress_init(
    struct progress *progress, struct loop *loop, loop_call *look, void *arg);
void progress_free(struct progress *progress);

enum progress_found {
	PROGRESS_MADE,
	PROGRESS_STALLS, /* what waits for its turn is to go back to Postfix */
	PROGRESS_NONE,   /* the session is to end */
};

enum progress_found progress_look(struct customer *customer);
/* Something has happened: are messages in flight now? */
void progress_watch(struct customer *customer);
/* A message has all its replies. */
void progress_settled(struct customer *customer);

#endif
