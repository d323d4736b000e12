/* SPDX-License-Identifier: ISC */
/*
 * What the smtpd answers: to whom a reply goes, and what becomes of the
 * client's transaction by it.
 */
#include "odmrd/client/client.h"
#include "submission.h"

static bool
makes_sense(enum asked asked, const struct reply *reply)
{
	switch (reply_class(reply)) {
	case 2:
		return asked != ASKED_DATA;
	case 3:
		return asked == ASKED_DATA && reply->code == 354;
	default:
		return true;
	}
}

/* What becomes of the transaction. */
static void
follow(struct submission *sub, const struct reply *reply)
{
	struct client *cl = sub->client;
	bool taken = reply_class(reply) < 4;

	/* command_limit is for those who do nothing useful. */
	if (taken)
		cl->commands--;
	switch (sub->asked) {
	case ASKED_MAIL:
		if (taken)
			sub->envelope = ENVELOPE_OPEN;
		break;
	case ASKED_DATA:
		if (!taken)
			break;
		sub->counted = false;
		sub->dot = (struct dot) { 0 };
		sub->last = '\0';
		submission_set_state(sub, SUBMISSION_BODY);
		client_set_state(cl, CLIENT_BODY);
		break;
	case ASKED_END:
		sub->envelope = ENVELOPE_NONE;
		cl->who.submitted += taken;
		break;
	case ASKED_RCPT:
	case ASKED_OTHER:
		break;
	}
}

static void
pass_back(struct submission *sub, const struct reply *reply)
{
	struct client *cl = sub->client;

	if (!makes_sense(sub->asked, reply)) {
		submission_fail(
		    sub, "unexpected reply: %d %s", reply->code, reply->text);
		return;
	}
	client_reply(cl, "%d %s", reply->code, reply->text);
	/* RFC 5321 3.8: the smtpd closes, so the client has to begin anew. */
	if (reply->code == 421) {
		submission_drop(sub);
		client_end(cl, "closed-by-smtpd");
		return;
	}
	submission_set_state(sub, SUBMISSION_READY);
	client_set_state(cl, CLIENT_KNOWN);
	follow(sub, reply);
}

static void
on_reply(struct submission *sub)
{
	struct reply reply = sub->reply;

	sub->reply = (struct reply) { 0 };
	switch (sub->state) {
	case SUBMISSION_GREETING:
	case SUBMISSION_EHLO:
	case SUBMISSION_XCLIENT:
	case SUBMISSION_WELCOME:
		submission_begin(sub, &reply);
		break;
	case SUBMISSION_ASKED:
		pass_back(sub, &reply);
		break;
	case SUBMISSION_READY:
	case SUBMISSION_BODY:
	case SUBMISSION_CLOSED:
		submission_fail(
		    sub, "not asked for: %d %s", reply.code, reply.text);
		break;
	}
}

void
submission_reply_line(struct submission *sub, const char *line, size_t len)
{
	enum reply_result result = reply_line(&sub->reply, line, len);

	if (result == REPLY_BAD) {
		submission_fail(sub, "no SMTP reply: %.100s", line);
		return;
	}
	if (sub->reply.lines > 1)
		submission_learn(sub, line + 4);
	if (result == REPLY_DONE)
		on_reply(sub);
}
