/* SPDX-License-Identifier: ISC */
/*
 * A request: what a client waits for, one at a time, while a worker asks the
 * database, or something that follows from its answer is on its way. Where the
 * session ends first, the request loses it, and is still brought to its end by
 * whoever has it. It begins the struct of each kind of request.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "odmrd/delivery/identity.h"
#include "odmrd/jobs/worker.h"

struct server;
struct client;

struct request {
	struct job job; /* while a worker has it, its alone but for `client` */
	struct client *client; /* NULL: it has ended */
	struct server *server;
	struct identity who;      /* as it was then */
	enum store_result result; /* STORE_FAILED until a worker tells */
	char error[256];          /* of STORE_FAILED */
};

/* Of `size` bytes, zero behind the struct request. NULL: out of memory. */
void *request_new(struct client *client, size_t size,
    void (*work)(struct job *job, struct store *store),
    void (*done)(struct job *job));
void request_free(struct request *request);

/* The client waits for it, in CLIENT_ASKING. */
void request_submit(struct request *request);
/* On the worker: what `store` cannot do is this request's fault. */
void request_fault(struct request *request, const struct store *store);
/* The client waits for it no longer. */
void request_over(struct request *request);
/* The session ends. */
void request_cancel(struct client *client);

#endif
