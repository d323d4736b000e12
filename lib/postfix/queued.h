/* SPDX-License-Identifier: ISC */
/*
 * One message of the Postfix queue, as a line of "postqueue -j" has it.
 *
 * What Postfix lists is checked like any other input: a queue id of other than
 * letters and digits, or a field of the wrong kind, makes the line unfit. Where
 * there is no memory to read it, the program ends with EX_OSERR.
 */
#ifndef QUEUED_H
#define QUEUED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/recipients.h"

struct queued {
	const char *queue; /* "deferred" and so on */
	const char *queue_id;
	const char *sender; /* "" for the null sender */
	int64_t size;
	int64_t arrived;
	struct recipients recipients; /* sorted */
	void *json;                   /* queued.c's: what the strings are in */
};

/* Fills `message`, which queued_clear empties. NULL, or what is wrong with the
 * line; `message` is empty then. */
const char *queued_read(struct queued *message, char *line, size_t len);
void queued_clear(struct queued *message);

#endif
