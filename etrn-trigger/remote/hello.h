/* SPDX-License-Identifier: ISC */
/*
 * What is said before the first command: greeting, EHLO, and STARTTLS with the
 * EHLO that follows it.
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>

#include "peer.h"

enum { MECHANISM_LIST_SIZE = 1024 };

/* What the last EHLO has offered. ETRN is not looked for: servers may hide it
 * from who has not logged in, and those that do not know it say so. */
struct offers {
	bool starttls;
	char mechanisms[MECHANISM_LIST_SIZE]; /* of AUTH, apart by blanks */
};

/* All return a sysexits code, and have said why. */
int hello_greeting(struct peer *peer);
int hello_say(struct peer *peer, const char *myhostname, struct offers *offers);

/*
 * STARTTLS, where it is offered. With `verify` it must be, and the certificate
 * must be good. Without, `*failed` tells that the handshake went wrong: the
 * caller may connect again and do without.
 */
int hello_encrypt(struct peer *peer, const char *myhostname,
    struct offers *offers, bool verify, bool *failed);

#endif
