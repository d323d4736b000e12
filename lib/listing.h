/* SPDX-License-Identifier: ISC */
/*
 * Reads the output of "postqueue -j": one JSON object a line for each message,
 * of any length and in pieces of any size. Only the recipients' domains are
 * taken out of it, so that memory stays flat.
 */
#ifndef LISTING_H
#define LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "domain.h"

struct listing {
	/* A recipient's domain in lower case, and the end of a message. */
	void (*recipient)(void *arg, const char *domain);
	void (*message)(void *arg);
	void *arg;
	/* listing.c's */
	enum { LISTING_OUTSIDE, LISTING_STRING, LISTING_ESCAPE } state;
	bool address;  /* the value that comes is one */
	bool overlong; /* `text` has no room for all */
	size_t len;    /* of the string that is read, what is behind
			  its last '@' */
	char text[DOMAIN_SIZE];
};

/* A zeroed struct with the callbacks set is at the beginning. */
void listing_read(struct listing *listing, const char *bytes, size_t len);

#endif
