/* SPDX-License-Identifier: ISC */
/*
 * Peers: who may connect, and who may guess passwords, by address and by the
 * network that it is in.
 *
 * An IPv6 customer has a /64 at least, which counts as one address, and may
 * have a /56 or a /48. Those are counted too, since whoever has one is not to
 * have as many connections and guesses as there are /64s in it; but they may
 * belong to several customers of a hoster, so a /56 may do what four addresses
 * may, a /48 what sixteen may.
 *
 * A refused peer costs no memory: an entry is made for one that is let in, and
 * lives while that one is connected or has failures that still count. Entries
 * of the second kind are bounded in number; past the bound the oldest failures
 * are forgiven. Each refusal is one line in the log, but a peer that goes on
 * trying gets one line in ten seconds, with a count.
 */
#ifndef PEERS_H
#define PEERS_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "odmrd/net/loop.h"

struct guest; /* one connection */
struct link;
struct peer;
struct peers;
struct server;

/* NULL: out of memory. */
struct peers *peers_new(struct server *server);
/* Once all connections are gone. */
void peers_free(struct peers **peers);

/* ---- connections (peers.c, crowd.c) ------------------------------------ */

/*
 * A client has connected from `addr`, `client` in the log. NULL: it is
 * refused. Otherwise the guest is a stranger, and counts, until guest_leave.
 *
 * Strangers have only a part of session_limit (stranger_share), for who has
 * logged in is not to find the house full. Where that part, or the whole, is
 * full, a newcomer takes the place of the oldest stranger of the greediest
 * network, if its own is less greedy; otherwise it is refused. Greedy is who
 * has many strangers, and who had many that gave way in the last minute, since
 * new connections are cheap. So a customer gets in, and has the time to log
 * in, while some addresses or one IPv6 /48 take all they can get: they take it
 * from each other. Where every connection comes from another address, the
 * oldest gives way.
 */
struct guest *peers_admit(
    struct peers *peers, const struct sockaddr *addr, const char *client);
/* It has this link now, which may be cut, and leaves when the link is gone. */
void guest_settle(struct guest *guest, struct link *link);
/* It has logged in. Its address (IPv6: its /64) is known for a month, until
 * odmrd ends. There is room for thousands: then an account's latest one takes
 * the place of its oldest. */
void guest_is_known(struct guest *guest, int64_t account);
void guest_leave(void *guest);

/* ---- failed AUTH (guess.c, hash_turn.c) -------------------------------- */

enum guess_state {
	GUESS_NONE,
	GUESS_WAITS,  /* for how others of its network are judged */
	GUESS_QUEUES, /* for a thread that hashes */
	GUESS_JUDGED
};

/* A password, or a proof of one, that is to be judged. All zero: none. */
struct guess {
	TAILQ_ENTRY(guess) entry; /* while it waits or queues */
	struct peer *peer;
	enum guess_state state;
	bool hashes;
	bool stranger; /* while it queues: its address was not known */
	loop_call *judge;
	void *arg;
};

/* Has its address or network failed so often that it may not try for now? */
bool guest_is_barred(const struct guest *guest);
/*
 * Calls judge(arg), now or later: as soon as the failures together with the
 * guesses that are being judged are fewer than auth_failure_limit, so that the
 * bar is never overrun by many at once; or when the guest is barred, which is
 * for judge() to ask.
 *
 * One that `hashes` takes milliseconds of a thread, of which there are HASHERS:
 * it waits for one, too, and has it until guess_end. Networks take turns, so
 * that none waits for all that another one tries; and of four turns, three are
 * for addresses that are known, so that whatever strangers try, a customer
 * waits for them no longer than for a hash or two.
 */
void guess_begin(struct guess *guess, struct guest *guest, bool hashes,
    loop_call *judge, void *arg);
/* It is judged, or given up; nothing happens if it never began. Calls judge()
 * of others. */
void guess_end(struct guess *guess);

/* Counts a failed AUTH. Returns the milliseconds for which its reply is to be
 * held back: they grow with the failures of the address. */
int64_t guest_auth_failed(struct guest *guest);

/*
 * The same by the login that was tried, from wherever. It is never barred, or
 * anybody could lock its owner out: past auth_failure_limit each answer is held
 * back, the longer the more has failed, but in no case longer than for an
 * address. That goes for right passwords as well, or haste would tell them.
 * Logins are counted as text: to count them by account would tell which belong
 * together.
 */
int64_t peers_login_delay(struct peers *peers, const char *login);
void peers_login_failed(struct peers *peers, const char *login);

#endif
