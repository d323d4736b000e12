/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>
#include <unicase.h>
#include <uninorm.h>

#include "domain.h"
#include "spelling.h"

/* Does `text` mean the name? */
static bool
means(const char *text, const char *name)
{
	char canonical[DOMAIN_SIZE];

	return hostname_canonical(text, strlen(text), canonical, NULL) &&
	    strcmp(canonical, name) == 0;
}

static bool
find_unicode(struct spelling *spelling, const char *name)
{
	char *found = NULL;
	int rc = idn2_to_unicode_8z8z(name, &found, 0);

	if (rc == IDN2_OK && strcmp(found, name) != 0 && means(found, name)) {
		spelling->unicode = strdup(found);
		if (spelling->unicode == NULL)
			rc = IDN2_MALLOC;
	}
	idn2_free(found);
	return rc != IDN2_MALLOC;
}

/* U-labels are composed, and Postfix does not normalize. */
static uint8_t *
fold(enum spelling_key kind, const uint8_t *text, size_t size)
{
	size_t n;

	switch (kind) {
	case COMPOSED:
		return u8_casefold(text, size, NULL, NULL, NULL, &n);
	case DECOMPOSED:
		return u8_casefold(text, size, NULL, UNINORM_NFD, NULL, &n);
	default:
		return u8_toupper(text, size, NULL, NULL, NULL, &n);
	}
}

static bool
find_key(struct spelling *spelling, enum spelling_key kind, const char *name)
{
	const char *unicode = spelling->unicode;
	size_t size = strlen(unicode) + 1; /* the result has a NUL, too */
	char *key = (char *)fold(kind, (const uint8_t *)unicode, size);

	for (char *c = key; c != NULL && *c != '\0'; c++)
		if (isascii((unsigned char)*c))
			*c = (char)tolower((unsigned char)*c);
	if (key != NULL && means(key, name))
		spelling->keys[kind] = key;
	else
		free(key);
	return key != NULL;
}

static bool
find_keys(struct spelling *spelling, const char *name)
{
	for (int i = 0; i < SPELLING_KEYS; i++)
		if (!find_key(spelling, (enum spelling_key)i, name))
			return false;
	return true;
}

bool
spelling_find(struct spelling *spelling, const char *name)
{
	*spelling = (struct spelling) { 0 };
	if (find_unicode(spelling, name) &&
	    (spelling->unicode == NULL || find_keys(spelling, name)))
		return true;
	spelling_free(spelling);
	return false;
}

void
spelling_free(struct spelling *spelling)
{
	free(spelling->unicode);
	for (int i = 0; i < SPELLING_KEYS; i++)
		free(spelling->keys[i]);
	*spelling = (struct spelling) { 0 };
}
