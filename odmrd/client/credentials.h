/* SPDX-License-Identifier: ISC */
/*
 * What libgsasl asks while it runs a mechanism, answered from the store. All
 * of this runs on a worker thread.
 *
 * A client never learns whether a login exists: for an unknown one a decoy
 * takes the verifier's place, and unknown, disabled and wrong password fail at
 * the same step and after the same work. Only the log knows.
 */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <gsasl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/fingerprint.h"
#include "lib/store/store.h"

enum { WHY_SIZE = 256 };

struct credentials {
	/* Known from the connection: */
	char certificate[FINGERPRINT_SIZE]; /* "": no registered one */
	Gsasl_property binding_name;        /* GSASL_CB_TLS_... */
	char *binding;                      /* base64, or NULL */

	/* Found by the worker: */
	bool sought;          /* the account was looked up ... */
	char *login;          /* ... and this is it; NULL: there is none */
	bool disabled;        /* it may not authenticate */
	bool database_failed; /* "later", not "no" */
	char why[WHY_SIZE];   /* of a failure, for the log; "": mechanism's */
	int64_t account;
	int64_t passwords; /* that the account has had */
	long linger;
	char *scram;
	char *password;

	struct store *store; /* the worker's, during a step */
};

/* libgsasl's callback; the session's hook is its struct credentials. */
int credentials_answer(
    Gsasl *sasl, Gsasl_session *session, Gsasl_property property);

/*
 * gsasl_step64, and at the end of an exchange: may this account authenticate,
 * and act for whom the client named? GSASL_OK means that it may.
 */
int credentials_step(struct credentials *cred, struct store *store,
    Gsasl_session *session, const char *input, char **output);

void credentials_clear(struct credentials *cred);

#endif
