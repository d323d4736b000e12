/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "customer.h"
#include "hello.h"
#include "lib/log.h"
#include "lib/smtp/self.h"
#include "lmtp.h"
#include "odmrd/jobs/settle.h"
#include "workaround.h"

void
hello_learn(struct customer *c, const char *line)
{
	static const struct {
		const char *keyword;
		unsigned cap;
	} known[] = {
		{ "PIPELINING", CAP_PIPELINING },
		{ "CHUNKING", CAP_CHUNKING },
		{ "8BITMIME", CAP_8BITMIME },
		{ "SMTPUTF8", CAP_SMTPUTF8 },
		{ "DSN", CAP_DSN },
		{ "SIZE", CAP_SIZE },
		{ "STARTTLS", CAP_STARTTLS },
	};
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].keyword) == len &&
		    strncasecmp(line, known[i].keyword, len) == 0)
			c->caps |= known[i].cap;
}

/* The best that the customer offers, within dequeue_mode: some servers offer
 * what they cannot do. */
static enum plan
best_plan(const struct customer *c)
{
	static const enum plan most[] = {
		[DEQUEUE_AUTO] = PLAN_CHUNKING,
		[DEQUEUE_CHUNKING] = PLAN_CHUNKING,
		[DEQUEUE_PIPELINING] = PLAN_PIPELINING,
		[DEQUEUE_LOCKSTEP] = PLAN_LOCKSTEP,
	};
	enum plan plan = PLAN_LOCKSTEP;

	if (c->caps & CAP_PIPELINING && !avoids(c, AVOID_PIPELINING))
		plan = c->caps & CAP_CHUNKING && !avoids(c, AVOID_CHUNKING)
		    ? PLAN_CHUNKING
		    : PLAN_PIPELINING;
	return plan < most[c->server->conf->dequeue_mode]
	    ? plan
	    : most[c->server->conf->dequeue_mode];
}

static void
be_ready(struct customer *c)
{
	struct lmtp *lmtp, *next;
	bool again = c->ready;

	c->pipeline.plan = best_plan(c);
	c->ready = true;
	customer_set_state(c, CUSTOMER_READY);
	if (!again) {
		pace_begin(c);
		drain_begin(c);
		if (c->begun != NULL)
			c->begun(c);
	}
	TAILQ_FOREACH_SAFE(lmtp, &c->lmtps, entry, next)
		if (lmtp->state == LMTP_HELD)
			lmtp_greet(lmtp);
}

static void
send_ehlo(struct customer *c, enum expect reply)
{
	c->caps = 0;
	link_printf(c->link, "EHLO %s\r\n", c->server->conf->myhostname);
	reply_queue_put(&c->owed, reply, NULL, 0);
}

/* RFC 5321 3.2: an old server is greeted the old way. */
static void
send_helo(struct customer *c)
{
	c->caps = 0;
	c->helo = true;
	customer_set_state(c, CUSTOMER_HELO);
	link_printf(c->link, "HELO %s\r\n", c->server->conf->myhostname);
	reply_queue_put(&c->owed, EXPECT_HELO, NULL, 0);
}

static void
say_hello(struct customer *c)
{
	c->unasked = c->helo || avoids(c, AVOID_EHLO);
	if (c->unasked)
		send_helo(c);
	else {
		customer_set_state(c, CUSTOMER_EHLO);
		send_ehlo(c, EXPECT_EHLO);
	}
}

/* A mail guard that masks the banner does not let EHLO through, either. */
static bool
is_masked(const char *banner)
{
	return strstr(banner, "***") != NULL;
}

static void
on_past(struct history *past, void *arg)
{
	struct customer *c = arg;

	c->history = *past;
	*past = (struct history) { 0 };
	if (c->greeted)
		say_hello(c);
}

void
hello_prepare(struct customer *c)
{
	c->history.question = settle_ask_past(
	    c->server->settle, c->who.account, c->domains, on_past, c);
}

/* The first word of a greeting, and of a reply to EHLO or HELO, is the server's
 * name (RFC 5321 4.2, 4.1.1.1). */
static bool
is_loop(const struct customer *c, const struct reply *reply)
{
	int len = (int)strcspn(reply->text, " ");

	if (c->ourselves == NULL ||
	    !self_is_called(c->ourselves, reply->text, (size_t)len))
		return false;
	log_warning(c->who.id,
	    "mail for %s loops back to this host: %s is called %.*s",
	    c->domains, c->who.client, len, reply->text);
	return true;
}

