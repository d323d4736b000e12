/* SPDX-License-Identifier: ISC */
/*
 * Reads the output of "postqueue -j", one JSON object a line for each message,
 * in pieces of any size. Holds no more of it than one line.
 *
 * Anything else in it makes the whole listing unfit: who cannot trust a line
 * cannot tell which messages are not there.
 */
#ifndef LISTING_H
#define LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "queued.h"

enum { LISTING_FAULT_SIZE = 256 };

struct listing {
	/* false: it could not be taken, the listing need not go on. */
	bool (*message)(void *arg, const struct queued *message);
	void *arg;
	/* What is wrong with the listing, in one line; else empty. */
	char fault[LISTING_FAULT_SIZE];
	/* listing.c's: what there is of the line that is read */
	char *line;
	size_t len;
	size_t room;
};

/* A zeroed struct with the callback set is at the beginning. false: there is a
 * fault, or message() said so. */
bool listing_read(struct listing *listing, const char *bytes, size_t len);
/* That was all. false: it ended within a line, which is a fault. */
bool listing_end(struct listing *listing);
void listing_clear(struct listing *listing);

#endif
