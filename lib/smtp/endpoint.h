/* SPDX-License-Identifier: ISC */
/*
 * The addresses of the servers behind a next hop, in the order in which Postfix
 * would try them. MX hosts at or behind the preference of this very host are
 * left out: it is where the mail waits. Any thread may ask; resolver_setup()
 * comes first in it.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

#include "hop.h"

/* Postfix's smtp_mx_address_limit. */
enum { ENDPOINTS_MAX = 5, ENDPOINT_WHY_SIZE = 512 };
/* "[ADDRESS]:PORT", and the address alone. */
enum { ENDPOINT_TEXT_SIZE = 64, ENDPOINT_ADDRESS_SIZE = 54 };

struct endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct endpoints {
	struct endpoint all[ENDPOINTS_MAX];
	size_t count;
	char why[ENDPOINT_WHY_SIZE]; /* there is none */
};

/* Asks the DNS, for half a minute at most. False: there is none, `why` tells.
 */
bool endpoints_find(
    struct endpoints *endpoints, const struct hop *hop, const char *myhostname);

void endpoint_address(
    const struct endpoint *endpoint, char out[ENDPOINT_ADDRESS_SIZE]);
void endpoint_text(const struct endpoint *endpoint, const struct hop *hop,
    char out[ENDPOINT_TEXT_SIZE]);

#endif
