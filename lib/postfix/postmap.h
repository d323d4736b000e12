/* SPDX-License-Identifier: ISC */
/*
 * Postfix's lookup tables, as postmap(1) writes them. A table's file belongs to
 * whoever runs this, and everybody may read it.
 *
 * postmap_begin() waits for all who write to the table; what is written between
 * it and postmap_end() is to be asked from the database there, so that the last
 * one writes the last word.
 */
#ifndef POSTMAP_H
#define POSTMAP_H

#include <limits.h>
#include <stdbool.h>

#include "lib/conf.h"

enum { POSTMAP_ERROR_SIZE = 512 };

struct postmap {
	const struct conf *conf; /* whose Postfix it is */
	const char *table;       /* "TYPE:PATH", as in main.cf */
	/* Keys are lower case in ASCII only, not by Unicode's folding. */
	bool ascii;
	char error[POSTMAP_ERROR_SIZE]; /* after false: one line */
	const struct postmap_type *type;
	const char *path;
	int lock;
};

/* The file of a table. False: it is of no type that can be written. */
bool postmap_file(const char *table, char path[PATH_MAX]);
/* Is it there, and may this user write to it? If not, one line in `error`. */
bool postmap_is_ours(const char *table, char error[POSTMAP_ERROR_SIZE]);

/* False: it is of no type that can be written, or cannot be locked. */
bool postmap_begin(struct postmap *);
void postmap_end(struct postmap *);

/* Text here is a table's source, "KEY TAB VALUE" lines. */

/* The whole table anew, which takes the place of the old one at once. False: it
 * is as it was. */
bool postmap_write(struct postmap *, const char *text);

/* Can single entries be changed? */
bool postmap_is_open_to_change(const struct postmap *);
/* Then the lines of `put` are there afterwards; or the keys of `gone`, one a
 * line, are not. */
bool postmap_put(struct postmap *, const char *put);
bool postmap_remove(struct postmap *, const char *gone);

/* What is in it, in no order; the caller frees it, also after false. */
bool postmap_dump(struct postmap *, char **text);

#endif