const char *
hello_greeting(struct customer *c, const struct reply *reply)
{
	if (reply->code != 220)
		return "greeting-refused";
	if (is_loop(c, reply))
		return "loop";
	c->helo = is_masked(reply->text);
	c->greeted = c->history.question != NULL;
	if (!c->greeted)
		say_hello(c);
	return NULL;
}

/* ---- TLS towards the customer's server ---------------------------------- */

/* Goes on without TLS, if that is allowed. */
static const char *
go_without(struct customer *c)
{
	if (c->server->conf->reverse_tls == REVERSE_TLS_REQUIRE)
		return "no-reverse-tls";
	be_ready(c);
	return NULL;
}

static void
secure(struct customer *c)
{
	c->may_secure = false;
	customer_set_state(c, CUSTOMER_SECURING);
	link_printf(c->link, "STARTTLS\r\n");
	reply_queue_put(&c->owed, EXPECT_STARTTLS, NULL, 0);
}

static const char *
secure_or_go_on(struct customer *c)
{
	long policy = c->server->conf->reverse_tls;

	if (link_tls_version(c->link) != NULL)
		be_ready(c);
	else if (!(c->caps & CAP_STARTTLS) || policy == REVERSE_TLS_NONE)
		return go_without(c);
	else if (policy == REVERSE_TLS_MAY && avoids(c, AVOID_TLS) &&
	    !avoids(c, NEED_TLS)) {
		c->may_secure = true;
		be_ready(c);
	} else
		secure(c);
	return NULL;
}

/* Law: nothing read before the handshake survives it (RFC 3207 4.2). */
const char *
hello_starttls(struct customer *c, const struct reply *reply)
{
	if (reply->code != 220)
		return go_without(c);
	if (link_has_input(c->link)) {
		workaround_of_end(c, "input before TLS");
		return "input-before-tls";
	}
	if (!link_start_tls(c->link, c->server->tls_client, TLS_CLIENT))
		return "out-of-memory";
	reply_queue_put(&c->owed, EXPECT_TLS, NULL, 0);
	return NULL;
}

void
hello_secured(struct customer *c)
{
	reply_queue_take(&c->owed);
	/* TLS works when this is answered, and no sooner. */
	send_ehlo(c, EXPECT_EHLO_TLS);
}

/* ---- EHLO and HELO ------------------------------------------------------- */

/* RFC 5321 4.1.1.1: the first word of a reply to EHLO is the server's name. A
 * mail guard that hands NOOP on instead of EHLO brings that one's reply. */
static bool
is_of_noop(const struct reply *reply)
{
	size_t word = strcspn(reply->text, " ");

	return reply->lines == 1 &&
	    (strncmp(reply->text, "2.0.0", word) == 0 ||
		strncasecmp(reply->text, "ok", word) == 0);
}

const char *
hello_ehlo(struct customer *c, const struct reply *reply)
{
	if (reply_class(reply) == 2 && is_loop(c, reply))
		return "loop";
	c->unasked = is_of_noop(reply);
	if (reply_class(reply) == 5 || c->unasked)
		send_helo(c);
	else if (reply_class(reply) == 2)
		return secure_or_go_on(c);
	else
		return "ehlo-refused";
	return NULL;
}

const char *
hello_helo(struct customer *c, const struct reply *reply)
{
	if (reply_class(reply) != 2)
		return "helo-refused";
	if (is_loop(c, reply))
		return "loop";
	if (link_tls_version(c->link) == NULL)
		return go_without(c);
	be_ready(c);
	return NULL;
}

/* ---- another way --------------------------------------------------------- */

bool
hello_again(struct customer *c, const struct expected *e, int code)
{
	bool tls = code == 530 && c->caps & CAP_STARTTLS &&
	    link_tls_version(c->link) == NULL &&
	    c->server->conf->reverse_tls != REVERSE_TLS_NONE;
	bool helo = code == 503 && e->what == EXPECT_MAIL && !c->helo &&
	    c->pipeline.plan == PLAN_LOCKSTEP && c->tally.delivered == 0;

	if (tls)
		workaround_learn(c, NEED_TLS, true, "530 without TLS");
	if (helo)
		workaround_learn(c, AVOID_EHLO, true, "503 behind EHLO");
	if ((!tls && !helo) || e->what != EXPECT_MAIL || !pipeline_put_back(c))
		return false;
	c->unasked = helo;
	if (tls)
		secure(c);
	else
		send_helo(c);
	return true;
}
