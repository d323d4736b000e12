/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "message.h"
#include "lib/queue_id.h"
#include "lib/received.h"

/* A content filter may have put its own on top. */
enum { RECEIVED_MAX = 4 };

void
message_clear(struct message *message)
{
	recipients_clear(&message->recipients);
	free(message->sender);
	free(message->earlier);
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

/* No mail is so large, but a sender may say so where message_size_limit is 0,
 * and the sums would overflow. */
static const int64_t size_beyond_belief = (int64_t)1 << 40;

/* SIZE=n among the parameters of MAIL; 0 if absent, not a number, or a lie. */
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
		if (errno == 0 && *end == '\0' && size > 0 &&
		    size < size_beyond_belief)
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
	message->size = announced_size(argv + 1);
}

void
message_recipient(struct message *message, const char *address)
{
	size_t len;

	address = bare_address(address, &len);
	if (!recipients_add(&message->recipients, address, len, NULL))
		message->broken = true;
}

/* One without memory for it has its tag twice until reconcile sees it. */
void
message_header(struct message *message, const char *const *argv)
{
	const char *before = message->earlier == NULL ? "" : message->earlier;
	char id[QUEUE_ID_MAX + 1], *earlier;

	if (argv[1] == NULL || strcasecmp(argv[0], "Received") != 0 ||
	    message->received >= RECEIVED_MAX)
		return;
	message->received++;
	if (!received_value_id(argv[1], id, sizeof(id)) ||
	    asprintf(&earlier, "%s%s ", before, id) == -1)
		return;
	free(message->earlier);
	message->earlier = earlier;
}

bool
message_sift(struct message *message, message_judge *judge, void *arg)
{
	struct recipient *all = message->recipients.all;
	enum judgement judgement = JUDGED_KEPT;
	struct share share;
	size_t kept = 0, begin = 0, end = 0;

	while (recipients_share(&message->recipients, &end, &share)) {
		judgement = judge(share.domain, arg);
		if (judgement == JUDGED_UNKNOWN)
			break;
		for (; begin < end; begin++)
			if (judgement == JUDGED_KEPT)
				all[kept++] = all[begin];
			else
				free(all[begin].address);
	}
	while (begin < message->recipients.count)
		all[kept++] = all[begin++];
	message->recipients.count = kept;
	return judgement != JUDGED_UNKNOWN;
}
