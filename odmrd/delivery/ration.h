/* SPDX-License-Identifier: ISC */
/*
 * Who waits for memory. A connection from Postfix whose transaction may not
 * grow stops reading and queues here; when some transaction is done, or a
 * session has nothing to send, those that wait try again, the oldest first.
 * Postfix meanwhile waits as it would for any slow server.
 */
#ifndef RATION_H
#define RATION_H

#include <stdbool.h>

struct lmtp;
struct server;

/* False: out of memory. */
bool ration_init(struct server *server);
void ration_free(struct server *server);

void ration_wait(struct lmtp *lmtp);
void ration_leave(struct lmtp *lmtp);
/* There may be something to share out: soon, not from within the caller. */
void ration_share(struct server *server);

#endif
