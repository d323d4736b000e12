/* SPDX-License-Identifier: ISC */
/*
 * The connections of the mail system, and the loop that serves them all: one
 * thread, which never waits for anything but them: whatever the state of the
 * databases, every packet is answered at once. Signals come into the loop as
 * well.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>

/* Before any thread is started, so that none gets the signals. False, with
 * errno: it cannot start. */
bool server_init(int listener);
/* Returns when SIGTERM or SIGINT comes; calls `reload` at SIGHUP. False, with
 * errno: it cannot go on. */
bool server_run(void (*reload)(void *arg), void *arg);
/* Closes everything. */
void server_end(void);

#endif
