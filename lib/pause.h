/* SPDX-License-Identifier: ISC */
/*
 * Leaving a lock to others. SQLite has no queue for its lock: who waits only
 * tries again now and then, and would find it free too seldom beside somebody
 * who takes it time after time. So each transaction of many is followed by a
 * pause that lasts as long as it did.
 */
#ifndef PAUSE_H
#define PAUSE_H

#include <stdint.h>

/* What time it is, in nanoseconds. */
int64_t pause_clock(void);
/* Sleeps as long as it is since `began`. */
void pause_since(int64_t began);

#endif
