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

#include "odmrd/net/budget.h"
#include "lib/conf.h"
#include "odmrd/net/loop.h"
#include "worker.h"

struct reconciler;
struct queue_count;
struct control;
struct customer;
struct dials;
struct flusher;
struct memory_queue;
struct peers;
struct registry;
struct client;
struct settle;
struct standing_watch;
struct shares;
struct tls;

enum { HASHERS = 2 /* threads */ };

struct server {
	const struct conf *conf;
	struct loop *loop;
	struct worker *worker;
	struct worker *hasher; /* for jobs that hash passwords */
	struct settle *settle;
	struct flusher *flusher;
	struct reconciler *reconciler;
	struct queue_count *queue_count;
	struct queue_count
	    *patient_queue_count; /* for sessions, not for clients */
	struct registry *registry;
	struct dials *dials;
	struct shares *shares; /* of Postfix's deliveries */
	struct peers *peers;
	struct tls *tls_client; /* towards customers' servers */
	struct tls *tls;        /* NULL: no certificate, no STARTTLS */
	Gsasl *sasl;
	uid_t postfix_uid;
	struct budget budget;        /* for the bodies of all sessions */
	struct memory_queue *memory; /* who waits for some of it */
	struct control *control;
	struct standing_watch *standing;
	unsigned rechecks; /* of everybody's standing, begun so far */
	bool stopping;
	/* A session or customer has ended; a stopping server may be done. */
	void (*one_less)(struct server *server);
	struct timer *stop_timer;
	struct later grave;  /* of the control socket */
	struct timer *pulse; /* for the service manager's watchdog */
	TAILQ_HEAD(, client) clients;
	TAILQ_HEAD(, customer) customers;
};

#endif
