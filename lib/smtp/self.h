/* SPDX-License-Identifier: ISC */
/*
 * The addresses of this host: those of its interfaces, all that are loopback,
 * and each of them as IPv6 maps it. Any thread may ask.
 */
#ifndef SELF_H
#define SELF_H

#include <sys/socket.h>

#include <stdbool.h>

/* Would a connection there end here? Where the system does not tell: no. */
bool self_has(const struct sockaddr *address);

#endif
