/* SPDX-License-Identifier: ISC */
/*
 * What one odmrd has only one of. Owned by main.c; everybody borrows it.
 */
#ifndef SERVER_H
#define SERVER_H

#include <sys/queue.h>
#include <sys/types.h>

#include <gsasl.h>
#include <stdbool.h>

#include "conf.h"
#include "loop.h"
#include "worker.h"

struct customer;
struct flusher;
struct registry;
struct session;
struct settle;
struct tls;

struct server {
	const struct conf *conf;
	struct loop *loop;
	struct worker *worker;
	struct settle *settle;
	struct flusher *flusher;
	struct registry *registry;
	struct tls *tls; /* NULL: no certificate, no STARTTLS */
	Gsasl *sasl;
	uid_t postfix_uid;
	bool stopping;
	struct timer *stop_timer;
	TAILQ_HEAD(, session) sessions;
	TAILQ_HEAD(, customer) customers;
};

/* A session or customer has ended; a stopping server may now be done. */
void server_one_less(struct server *server);

#endif
