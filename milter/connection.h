/* SPDX-License-Identifier: ISC */
/*
 * One connection of the mail system: bytes come in, packets go to its session,
 * answers go out.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <sys/queue.h>

#include "session.h"

struct connection {
	LIST_ENTRY(connection) entry;
	int fd;
	struct session session;
	char *input;
	size_t used;
	size_t room;
};

LIST_HEAD(connections, connection);

/* Takes `fd` over. NULL: out of memory, and it is closed. */
struct connection *connection_new(int fd);
void connection_free(struct connection *connection);

/* Reads what is there, and answers the packets that are complete. False: that
 * was the end. */
bool connection_receive(struct connection *connection);

#endif
