/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "received.h"

static const char field_name[] = "Received: ";

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

static bool
has_id(const char *line, size_t len)
{
	return begins(line, len, "\tby ") || begins(line, len, "\tid ");
}

/* Of a line without its end. */
static bool
take_id(const char *line, size_t len, char *id, size_t size)
{
	if (begins(line, len, "\tby "))
		return take_last(line, len, id, size);
	return begins(line, len, "\tid ") &&
	    take_word(line + 4, len - 4, id, size);
}

/* The line at *line and its length, its LF not counted, if it is whole. */
static bool
next_line(const char **next, const char *end, const char **line, size_t *len)
{
	const char *lf = memchr(*next, '\n', (size_t)(end - *next));

	if (lf == NULL)
		return false;
	*line = *next;
	*len = (size_t)(lf - *line);
	*next = lf + 1;
	return true;
}

static bool
goes_on(const char *line)
{
	return *line == '\t' || *line == ' ';
}

bool
received_queue_id(const char *head, size_t n, char *id, size_t size)
{
	const char *next = head, *end = head + n, *line;
	size_t len;

	if (!begins(head, n, field_name) || !next_line(&next, end, &line, &len))
		return false;
	while (next_line(&next, end, &line, &len) && goes_on(line))
		if (has_id(line, len))
			return take_id(line, len, id, size);
	return false;
}

bool
received_value_id(const char *value, char *id, size_t size)
{
	for (const char *lf; (lf = strchr(value, '\n')) != NULL;) {
		value = lf + 1;
		if (has_id(value, strcspn(value, "\n")))
			return take_id(value, strcspn(value, "\n"), id, size);
	}
	return false;
}

/* The host in "Received: by HOST (" or "\tby HOST ("; NULL: it is none. */
static const char *
host_of(const char *line, size_t len, size_t *host_len)
{
	const char *host, *blank;

	if (begins(line, len, "\tby "))
		host = line + 4;
	else if (begins(line, len, "Received: by "))
		host = line + 13;
	else
		return NULL;
	blank = memchr(host, ' ', len - (size_t)(host - line));
	if (blank == NULL)
		return NULL;
	*host_len = (size_t)(blank - host);
	return host;
}

bool
received_earlier_id(const char *head, size_t n, char *id, size_t size)
{
	const char *next = head, *end = head + n, *line, *host, *ours = NULL;
	size_t len, host_len, ours_len = 0;
	bool inside = false, top = true, same = false;

	while (next_line(&next, end, &line, &len) && len > 1) {
		if (!goes_on(line)) {
			inside = begins(line, len, field_name);
			same = false;
			top = ours == NULL;
		}
		host = inside ? host_of(line, len, &host_len) : NULL;
		if (host != NULL && ours == NULL) {
			ours = host;
			ours_len = host_len;
		} else if (host != NULL && !top)
			same = host_len == ours_len &&
			    memcmp(host, ours, ours_len) == 0;
		if (same && take_id(line, len, id, size))
			return true;
	}
	return false;
}
