/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "customer.h"
#include "hello.h"
#include "lmtp.h"
#include "log.h"

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
	if (len == 4 && strncasecmp(line, "SIZE ", 5) == 0)
		c->size_limit = strtoll(line + 5, NULL, 10);
}

/* The best that the customer offers, within dequeue_mode: some servers offer
 * what they cannot do. */
static enum pipeline_plan
best_plan(const struct customer *c)
{
	static const enum pipeline_plan most[] = {
		[DEQUEUE_AUTO] = PLAN_CHUNKING,
		[DEQUEUE_CHUNKING] = PLAN_CHUNKING,
		[DEQUEUE_PIPELINING] = PLAN_PIPELINING,
		[DEQUEUE_LOCKSTEP] = PLAN_LOCKSTEP,
	};
	enum pipeline_plan plan = PLAN_LOCKSTEP;

	if (c->caps & CAP_PIPELINING)
		plan = c->caps & CAP_CHUNKING ? PLAN_CHUNKING : PLAN_PIPELINING;
	return plan < most[c->server->conf->dequeue_mode]
	    ? plan
	    : most[c->server->conf->dequeue_mode];
}

static void
be_ready(struct customer *c)
{
	struct lmtp *lmtp, *next;

	c->pipeline.plan = best_plan(c);
	customer_set_state(c, CUSTOMER_READY);
	drain_begin(c);
	TAILQ_FOREACH_SAFE(lmtp, &c->lmtps, entry, next)
		lmtp_greet(lmtp);
}

static void
send_ehlo(struct customer *c)
{
	c->caps = 0;
	c->size_limit = 0;
	customer_set_state(c, CUSTOMER_EHLO);
	link_printf(c->link, "EHLO %s\r\n", c->server->conf->myhostname);
	customer_expect(c, EXPECT_EHLO, NULL, 0);
}

void
hello_greeting(struct customer *c, const struct reply *reply)
{
	if (reply->code == 220)
		send_ehlo(c);
	else
		customer_lost(c, "greeting-refused");
}

/* ---- TLS towards the customer's server ---------------------------------- */

static bool
known_to_fail(const struct customer *c)
{
	const struct server *server = c->server;

	for (size_t i = 0; i < REVERSE_TLS_FAILED; i++)
		if (server->reverse_tls_failed[i] == c->who.account)
			return true;
	return false;
}

/* With "may", TLS that does not work must not keep the mail away: the next
 * session of this account goes without. */
void
hello_failed(struct customer *c)
{
	struct server *server = c->server;

	if (c->state != CUSTOMER_SECURING)
		return;
	log_warning(c->who.id, "TLS with the customer's server failed%s",
	    server->conf->reverse_tls == REVERSE_TLS_MAY
		? ", the next session goes without"
		: "");
	server->reverse_tls_failed[server->reverse_tls_next] = c->who.account;
	server->reverse_tls_next =
	    (server->reverse_tls_next + 1) % REVERSE_TLS_FAILED;
}

/* Goes on without TLS, if that is allowed. */
static void
go_without(struct customer *c)
{
	if (c->server->conf->reverse_tls == REVERSE_TLS_REQUIRE)
		customer_lost(c, "no-reverse-tls");
	else
		be_ready(c);
}

static void
secure_or_go_on(struct customer *c)
{
	long policy = c->server->conf->reverse_tls;

	if (link_tls_version(c->link) != NULL)
		be_ready(c);
	else if (!(c->caps & CAP_STARTTLS) || policy == REVERSE_TLS_NONE ||
	    (policy == REVERSE_TLS_MAY && known_to_fail(c)))
		go_without(c);
	else {
		customer_set_state(c, CUSTOMER_SECURING);
		link_printf(c->link, "STARTTLS\r\n");
		customer_expect(c, EXPECT_STARTTLS, NULL, 0);
	}
}

/* Nothing read before the handshake survives it. */
static void
refuse_input(struct customer *c)
{
	hello_failed(c);
	customer_lost(c, "input-before-tls");
}

void
hello_starttls(struct customer *c, const struct reply *reply)
{
	if (reply->code != 220)
		go_without(c);
	else if (link_has_input(c->link))
		refuse_input(c);
	else if (!link_start_tls(c->link, c->server->tls_client, TLS_CLIENT))
		customer_lost(c, "out-of-memory");
}

void
hello_secured(struct customer *c)
{
	send_ehlo(c);
}

/* ---- EHLO and HELO ------------------------------------------------------- */

void
hello_ehlo(struct customer *c, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		secure_or_go_on(c);
	else if (reply_class(reply) == 5) {
		/* RFC 5321 3.2: an old server is greeted the old way. */
		customer_set_state(c, CUSTOMER_HELO);
		link_printf(
		    c->link, "HELO %s\r\n", c->server->conf->myhostname);
		customer_expect(c, EXPECT_HELO, NULL, 0);
	} else
		customer_lost(c, "ehlo-refused");
}

void
hello_helo(struct customer *c, const struct reply *reply)
{
	if (reply_class(reply) != 2)
		customer_lost(c, "helo-refused");
	else if (link_tls_version(c->link) != NULL)
		be_ready(c);
	else
		go_without(c);
}
