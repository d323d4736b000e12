/* SPDX-License-Identifier: ISC */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "places.h"

/* ALL: with those who have settled. */
enum { PLACES = 100, PER_OWNER = PLACES / 4, ALL = 4 * PLACES };

struct owner {
	char *name;
	TAILQ_ENTRY(owner) entry; /* where one of his may be next */
	TAILQ_HEAD(, place) waiting;
	unsigned has;
};

struct places {
	void (*begin)(struct place *place);
	void *owners; /* a tsearch(3) tree */
	/* Who waits and may have more, by what he has. */
	TAILQ_HEAD(, owner) next[PER_OWNER];
	unsigned waiting;
	unsigned placed;
	unsigned all;
};

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct owner *)a)->name, ((const struct owner *)b)->name);
}

struct places *
places_new(void (*begin)(struct place *place))
{
	struct places *places = calloc(1, sizeof(*places));

	if (places == NULL)
		return NULL;
	places->begin = begin;
	for (int i = 0; i < PER_OWNER; i++)
		TAILQ_INIT(&places->next[i]);
	return places;
}

void
places_free(struct places **places)
{
	free(*places);
	*places = NULL;
}

/* ---- owners -------------------------------------------------------------- */

static void
owner_free(struct owner *owner)
{
	free(owner->name);
	free(owner);
}

static struct owner *
find_owner(struct places *places, const char *name)
{
	struct owner *owner = calloc(1, sizeof(*owner)), **found = NULL;

	if (owner == NULL)
		return NULL;
	TAILQ_INIT(&owner->waiting);
	owner->name = strdup(name);
	if (owner->name != NULL)
		found = tsearch(owner, &places->owners, compare);
	if (found == NULL || *found != owner)
		owner_free(owner);
	return found != NULL ? *found : NULL;
}

static bool
may_be_next(const struct owner *owner)
{
	return !TAILQ_EMPTY(&owner->waiting) && owner->has < PER_OWNER;
}

/* Around each change of what he has, or of whether he waits. */
static void
take_out(struct places *places, struct owner *owner)
{
	if (may_be_next(owner))
		TAILQ_REMOVE(&places->next[owner->has], owner, entry);
}

static void
put_back(struct places *places, struct owner *owner)
{
	if (may_be_next(owner))
		TAILQ_INSERT_TAIL(&places->next[owner->has], owner, entry);
}

static struct owner *
next_owner(struct places *places)
{
	struct owner *owner = NULL;

	for (int i = 0; i < PER_OWNER && owner == NULL; i++)
		owner = TAILQ_FIRST(&places->next[i]);
	return owner;
}

/* ---- places ---------------------------------------------------------------
 */

static void
stop_waiting(struct places *places, struct place *place)
{
	TAILQ_REMOVE(&place->owner->waiting, place, entry);
	place->waits = false;
	places->waiting--;
}

static void
begin(struct places *places, struct owner *owner)
{
	struct place *place = TAILQ_FIRST(&owner->waiting);

	take_out(places, owner);
	stop_waiting(places, place);
	owner->has++;
	put_back(places, owner);
	place->placed = true;
	places->placed++;
	places->all++;
	places->begin(place);
}

static void
serve(struct places *places)
{
	struct owner *owner;

	while (places->placed < PLACES && places->all < ALL &&
	    (owner = next_owner(places)) != NULL)
		begin(places, owner);
}

bool
place_wait(struct places *places, struct place *place, const char *name)
{
	struct owner *owner = find_owner(places, name);
	bool waits;

	if (owner == NULL)
		return false;
	/* Who waits keeps his place among the owners. */
	waits = !TAILQ_EMPTY(&owner->waiting);
	place->owner = owner;
	place->waits = true;
	places->waiting++;
	TAILQ_INSERT_TAIL(&owner->waiting, place, entry);
	if (!waits)
		put_back(places, owner);
	serve(places);
	return true;
}

static void
give_place_up(struct places *places, struct place *place)
{
	if (place->placed)
		places->placed--;
	place->placed = false;
}

void
place_settle(struct places *places, struct place *place)
{
	give_place_up(places, place);
	serve(places);
}

void
place_end(struct places *places, struct place *place)
{
	struct owner *owner = place->owner;

	if (owner == NULL)
		return;
	take_out(places, owner);
	if (place->waits)
		stop_waiting(places, place);
	else {
		owner->has--;
		places->all--;
	}
	put_back(places, owner);
	give_place_up(places, place);
	place->owner = NULL;
	if (owner->has == 0 && TAILQ_EMPTY(&owner->waiting)) {
		tdelete(owner, &places->owners, compare);
		owner_free(owner);
	}
	serve(places);
}

bool
places_wanted(const struct places *places)
{
	return places->waiting > 0;
}
