/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "session.h"

void *
request_new(struct session *s, size_t size,
    void (*work)(struct job *job, struct store *store),
    void (*done)(struct job *job))
{
	struct request *r = calloc(1, size);

	if (r == NULL || !identity_copy(&r->who, &s->who)) {
		free(r);
		return NULL;
	}
	r->job.work = work;
	r->job.done = done;
	r->session = s;
	r->server = s->server;
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
	r->session->request = r;
	session_set_state(r->session, SESSION_ASKING);
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
	if (r->session != NULL)
		r->session->request = NULL;
}

void
request_cancel(struct session *s)
{
	if (s->request != NULL)
		s->request->session = NULL;
	s->request = NULL;
}
