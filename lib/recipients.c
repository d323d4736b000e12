/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domain.h"
#include "recipients.h"

void
recipients_clear(struct recipients *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->all[i].address);
	free(list->all);
	*list = (struct recipients) { 0 };
}

static bool
make_room(struct recipients *list)
{
	size_t room = list->room == 0 ? 8 : list->room * 2;
	void *grown;

	if (list->count < list->room)
		return true;
	grown = reallocarray(list->all, room, sizeof(*list->all));
	if (grown == NULL)
		return false;
	list->all = grown;
	list->room = room;
	return true;
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Dot-string of RFC 5321 4.1.2, with octets beyond ASCII. */
static bool
is_dot_string(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] == '.' ? i == 0 || i == len - 1 || s[i - 1] == '.'
				: strchr(" \"(),:;<>@[\\]", s[i]) != NULL)
			return false;
	return len > 0;
}

/* Writes the local part as this list has it; its end is returned. */
static char *
put_local_part(char *out, const char *local, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = is_control(local[i]) ? '?' : local[i];
	if (len > 2 && out[0] == '"' && out[len - 1] == '"' &&
	    is_dot_string(out + 1, len - 2)) {
		len -= 2;
		memmove(out, out + 1, len);
	}
	return out + len;
}

/*
 * The domain of the address at `s`. A '@' in a quoted local part is followed by
 * a quote, which no domain has, so the last '@' is the right one or there is no
 * domain. Postfix takes "user@example.org." for the same as without the dot.
 */
static bool
find_domain(const char *s, size_t len, size_t *local_len,
    char domain[DOMAIN_SIZE], const char **why)
{
	const char *at = memrchr(s, '@', len);
	size_t domain_len;

	if (at == NULL || at == s)
		return false;
	*local_len = (size_t)(at - s);
	domain_len = len - *local_len - 1;
	if (domain_len > 0 && at[domain_len] == '.')
		domain_len--;
	return domain_canonical(at + 1, domain_len, domain, why);
}

bool
recipients_add(struct recipients *list, const char *address, size_t len,
    const char *reason)
{
	struct recipient *recipient;
	char domain[DOMAIN_SIZE];
	size_t local_len, domain_size;
	const char *why = NULL;
	char *end;

	if (!find_domain(address, len, &local_len, domain, &why))
		return why != domain_no_memory;
	if (!make_room(list))
		return false;
	domain_size = strlen(domain) + 1;
	recipient = &list->all[list->count];
	recipient->address = malloc(local_len + 1 + domain_size);
	if (recipient->address == NULL)
		return false;
	end = put_local_part(recipient->address, address, local_len);
	*end++ = '@';
	recipient->domain = memcpy(end, domain, domain_size);
	recipient->reason = reason;
	list->count++;
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct recipient *left = a, *right = b;
	int order = strcmp(left->domain, right->domain);

	return order != 0 ? order : strcasecmp(left->address, right->address);
}

void
recipients_sort(struct recipients *list)
{
	struct recipient *all = list->all;
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(all, list->count, sizeof(*all), compare);
	for (size_t i = 1; i < list->count; i++)
		if (compare(&all[kept], &all[i]) == 0)
			free(all[i].address);
		else
			all[++kept] = all[i];
	list->count = kept + 1;
}

bool
recipients_share(
    const struct recipients *list, size_t *next, struct share *share)
{
	const struct recipient *first;
	size_t end = *next;

	if (end >= list->count)
		return false;
	first = &list->all[end];
	while (end < list->count &&
	    strcmp(list->all[end].domain, first->domain) == 0)
		end++;
	*share = (struct share) { first->domain, first, end - *next };
	*next = end;
	return true;
}

char *
share_addresses(const struct share *share)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; i < share->count; i++)
		size += strlen(share->recipients[i].address) + 1;
	text = malloc(size);
	if (text == NULL)
		return NULL;
	end = text;
	for (size_t i = 0; i < share->count; i++) {
		if (i > 0)
			*end++ = '\n';
		end = stpcpy(end, share->recipients[i].address);
	}
	*end = '\0';
	return text;
}
