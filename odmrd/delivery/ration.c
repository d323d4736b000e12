/* SPDX-License-Identifier: ISC */
#include "customer.h"
#include "lmtp.h"
#include "ration.h"

static void
share_out(void *arg)
{
	struct server *server = arg;
	struct lmtp *last = TAILQ_LAST(&server->hungry, lmtp_list), *lmtp;
	bool more = last != NULL;

	/* Each once: who gets nothing queues again, behind the last. */
	while (more && (lmtp = TAILQ_FIRST(&server->hungry)) != NULL) {
		more = lmtp != last;
		ration_leave(lmtp);
		lmtp_resume(lmtp);
	}
}

bool
ration_init(struct server *server)
{
	TAILQ_INIT(&server->hungry);
	server->ration_timer = timer_new(server->loop, share_out, server);
	return server->ration_timer != NULL;
}

void
ration_free(struct server *server)
{
	timer_free(&server->ration_timer);
}

void
ration_wait(struct lmtp *lmtp)
{
	if (lmtp->hungry)
		return;
	lmtp->hungry = true;
	TAILQ_INSERT_TAIL(&lmtp->customer->server->hungry, lmtp, queue);
}

void
ration_leave(struct lmtp *lmtp)
{
	if (!lmtp->hungry)
		return;
	lmtp->hungry = false;
	TAILQ_REMOVE(&lmtp->customer->server->hungry, lmtp, queue);
}

void
ration_share(struct server *server)
{
	if (!TAILQ_EMPTY(&server->hungry))
		timer_set(server->ration_timer, 0);
}
