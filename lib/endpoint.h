/* SPDX-License-Identifier: ISC */
/*
 * Where to connect to, as it is typed: HOST, [HOST], ADDRESS or [ADDRESS], each
 * with :PORT or without. An IPv6 address has its brackets always. As next hop
 * (transport(5)) a host in brackets is that host, without them its MX.
 *
 * What fails returns what is wrong, to be put behind the text, as in "lacks the
 * closing bracket"; NULL is success.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>

#include "domain.h"

enum {
	ENDPOINT_PORT_SIZE = 32, /* a service may have a name instead */
	/* With brackets and colon. */
	ENDPOINT_TEXT_SIZE = DOMAIN_SIZE + ENDPOINT_PORT_SIZE + 3,
};

struct endpoint {
	char host[DOMAIN_SIZE];
	char port[ENDPOINT_PORT_SIZE]; /* "": none was named */
	bool brackets;
};

/* The parts alone, whatever they hold. */
const char *endpoint_split(struct endpoint *out, const char *text);

/* The host is one, in its canonical form, or an address, which then has its
 * brackets; the port is a number from 1 to 65535. */
const char *endpoint_parse(struct endpoint *out, const char *text);

/* As transport(5) wants it; returns `out`. */
char *endpoint_text(const struct endpoint *, char out[ENDPOINT_TEXT_SIZE]);

/*
 * The same for a milter's socket: "unix:/PATH" and "local:/PATH" return the
 * path; "inet:PORT@HOST" and "inet6:PORT" fill `out` ("": any host) and return
 * NULL.
 */
const char *endpoint_socket(struct endpoint *out, const char *name);

#endif
