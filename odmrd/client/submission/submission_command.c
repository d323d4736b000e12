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
#include "odmrd/client/client.h"
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
make_line(struct client *cl, const char *prefix, const char *args,
    char line[COMMAND_MAX])
{
	const char *keyword = strchr(prefix, ' ') + 1, *path = args,
		   *end = NULL;
	size_t len = strlen(keyword);

	if (strlen(prefix) + strlen(args) >= COMMAND_MAX) {
		client_refuse(cl, "500 5.5.2 Line too long");
		return false;
	}
	if (strncasecmp(args, keyword, len) == 0) {
		path += len + strspn(args + len, " \t");
		end = behind_path(path);
	}
	if (end == NULL || strchr(" \t", *end) == NULL) {
		client_refuse(cl, "501 5.5.4 Syntax: %s<address>", prefix);
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
pass_mail(struct client *cl, const char *line)
{
	struct submission *sub = cl->submission;

	if (sub->state == SUBMISSION_READY) {
		submission_send(sub, ASKED_MAIL, line);
		return;
	}
	sub->envelope = ENVELOPE_NONE;
	sub->mail = strdup(line);
	if (sub->mail == NULL)
		client_reply(cl, "451 4.3.0 Out of memory");
	else
		submission_open(sub);
}

static void
mail_done(struct job *job)
{
	struct mail *mail = (struct mail *)job;
	struct request *request = &mail->request;
	struct client *cl = request->client;

	if (cl == NULL) {
		request_free(request);
		return;
	}
	request_over(request);
	client_set_state(cl, CLIENT_KNOWN);
	if (request->result == STORE_OK)
		pass_mail(cl, mail->line);
	else if (request->result == STORE_NONE)
		client_dismiss(cl, STANDING_LOST);
	else {
		log_error(cl->who.id, "MAIL: %s", request->error);
		client_reply(
		    cl, "451 4.3.0 Cannot submit mail now, try again later");
	}
	if (cl->state == CLIENT_KNOWN)
		client_continue(cl, CLIENT_KNOWN);
	request_free(request);
}

void
submission_mail(struct client *cl, char *args)
{
	struct submission *sub = submission_get(cl);
	struct mail *mail;
	char line[COMMAND_MAX];

	if (sub == NULL || !make_line(cl, "MAIL FROM:", args, line))
		return;
	mail = request_new(cl, sizeof(*mail), mail_work, mail_done);
	if (mail == NULL) {
		client_reply(cl, "451 4.3.0 Out of memory");
		return;
	}
	strcpy(mail->line, line);
	submission_hold_client(sub);
	request_submit(&mail->request);
}

/* The submission that has a transaction; otherwise says why there is none. */
static struct submission *
in_mail(struct client *cl)
{
	struct submission *sub = cl->submission;

	if (sub == NULL || sub->envelope == ENVELOPE_NONE)
		client_refuse(cl, "%s", need_mail);
	else if (sub->envelope == ENVELOPE_LOST)
		client_reply(cl, "%s", lost_mail);
	else
		return sub;
	return NULL;
}

void
submission_rcpt(struct client *cl, char *args)
{
	struct submission *sub = in_mail(cl);
	char line[COMMAND_MAX];

	if (sub != NULL && make_line(cl, "RCPT TO:", args, line))
		submission_send(sub, ASKED_RCPT, line);
}

void
submission_data(struct client *cl, char *args)
{
	struct submission *sub = in_mail(cl);

	if (sub == NULL)
		return;
	if (args[0] != '\0')
		client_refuse(cl, "501 5.5.4 DATA takes no argument");
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
submission_bdat(struct client *cl, char *args)
{
	struct submission *sub = submission_get(cl);
	char line[64];
	bool last;

	if (sub == NULL || !read_count(args, &sub->octets_left, &last)) {
		client_reply(cl, "501 5.5.4 Syntax: BDAT count [LAST]");
		client_end(cl, "octets-of-unknown-count");
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
	client_set_state(cl, CLIENT_BODY);
}

static bool
pass_on(struct client *cl, const char *line)
{
	struct submission *sub = cl->submission;

	if (sub == NULL || sub->state != SUBMISSION_READY)
		return false;
	submission_send(sub, ASKED_OTHER, line);
	return true;
}

bool
submission_noop(struct client *cl)
{
	return pass_on(cl, "NOOP");
}

bool
submission_rset(struct client *cl)
{
	if (cl->submission != NULL)
		cl->submission->envelope = ENVELOPE_NONE;
	return pass_on(cl, "RSET");
}

bool
submission_has_mail(const struct client *cl)
{
	return cl->submission != NULL &&
	    cl->submission->envelope == ENVELOPE_OPEN;
}

bool
submission_ends(const struct client *cl)
{
	return cl->submission != NULL &&
	    cl->submission->state == SUBMISSION_ASKED &&
	    cl->submission->asked == ASKED_END;
}
