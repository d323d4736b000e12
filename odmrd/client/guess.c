/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/login_name.h"
#include "peers_internal.h"

enum { DOUBLINGS_MAX = 4 /* of auth_failure_delay */ };

static long
limit_of(const struct peer *peer)
{
	return peer->peers->server->conf->auth_failure_limit * peer->share;
}

/* ---- failures of one entry --------------------------------------------- */

static long
failures_of(const struct peer *peer)
{
	return peer->forgiven_ms > loop_now_ms() ? peer->failures : 0;
}

bool
peer_is_barred(const struct peer *peer)
{
	return failures_of(peer) >= limit_of(peer);
}

static void
forgive(struct peer *peer)
{
	TAILQ_REMOVE(&peer->table->failed, peer, entry);
	peer->table->failed_count--;
	peer->failures = 0;
	peer_forget(peer);
}

void
peers_forgive_old(struct table *table)
{
	int64_t now = loop_now_ms();
	struct peer *peer;

	while ((peer = TAILQ_FIRST(&table->failed)) != NULL &&
	    (peer->forgiven_ms <= now || table->failed_count > FAILED_MAX))
		forgive(peer);
}

/* Starts its time, as the last of those that run. */
static void
remember(struct peer *peer)
{
	struct table *table = peer->table;
	long time = peer->peers->server->conf->auth_failure_time;

	if (peer->failures > 1)
		TAILQ_REMOVE(&table->failed, peer, entry);
	else
		table->failed_count++;
	TAILQ_INSERT_TAIL(&table->failed, peer, entry);
	peer->forgiven_ms = loop_now_ms() + time * 1000;
}

static void
count_failure(struct peer *peer)
{
	peer->failures++;
	/* The time runs from the first failure; then, from the one too many. */
	if (peer->failures == 1 || peer_is_barred(peer))
		remember(peer);
}

/* After so many failures for which nobody waited. */
static int64_t
delay(const struct peers *peers, long failures)
{
	long doublings = failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX;

	if (failures < 0)
		return 0;
	return (peers->server->conf->auth_failure_delay * 1000) << doublings;
}

/* ---- by address -------------------------------------------------------- */

static bool
is_barred(const struct peer *peer)
{
	for (; peer != NULL; peer = peer->network)
		if (peer_is_barred(peer))
			return true;
	return false;
}

bool
guest_is_barred(const struct guest *guest)
{
	return is_barred(guest->peer);
}

int64_t
guest_auth_failed(struct guest *guest)
{
	peers_forgive_old(guest->peer->table);
	for (struct peer *p = guest->peer; p != NULL; p = p->network)
		count_failure(p);
	return delay(guest->peer->peers, guest->peer->failures - 2);
}

/* ---- guesses ----------------------------------------------------------- */

static bool
may_be_judged(const struct guess *guess)
{
	if (is_barred(guess->peer))
		return true;
	for (const struct peer *p = guess->peer; p != NULL; p = p->network)
		if (failures_of(p) + p->guesses >= limit_of(p))
			return false;
	return true;
}

static struct guess *
next_guess(struct peer *widest)
{
	struct guess *guess;

	TAILQ_FOREACH(guess, &widest->waiting, entry)
		if (may_be_judged(guess))
			return guess;
	return NULL;
}

static void
count_guess(const struct guess *guess, int by)
{
	for (struct peer *p = guess->peer; p != NULL; p = p->network)
		p->guesses += by;
}

/* judge() may end that guess, or others: not within each other. */
static void
wake(struct peer *widest)
{
	struct guess *guess;

	if (widest->waking)
		return;
	widest->waking = true;
	while ((guess = next_guess(widest)) != NULL) {
		TAILQ_REMOVE(&widest->waiting, guess, entry);
		count_guess(guess, 1);
		guess->state = GUESS_JUDGED;
		if (guess->hashes)
			hash_turn_begin(guess);
		else
			guess->judge(guess->arg);
	}
	widest->waking = false;
}

void
guess_begin(struct guess *guess, struct guest *guest, bool hashes,
    loop_call *judge, void *arg)
{
	struct peer *widest = peer_widest(guest->peer);

	guess->peer = guest->peer;
	guess->hashes = hashes;
	guess->judge = judge;
	guess->arg = arg;
	guess->state = GUESS_WAITS;
	TAILQ_INSERT_TAIL(&widest->waiting, guess, entry);
	wake(widest);
}

void
guess_end(struct guess *guess)
{
	struct peer *peer = guess->peer, *widest;

	if (peer == NULL)
		return;
	widest = peer_widest(peer);
	if (guess->state == GUESS_WAITS)
		TAILQ_REMOVE(&widest->waiting, guess, entry);
	else {
		if (guess->hashes)
			hash_turn_end(guess);
		count_guess(guess, -1);
	}
	guess->peer = NULL;
	wake(widest);
	if (!widest->waking)
		peer_forget(peer);
}

/* ---- by login ---------------------------------------------------------- */

/* NULL: out of memory. No login is as long as where this cuts it. */
static struct peer *
find_login(struct peers *peers, const char *login)
{
	char base[LOGIN_SIZE], name[LOGIN_SIZE];

	strlcpy(name, login_base(login, base), sizeof(name));
	return peers_entry(&peers->logins, name, peers);
}

int64_t
peers_login_delay(struct peers *peers, const char *login)
{
	struct peer *peer = find_login(peers, login);
	int64_t ms = 0;

	if (peer == NULL)
		return 0;
	ms = delay(peers, failures_of(peer) - limit_of(peer));
	peer_forget(peer);
	return ms;
}

void
peers_login_failed(struct peers *peers, const char *login)
{
	struct peer *peer;

	peers_forgive_old(&peers->logins);
	peer = find_login(peers, login);
	if (peer != NULL)
		count_failure(peer);
}
