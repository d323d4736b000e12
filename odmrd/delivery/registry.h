/* SPDX-License-Identifier: ISC */
/*
 * The registry: which customer has which domain. A claim is one domain with
 * its unix socket; the socket's existence is the session.
 *
 * Law: a domain has at most one customer; registry_claim and registry_release
 * are the only writers.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <sys/queue.h>

#include "lib/domain.h"
#include "odmrd/net/loop.h"

struct customer;
struct listener;
struct registry;
struct server;

struct claim {
	struct later grave;
	TAILQ_ENTRY(claim) entry; /* in the customer */
	struct customer *customer;
	struct listener *listener;
	char name[DOMAIN_SIZE];
};

enum claim_result {
	CLAIM_OK,
	CLAIM_TAKEN,  /* another session has the domain */
	CLAIM_FAILED, /* no socket; logged */
};

/* The process's directory must be conf->socket_directory: sockets are bound by
 * their bare names, so that its length does not count (sun_path). */
struct registry *registry_new(struct server *server);
void registry_free(struct registry **registry);

/* Removes the sockets that a dead process left in the current directory. */
void registry_sweep(void);

/* Gives `customer` the domain, or nothing changes. */
enum claim_result registry_claim(struct registry *registry,
    struct customer *customer, const char *name, const char *socket);
/* Who has the domain, or NULL. */
struct customer *registry_find(struct registry *registry, const char *name);
/* Takes all of the customer's domains away; their sockets vanish. */
void registry_release(struct registry *registry, struct customer *customer);

#endif
