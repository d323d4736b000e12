/* SPDX-License-Identifier: ISC */
/*
 * Strangers, and which of them gives way: networks stand in rows by their
 * greed, so that the greediest is found at once.
 */
#include "odmrd/net/link.h"
#include "peers_internal.h"

enum { LATELY_MS = 60000 };

static long
greed_of(const struct peer *widest)
{
	long greed = widest->stranger_count + widest->gave_way;

	return greed < GREED_MAX ? greed : GREED_MAX;
}

static void
change(struct peer *widest, int strangers, long gave_way)
{
	struct peers *peers = widest->peers;

	if (widest->stranger_count > 0)
		TAILQ_REMOVE(&peers->crowds[greed_of(widest)], widest, crowd);
	widest->stranger_count += strangers;
	peers->strangers += strangers;
	widest->gave_way = gave_way;
	if (widest->stranger_count > 0)
		TAILQ_INSERT_TAIL(
		    &peers->crowds[greed_of(widest)], widest, crowd);
}

void
crowd_join(struct guest *guest)
{
	struct peer *widest = peer_widest(guest->peer);

	guest->stranger = true;
	TAILQ_INSERT_TAIL(&widest->strangers, guest, entry);
	change(widest, 1, widest->gave_way);
}

static void
leave(struct guest *guest, struct peer *widest, long gave_way)
{
	guest->stranger = false;
	TAILQ_REMOVE(&widest->strangers, guest, entry);
	change(widest, -1, gave_way);
}

void
crowd_leave(struct guest *guest)
{
	struct peer *widest = peer_widest(guest->peer);

	if (guest->stranger)
		leave(guest, widest, widest->gave_way);
}

static void
forget_oldest(struct peers *peers)
{
	struct peer *widest = TAILQ_FIRST(&peers->yielded);

	TAILQ_REMOVE(&peers->yielded, widest, yielded);
	peers->yielded_count--;
	change(widest, 0, 0);
	peer_forget(widest);
}

void
crowd_forget_old(struct peers *peers)
{
	int64_t now = loop_now_ms();

	while (!TAILQ_EMPTY(&peers->yielded) &&
	    (TAILQ_FIRST(&peers->yielded)->lately_ms <= now ||
		peers->yielded_count > YIELDED_MAX))
		forget_oldest(peers);
}

static void
give_way(struct guest *guest)
{
	struct peer *widest = peer_widest(guest->peer);
	struct peers *peers = widest->peers;

	if (widest->gave_way > 0)
		TAILQ_REMOVE(&peers->yielded, widest, yielded);
	else
		peers->yielded_count++;
	TAILQ_INSERT_TAIL(&peers->yielded, widest, yielded);
	widest->lately_ms = loop_now_ms() + LATELY_MS;
	leave(guest, widest, widest->gave_way + 1);
	link_cut(guest->link, "gave way to others");
}

bool
crowd_gives_way(struct peers *peers, const struct peer *widest)
{
	for (long greed = GREED_MAX; greed > greed_of(widest); greed--)
		if (!TAILQ_EMPTY(&peers->crowds[greed])) {
			give_way(TAILQ_FIRST(
			    &TAILQ_FIRST(&peers->crowds[greed])->strangers));
			return true;
		}
	return false;
}
