/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "client.h"

void *
request_new(struct client *cl, size_t size,
    void (*work)(struct job *job, struct store *store),
    void (*done)(struct job *job))
{
	struct request *r = calloc(1, size);

	if (r == NULL || !identity_copy(&r->who, &cl->who)) {
		free(r);
		return NULL;
	}
	r->job.work = work;
	r->job.done = done;
	r->job.account = cl->who.account;
	r->client = cl;
	r->server = cl->server;
	r->result = STORE_FAILED;
	strcpy(r->error, "no database");
	return r;
}

void
request_free(struct request *r)
{
	free(r->who.login);
	free(r);
}

void
request_submit(struct request *r)
{
	r->client->request = r;
	client_set_state(r->client, CLIENT_ASKING);
	worker_submit(r->server->worker, &r->job);
}

void
request_fault(struct request *r, const struct store *store)
{
	if (r->result == STORE_FAILED)
		strlcpy(r->error, store_error(store), sizeof(r->error));
}

void
request_over(struct request *r)
{
	if (r->client != NULL)
		r->client->request = NULL;
}

void
request_cancel(struct client *cl)
{
	if (cl->request != NULL)
		cl->request->client = NULL;
	cl->request = NULL;
}
