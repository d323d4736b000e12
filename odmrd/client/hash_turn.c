/* SPDX-License-Identifier: ISC */
/*
 * Whose password is hashed next. Only so many guesses are with the threads that
 * hash as there are threads; the others wait here, where their order can still
 * be chosen.
 */
#include "peers_internal.h"

/* One turn of so many is a stranger's, or customers that log in without a pause
 * would keep out one with a new address. */
enum { STRANGERS_TURN = 4 };

static const int64_t known_for_ms = 30 * 86400 * INT64_C(1000);

void
hash_turns_init(struct peers *peers)
{
	TAILQ_INIT(&peers->known);
	TAILQ_INIT(&peers->turns[false]);
	TAILQ_INIT(&peers->turns[true]);
}

void
hash_queues_init(struct peer *peer)
{
	for (int i = 0; i < 2; i++) {
		TAILQ_INIT(&peer->queues[i].guesses);
		peer->queues[i].widest = peer;
	}
}

/* ---- who is known ------------------------------------------------------ */

static void
drop(struct peer *peer)
{
	TAILQ_REMOVE(&peer->peers->known, peer, acquaintance);
	peer->peers->known_count--;
	peer->known_ms = 0;
}

static void
forget(struct peer *peer)
{
	drop(peer);
	peer_forget(peer);
}

/* Or of anybody, where the account has none but this. */
static struct peer *
oldest_but(const struct peer *latest)
{
	struct peers *peers = latest->peers;
	struct peer *peer;

	TAILQ_FOREACH(peer, &peers->known, acquaintance)
		if (peer->account == latest->account)
			break;
	return peer != latest ? peer : TAILQ_FIRST(&peers->known);
}

void
known_add(struct peer *peer, int64_t account)
{
	struct peers *peers = peer->peers;

	if (peer->known_ms != 0)
		drop(peer);
	TAILQ_INSERT_TAIL(&peers->known, peer, acquaintance);
	peers->known_count++;
	peer->known_ms = loop_now_ms() + known_for_ms;
	peer->account = account;
	if (peers->known_count > KNOWN_MAX)
		forget(oldest_but(peer));
}

void
known_forget_old(struct peers *peers)
{
	int64_t now = loop_now_ms();
	struct peer *peer;

	while ((peer = TAILQ_FIRST(&peers->known)) != NULL &&
	    peer->known_ms <= now)
		forget(peer);
}

/* ---- turns ------------------------------------------------------------- */

/* The network whose turn it is, NULL: nobody waits. */
static struct hash_queue *
next_queue(struct peers *peers)
{
	bool strangers = peers->turn % STRANGERS_TURN == STRANGERS_TURN - 1;

	if (TAILQ_EMPTY(&peers->turns[strangers]))
		strangers = !strangers;
	return TAILQ_FIRST(&peers->turns[strangers]);
}

static void
leave(struct guess *guess)
{
	struct peer *widest = peer_widest(guess->peer);
	struct hash_queue *queue = &widest->queues[guess->stranger];

	TAILQ_REMOVE(&queue->guesses, guess, entry);
	if (TAILQ_EMPTY(&queue->guesses))
		TAILQ_REMOVE(
		    &widest->peers->turns[guess->stranger], queue, entry);
}

/* The next turn of this network comes after one of each of the others. */
static struct guess *
take_turn(struct hash_queue *queue)
{
	struct guess *guess = TAILQ_FIRST(&queue->guesses);
	struct peers *peers = queue->widest->peers;

	peers->turn++;
	leave(guess);
	if (!TAILQ_EMPTY(&queue->guesses)) {
		TAILQ_REMOVE(&peers->turns[guess->stranger], queue, entry);
		TAILQ_INSERT_TAIL(&peers->turns[guess->stranger], queue, entry);
	}
	return guess;
}

/* judge() may end that guess, or others: not within each other. */
static void
give_turns(struct peers *peers)
{
	struct hash_queue *queue;
	struct guess *guess;

	if (peers->giving)
		return;
	peers->giving = true;
	while (
	    peers->hashing < HASHERS && (queue = next_queue(peers)) != NULL) {
		guess = take_turn(queue);
		peers->hashing++;
		guess->state = GUESS_JUDGED;
		guess->judge(guess->arg);
	}
	peers->giving = false;
}

void
hash_turn_begin(struct guess *guess)
{
	struct peer *widest = peer_widest(guess->peer);
	struct hash_queue *queue;

	guess->state = GUESS_QUEUES;
	guess->stranger = guess->peer->known_ms == 0;
	queue = &widest->queues[guess->stranger];
	if (TAILQ_EMPTY(&queue->guesses))
		TAILQ_INSERT_TAIL(
		    &widest->peers->turns[guess->stranger], queue, entry);
	TAILQ_INSERT_TAIL(&queue->guesses, guess, entry);
	give_turns(widest->peers);
}

void
hash_turn_end(struct guess *guess)
{
	struct peers *peers = guess->peer->peers;

	if (guess->state == GUESS_QUEUES)
		leave(guess);
	else
		peers->hashing--;
	guess->state = GUESS_NONE;
	give_turns(peers);
}
