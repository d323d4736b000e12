/* SPDX-License-Identifier: ISC */
/*
 * Who is at the other end of a session: known before the turn, kept for the
 * log. Where we have dialled, there is no account and the login is "-".
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/fingerprint.h"

enum { SESSION_ID_SIZE = 16, CLIENT_SIZE = 64, MECH_SIZE = 24 };

struct identity {
	char id[SESSION_ID_SIZE];
	char client[CLIENT_SIZE];
	char mech[MECH_SIZE];
	char *login;
	int64_t account;                    /* 0: none */
	int64_t passwords;                  /* the account's, by then */
	char certificate[FINGERPRINT_SIZE]; /* of AUTH EXTERNAL, or "" */
	long linger;
	long submitted; /* messages */
};

/* Short, unique for months, and in the order of time. */
void identity_make_id(char id[SESSION_ID_SIZE]);
/* With a login of its own. False: out of memory, `copy` holds nothing. */
bool identity_copy(struct identity *copy, const struct identity *who);

#endif
