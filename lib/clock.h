/* SPDX-License-Identifier: ISC */
/*
 * Milliseconds for deadlines and waits: they go on evenly when somebody sets
 * the time of day.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);

#endif
