/* SPDX-License-Identifier: ISC */
/*
 * Places, of which there are few, for who dials. Every owner of domains gets
 * his part of them, however many of his domains wait: a free place goes to the
 * owner who has the fewest, and he has a quarter of them at most.
 *
 * A place is free again when the one who had it settles: where mail flows there
 * is no need for it. But to his owner's part he counts until his end.
 */
#ifndef PLACES_H
#define PLACES_H

#include <sys/queue.h>

#include <stdbool.h>

struct places;
struct owner;

/* In whatever wants one; zeroed. */
struct place {
	TAILQ_ENTRY(place) entry;
	struct owner *owner; /* NULL: it is none */
	bool waits;
	bool placed;
};

/* `begin` is called for who has got a place, also within the calls below. NULL:
 * out of memory. */
struct places *places_new(void (*begin)(struct place *place));
/* All have ended. */
void places_free(struct places **places);

/* False: out of memory. */
bool place_wait(struct places *places, struct place *place, const char *owner);
void place_settle(struct places *places, struct place *place);
/* Whatever it does; nothing, where it is none. */
void place_end(struct places *places, struct place *place);
/* Does anybody wait? */
bool places_wanted(const struct places *places);

#endif
