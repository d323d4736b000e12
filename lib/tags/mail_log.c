/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "follower.h"
#include "lib/log.h"
#include "lib/pause.h"
#include "lib/postfix/mail_log_line.h"
#include "mail_log.h"

bool
follower_fail(struct follower *f, const char *path, const char *why)
{
	snprintf(f->error, f->error_size, "%s: %s", path, why);
	return false;
}

void
follower_warn(const char *path, const char *why)
{
	log_warning(NULL,
	    "%s: %s: mail of which it alone tells will be called left", path,
	    why);
}

static bool
fail_store(struct follower *f)
{
	snprintf(f->error, f->error_size, "%s", store_error(f->store));
	return false;
}

/* ---- what a line says of the tags -------------------------------------- */

/* odmrd settles what it heard of the customer. Of what goes to its sockets,
 * only what lmtp(8) gave up by itself, such as a message that is too large for
 * the customer, is not known to it. */
static bool
is_odmrds(const struct mail_log_line *line)
{
	return line->by_socket &&
	    (line->by_server || line->event == MAIL_DEFERRED);
}

static void
see_mode(const struct domain *domain, void *arg)
{
	*(enum domain_mode *)arg = domain->mode;
}

/* STORE_OK: it was sent to a content filter, for only a host is a customer's
 * server, and where odmrd carries the mail only its socket leads to one. */
static enum store_result
was_filtered(struct follower *f, const struct mail_log_line *line)
{
	enum domain_mode mode = MODE_BACKUP;

	if (line->event != MAIL_SENT || line->by_socket)
		return STORE_NONE;
	if (!line->by_host)
		return STORE_OK;
	if (store_domain_get(f->store, line->domain, see_mode, &mode) ==
	    STORE_FAILED)
		return STORE_FAILED;
	return domain_mode_is_carried(mode) ? STORE_OK : STORE_NONE;
}

/* Of mail for others there is no tag to wait for. */
static enum store_result
keep(struct follower *f, const struct logged *logged)
{
	enum store_result result =
	    store_domain_get(f->store, logged->domain, NULL, NULL);

	if (result == STORE_OK)
		result = store_log_without_tag_add(f->store, logged, f->now);
	return result == STORE_FAILED ? STORE_FAILED : STORE_OK;
}

static enum store_result
settle_recipient(struct follower *f, const struct logged *logged)
{
	enum store_result result = store_logged(f->store, logged, f->settled);

	return result == STORE_NONE ? keep(f, logged) : result;
}

/* A message that odmrd carried is done with before odmrd says so. */
static enum store_result
end_tag(struct follower *f, const struct logged *logged)
{
	enum domain_mode mode = MODE_BACKUP;

	if (logged->event == MAIL_REMOVED &&
	    store_domain_get(f->store, logged->domain, see_mode, &mode) ==
		STORE_FAILED)
		return STORE_FAILED;
	if (domain_mode_is_carried(mode))
		return STORE_OK;
	return store_logged_end(f->store, logged, f->settled);
}

struct ending {
	struct follower *follower;
	struct logged logged;
	enum store_result result;
};

static void
end_domain(const char *domain, void *arg)
{
	struct ending *ending = arg;

	ending->logged.domain = domain;
	if (ending->result != STORE_FAILED)
		ending->result = end_tag(ending->follower, &ending->logged);
}

static enum store_result
end_message(struct follower *f, const struct logged *logged)
{
	struct ending ending = { f, *logged, STORE_OK };

	if (store_held_domains(
		f->store, logged->queue_id, end_domain, &ending) != STORE_OK ||
	    ending.result == STORE_FAILED)
		return STORE_FAILED;
	return store_log_without_tag_end(f->store, logged, f->now);
}

