/* SPDX-License-Identifier: ISC */
/*
 * Listeners: TCP for customers, unix sockets for Postfix. Accepted sockets are
 * non-blocking and close on exec.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <sys/socket.h>
#include <sys/types.h>

#include "loop.h"

struct listener;

/* `fd` is the callee's. `peer` is the address, or NULL on a unix socket. */
typedef void listener_accept(
    int fd, const struct sockaddr *peer, socklen_t len, void *arg);

/* Both return NULL with errno set. A unix socket has mode 0660; a file that is
 * there under its name is replaced, and closing the listener removes it. */
struct listener *listener_tcp(struct loop *loop, const struct sockaddr *addr,
    socklen_t len, listener_accept *accepted, void *arg);
struct listener *listener_unix(
    struct loop *loop, const char *path, listener_accept *accepted, void *arg);
void listener_free(struct listener **listener);

/* The user at the other end of a unix socket, or (uid_t)-1. */
uid_t peer_uid(int fd);

#endif
