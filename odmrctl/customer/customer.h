/* SPDX-License-Identifier: ISC */
/*
 * odmrctl customer: an account, the domains that it has, and what its owner has
 * to be told. A customer is nothing that the database knows: the account's
 * login is its name.
 */
#ifndef CUSTOMER_H
#define CUSTOMER_H

#include "odmrctl/odmrctl.h"

struct customer_domain {
	char name[DOMAIN_SIZE];
	enum domain_mode mode;
	int64_t held, bytes, oldest, last_collected; /* of customer show */
};

struct customer {
	const char *login;
	int64_t account;
	bool disabled;
	bool cram_md5;
	const char *password; /* NULL: it is not shown */
	struct customer_domain *domains;
	size_t count;
};

/* The account with this login, and its domains, in their order. EX_OK, or
 * complains; customer_free in either case. */
int customer_load(struct context *, const char *login, struct customer *);
void customer_free(struct customer *);

/* One more domain; in mode odmr, and nothing waits. */
struct customer_domain *customer_append(struct customer *, const char *name);

/* What to hand over: MX records, login, and how the programs that are known to
 * collect are set up, each to be copied. With all that the configuration says
 * of ports and TLS. */
void handover(FILE *out, const struct conf *, const struct customer *);
/* The first port of a list of addresses (listen, listen_tls); 0: none. */
unsigned handover_port(const char *list);

enum { NEW_PASSWORD_SIZE = 28 };

/* One that nobody has had: 107 bits, in letters and digits that are not taken
 * for others, in four groups. Returns `out`. */
const char *new_password(char out[NEW_PASSWORD_SIZE]);

#endif