static enum store_result
settle_line(struct follower *f, char *text)
{
	struct mail_log_line line = { 0 };
	enum store_result filtered;
	struct logged logged;

	if (!mail_log_line_read(&line, text))
		return STORE_OK;
	logged = (struct logged) {
		.queue_id = line.queue_id,
		.domain = line.domain,
		.event = line.event,
		.local = line.local,
		.answer = line.answer,
		.when = mail_log_time(line.stamp, f->now),
	};
	if (line.event > MAIL_DEFERRED)
		return end_message(f, &logged);
	if (is_odmrds(&line))
		return STORE_OK;
	filtered = was_filtered(f, &line);
	return filtered == STORE_NONE ? settle_recipient(f, &logged) : filtered;
}

/* ---- what was logged before its tag came --------------------------------- */

struct replay {
	struct follower *follower;
	enum store_result result;
};

static void
settle_kept(const struct logged *logged, void *arg)
{
	struct replay *replay = arg;
	struct follower *f = replay->follower;

	if (replay->result == STORE_FAILED)
		return;
	if (logged->event > MAIL_DEFERRED)
		replay->result = end_tag(f, logged);
	else
		replay->result = store_logged(f->store, logged, f->settled);
}

/* Before the next lines: these are later. */
static enum store_result
replay(struct follower *f)
{
	struct replay replay = { f, STORE_OK };

	if (store_log_without_tag_each(f->store, settle_kept, &replay) !=
		STORE_OK ||
	    replay.result == STORE_FAILED)
		return STORE_FAILED;
	return store_log_without_tag_forget(f->store, f->now);
}

/* ---- some lines -----------------------------------------------------------
 */

/* The lines in the first `len` bytes of the chunk. */
static enum store_result
settle_lines(struct follower *f, size_t len)
{
	char *line = f->chunk, *end = f->chunk + len, *newline;
	enum store_result result = STORE_OK;

	for (; line < end && result != STORE_FAILED; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		*newline = '\0';
		result = settle_line(f, line);
	}
	if (result == STORE_FAILED)
		return STORE_FAILED;
	return store_log_position_put(f->store, f->path, &f->position);
}

static enum store_result
check_position(struct follower *f)
{
	struct log_position now = { 0 };

	if (store_log_position_get(f->store, f->path, &now) == STORE_FAILED)
		return STORE_FAILED;
	f->overtaken = now.inode != f->saved.inode ||
	    now.offset != f->saved.offset ||
	    strcmp(now.cursor, f->saved.cursor) != 0;
	return f->overtaken ? STORE_NONE : STORE_OK;
}

bool
follower_settle(struct follower *f, size_t len)
{
	enum store_result result = store_begin(f->store);
	int64_t began = pause_clock();

	if (result != STORE_OK)
		return fail_store(f);
	result = check_position(f);
	if (result == STORE_OK)
		result = replay(f);
	if (result == STORE_OK)
		result = settle_lines(f, len);
	if (result == STORE_OK)
		result = store_commit(f->store);
	else
		store_rollback(f->store);
	pause_since(began);
	f->saved = f->position;
	return result == STORE_OK || (fail_store(f), false);
}

/* ---- where the lines are ------------------------------------------------- */

static bool
follow(struct follower *f)
{
	f->overtaken = false;
	f->saved = (struct log_position) { 0 };
	if (store_log_position_get(f->store, f->path, &f->saved) ==
	    STORE_FAILED)
		return fail_store(f);
	f->position = f->saved;
	if (!follower_settle(f, 0))
		return false;
	return conf_has_journal(f->conf) ? follow_journal(f) : follow_file(f);
}

bool
mail_log_follow(const struct conf *conf, struct store *store,
    struct settled *settled, char *error, size_t size)
{
	struct follower f = {
		.conf = conf,
		.path = conf->mail_log,
		.store = store,
		.settled = settled,
		.now = time(NULL),
		.error = error,
		.error_size = size,
	};
	bool ok;

	if (conf->mail_log[0] == '\0')
		return true;
	f.chunk = malloc(FOLLOWER_CHUNK_SIZE);
	if (f.chunk == NULL)
		return follower_fail(&f, f.path, "out of memory");
	do
		ok = follow(&f);
	while (!ok && f.overtaken);
	free(f.chunk);
	return ok;
}
