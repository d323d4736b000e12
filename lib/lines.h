/* SPDX-License-Identifier: ISC */
/* Lists of names in one text: one a line, the last with or without its end. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

/* How many there may be: never less than there are, and at least one. */
size_t lines_count(const char *list);

/* Copies the first to `line`, which has room for it, and moves on to the next.
 * False at the end of the list, and at an empty line. */
bool lines_next(const char **list, char *line, size_t size);

#endif
