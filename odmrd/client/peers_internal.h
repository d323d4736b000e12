/* SPDX-License-Identifier: ISC */
/* What peers.c (the table), crowd.c (strangers), guess.c (failed AUTHs) and
 * hash_turn.c (whose password is hashed next) share. */
#ifndef PEERS_INTERNAL_H
#define PEERS_INTERNAL_H

#include "peers.h"
#include "odmrd/jobs/server.h"

enum {
	FAILED_MAX = 49152, /* entries that failures keep; up to 3 an address */
	YIELDED_MAX =
	    16384,         /* networks that are remembered to have given way */
	KNOWN_MAX = 16384, /* addresses that are known */
	GREED_MAX = 128    /* beyond it networks are all the same */
};

/* Refusals since the last line about them. */
struct refusals {
	unsigned count;
	bool logged;
	int64_t logged_ms;
};

struct table {
	void *tree; /* a tsearch(3) tree by name */
	/* Those with failures, in the order in which they are forgiven. */
	TAILQ_HEAD(failed, peer) failed;
	size_t failed_count;
};

TAILQ_HEAD(guesses, guess);

/* Guesses that are to be hashed, of one network. */
struct hash_queue {
	struct guesses guesses; /* the oldest first */
	struct peer *widest;
	TAILQ_ENTRY(hash_queue) entry; /* while there are any */
};

/* An address, a network, or a login: whatever is counted by itself. */
struct peer {
	struct peers *peers;
	struct table *table;
	struct peer *network; /* that this one is a part of, or NULL */
	long parts;           /* entries that are a part of this one */
	long share;           /* how many addresses' limits it has */
	long connections;
	long guesses; /* that are being judged */

	TAILQ_ENTRY(peer) entry; /* while there are failures */
	long failures;
	int64_t forgiven_ms; /* when they count no more */
	struct refusals refusals;
	TAILQ_ENTRY(peer) acquaintance; /* while it is known: */
	int64_t known_ms;               /* until then; 0: it is not */
	int64_t account;                /* that logged in from there last */

	/* Of the widest network only: */
	TAILQ_HEAD(, guest) strangers; /* the oldest first */
	long stranger_count;
	TAILQ_ENTRY(peer) crowd; /* while it has any */
	long gave_way;           /* so many of them, lately */
	int64_t lately_ms;       /* until then */
	TAILQ_ENTRY(peer) yielded;
	struct guesses waiting;
	bool waking;
	struct hash_queue queues[2]; /* of known addresses, of strangers */

	const char *name; /* the text */
	char text[];
};

struct guest {
	TAILQ_ENTRY(guest) entry; /* while it is a stranger */
	struct peer *peer;
	struct link *link; /* NULL: not yet */
	bool stranger;
};

struct peers {
	struct server *server;
	struct table networks;
	struct table logins;
	long connections;
	long strangers;
	struct refusals refusals; /* those for want of room */
	/* The networks that have strangers, by their greed. */
	TAILQ_HEAD(crowd, peer) crowds[GREED_MAX + 1];
	/* Those that gave way lately, in the order in which that is over. */
	TAILQ_HEAD(, peer) yielded;
	size_t yielded_count;
	/* Addresses that are known, in the order in which that is over. */
	TAILQ_HEAD(, peer) known;
	size_t known_count;
	/* Networks that take turns: those of known addresses, of strangers. */
	TAILQ_HEAD(, hash_queue) turns[2];
	unsigned turn;
	int hashing; /* guesses that have a thread */
	bool giving;
};

/* ---- peers.c ---- */

/* The entry called `name`, made if need be; NULL: out of memory. */
struct peer *peers_entry(
    struct table *table, const char *name, struct peers *peers);
/* Frees it, and the networks around it, if nothing is left to be known. */
void peer_forget(struct peer *peer);
struct peer *peer_widest(struct peer *peer);

/* ---- crowd.c ---- */

void crowd_join(struct guest *guest);
/* Nothing happens if it is no stranger. */
void crowd_leave(struct guest *guest);
void crowd_forget_old(struct peers *peers);
/* Another stranger gives way to one of the network `widest`; false: none. */
bool crowd_gives_way(struct peers *peers, const struct peer *widest);

/* ---- guess.c ---- */

/* Is this entry barred, for its own failures? */
bool peer_is_barred(const struct peer *peer);
void peers_forgive_old(struct table *table);

/* ---- hash_turn.c ---- */

void hash_turns_init(struct peers *peers);
void hash_queues_init(struct peer *peer);
/* Somebody has logged in from this address. */
void known_add(struct peer *peer, int64_t account);
void known_forget_old(struct peers *peers);
/* Calls its judge() when it is its turn. */
void hash_turn_begin(struct guess *guess);
/* For one in GUESS_QUEUES, or one in GUESS_JUDGED that had a thread. Calls
 * judge() of others. */
void hash_turn_end(struct guess *guess);

#endif
