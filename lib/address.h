/* SPDX-License-Identifier: ISC */
/*
 * Addresses as configured: "192.0.2.1:366", "[2001:db8::1]:366", and "*:366"
 * for every IPv4 address of the host ("[::]:366" for every IPv6 one).
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[80]; /* as it was written */
};

/*
 * Takes the next address of the comma-separated list at `*list` and moves
 * `*list` behind it. Returns 1, 0 at the end of the list, or -1 with one line
 * in `error`.
 */
int address_next(
    const char **list, struct address *out, char *error, size_t size);

#endif
