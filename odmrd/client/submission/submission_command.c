/* SPDX-License-Identifier: ISC */
/*
 * The client's commands on their way to the smtpd. Each line is put together
 * anew, with the verb as we know it; MAIL loses its AUTH= parameter, for whom
 * a message is from is what XCLIENT says.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "odmrd/client/session.h"
#include "odmrd/client/standing.h"
#include "submission.h"

/* RFC 5321 4.5.3.1.4, with room for what extensions may add. */
enum { COMMAND_MAX = 2000, COUNT_DIGITS = 18 };

static const char need_mail[] = "503 5.5.1 Need MAIL command";
static const char lost_mail[] =
    "451 4.3.0 The mail server was lost, begin again";

/* ---- the lines ---------------------------------------------------------- */

/* What stands behind the path at `path`, or NULL if it has no end. */
static const char *
behind_path(const char *path)
{
	bool quoted = false;

	if (*path != '<')
		return NULL;
	for (path++; *path != '\0'; path++)
		if (*path == '\\' && path[1] != '\0')
			path++;
		else if (*path == '"')
			quoted = !quoted;
		else if (*path == '>' && !quoted)
			return path + 1;
	return NULL;
}

static bool
is_auth(const char *word, size_t len)
{
	return len >= 4 && strncasecmp(word, "AUTH", 4) == 0 &&
	    (len == 4 || word[4] == '=');
}

/* Copies the parameters with one space before each. */
static void
copy_parameters(const char *from, char *to)
{
	size_t len;

	for (from += strspn(from, " \t"); *from != '\0';
	     from += len + strspn(from + len, " \t")) {
		len = strcspn(from, " \t");
		if (is_auth(from, len))
			continue;
		*to++ = ' ';
		to = mempcpy(to, from, len);
	}
	*to = '\0';
}

/* "MAIL FROM:<path> parameters" and the like; false if it cannot be that. */
static bool
make_line(struct session *s, const char *prefix, const char *args,
    char line[COMMAND_MAX])
{
	const char *keyword = strchr(prefix, ' ') + 1, *path = args,
		   *end = NULL;
	size_t len = strlen(keyword);

	if (strlen(prefix) + strlen(args) >= COMMAND_MAX) {
		session_refuse(s, "500 5.5.2 Line too long");
		return false;
	}
	if (strncasecmp(args, keyword, len) == 0) {
		path += len + strspn(args + len, " \t");
		end = behind_path(path);
	}
	if (end == NULL || strchr(" \t", *end) == NULL) {
		session_refuse(s, "501 5.5.4 Syntax: %s<address>", prefix);
		return false;
	}
	line = stpcpy(line, prefix);
	copy_parameters(end, mempcpy(line, path, (size_t)(end - path)));
	return true;
}

/* ---- the commands ------------------------------------------------------- */

/* A MAIL, while the database is asked whether the client may still send. */
struct mail {
	struct request request;
	char line[COMMAND_MAX];
};

static void
mail_work(struct job *job, struct store *store)
{
	struct request *request = (struct request *)job;

	request->result = standing_ask(store, &request->who);
	request_fault(request, store);
}

static void
pass_mail(struct session *s, const char *line)
{
	struct submission *sub = s->submission;

	if (sub->state == SUBMISSION_READY) {
		submission_send(sub, ASKED_MAIL, line);
		return;
	}
	sub->envelope = ENVELOPE_NONE;
	sub->mail = strdup(line);
	if (sub->mail == NULL)
		session_reply(s, "451 4.3.0 Out of memory");
	else
		submission_open(sub);
}

static void
mail_done(struct job *job)
{
	struct mail *mail = (struct mail *)job;
	struct request *request = &mail->request;
	struct session *s = request->session;

	if (s == NULL) {
		request_free(request);
		return;
	}
	request_over(request);
	session_set_state(s, SESSION_KNOWN);
	if (request->result == STORE_OK)
		pass_mail(s, mail->line);
	else if (request->result == STORE_NONE)
		session_dismiss(s, STANDING_LOST);
	else {
		log_error(s->who.id, "MAIL: %s", request->error);
		session_reply(
		    s, "451 4.3.0 Cannot submit mail now, try again later");
	}
	if (s->state == SESSION_KNOWN)
		session_continue(s, SESSION_KNOWN);
	request_free(request);
}

