/* SPDX-License-Identifier: ISC */
/*
 * Networks of clients in CIDR notation: "192.0.2.0/24", "2001:db8::/32"; an
 * address alone is the network of just that one. An IPv4 address that comes
 * mapped into IPv6 ("::ffff:192.0.2.1") is the IPv4 address, so that it does
 * not matter on which listener a client arrives; otherwise the two families
 * are apart, and ::/0 holds no IPv4 address.
 *
 * One network has one canonical text. Whether an address is within one of many
 * networks is therefore asked by name: the address itself, then the network
 * one bit wider, and so on (network_widen), up to the whole family.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <arpa/inet.h>

#include <stdbool.h>

struct network {
	int family; /* AF_INET or AF_INET6 */
	int bits;
	unsigned char bytes[16]; /* those behind `bits` are zero */
};

/* Room for the longest text and its NUL. */
enum { NETWORK_TEXT_SIZE = INET6_ADDRSTRLEN + sizeof("/128") - 1 };

/* On failure returns false and `*why` tells, e.g. "has bits set behind its
 * prefix". */
bool network_parse(const char *text, struct network *out, const char **why);

/* A client's address as getnameinfo(3) writes it; its zone ("%eth0") does not
 * count. False: it is none. */
bool network_of_address(const char *text, struct network *out);

/* To the network that is one bit wider; false if there is no wider one. */
bool network_widen(struct network *network);

/* The canonical text; returns `out`. */
char *network_text(const struct network *network, char out[NETWORK_TEXT_SIZE]);

#endif
