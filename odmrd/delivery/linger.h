/* SPDX-License-Identifier: ISC */
/*
 * Lingering: where the account has it, a drained session stays open, and new
 * mail is pushed the moment Postfix has it, for as many seconds after the last
 * message as the account says. NOOP keeps the line alive (many servers drop an
 * idle one after 5 minutes) and finds out whether it still is.
 */
#ifndef LINGER_H
#define LINGER_H

#include <stdbool.h>
#include <stdint.h>

struct customer;
struct timer;

typedef void linger_over(struct customer *customer, const char *reason);

struct lingering {
	linger_over *over;
	struct timer *timer;
	int64_t until_ms; /* then the session ends */
	int64_t noop_ms;  /* when NOOP is due */
};

/* `over` is called, from the loop, when it has lingered long enough. False: out
 * of memory. */
bool linger_init(
    struct lingering *linger, struct customer *customer, linger_over *over);
void linger_free(struct lingering *linger);

/* The session is drained: it lingers from now on. */
void linger_begin(struct customer *customer);
/* The account has another time from now on. */
void linger_change(struct customer *customer, long linger);
/* A message comes, or the session ends. */
void linger_end(struct lingering *linger);

#endif
