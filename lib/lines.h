/* SPDX-License-Identifier: ISC */
/* Lists of names in one text: one a line, the last with or without its end. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

/* How many there may be: never less than there are, and at least one. */
size_t lines_count(const char *list);

/* Takes the next line, without its end, from the rest of a list. False: there
 * is no more, or it is empty. */
bool lines_next(const char **list, const char **line, size_t *len);

#endif
