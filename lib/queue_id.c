/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "queue_id.h"

/* As Postfix writes them: see its global/mail_queue.h. */
enum { SHORT_MIN = 6, TIME_MIN = 10 };

static const char hexadecimal[] = "0123456789ABCDEF";
static const char no_vowels[] =
    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/* The time may have a 'z' of its own, the inode has none. */
static bool
is_long(const char *text, size_t len)
{
	const char *separator = strrchr(text, 'z');

	return separator != NULL && separator - text >= TIME_MIN &&
	    separator[1] != '\0' && strspn(text, no_vowels) == len;
}

bool
queue_id_valid(const char *text)
{
	size_t len = strlen(text);

	if (len > QUEUE_ID_MAX)
		return false;
	return (len >= SHORT_MIN && strspn(text, hexadecimal) == len) ||
	    is_long(text, len);
}
