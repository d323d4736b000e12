/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "received.h"

static bool
begins(const char *line, size_t n, const char *with)
{
	size_t len = strlen(with);

	return n >= len && memcmp(line, with, len) == 0;
}

/* Copies the word at the start of `text`. */
static bool
take_word(const char *text, size_t n, char *id, size_t size)
{
	size_t len = 0;

	while (len < n && isalnum((unsigned char)text[len]))
		len++;
	if (len == 0 || len >= size)
		return false;
	memcpy(id, text, len);
	id[len] = '\0';
	return true;
}

/* "\tby host (Postfix) with ESMTP id 4XyZ": behind the last " id ". */
static bool
take_last(const char *line, size_t n, char *id, size_t size)
{
	static const char mark[] = " id ";
	const char *at, *found = NULL, *end = line + n;

	for (at = line;
	     (at = memmem(at, (size_t)(end - at), mark, strlen(mark))) != NULL;
	     at = found)
		found = at + strlen(mark);
	return found != NULL &&
	    take_word(found, (size_t)(end - found), id, size);
}

bool
received_queue_id(const char *head, size_t n, char *id, size_t size)
{
	const char *line = head, *end = head + n, *lf;
	size_t len;

	if (!begins(head, n, "Received: "))
		return false;
	for (; (lf = memchr(line, '\n', (size_t)(end - line))) != NULL;
	     line = lf + 1) {
		len = (size_t)(lf - line);
		if (line != head && *line != '\t' && *line != ' ')
			return false;
		if (begins(line, len, "\tby "))
			return take_last(line, len, id, size);
		if (begins(line, len, "\tid "))
			return take_word(line + 4, len - 4, id, size);
	}
	return false;
}
