/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "odmrd/jobs/server.h"
#include "reply_queue.h"
#include "transaction.h"

enum {
	QUIT_MS = 60000,
	NOOP_MS = 30000,
	TLS_MS = 10000,      /* fetchmail does not let TLS through at all, */
	EHLO_TLS_MS = 30000, /* ... or by chance the handshake alone */
	SIZE_MIN = 16,
};

static void
on_timeout(void *arg)
{
	struct reply_queue *q = arg;

	q->failed(q->customer, "timeout");
}

bool
reply_queue_init(struct reply_queue *q, struct server *server,
    reply_queue_failed *failed, struct customer *customer)
{
	*q = (struct reply_queue) {
		.server = server,
		.failed = failed,
		.customer = customer,
		.timer = timer_new(server->loop, on_timeout, q),
	};
	return q->timer != NULL;
}

void
reply_queue_free(struct reply_queue *q)
{
	timer_free(&q->timer);
	free(q->all);
}

struct expected *
reply_queue_at(const struct reply_queue *q, size_t i)
{
	return i < q->count ? &q->all[(q->head + i) & (q->size - 1)] : NULL;
}

enum expect
reply_queue_last(const struct reply_queue *q)
{
	return reply_queue_at(q, q->count - 1)->what;
}

static bool
grow(struct reply_queue *q)
{
	size_t size = q->size > 0 ? 2 * q->size : SIZE_MIN;
	struct expected *all = calloc(size, sizeof(*all));

	if (all == NULL)
		return false;
	for (size_t i = 0; i < q->count; i++)
		all[i] = *reply_queue_at(q, i);
	free(q->all);
	q->all = all;
	q->head = 0;
	q->size = size;
	return true;
}

bool
reply_queue_put(struct reply_queue *q, enum expect what, struct transaction *tx,
    size_t rcpt)
{
	if (q->count == q->size && !grow(q)) {
		q->failed(q->customer, "out-of-memory");
		return false;
	}
	q->count++;
	*reply_queue_at(q, q->count - 1) = (struct expected) { what, tx, rcpt };
	if (tx != NULL)
		tx->expected++;
	if (q->count == 1)
		reply_queue_arm(q, false);
	return true;
}

struct expected
reply_queue_take(struct reply_queue *q)
{
	struct expected e = q->all[q->head];

	q->head = (q->head + 1) & (q->size - 1);
	q->count--;
	return e;
}

static int64_t
time_for(enum expect what, const struct conf *conf)
{
	int64_t ms = conf->customer_timeout * 1000;

	switch (what) {
	case EXPECT_QUIT:
		return QUIT_MS;
	case EXPECT_NOOP:
		return NOOP_MS;
	case EXPECT_LAST:
	case EXPECT_DOT:
		return conf->data_done_timeout * 1000;
	case EXPECT_STARTTLS:
	case EXPECT_TLS:
		return ms < TLS_MS ? ms : TLS_MS;
	case EXPECT_EHLO_TLS:
		return ms < EHLO_TLS_MS ? ms : EHLO_TLS_MS;
	default:
		return ms;
	}
}

void
reply_queue_arm(struct reply_queue *q, bool sending)
{
	const struct expected *first = reply_queue_at(q, 0);

	if (first == NULL && !sending)
		timer_stop(q->timer);
	else
		timer_set(q->timer,
		    time_for(first != NULL ? first->what : EXPECT_CHUNK,
			q->server->conf));
}

void
reply_queue_stop(struct reply_queue *q)
{
	timer_stop(q->timer);
}
