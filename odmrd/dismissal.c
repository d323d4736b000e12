/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "customer.h"
#include "dismissal.h"
#include "log.h"

/* Belongs to the worker until done() has it back. */
struct dismissal {
	struct job job;
	struct server *server;
	char (*ids)[SESSION_ID_SIZE];
	size_t count;
	bool complete;
	char error[256];
};

static void
on_marked(const char *id, void *arg)
{
	struct dismissal *d = arg;
	void *ids;

	if (strlen(id) >= SESSION_ID_SIZE)
		return;
	ids = reallocarray(d->ids, d->count + 1, sizeof(d->ids[0]));
	if (ids == NULL)
		return;
	d->ids = ids;
	strcpy(d->ids[d->count++], id);
}

static void
work(struct job *job, struct store *store)
{
	struct dismissal *d = (struct dismissal *)job;

	d->complete = store_session_stopping(store, on_marked, d) == STORE_OK;
	if (!d->complete)
		strlcpy(d->error, store_error(store), sizeof(d->error));
}

static void
dismiss(struct server *server, const char *id)
{
	struct customer *c;

	TAILQ_FOREACH(c, &server->customers, entry)
		if (strcmp(c->who.id, id) == 0) {
			customer_stop(c, "ended-by-operator");
			return;
		}
}

static void
done(struct job *job)
{
	struct dismissal *d = (struct dismissal *)job;

	if (!d->complete)
		log_error(NULL, "SIGUSR1: no session is ended: %s", d->error);
	for (size_t i = 0; d->complete && i < d->count; i++)
		dismiss(d->server, d->ids[i]);
	free(d->ids);
	free(d);
}

void
dismiss_marked(struct server *server)
{
	struct dismissal *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		log_error(NULL, "SIGUSR1: out of memory");
		return;
	}
	d->job.work = work;
	d->job.done = done;
	d->server = server;
	strcpy(d->error, "the database cannot be opened");
	worker_submit(server->worker, &d->job);
}
