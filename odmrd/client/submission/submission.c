/* SPDX-License-Identifier: ISC */
/*
 * The link to the smtpd. What happens here sets states only; the callbacks,
 * which the loop calls, let the session go on when all is done.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/log.h"
#include "odmrd/client/client.h"
#include "submission.h"

enum { REPLY_LINE_MAX = 4096 };

static const char lost_answer[] =
    "451 4.3.0 Cannot submit mail now, try again later";

/* ---- states ------------------------------------------------------------- */

void
submission_set_state(struct submission *sub, enum submission_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "closed", "greeting", "ehlo",
		"xclient", "welcome", "ready", "asked", "body" };
	const struct conf *conf = sub->client->server->conf;

	log_state(sub->client->who.id, "submission", NULL, names[sub->state],
	    names[state]);
	sub->state = state;
	switch (state) {
	case SUBMISSION_CLOSED:
	case SUBMISSION_READY:
	case SUBMISSION_BODY: /* which sets timers by itself */
		timer_stop(sub->timer);
		break;
	case SUBMISSION_GREETING:
	case SUBMISSION_EHLO:
	case SUBMISSION_XCLIENT:
	case SUBMISSION_WELCOME:
		timer_set(sub->timer, conf->submission_timeout * 1000);
		break;
	case SUBMISSION_ASKED:
		timer_set(sub->timer,
		    (sub->asked == ASKED_END ? conf->data_done_timeout
					     : conf->submission_timeout) *
			1000);
		break;
	}
}

void
submission_hold_client(struct submission *sub)
{
	client_set_state(sub->client, CLIENT_ASKING);
	timer_stop(sub->client->timer);
}

/* The session takes input again where it may. */
static void
resume(struct submission *sub)
{
	struct client *cl = sub->client;

	if (cl->state == CLIENT_KNOWN || cl->state == CLIENT_BODY)
		client_continue(cl, cl->state);
}

/* ---- the end of the link ------------------------------------------------ */

void
submission_drop(struct submission *sub)
{
	link_abort(&sub->link);
	sub->reply = (struct reply) { 0 };
	free(sub->mail);
	sub->mail = NULL;
	if (sub->envelope == ENVELOPE_OPEN)
		sub->envelope = ENVELOPE_LOST;
	submission_set_state(sub, SUBMISSION_CLOSED);
}

void
submission_greeted(struct submission *sub)
{
	void (*then)(struct client *) = sub->then;

	sub->then = NULL;
	sub->envelope = ENVELOPE_NONE;
	client_set_state(sub->client, CLIENT_KNOWN);
	then(sub->client);
}

static void
tell_client(struct submission *sub, enum submission_state was)
{
	switch (was) {
	case SUBMISSION_CLOSED:
	case SUBMISSION_READY:
		break;
	case SUBMISSION_BODY:
		/* The client does not listen before the end of it. */
		sub->answer = lost_answer;
		submission_set_state(sub, SUBMISSION_BODY);
		break;
	case SUBMISSION_GREETING:
	case SUBMISSION_EHLO:
	case SUBMISSION_XCLIENT:
	case SUBMISSION_WELCOME:
		if (sub->then != NULL) {
			submission_greeted(sub);
			break;
		}
		/* FALLTHROUGH */
	case SUBMISSION_ASKED:
		client_set_state(sub->client, CLIENT_KNOWN);
		client_reply(sub->client, "%s", lost_answer);
		break;
	}
}

