/* SPDX-License-Identifier: ISC */
/*
 * The control socket: how odmrctl and etrn-trigger speak with the odmrd that
 * runs. Only root and odmrd's own user are heard. A command is a line of words,
 * its answer some lines, the last of which begins with "ok" or "error":
 *
 *	recheck
 *		Something was taken away: asks about everybody in session.
 *		"ended ID LOGIN" for each that is told to end; "ok"
 *	sessions
 *		"session ID STATE SINCE CLIENT LOGIN" for each that has logged
 *		in and not turned the line (those that have are in the
 *		database); "strangers COUNT": the others; "ok"
 *	end ID
 *		"ended ID LOGIN", or nothing: there is no such session; "ok"
 *	dial DOMAIN
 *		Somebody who may has asked for the mail of this domain on hold:
 *		its server is dialled (delivery/dial.h), as soon as can be; "ok"
 *
 * Commands may follow each other on one connection. Behind an "error" it is
 * closed, and when it has been silent for half a minute.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct control;
struct server;

/* Can there be such a socket? Otherwise false with one line in `error`. */
bool control_check(const char *path, char *error, size_t size);

/* NULL with errno set; EADDRINUSE: a process answers there; EEXIST: something
 * else than a socket is there. */
struct control *control_new(struct server *server, const char *path);
/* Whoever waits for an answer gets none. Not to be called within a callback. */
void control_free(struct control **control);

#endif
