/* SPDX-License-Identifier: ISC */
/*
 * An exchange, which auth.c runs and auth_answer.c ends.
 */
#ifndef AUTH_INTERNAL_H
#define AUTH_INTERNAL_H

#include <gsasl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "auth.h"
#include "credentials.h"
#include "peers.h"
#include "odmrd/jobs/worker.h"

struct auth {
	struct job job;
	struct client *client; /* NULL: it has ended */
	const struct mechanism *mech;
	Gsasl_session *sasl;
	struct credentials cred;
	struct guess guess;
	bool working;
	atomic_bool abandoned;
	bool finished; /* all but the client's empty line, see auth_succeed() */
	unsigned steps;
	unsigned responses;
	char *input;  /* base64, from the client; NULL: none yet */
	char *output; /* base64, libgsasl's */
	int result;   /* of the last step */
};

/* May the client try AUTH at all? Otherwise the session has ended. */
bool auth_is_allowed(struct client *client);

/*
 * The exchange of this client, which is in CLIENT_ASKING, has come to its
 * result. Counts and logs it at once, and answers now or later: a failed AUTH
 * is answered the later the more often the client's address has failed, and any
 * the later the more often the login has, while the session takes no input and
 * all the others go on. Past auth_failure_limit of the address the session
 * ends with the answer.
 */
void auth_decided(struct client *client);

/* The client has proved who it is, and the session is its. */
void auth_succeed(struct client *client);

#endif