void
submission_fail(struct submission *sub, const char *fmt, ...)
{
	const struct client *cl = sub->client;
	enum submission_state was = sub->state;
	bool over = was == SUBMISSION_ASKED && sub->asked == ASKED_END;
	char why[REPLY_TEXT_SIZE + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	/* An smtpd need not wait for a client that does nothing. */
	if (was != SUBMISSION_READY || sub->envelope == ENVELOPE_OPEN)
		log_warning(cl->who.id, "submission_server %s: %s",
		    cl->server->conf->submission_server, why);
	submission_drop(sub);
	if (over)
		sub->envelope = ENVELOPE_NONE;
	tell_client(sub, was);
}

void
submission_close(struct client *cl)
{
	struct submission *sub = cl->submission;

	if (sub == NULL)
		return;
	if (sub->state == SUBMISSION_READY) {
		link_printf(sub->link, "QUIT\r\n");
		link_close(&sub->link);
	}
	submission_drop(sub);
	sub->then = NULL;
	sub->envelope = ENVELOPE_NONE;
}

void
submission_free(struct submission **sub)
{
	if (*sub == NULL)
		return;
	timer_free(&(*sub)->timer);
	free((*sub)->mail);
	free(*sub);
	*sub = NULL;
}

/* ---- callbacks ---------------------------------------------------------- */

static void
on_input(void *owner)
{
	struct submission *sub = owner;
	char *line;
	size_t len;
	bool more = true;

	while (more && sub->link != NULL)
		switch (
		    link_line(sub->link, REPLY_LINE_MAX, true, &line, &len)) {
		case LINE_NONE:
			more = false;
			break;
		case LINE_OK:
			submission_reply_line(sub, line, len);
			break;
		case LINE_LONG:
		case LINE_BAD:
			submission_fail(sub, "reply too long or malformed");
			break;
		}
	resume(sub);
}

static void
on_drained(void *owner)
{
	struct submission *sub = owner;

	if (sub->state == SUBMISSION_BODY)
		resume(sub);
}

static void
on_ended(void *owner, const char *why)
{
	struct submission *sub = owner;

	submission_fail(sub, "%s", why);
	resume(sub);
}

static void
on_timeout(void *arg)
{
	struct submission *sub = arg;

	submission_fail(sub, "timeout");
	resume(sub);
}

static const struct link_role submission_role = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
};

/* ---- the beginning ------------------------------------------------------ */

static bool
find_server(
    const struct conf *conf, struct address *server, char *error, size_t size)
{
	const char *list = conf->submission_server;
	struct address another;
	int found = address_next(&list, server, error, size);

	if (found == 1)
		found = address_next(&list, &another, error, size) == 0;
	else if (found == 0)
		snprintf(error, size, "no address");
	if (found == 0 && error[0] == '\0')
		snprintf(error, size, "\"%.80s\" is more than one address",
		    conf->submission_server);
	return found == 1;
}

bool
submission_check(const struct conf *conf, char *error, size_t size)
{
	struct address server;

	error[0] = '\0';
	return !conf->submission || find_server(conf, &server, error, size);
}

struct submission *
submission_get(struct client *cl)
{
	struct submission *sub = cl->submission;

	if (sub != NULL)
		return sub;
	sub = calloc(1, sizeof(*sub));
	if (sub != NULL)
		sub->timer = timer_new(cl->server->loop, on_timeout, sub);
	if (sub == NULL || sub->timer == NULL) {
		free(sub);
		client_reply(cl, "451 4.3.0 Out of memory");
		return NULL;
	}
	sub->client = cl;
	cl->submission = sub;
	return sub;
}

void
submission_open(struct submission *sub)
{
	struct server *server = sub->client->server;
	char error[256] = "";
	struct address address;

	submission_set_state(sub, SUBMISSION_GREETING);
	submission_hold_client(sub);
	if (!find_server(server->conf, &address, error, sizeof(error))) {
		submission_fail(sub, "%s", error);
		return;
	}
	sub->link =
	    link_connect(server->loop, (const struct sockaddr *)&address.addr,
		address.len, &submission_role, sub);
	if (sub->link == NULL)
		submission_fail(sub, "%s", strerror(errno));
}

/* ---- asking ------------------------------------------------------------- */

void
submission_expect(struct submission *sub, enum asked asked)
{
	sub->asked = asked;
	submission_set_state(sub, SUBMISSION_ASKED);
	submission_hold_client(sub);
	/* What came before it was asked for is no answer. */
	if (link_has_input(sub->link))
		submission_fail(sub, "replies before it is asked");
}

void
submission_send(struct submission *sub, enum asked asked, const char *line)
{
	submission_expect(sub, asked);
	if (sub->state == SUBMISSION_ASKED)
		link_printf(sub->link, "%s\r\n", line);
}
