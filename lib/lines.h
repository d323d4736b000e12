/* SPDX-License-Identifier: ISC */
/* Lists of names in one text: one a line, the last with or without its end. */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>

/* How many there may be: never less than there are, and at least one. */
size_t lines_count(const char *list);

#endif
