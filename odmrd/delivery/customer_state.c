/* SPDX-License-Identifier: ISC */
/* The state of a session: what its parts, and who gives it mail, see of it. */
#include "customer.h"
#include "lib/log.h"

void
customer_set_state(struct customer *c, enum customer_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "claimed", "greeting", "ehlo",
		"helo", "securing", "ready", "lingering", "quitting", "ended" };

	log_state(c->who.id, "customer", NULL, names[c->state], names[state]);
	c->state = state;
	session_row_state(c);
}

bool
customer_takes_mail(const struct customer *c)
{
	return c->ready && c->state <= CUSTOMER_LINGERING &&
	    c->stopping == NULL;
}

void
customer_wake(struct customer *c)
{
	if (c->state != CUSTOMER_LINGERING)
		return;
	linger_end(&c->linger);
	customer_set_state(c, CUSTOMER_READY);
}

uint64_t
customer_pulse(const struct customer *c)
{
	return c->replies + (c->link != NULL ? link_taken(c->link) : 0);
}