void
submission_mail(struct session *s, char *args)
{
	struct submission *sub = submission_get(s);
	struct mail *mail;
	char line[COMMAND_MAX];

	if (sub == NULL || !make_line(s, "MAIL FROM:", args, line))
		return;
	mail = request_new(s, sizeof(*mail), mail_work, mail_done);
	if (mail == NULL) {
		session_reply(s, "451 4.3.0 Out of memory");
		return;
	}
	strcpy(mail->line, line);
	submission_hold_client(sub);
	request_submit(&mail->request);
}

/* The submission that has a transaction; otherwise says why there is none. */
static struct submission *
in_mail(struct session *s)
{
	struct submission *sub = s->submission;

	if (sub == NULL || sub->envelope == ENVELOPE_NONE)
		session_refuse(s, "%s", need_mail);
	else if (sub->envelope == ENVELOPE_LOST)
		session_reply(s, "%s", lost_mail);
	else
		return sub;
	return NULL;
}

void
submission_rcpt(struct session *s, char *args)
{
	struct submission *sub = in_mail(s);
	char line[COMMAND_MAX];

	if (sub != NULL && make_line(s, "RCPT TO:", args, line))
		submission_send(sub, ASKED_RCPT, line);
}

void
submission_data(struct session *s, char *args)
{
	struct submission *sub = in_mail(s);

	if (sub == NULL)
		return;
	if (args[0] != '\0')
		session_refuse(s, "501 5.5.4 DATA takes no argument");
	else
		submission_send(sub, ASKED_DATA, "DATA");
}

/* "count [LAST]" */
static bool
read_count(const char *args, int64_t *count, bool *last)
{
	size_t digits = strspn(args, "0123456789");
	const char *rest = args + digits;

	if (digits == 0 || digits > COUNT_DIGITS)
		return false;
	*count = strtoll(args, NULL, 10);
	*last = *rest != '\0';
	if (!*last)
		return true;
	return (*rest == ' ' || *rest == '\t') &&
	    strcasecmp(rest + strspn(rest, " \t"), "LAST") == 0;
}

/* RFC 3030 2: the octets follow at once, whatever the answer will be; so those
 * of a chunk that nobody can take have to be read, too. */
void
submission_bdat(struct session *s, char *args)
{
	struct submission *sub = submission_get(s);
	char line[64];
	bool last;

	if (sub == NULL || !read_count(args, &sub->octets_left, &last)) {
		session_reply(s, "501 5.5.4 Syntax: BDAT count [LAST]");
		session_end(s, "octets-of-unknown-count");
		return;
	}
	if (sub->link != NULL && link_has_input(sub->link))
		submission_fail(sub, "replies before it is asked");
	if (sub->envelope == ENVELOPE_NONE)
		sub->answer = need_mail;
	else if (sub->envelope == ENVELOPE_LOST)
		sub->answer = lost_mail;
	else if (strcasestr(sub->offers, "CHUNKING\n") == NULL)
		sub->answer = "502 5.5.1 BDAT is not offered";
	else {
		snprintf(line, sizeof(line), "BDAT %lld%s\r\n",
		    (long long)sub->octets_left, last ? " LAST" : "");
		link_write(sub->link, line, strlen(line));
	}
	sub->counted = true;
	sub->asked = last ? ASKED_END : ASKED_OTHER;
	submission_set_state(sub, SUBMISSION_BODY);
	session_set_state(s, SESSION_BODY);
}

static bool
pass_on(struct session *s, const char *line)
{
	struct submission *sub = s->submission;

	if (sub == NULL || sub->state != SUBMISSION_READY)
		return false;
	submission_send(sub, ASKED_OTHER, line);
	return true;
}

bool
submission_noop(struct session *s)
{
	return pass_on(s, "NOOP");
}

bool
submission_rset(struct session *s)
{
	if (s->submission != NULL)
		s->submission->envelope = ENVELOPE_NONE;
	return pass_on(s, "RSET");
}

bool
submission_has_mail(const struct session *s)
{
	return s->submission != NULL &&
	    s->submission->envelope == ENVELOPE_OPEN;
}

bool
submission_ends(const struct session *s)
{
	return s->submission != NULL &&
	    s->submission->state == SUBMISSION_ASKED &&
	    s->submission->asked == ASKED_END;
}
