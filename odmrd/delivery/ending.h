/* SPDX-License-Identifier: ISC */
/*
 * The line that ends a session in the log: always the same keys in the same
 * order, whether the line was turned ("session") or not ("ended").
 */
#ifndef ENDING_H
#define ENDING_H

#include <stdint.h>

struct identity;
struct link;
struct tally;

struct ending {
	const struct identity *who;
	const struct link *link;
	const char *domains; /* one a line; NULL: it never had any */
	const char *plan;    /* of the pipeline, or NULL */
	const struct tally *tally;
	int64_t began_ms;
	const char *reason;
};

void ending_log(const char *word, const struct ending *ending);

#endif
