/* SPDX-License-Identifier: ISC */
/*
 * How people write an internationalised domain, and what Postfix looks up for
 * that in its tables. That is the name in UTF-8, composed or decomposed as it
 * came, after full case folding; in smtpd_command_filter only the ASCII letters
 * are folded. Folding turns some characters into others ("ss" for a sharp s):
 * what would mean another domain, too, is no key.
 */
#ifndef SPELLING_H
#define SPELLING_H

#include <stdbool.h>

enum spelling_key { COMPOSED, DECOMPOSED, CAPITALS, SPELLING_KEYS };

struct spelling {
	char *unicode;             /* NULL: it is written as it is named */
	char *keys[SPELLING_KEYS]; /* each NULL where there is none */
};

/* Of the canonical name of a domain or a queue. False: out of memory, and there
 * is nothing to free. */
bool spelling_find(struct spelling *spelling, const char *name);
void spelling_free(struct spelling *spelling);

#endif
