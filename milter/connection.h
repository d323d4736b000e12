/* SPDX-License-Identifier: ISC */
/*
 * One connection of the mail system: bytes come in, packets go to its session,
 * answers go out. While an answer has to wait, packets that come do too.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <sys/queue.h>

#include "session.h"

struct connection {
	TAILQ_ENTRY(connection) entry; /* among all, or among the buried */
	TAILQ_ENTRY(connection)
	waiting; /* among those with an answer to wait */
	int fd;
	bool dead;
	struct session session;
	struct answer answer; /* `after` is not 0: it waits */
	int64_t deadline;     /* until then */
	char *input;
	size_t used;
	size_t room;
};

TAILQ_HEAD(connections, connection);

/* Takes `fd` over. NULL: out of memory, and it is closed. */
struct connection *connection_new(int fd);
void connection_free(struct connection *connection);

/* Reads what is there. False: that was the end. */
bool connection_read(struct connection *connection);
/* Handles packets until there is none, or an answer waits. False: the end. */
bool connection_work(struct connection *connection);
/* Sends the answer that waited. False: the end. */
bool connection_answer(struct connection *connection);

#endif
