/* SPDX-License-Identifier: ISC */
/*
 * libmilter, and the signals. It serves all connections with threads of its own
 * (Debian's: one that polls the idle ones, and as many others as have something
 * to say at the same time; elsewhere one for each connection). What has to be
 * known of it:
 *
 * - A thread of it waits for SIGHUP, SIGTERM and SIGINT, and each of them is
 *   the end. This takes up to five seconds, in which sessions get no answer. So
 *   smfi_main is not in the main thread: that one waits for the same signals,
 *   and Linux gives them to the main thread first. Only of two signals that
 *   come at once libmilter may get one, and then the end takes so long.
 *   SIGHUP, of which it would die, is ignored; SIGUSR1 is ours.
 * - smfi_stop waits as long. It is not called: the process ends while
 *   libmilter's threads run, and until then mail is answered.
 * - Without a file descriptor accept(2) is called over and over, and without a
 *   thread a session is never answered: mail would wait. So connections are
 *   bounded, below both, when they begin to speak. Against those that never do,
 *   and whatever else may jam it, the service manager's watchdog is told that
 *   we live only while libmilter sees connections to their end.
 * - A connection that stops within a packet keeps a thread, and others may wait
 *   for it. Postfix writes whole ones; whoever else reaches the socket can stop
 *   the milter so, until the watchdog sees it.
 * - What it has to say goes to syslog(3): see main.c.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>

/* The signals, before any thread is started, so that none gets them. */
void server_init(void);
/* Serves the socket (socket.h) from now on; `name` is its. False: no thread. */
bool server_start(const char *name);
/* Returns when SIGTERM or SIGINT comes; calls `reload`
 * at SIGUSR1. False: libmilter cannot go on, and the log says why. */
bool server_run(const char *name, void (*reload)(void *arg), void *arg);

#endif
