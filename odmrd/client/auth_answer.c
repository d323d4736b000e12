/* SPDX-License-Identifier: ISC */
/*
 * How an AUTH exchange ends: what the client hears, and when.
 */
#include <stdlib.h>
#include <string.h>

#include "auth_internal.h"
#include "lib/log.h"
#include "mechanism.h"
#include "client.h"

bool
auth_is_allowed(struct client *cl)
{
	if (!guest_is_barred(cl->guest))
		return true;
	client_expel(cl, "4.7.0", "Too many failed authentications",
	    "too-many-failures");
	return false;
}

/* ---- who it is --------------------------------------------------------- */

static void
become(struct client *cl)
{
	struct credentials *cred = &cl->auth->cred;

	/* The second AUTH of a session replaces the first: fetchmail says two
	 * where it has an esmtpname. */
	free(cl->who.login);
	cl->who.login = cred->login;
	cred->login = NULL;
	cl->who.account = cred->account;
	cl->who.passwords = cred->passwords;
	/* What let it in must still be right when it collects. */
	strlcpy(cl->who.certificate,
	    strcmp(cl->auth->mech->name, "EXTERNAL") == 0 ? cl->certificate
							  : "",
	    FINGERPRINT_SIZE);
	cl->who.linger = cred->linger;
	strlcpy(cl->who.mech, cl->auth->mech->name, sizeof(cl->who.mech));
	guest_is_known(cl->guest, cl->who.account);
	client_reply(cl, "235 2.7.0 Authenticated as %s", cl->who.login);
}

void
auth_succeed(struct client *cl)
{
	if (!client_allows_account(cl, cl->auth->cred.account))
		return;
	become(cl);
	auth_cancel(&cl->auth);
	client_continue(cl, CLIENT_KNOWN);
}

/* ---- the result -------------------------------------------------------- */

static const char *
login_of(const struct auth *auth)
{
	const char *login = gsasl_property_fast(auth->sasl, GSASL_AUTHID);

	return login != NULL ? login : auth->cred.login;
}

/* Is it a failure that counts against the client? One of a database does not,
 * and what cannot be decoded was no guess. */
static bool
is_theirs(const struct auth *auth)
{
	return auth->result != GSASL_OK && !auth->cred.database_failed &&
	    auth->result != GSASL_BASE64_ERROR;
}

/* A database that fails is an error. Only what is a warning counts against the
 * client, here and in the filter for fail2ban (postfix-conf/). */
static void
log_failure(const struct client *cl, const struct auth *auth)
{
	static const char fmt[] = "refused: AUTH %s client=%s login=%s: %s";
	const struct credentials *cred = &auth->cred;
	const char *login = login_of(auth);
	const char *why =
	    cred->why[0] != '\0' ? cred->why : gsasl_strerror(auth->result);
	const char *mech = auth->mech->name, *client = cl->who.client;
	char word[LOG_WORD_SIZE];

	log_word(login != NULL && login[0] != '\0' ? login : "-", word);
	if (cred->database_failed)
		log_error(cl->who.id, fmt, mech, client, word, why);
	else if (!is_theirs(auth))
		log_info(cl->who.id, fmt, mech, client, word, why);
	else
		log_warning(cl->who.id, fmt, mech, client, word, why);
}

static void
refuse(struct client *cl)
{
	bool failed = cl->auth->cred.database_failed;
	bool theirs = is_theirs(cl->auth);

	auth_cancel(&cl->auth);
	if (theirs && !auth_is_allowed(cl))
		return;
	if (theirs)
		client_refuse(cl, "535 5.7.8 Authentication failed");
	else if (failed)
		client_reply(
		    cl, "451 4.3.0 Cannot authenticate now, try again later");
	else
		client_refuse(cl, "501 5.5.2 Cannot decode the response");
	if (cl->state != CLIENT_ENDED)
		client_continue(cl, client_rest_state(cl));
}

/* RFC 4954 4: what a mechanism says together with its success is one more
 * challenge, and the client answers with an empty line. */
static void
answer(void *arg)
{
	struct client *cl = arg;
	struct auth *auth = cl->auth;

	if (auth->result != GSASL_OK || auth->cred.database_failed)
		refuse(cl);
	else if (auth->output[0] == '\0')
		auth_succeed(cl);
	else {
		auth->finished = true;
		client_reply(cl, "334 %s", auth->output);
		client_continue(cl, CLIENT_SASL);
	}
}

/* Counts the result; for how long is its answer held back? */
static int64_t
count(struct client *cl, struct auth *auth)
{
	const char *login = gsasl_property_fast(auth->sasl, GSASL_AUTHID);
	int64_t by_login = 0, by_address = 0;

	if (login != NULL && !auth->cred.database_failed)
		by_login = peers_login_delay(cl->server->peers, login);
	if (!is_theirs(auth))
		return by_login;
	if (login != NULL)
		peers_login_failed(cl->server->peers, login);
	by_address = guest_auth_failed(cl->guest);
	return by_login > by_address ? by_login : by_address;
}

void
auth_decided(struct client *cl)
{
	struct auth *auth = cl->auth;
	int64_t ms = count(cl, auth);

	if (auth->result != GSASL_OK || auth->cred.database_failed)
		log_failure(cl, auth);
	guess_end(&auth->guess);
	if (ms > 0 && cl->hold == NULL)
		cl->hold = timer_new(cl->server->loop, answer, cl);
	if (ms > 0 && cl->hold == NULL)
		client_end(cl, "out-of-memory");
	else if (ms > 0)
		timer_set(cl->hold, ms);
	else
		answer(cl);
}
