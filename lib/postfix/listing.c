/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"

/* 10,000 recipients with a reason each are 10 MB at the most. */
enum { LINE_MAX_BYTES = 256 << 20, LINE_ROOM = 65536, EXCERPT = 160 };

static bool
fail(struct listing *l, const char *why)
{
	size_t len = l->len < EXCERPT ? l->len : EXCERPT;
	char excerpt[EXCERPT + 1];

	for (size_t i = 0; i < len; i++)
		excerpt[i] =
		    l->line[i] < ' ' || l->line[i] > '~' ? '?' : l->line[i];
	excerpt[len] = '\0';
	snprintf(l->fault, sizeof(l->fault), "%s: %s", why, excerpt);
	return false;
}

static bool
add(struct listing *l, const char *bytes, size_t len)
{
	size_t room = l->room == 0 ? LINE_ROOM : l->room;
	char *grown;

	while (room - l->len < len && room < LINE_MAX_BYTES)
		room *= 2;
	if (room - l->len < len)
		return fail(l, "a line is too long");
	if (room != l->room) {
		grown = realloc(l->line, room);
		if (grown == NULL)
			return fail(l, "out of memory");
		l->line = grown;
		l->room = room;
	}
	memcpy(l->line + l->len, bytes, len);
	l->len += len;
	return true;
}

static bool
end_line(struct listing *l)
{
	struct queued message;
	const char *fault = queued_read(&message, l->line, l->len);
	bool taken;

	if (fault != NULL)
		return fail(l, fault);
	taken = l->message(l->arg, &message);
	queued_clear(&message);
	l->len = 0;
	return taken;
}

bool
listing_read(struct listing *l, const char *bytes, size_t len)
{
	const char *newline;
	size_t part;

	while ((newline = memchr(bytes, '\n', len)) != NULL) {
		part = (size_t)(newline - bytes);
		if (!add(l, bytes, part) || !end_line(l))
			return false;
		bytes += part + 1;
		len -= part + 1;
	}
	return add(l, bytes, len);
}

bool
listing_end(struct listing *l)
{
	return l->len == 0 || fail(l, "ends within a line");
}

void
listing_clear(struct listing *l)
{
	free(l->line);
	l->line = NULL;
	l->len = l->room = 0;
}
