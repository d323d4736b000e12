/* SPDX-License-Identifier: ISC */
/*
 * How much may be held in memory: a bound for a session within a bound for the
 * daemon. Who gets nothing waits; who waits is not this file's business.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct budget {
	struct budget *whole; /* that this is a part of, or NULL */
	size_t limit;
	size_t used;
};

/* False, and nothing is taken, if that is more than is left of either. */
bool budget_take(struct budget *budget, size_t n);
void budget_give(struct budget *budget, size_t n);

#endif
