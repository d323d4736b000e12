/* SPDX-License-Identifier: ISC */
/*
 * The connections of the mail system, and the loop that serves them all: one
 * thread, which never waits for anything but them. Signals come into the loop
 * as well.
 *
 * The end of a message is answered when its note is written, but after
 * SERVER_WAIT_MS at the latest; and once that was not enough, at once, until
 * notes are written quickly again. So a database that is locked, slow or gone
 * delays one message by milliseconds, and the others not at all.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>

enum { SERVER_WAIT_MS = 20 };

/* Before any thread is started, so that none gets the signals. -1, with errno,
 * or the eventfd for the writer. */
int server_init(int listener);
/* Returns when SIGTERM or SIGINT comes; calls `reload` at SIGHUP. False, with
 * errno: it cannot go on. */
bool server_run(void (*reload)(void *arg), void *arg);
/* Closes everything. */
void server_end(void);

#endif
