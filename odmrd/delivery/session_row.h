/* SPDX-License-Identifier: ISC */
/*
 * What the operator sees of a customer's session: its row in the database. It
 * is written when the state changes, and each second as long as its figures do.
 */
#ifndef SESSION_ROW_H
#define SESSION_ROW_H

#include <stdbool.h>
#include <stdint.h>

struct customer;
struct timer;

/* The rate is of so many seconds. */
enum { LIVE_SECONDS = 10 };

struct shown {
	struct timer *timer;
	bool ticking; /* it runs */
	struct {
		int64_t ms;
		int64_t delivered; /* by then */
	} past[LIVE_SECONDS];      /* a ring */
	unsigned oldest;           /* of it */
	/* what was written last: */
	const char *state;
	int64_t noted_ms;
	int64_t attempted, in_flight, rate;
};

/* False: out of memory. */
bool session_row_init(struct shown *shown, struct customer *customer);
void session_row_free(struct shown *shown);

/* The state has changed, or it is told to end. */
void session_row_state(struct customer *customer);
/* Writes the row: the line has proved to be alive. */
void session_row_note(struct customer *customer);
/* The session ends: its row goes. */
void session_row_end(struct customer *customer);

#endif
