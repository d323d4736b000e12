/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "customer.h"
#include "hello.h"
#include "lmtp.h"

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
	};
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].keyword) == len &&
		    strncasecmp(line, known[i].keyword, len) == 0)
			c->caps |= known[i].cap;
	if (len == 4 && strncasecmp(line, "SIZE ", 5) == 0)
		c->size_limit = strtoll(line + 5, NULL, 10);
}

static void
be_ready(struct customer *c)
{
	struct lmtp *lmtp, *next;
	const unsigned both = CAP_PIPELINING | CAP_CHUNKING;

	if ((c->caps & both) == both)
		c->pipeline.plan = PLAN_CHUNKING;
	else if (c->caps & CAP_PIPELINING)
		c->pipeline.plan = PLAN_PIPELINING;
	customer_set_state(c, CUSTOMER_READY);
	drain_begin(c);
	TAILQ_FOREACH_SAFE(lmtp, &c->lmtps, entry, next)
	lmtp_greet(lmtp);
}

void
hello_greeting(struct customer *c, const struct reply *reply)
{
	if (reply->code != 220) {
		customer_lost(c, "greeting-refused");
		return;
	}
	customer_set_state(c, CUSTOMER_EHLO);
	link_printf(c->link, "EHLO %s\r\n", c->server->conf->myhostname);
	customer_expect(c, EXPECT_EHLO, NULL, 0);
}

void
hello_ehlo(struct customer *c, const struct reply *reply)
{
	if (reply_class(reply) == 2)
		be_ready(c);
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
	if (reply_class(reply) == 2)
		be_ready(c);
	else
		customer_lost(c, "helo-refused");
}
