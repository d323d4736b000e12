/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "customer.h"
#include "hello.h"
#include "lib/log.h"
#include "workaround.h"

enum { REPLY_LINE_MAX = 4096 };

static void
dispatch(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	const char *why = NULL;

	switch (e->what) {
	case EXPECT_GREETING:
		why = hello_greeting(c, reply);
		break;
	case EXPECT_EHLO:
	case EXPECT_EHLO_TLS:
		why = hello_ehlo(c, reply);
		break;
	case EXPECT_HELO:
		why = hello_helo(c, reply);
		break;
	case EXPECT_STARTTLS:
		why = hello_starttls(c, reply);
		break;
	case EXPECT_NOOP: /* whatever it is: the line lives */
	case EXPECT_RSET:
	case EXPECT_TLS:
		break;
	case EXPECT_QUIT:
		why = "quit";
		break;
	case EXPECT_MAIL:
	case EXPECT_RCPT:
	case EXPECT_DATA:
	case EXPECT_CHUNK:
	case EXPECT_LAST:
	case EXPECT_DOT:
		pipeline_reply(c, e, reply);
		break;
	}
	if (why != NULL)
		customer_lost(c, why);
}

/* A server that counts what is no mail says so in reply to it. */
static void
learn_from_closing(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	if (e->what == EXPECT_RSET)
		workaround_learn(c, AVOID_RSET, true, reply->text);
	else if (e->what == EXPECT_NOOP)
		workaround_learn(c, AVOID_NOOP, true, reply->text);
}

/* RSET cannot be refused: it is counted, or the reply is to something else. */
static void
learn_from_rset(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	if (reply->code < 505)
		workaround_of_noise(c);
	else
		learn_from_closing(c, e, reply);
}

/* Is the reply about the session? Then `reply` is what Postfix may hear. Which
 * state a refused RSET leaves nobody knows. */
static bool
is_barred(struct customer *c, const struct expected *e, struct reply *reply)
{
	int code = reply->code;

	if (e->what == EXPECT_RSET && reply_class(reply) == 5) {
		learn_from_rset(c, e, reply);
		return true;
	}
	if (e->tx == NULL || pipeline_weigh(c, e, reply) != REFUSAL_OF_SESSION)
		return false;
	workaround_of_refusal(c, e, code);
	return true;
}

/* RFC 5321 3.8: 421 may come at any point, and the line closes then. What the
 * reply was for is still in the FIFO and hears the reason. */
static void
on_closing(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	log_info(c->who.id, "customer closes: %s", reply->text);
	learn_from_closing(c, e, reply);
	if (e->tx != NULL)
		tx_answer_rest(e->tx, false, 451, reply->text);
	customer_broken(c, "closed-by-customer");
}

/* It cannot go on like this. */
static void
on_barred(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	if (e->tx != NULL) {
		tx_answer_rest(e->tx, false, reply->code, reply->text);
		e->tx->fault = FAULT_LIKELY;
	}
	customer_broken(c, "out-of-step");
}

static void
on_unasked(struct customer *c, const struct reply *reply)
{
	log_warning(c->who.id, "unasked for: %d %s", reply->code, reply->text);
	workaround_of_noise(c);
	customer_broken(
	    c, reply->code == 421 ? "closed-by-customer" : "unasked-reply");
}

static void
on_reply(struct customer *c)
{
	struct reply reply = c->reply;
	const struct expected *first = reply_queue_at(&c->owed, 0);
	const struct expected e =
	    first != NULL ? *first : (struct expected) { 0 };
	int code = reply.code;

	c->reply = (struct reply) { 0 };
	c->replies++;
	if (first == NULL)
		on_unasked(c, &reply);
	else if (code == 421 && e.what != EXPECT_QUIT)
		on_closing(c, &e, &reply);
	else if (!pipeline_understands(&e, &reply)) {
		log_warning(
		    c->who.id, "unexpected reply: %d %s", code, reply.text);
		customer_broken(c, "bad-reply");
	} else if (is_barred(c, &e, &reply)) {
		if (!hello_again(c, &e, code))
			on_barred(c, &e, &reply);
	} else {
		reply_queue_take(&c->owed);
		if (reply_class(&reply) == 2)
			c->refused.id[0] = '\0';
		dispatch(c, &e, &reply);
		customer_say_quit(c);
	}
}

static void
on_reply_line(struct customer *c, const char *line, size_t len)
{
	const struct expected *owed = reply_queue_at(&c->owed, 0);
	bool first = c->reply.lines == 0;

	switch (reply_line(&c->reply, line, len)) {
	case REPLY_MORE:
	case REPLY_DONE:
		break;
	case REPLY_BAD:
		log_warning(c->who.id, "no SMTP reply: %.100s", line);
		customer_broken(c, "bad-reply");
		return;
	}
	if (!first && len > 4 && owed != NULL && c->reply.code == 250 &&
	    (owed->what == EXPECT_EHLO || owed->what == EXPECT_EHLO_TLS))
		hello_learn(c, line + 4);
	if (len < 4 || line[3] == ' ')
		on_reply(c);
}

static void
arm(struct customer *c)
{
	if (c->state != CUSTOMER_ENDED)
		reply_queue_arm(&c->owed, c->pipeline.current != NULL);
}

static void
on_input(void *owner)
{
	struct customer *c = owner;
	uint64_t replies = c->replies;
	char *line;
	size_t len;

	while (c->state != CUSTOMER_ENDED)
		switch (link_line(c->link, REPLY_LINE_MAX, true, &line, &len)) {
		case LINE_NONE:
			pipeline_run(c);
			/* A part of a reply buys no time. */
			if (c->replies != replies)
				arm(c);
			return;
		case LINE_OK:
			on_reply_line(c, line, len);
			break;
		case LINE_LONG:
		case LINE_BAD:
			customer_broken(c, "bad-reply");
			break;
		}
}

static void
on_drained(void *owner)
{
	struct customer *c = owner;

	pipeline_run(c);
	arm(c);
}

static void
on_ended(void *owner, const char *why)
{
	struct customer *c = owner;

	if (c->state != CUSTOMER_QUITTING)
		log_info(c->who.id, "line lost: %s", why);
	customer_broken(c, "lost");
}

static void
on_secured(void *owner)
{
	hello_secured(owner);
}

static const struct link_role customer_role = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};

void
customer_turn(struct customer *c, struct link *link)
{
	c->link = link;
	link_hand_over(link, &customer_role, c);
	link_quick_ack(link);
	customer_set_state(c, CUSTOMER_GREETING);
	hello_prepare(c);
	reply_queue_put(&c->owed, EXPECT_GREETING, NULL, 0);
}
