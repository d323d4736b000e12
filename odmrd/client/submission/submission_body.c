/* SPDX-License-Identifier: ISC */
/*
 * The client's message on its way to the smtpd: as it is, dots and all, up to
 * its end, which must be the same to both of us.
 *
 * Law: a message by DATA has no bare CR or LF. There are servers that take
 * LF.CRLF, or CRLF.CR CRLF, for the end of a message; what the client wrote
 * behind it would be commands then, ours to the smtpd that trusts us.
 */
#include "odmrd/client/client.h"
#include "submission.h"

enum { UNSENT_MAX = 65536, STRETCH = 8192 };

/* While the smtpd does not keep up, the time is its own; else the client's. */
static void
arm(struct submission *sub, bool full)
{
	const struct conf *conf = sub->client->server->conf;

	if (full) {
		timer_stop(sub->client->timer);
		timer_set(sub->timer, conf->submission_timeout * 1000);
	} else {
		timer_stop(sub->timer);
		timer_set(sub->client->timer, conf->command_time_limit * 1000);
	}
}

static bool
is_bare(struct submission *sub, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((sub->last == '\r') != (bytes[i] == '\n'))
			return true;
		sub->last = bytes[i];
	}
	return false;
}

static void
refuse_bare(struct submission *sub)
{
	link_abort(&sub->link);
	sub->envelope = ENVELOPE_NONE;
	sub->answer = "550 5.6.0 The message has a CR or LF that is not part "
		      "of a CRLF";
}

/* How much of `n` bytes is the message's. */
static size_t
measure(struct submission *sub, const char *bytes, size_t n, bool *ended)
{
	char content[STRETCH + 1];
	size_t len;

	if (sub->counted) {
		if ((int64_t)n > sub->octets_left)
			n = (size_t)sub->octets_left;
		sub->octets_left -= (int64_t)n;
		*ended = sub->octets_left == 0;
		return n;
	}
	if (n > STRETCH)
		n = STRETCH;
	n = dot_decode(&sub->dot, bytes, n, content, &len);
	*ended = sub->dot.state == DOT_END;
	if (sub->answer == NULL && is_bare(sub, bytes, n))
		refuse_bare(sub);
	return n;
}

static void
finish(struct submission *sub)
{
	struct client *cl = sub->client;

	if (sub->answer == NULL) {
		submission_expect(sub, sub->counted ? sub->asked : ASKED_END);
		return;
	}
	/* A lost transaction ends with its message. */
	if (sub->link == NULL && (!sub->counted || sub->asked == ASKED_END))
		sub->envelope = ENVELOPE_NONE;
	submission_set_state(
	    sub, sub->link != NULL ? SUBMISSION_READY : SUBMISSION_CLOSED);
	client_set_state(cl, CLIENT_KNOWN);
	client_reply(cl, "%s", sub->answer);
	sub->answer = NULL;
}

bool
submission_body(struct client *cl)
{
	struct submission *sub = cl->submission;
	bool ended = sub->counted && sub->octets_left == 0;
	bool full = sub->answer == NULL && link_unsent(sub->link) > UNSENT_MAX;
	const char *bytes;
	size_t n = full || ended ? 0 : link_peek(cl->link, &bytes);

	arm(sub, full);
	if (n > 0) {
		n = measure(sub, bytes, n, &ended);
		if (sub->answer == NULL)
			link_write(sub->link, bytes, n);
		link_consume(cl->link, n);
	}
	if (ended)
		finish(sub);
	return n > 0 || ended;
}
