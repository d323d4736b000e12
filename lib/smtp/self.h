/* SPDX-License-Identifier: ISC */
/*
 * The addresses of this host: those of its interfaces, all that are loopback,
 * and each of them as IPv6 maps it. Any thread may ask.
 */
#ifndef SELF_H
#define SELF_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

/* Would a connection there end here? Where the system does not tell: no. */
bool self_has(const struct sockaddr *address);

/* Is the word one of `ourselves`: names of this host, and addresses that it has
 * behind a translator of addresses, with white space or commas between? */
bool self_is_called(const char *ourselves, const char *word, size_t len);

#endif
