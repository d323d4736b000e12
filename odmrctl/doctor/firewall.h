/* SPDX-License-Identifier: ISC */
/*
 * What the firewall of this host does with a connection that comes from
 * outside, to one port. Rules may ask for more than that: where from, how
 * often, by which interface. So each is reduced to whether it is for all such
 * connections, for some or for none, and a port is closed only where all of
 * them are dropped.
 */
#ifndef FIREWALL_H
#define FIREWALL_H

#include <sys/queue.h>

#include <stdbool.h>

enum match { MATCHES_NONE, MATCHES_SOME, MATCHES_ALL };

enum verdict { NO_VERDICT, ACCEPT, DROP, RETURN, JUMP, GOTO };

struct rule {
	STAILQ_ENTRY(rule) entry;
	enum match match;
	enum verdict verdict;
	char *target; /* of a jump or goto, as a chain's name */
};

struct chain {
	STAILQ_ENTRY(chain) entry;
	char *name; /* for nft with family and table: "inet filter input" */
	bool base;  /* all input comes here */
	bool drops; /* what comes to its end */
	STAILQ_HEAD(, rule) rules;
};

struct firewall {
	STAILQ_HEAD(, chain) chains;
};

struct packet {
	unsigned port;
	bool ipv6;
};

void firewall_init(struct firewall *);
void firewall_free(struct firewall *);
/* Makes it where there is none of this name; NULL where it may not. */
struct chain *firewall_chain(struct firewall *, const char *name, bool make);
/* Takes a copy of the target. */
void firewall_add(struct chain *, enum match, enum verdict, const char *target);

/* What a new connection meets. Of "nft -j list ruleset"; `iptables`: the tables
 * that iptables has made are left out, because nft does not know all of what
 * they say. False: it is no JSON of that kind. */
bool firewall_read_nft(
    struct firewall *, const char *text, const struct packet *, bool iptables);
/* Of iptables-save or ip6tables-save. */
void firewall_read_iptables(
    struct firewall *, const char *text, const struct packet *);

/* Does the base chain drop all of them? */
bool firewall_closes(struct firewall *, const struct chain *);

#endif
