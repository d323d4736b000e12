/* SPDX-License-Identifier: ISC */
/*
 * The operator ends a session ("odmrctl sessions end"): he marks its row in
 * state.db and sends SIGUSR1. What is in flight may finish, within
 * stop_timeout; then the customer hears QUIT.
 */
#ifndef DISMISSAL_H
#define DISMISSAL_H

struct server;

/* SIGUSR1 has come: ends the sessions that are marked. */
void dismiss_marked(struct server *server);

#endif
