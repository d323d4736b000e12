/* SPDX-License-Identifier: ISC */
/*
 * main.cf or master.cf as text, and where in it what stands, as Postfix reads
 * it: a line that begins with white space goes on with the one before, empty
 * lines and comments between are not there, what is in braces is one word. What
 * is changed is changed in the text, so that all the rest stays byte for byte.
 */
#ifndef CF_H
#define CF_H

#include <stdbool.h>
#include <stddef.h>

enum { CF_ERROR_SIZE = 512 };

/* Of main.cf "name = value", of master.cf a service. */
struct cf_entry {
	size_t begin, end;       /* with the end of its last line */
	size_t value, value_end; /* main.cf: without the white space around */
	char *name;              /* main.cf: its name; master.cf: "name/type" */
};

struct cf {
	const char *path; /* the caller's */
	bool master;
	char *text;
	struct cf_entry *entries;
	size_t len, count;
};

/*
 * Takes over `text`, from malloc(). False with one line in `error`, which names
 * the line: Postfix would not read it, or it has lines that end in CR LF, or a
 * NUL. The struct is to be freed in either case.
 */
bool cf_parse(struct cf *, const char *path, bool master, char *text,
    size_t len, char error[CF_ERROR_SIZE]);
void cf_free(struct cf *);

/* The last of this name, which is the one that counts; NULL: there is none. */
const struct cf_entry *cf_find(const struct cf *, const char *name);
/* The one of the same name before it; NULL: there is none. */
const struct cf_entry *cf_earlier(
    const struct cf *, const struct cf_entry *later);
/* The number of the line at this byte. */
unsigned cf_line(const struct cf *, size_t at);

/* The next word of what ends at `end`, as its first byte and the byte behind
 * it; `*at` moves there. */
struct cf_word {
	size_t begin, end;
};
bool cf_next(const struct cf *, size_t *at, size_t end, struct cf_word *word);
bool cf_word_is(const struct cf *, const struct cf_word *, const char *text);

/* Puts `text` in the place of what is there. What was found before is void
 * then. */
void cf_replace(struct cf *, size_t begin, size_t end, const char *text);
/* Whole lines at the end of the file. */
void cf_append(struct cf *, const char *lines);

/* The text of an entry, or another piece; to be freed. */
char *cf_copy(const struct cf *, size_t begin, size_t end);

#endif
