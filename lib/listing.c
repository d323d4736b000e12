/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include "listing.h"

static void
begin_string(struct listing *l)
{
	l->state = LISTING_STRING;
	l->len = 0;
	l->overlong = false;
}

static void
add(struct listing *l, char c)
{
	if (c == '@')
		begin_string(l);
	else if (l->len + 1 < sizeof(l->text))
		l->text[l->len++] = (char)tolower((unsigned char)c);
	else
		l->overlong = true;
}

static void
end_string(struct listing *l)
{
	l->state = LISTING_OUTSIDE;
	l->text[l->len] = '\0';
	if (l->address && !l->overlong)
		l->recipient(l->arg, l->text);
	l->address = false;
}

/* Between strings. A ':' makes the string before it the key of what comes. */
static void
read_outside(struct listing *l, char c)
{
	if (c == '"')
		begin_string(l);
	else if (c == ':')
		l->address = strcmp(l->text, "address") == 0;
	else if (c == '\n')
		l->message(l->arg);
}

void
listing_read(struct listing *l, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		switch (l->state) {
		case LISTING_OUTSIDE:
			read_outside(l, bytes[i]);
			break;
		case LISTING_STRING:
			if (bytes[i] == '"')
				end_string(l);
			else if (bytes[i] == '\\')
				l->state = LISTING_ESCAPE;
			else
				add(l, bytes[i]);
			break;
		case LISTING_ESCAPE:
			/* No domain has what must be escaped; what stands for
			 * it keeps the string from looking like one. */
			l->state = LISTING_STRING;
			add(l, '\\');
			break;
		}
}
