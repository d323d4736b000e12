/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domain.h"
#include "message.h"

void
message_clear(struct message *message)
{
	for (size_t i = 0; i < message->count; i++)
		free(message->recipients[i].address);
	free(message->recipients);
	free(message->sender);
	*message = (struct message) { 0 };
}

/* The address within "<...>" and behind a source route "@a,@b:". */
static const char *
bare_address(const char *path, size_t *len)
{
	const char *end;
	bool literal = false;

	path += strspn(path, " \t");
	end = path + strlen(path);
	while (end > path && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (*path == '<' && end > path + 1 && end[-1] == '>') {
		path++;
		end--;
	}
	/* A colon also stands in a literal: "@[IPv6:2001:db8::1]:". */
	for (const char *s = path; *path == '@' && s < end; s++) {
		if (*s == '[' || *s == ']')
			literal = *s == '[';
		if (*s == ':' && !literal) {
			path = s + 1;
			break;
		}
	}
	*len = (size_t)(end - path);
	return path;
}

/* SIZE=n among the parameters of MAIL; 0 if absent or not a number. */
static int64_t
announced_size(const char *const *parameters)
{
	long long size;
	char *end;

	for (; *parameters != NULL; parameters++) {
		if (strncasecmp(*parameters, "SIZE=", 5) != 0)
			continue;
		errno = 0;
		size = strtoll(*parameters + 5, &end, 10);
		if (errno == 0 && *end == '\0' && size > 0)
			return size;
	}
	return 0;
}

void
message_begin(struct message *message, const char *const *argv)
{
	const char *sender;
	size_t len;

	message_clear(message);
	sender = bare_address(argv[0], &len);
	message->sender = strndup(sender, len);
	message->broken = message->sender == NULL;
	if (argv[0] != NULL)
		message->size = announced_size(argv + 1);
}

static bool
make_room(struct message *message)
{
	size_t room = message->room == 0 ? 8 : message->room * 2;
	void *grown;

	if (message->count < message->room)
		return true;
	grown = reallocarray(
	    message->recipients, room, sizeof(*message->recipients));
	if (grown == NULL)
		return false;
	message->recipients = grown;
	message->room = room;
	return true;
}

/* A control character would forge a line in the tag's list. */
static bool
has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

/*
 * The domain of the address at `s`. A '@' in a quoted local part is followed by
 * a quote, which no domain has, so the last '@' is the right one or there is no
 * domain. Postfix takes "user@example.org." for the same as without the dot.
 */
static bool
find_domain(
    const char *s, size_t len, size_t *local_len, char domain[DOMAIN_SIZE])
{
	const char *at = memrchr(s, '@', len);
	size_t domain_len;

	if (at == NULL || at == s || has_control(s, len))
		return false;
	*local_len = (size_t)(at - s);
	domain_len = len - *local_len - 1;
	if (domain_len > 0 && at[domain_len] == '.')
		domain_len--;
	return domain_canonical(at + 1, domain_len, domain, NULL);
}

/* An address without a domain that could be a relay domain is of no concern. */
void
message_recipient(struct message *message, const char *const *argv)
{
	struct recipient *recipient;
	char domain[DOMAIN_SIZE];
	const char *address;
	size_t len, local_len, domain_size;

	address = bare_address(argv[0], &len);
	if (!find_domain(address, len, &local_len, domain))
		return;
	domain_size = strlen(domain) + 1;
	if (!make_room(message)) {
		message->broken = true;
		return;
	}
	recipient = &message->recipients[message->count];
	recipient->address = malloc(local_len + 1 + domain_size);
	if (recipient->address == NULL) {
		message->broken = true;
		return;
	}
	memcpy(recipient->address, address, local_len + 1);
	memcpy(recipient->address + local_len + 1, domain, domain_size);
	recipient->domain = recipient->address + local_len + 1;
	message->count++;
}

static int
compare(const void *a, const void *b)
{
	const struct recipient *left = a, *right = b;
	int order = strcmp(left->domain, right->domain);

	return order != 0 ? order : strcasecmp(left->address, right->address);
}

void
message_sort(struct message *message)
{
	struct recipient *all = message->recipients;
	size_t kept = 0;

	if (message->count == 0)
		return;
	qsort(all, message->count, sizeof(*all), compare);
	for (size_t i = 1; i < message->count; i++)
		if (compare(&all[kept], &all[i]) == 0)
			free(all[i].address);
		else
			all[++kept] = all[i];
	message->count = kept + 1;
}

bool
message_share(const struct message *message, size_t *next, struct share *share)
{
	const struct recipient *first = message->recipients + *next;
	size_t end = *next;

	if (end >= message->count)
		return false;
	while (end < message->count &&
	    strcmp(message->recipients[end].domain, first->domain) == 0)
		end++;
	*share = (struct share) { first->domain, first, end - *next };
	*next = end;
	return true;
}

bool
message_sift(struct message *message, message_judge *judge, void *arg)
{
	struct recipient *all = message->recipients;
	enum judgement judgement = JUDGED_KEPT;
	struct share share;
	size_t kept = 0, begin = 0, end = 0;

	while (message_share(message, &end, &share)) {
		judgement = judge(share.domain, arg);
		if (judgement == JUDGED_UNKNOWN)
			break;
		for (; begin < end; begin++)
			if (judgement == JUDGED_KEPT)
				all[kept++] = all[begin];
			else
				free(all[begin].address);
	}
	while (begin < message->count)
		all[kept++] = all[begin++];
	message->count = kept;
	return judgement != JUDGED_UNKNOWN;
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
