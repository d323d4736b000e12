/* SPDX-License-Identifier: ISC */
#include "mail_journal.h"

#ifdef HAVE_LIBSYSTEMD
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <time.h>

/* All functions that return an int return what libsystemd does: an errno below
 * zero, or whether there is something. */

static int
match(sd_journal *journal, const char *field, unsigned value)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%u", field, value);
	return sd_journal_add_match(journal, text, 0);
}

/* Of different fields each must be so, of one field any of its values. */
static int
match_postfix(sd_journal *journal, const char *postfix_user)
{
	enum { FACILITY_MAIL = 2 };
	const struct passwd *pw = getpwnam(postfix_user);
	int r = match(journal, "SYSLOG_FACILITY", FACILITY_MAIL);

	if (r >= 0)
		r = match(journal, "_UID", 0);
	if (r >= 0 && pw != NULL)
		r = match(journal, "_UID", pw->pw_uid);
	return r;
}

static int
open_journal(sd_journal **journal, const char *postfix_user)
{
	int r =
	    sd_journal_open(journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

	if (r >= 0)
		r = sd_journal_seek_head(*journal);
	if (r >= 0)
		r = sd_journal_next(*journal);
	if (r == 0)
		return -EACCES;
	return r < 0 ? r : match_postfix(*journal, postfix_user);
}

/* To the first entry that is to be read. */
static int
seek(sd_journal *journal, const struct mail_journal_reader *reader,
    const char *cursor)
{
	int r;

	if (cursor[0] == '\0')
		r = sd_journal_seek_head(journal);
	else
		r = sd_journal_seek_cursor(journal, cursor);
	if (r >= 0)
		r = sd_journal_next(journal);
	if (r <= 0 || cursor[0] == '\0')
		return r;
	r = sd_journal_test_cursor(journal, cursor);
	if (r > 0)
		return sd_journal_next(journal);
	if (r == 0)
		reader->gone(reader->arg);
	return r < 0 ? r : 1;
}

/* It stays one line, whatever is in it. */
static size_t
append(char *line, size_t at, const char *text, size_t len)
{
	enum { END = MAIL_JOURNAL_LINE_MAX - 1 };

	for (size_t i = 0; i < len && at < END; i++)
		line[at++] = text[i] == '\n' || text[i] == '\0' ? '?' : text[i];
	return at;
}

static size_t
append_field(sd_journal *journal, char *line, size_t at, const char *name)
{
	size_t len, skip = strlen(name) + 1;
	const void *data;

	if (sd_journal_get_data(journal, name, &data, &len) < 0 || len < skip)
		return at;
	return append(line, at, (const char *)data + skip, len - skip);
}

/* The host and the process do not matter to who reads it. */
static size_t
write_line(sd_journal *journal, char *line, uint64_t usec)
{
	time_t when = (time_t)(usec / 1000000);
	struct tm tm;
	size_t at;

	gmtime_r(&when, &tm);
	at = strftime(line, MAIL_JOURNAL_LINE_MAX, "%FT%T+00:00 - ", &tm);
	at = append_field(journal, line, at, "SYSLOG_IDENTIFIER");
	at = append(line, at, "[0]: ", 5);
	at = append_field(journal, line, at, "MESSAGE");
	line[at++] = '\n';
	return at;
}

/* 0: the reader wants no more. */
static int
visit(sd_journal *journal, const struct mail_journal_reader *reader)
{
	char line[MAIL_JOURNAL_LINE_MAX];
	char *cursor = NULL;
	uint64_t usec;
	int r = sd_journal_get_realtime_usec(journal, &usec);

	if (r >= 0)
		r = sd_journal_get_cursor(journal, &cursor);
	if (r >= 0 && strlen(cursor) >= MAIL_JOURNAL_CURSOR_SIZE)
		r = -ENAMETOOLONG;
	if (r >= 0)
		r = reader->line(
		    reader->arg, line, write_line(journal, line, usec), cursor);
	free(cursor);
	return r;
}

bool
mail_journal_read(const struct mail_journal_reader *reader,
    const char *postfix_user, const char *cursor, const char **why)
{
	sd_journal *journal = NULL;
	int r = open_journal(&journal, postfix_user);

	if (r >= 0)
		r = seek(journal, reader, cursor);
	while (r > 0) {
		r = visit(journal, reader);
		if (r > 0)
			r = sd_journal_next(journal);
	}
	sd_journal_close(journal);
	if (r >= 0)
		return true;
	*why = r == -EACCES ? "nothing in it is readable for this user: see "
			      "group " MAIL_JOURNAL_GROUP
			    : strerror(-r);
	return false;
}
#else
bool
mail_journal_read(const struct mail_journal_reader *reader,
    const char *postfix_user, const char *cursor, const char **why)
{
	(void)reader;
	(void)postfix_user;
	(void)cursor;
	*why = "built without libsystemd";
	return false;
}
#endif
