/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "blame.h"
#include "customer_reply.h"
#include "hello.h"
#include "lib/log.h"
#include "workaround.h"

enum {
	REPLY_LINE_MAX = 4096,
	QUIT_MS = 60000,
	NOOP_MS = 30000,
	SECURE_MS = 10000, /* fetchmail does not let TLS through at all */
	FIFO_MIN = 16,
};

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void
customer_arm(struct customer *c)
{
	const struct conf *conf = c->server->conf;
	bool waiting = c->fifo_count > 0 || c->pipeline.current != NULL ||
	    c->state == CUSTOMER_SECURING;
	enum expect next =
	    c->fifo_count > 0 ? c->fifo[c->fifo_head].what : EXPECT_CHUNK;

	progress_watch(c);
	if (c->state == CUSTOMER_ENDED)
		return;
	if (!waiting)
		timer_stop(c->timer);
	else if (next == EXPECT_QUIT)
		timer_set(c->timer, QUIT_MS);
	else if (next == EXPECT_NOOP)
		timer_set(c->timer, NOOP_MS);
	else if (next == EXPECT_LAST || next == EXPECT_DOT)
		timer_set(c->timer, conf->data_done_timeout * 1000);
	else if (c->state == CUSTOMER_SECURING)
		timer_set(
		    c->timer, least(SECURE_MS, conf->customer_timeout * 1000));
	else
		timer_set(c->timer, conf->customer_timeout * 1000);
}

static bool
grow_fifo(struct customer *c)
{
	size_t size = c->fifo_size > 0 ? 2 * c->fifo_size : FIFO_MIN;
	struct expected *fifo = calloc(size, sizeof(*fifo));

	if (fifo == NULL)
		return false;
	for (size_t i = 0; i < c->fifo_count; i++)
		fifo[i] = c->fifo[(c->fifo_head + i) & (c->fifo_size - 1)];
	free(c->fifo);
	c->fifo = fifo;
	c->fifo_head = 0;
	c->fifo_size = size;
	return true;
}

bool
customer_expect(
    struct customer *c, enum expect what, struct transaction *tx, size_t rcpt)
{
	size_t at;

	if (c->fifo_count == c->fifo_size && !grow_fifo(c)) {
		customer_lost(c, "out-of-memory");
		return false;
	}
	at = (c->fifo_head + c->fifo_count++) & (c->fifo_size - 1);
	c->fifo[at] = (struct expected) { what, tx, rcpt };
	if (tx != NULL)
		tx->expected++;
	if (c->fifo_count == 1)
		customer_arm(c);
	return true;
}

struct expected
customer_next_expected(struct customer *c)
{
	struct expected e = c->fifo[c->fifo_head];

	c->fifo_head = (c->fifo_head + 1) & (c->fifo_size - 1);
	c->fifo_count--;
	return e;
}

enum expect
customer_last_expected(const struct customer *c)
{
	size_t at = c->fifo_head + c->fifo_count - 1;

	return c->fifo[at & (c->fifo_size - 1)].what;
}

void
customer_broken(struct customer *c, const char *reason)
{
	workaround_of_end(c, reason);
	blame(c);
	customer_lost(c, reason);
}

void
customer_overdue(void *arg)
{
	customer_broken(arg, "timeout");
}

static void
dispatch(
    struct customer *c, const struct expected *e, const struct reply *reply)
{
	switch (e->what) {
	case EXPECT_GREETING:
		hello_greeting(c, reply);
		break;
	case EXPECT_EHLO:
		hello_ehlo(c, reply);
		break;
	case EXPECT_HELO:
		hello_helo(c, reply);
		break;
	case EXPECT_STARTTLS:
		hello_starttls(c, reply);
		break;
	case EXPECT_NOOP: /* whatever it is: the line lives */
		break;
	case EXPECT_QUIT:
		customer_lost(c, "quit");
		break;
	case EXPECT_RSET:
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
	const struct expected e =
	    c->fifo_count > 0 ? c->fifo[c->fifo_head] : (struct expected) { 0 };
	int code = reply.code;

	c->reply = (struct reply) { 0 };
	c->replies++;
	if (c->fifo_count == 0)
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
		customer_next_expected(c);
		if (reply_class(&reply) == 2)
			c->refused.id[0] = '\0';
		dispatch(c, &e, &reply);
		customer_say_quit(c);
	}
}

static void
on_reply_line(struct customer *c, const char *line, size_t len)
{
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
	if (!first && len > 4 && c->fifo_count > 0 &&
	    c->fifo[c->fifo_head].what == EXPECT_EHLO && c->reply.code == 250)
		hello_learn(c, line + 4);
	if (len < 4 || line[3] == ' ')
		on_reply(c);
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
				customer_arm(c);
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
	customer_arm(c);
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

const struct link_role customer_role = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};
