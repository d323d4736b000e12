/* SPDX-License-Identifier: ISC */
/* The log that is systemd's journal. */
#include <string.h>

#include "follower.h"
#include "lib/postfix/mail_journal.h"

struct filling {
	struct follower *follower;
	size_t len; /* of what is in its chunk */
	bool failed;
};

static bool
settle(struct filling *filling)
{
	size_t len = filling->len;

	filling->len = 0;
	filling->failed = len > 0 && !follower_settle(filling->follower, len);
	return !filling->failed;
}

static bool
on_line(void *arg, const char *line, size_t len, const char *cursor)
{
	struct filling *filling = arg;
	struct follower *f = filling->follower;

	memcpy(f->chunk + filling->len, line, len);
	filling->len += len;
	strlcpy(f->position.cursor, cursor, sizeof(f->position.cursor));
	return filling->len <= FOLLOWER_CHUNK_SIZE - MAIL_JOURNAL_LINE_MAX ||
	    settle(filling);
}

static void
on_gone(void *arg)
{
	struct filling *filling = arg;

	follower_warn(
	    filling->follower->path, "what was read last is gone from it");
}

bool
follow_journal(struct follower *f)
{
	struct filling filling = { .follower = f };
	const struct mail_journal_reader reader = { on_line, on_gone,
		&filling };
	const char *why;

	if (!mail_journal_read(
		&reader, f->conf->postfix_user, f->saved.cursor, &why))
		return follower_fail(f, f->path, why);
	return !filling.failed && settle(&filling);
}
