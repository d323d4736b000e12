/* SPDX-License-Identifier: ISC */
/*
 * Connections, made within a time. Each call returns a socket that blocks, and
 * on which each read and write fails after `seconds` as well; or -1 with one
 * line in `error`, or CONNECT_FORBIDDEN: this user may not.
 */
#ifndef CONNECT_H
#define CONNECT_H

#include <sys/socket.h>

enum { CONNECT_ERROR_SIZE = 256, CONNECT_FORBIDDEN = -2 };

/* errno tells, too. */
int connect_address(const struct sockaddr *, socklen_t, int seconds,
    char error[CONNECT_ERROR_SIZE]);
/* Any of the host's addresses, of both families, one after the other. */
int connect_host(const char *host, const char *port, int seconds,
    char error[CONNECT_ERROR_SIZE]);
/* "unix:/PATH", "inet:PORT@HOST", as milter_socket names it. */
int connect_socket(
    const char *name, int seconds, char error[CONNECT_ERROR_SIZE]);

#endif
