/* SPDX-License-Identifier: ISC */
/*
 * How an AUTH exchange ends: what the client hears, and when.
 */
#include <stdlib.h>
#include <string.h>

#include "auth_internal.h"
#include "lib/log.h"
#include "mechanism.h"
#include "session.h"

bool
auth_is_allowed(struct session *s)
{
	if (!guest_is_barred(s->guest))
		return true;
	session_expel(
	    s, "4.7.0", "Too many failed authentications", "too-many-failures");
	return false;
}

/* ---- who it is --------------------------------------------------------- */

static void
become(struct session *s)
{
	struct credentials *cred = &s->auth->cred;

	/* The second AUTH of a session replaces the first: fetchmail says two
	 * where it has an esmtpname. */
	free(s->who.login);
	s->who.login = cred->login;
	cred->login = NULL;
	s->who.account = cred->account;
	s->who.passwords = cred->passwords;
	/* What let it in must still be right when it collects. */
	strlcpy(s->who.certificate,
	    strcmp(s->auth->mech->name, "EXTERNAL") == 0 ? s->certificate : "",
	    FINGERPRINT_SIZE);
	s->who.linger = cred->linger;
	strlcpy(s->who.mech, s->auth->mech->name, sizeof(s->who.mech));
	guest_is_known(s->guest);
	session_reply(s, "235 2.7.0 Authenticated as %s", s->who.login);
}

void
auth_succeed(struct session *s)
{
	if (!session_allows_account(s, s->auth->cred.account))
		return;
	become(s);
	auth_cancel(&s->auth);
	session_continue(s, SESSION_KNOWN);
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
log_failure(const struct session *s, const struct auth *auth)
{
	static const char fmt[] = "refused: AUTH %s client=%s login=%s: %s";
	const struct credentials *cred = &auth->cred;
	const char *login = login_of(auth);
	const char *why =
	    cred->why[0] != '\0' ? cred->why : gsasl_strerror(auth->result);
	const char *mech = auth->mech->name, *client = s->who.client;
	char word[LOG_WORD_SIZE];

	log_word(login != NULL && login[0] != '\0' ? login : "-", word);
	if (cred->database_failed)
		log_error(s->who.id, fmt, mech, client, word, why);
	else if (!is_theirs(auth))
		log_info(s->who.id, fmt, mech, client, word, why);
	else
		log_warning(s->who.id, fmt, mech, client, word, why);
}

static void
refuse(struct session *s)
{
	bool failed = s->auth->cred.database_failed;
	bool theirs = is_theirs(s->auth);

	auth_cancel(&s->auth);
	if (theirs && !auth_is_allowed(s))
		return;
	if (theirs)
		session_refuse(s, "535 5.7.8 Authentication failed");
	else if (failed)
		session_reply(
		    s, "451 4.3.0 Cannot authenticate now, try again later");
	else
		session_refuse(s, "501 5.5.2 Cannot decode the response");
	if (s->state != SESSION_ENDED)
		session_continue(s, session_rest_state(s));
}

/* RFC 4954 4: what a mechanism says together with its success is one more
 * challenge, and the client answers with an empty line. */
static void
answer(void *arg)
{
	struct session *s = arg;
	struct auth *auth = s->auth;

	if (auth->result != GSASL_OK || auth->cred.database_failed)
		refuse(s);
	else if (auth->output[0] == '\0')
		auth_succeed(s);
	else {
		auth->finished = true;
		session_reply(s, "334 %s", auth->output);
		session_continue(s, SESSION_SASL);
	}
}

/* Counts the result; for how long is its answer held back? */
static int64_t
count(struct session *s, struct auth *auth)
{
	const char *login = gsasl_property_fast(auth->sasl, GSASL_AUTHID);
	int64_t by_login = 0, by_address = 0;

	if (login != NULL && !auth->cred.database_failed)
		by_login = peers_login_delay(s->server->peers, login);
	if (!is_theirs(auth))
		return by_login;
	if (login != NULL)
		peers_login_failed(s->server->peers, login);
	by_address = guest_auth_failed(s->guest);
	return by_login > by_address ? by_login : by_address;
}

void
auth_decided(struct session *s)
{
	struct auth *auth = s->auth;
	int64_t ms = count(s, auth);

	if (auth->result != GSASL_OK || auth->cred.database_failed)
		log_failure(s, auth);
	guess_end(&auth->guess);
	if (ms > 0 && s->hold == NULL)
		s->hold = timer_new(s->server->loop, answer, s);
	if (ms > 0 && s->hold == NULL)
		session_end(s, "out-of-memory");
	else if (ms > 0)
		timer_set(s->hold, ms);
	else
		answer(s);
}
