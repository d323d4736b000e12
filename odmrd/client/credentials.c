/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "login.h"
#include "lib/secret.h"

static void
wipe(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void
credentials_clear(struct credentials *cred)
{
	wipe(&cred->scram);
	wipe(&cred->password);
	free(cred->binding);
	free(cred->login);
	memset(cred, 0, sizeof(*cred));
}

static void
explain(struct credentials *cred, const char *why)
{
	strlcpy(cred->why, why, WHY_SIZE);
}

/* True unless the database failed. */
static bool
answered(struct credentials *cred, enum store_result result)
{
	if (result == STORE_FAILED) {
		cred->database_failed = true;
		explain(cred, store_error(cred->store));
	}
	return result != STORE_FAILED;
}

/* ---- the account ------------------------------------------------------- */

static char *
copy(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

static void
take_account(const struct account *account, void *arg)
{
	struct credentials *cred = arg;

	cred->disabled = account->disabled;
	cred->account = account->id;
	cred->passwords = account->passwords;
	cred->linger = account->linger;
	cred->login = copy(account->login);
	cred->scram = copy(account->scram);
	cred->password = copy(account->password);
	if (cred->disabled)
		explain(cred, "account is disabled");
}

/* Looks the account up that the client names, once an exchange. */
static bool
look_up(struct credentials *cred, const char *given)
{
	enum store_result result;
	const char *why;

	if (given == NULL)
		return false;
	if (!cred->sought) {
		result =
		    login_find(cred->store, given, take_account, cred, &why);
		cred->sought = answered(cred, result);
		if (result == STORE_NONE)
			explain(cred, why);
	}
	return cred->login != NULL;
}

static void
take_seed(const char *seed, void *arg)
{
	*(char **)arg = strdup(seed);
}

static bool
make_decoy(
    struct credentials *cred, const char *given, struct verifier *verifier)
{
	char *seed = NULL;
	enum store_result result =
	    store_decoy_seed(cred->store, take_seed, &seed);
	bool ok = answered(cred, result) && seed != NULL &&
	    secret_decoy(seed, given, verifier);

	wipe(&seed);
	return ok;
}

/*
 * The account's verifier, or a decoy, which is made in any case: what takes no
 * time tells too. False: neither can be had.
 */
static bool
get_verifier(struct credentials *cred, const char *given,
    struct verifier *verifier, struct verifier *decoy)
{
	if (given == NULL || !make_decoy(cred, given, decoy))
		return false;
	*verifier = *decoy;
	if (!look_up(cred, given))
		return !cred->database_failed;
	if (cred->scram == NULL || !secret_parse(cred->scram, verifier)) {
		explain(cred, "stored verifier is damaged");
		*verifier = *decoy;
	}
	return true;
}

/* ---- what libgsasl asks ------------------------------------------------ */

/* CRAM-MD5 */
static int
give_password(struct credentials *cred, Gsasl_session *session)
{
	if (!look_up(cred, gsasl_property_fast(session, GSASL_AUTHID)))
		return GSASL_AUTHENTICATION_ERROR;
	if (cred->password == NULL) {
		if (!cred->disabled)
			explain(cred, "account has no CRAM-MD5 secret");
		return GSASL_AUTHENTICATION_ERROR;
	}
	gsasl_property_set(session, GSASL_PASSWORD, cred->password);
	return GSASL_OK;
}

static bool
give_bytes(Gsasl_session *session, Gsasl_property property,
    const unsigned char *bytes, size_t len)
{
	char *text = NULL;
	bool ok = gsasl_base64_to((const char *)bytes, len, &text, NULL) ==
		GSASL_OK &&
	    gsasl_property_set(session, property, text) == GSASL_OK;

	wipe(&text);
	return ok;
}

static bool
same_salt(const struct verifier *a, const struct verifier *b)
{
	return a->salt_len == b->salt_len &&
	    memcmp(a->salt, b->salt, a->salt_len) == 0;
}

/*
 * SCRAM: all four at the first question. Here the salt is shown before any
 * password is. The account's own is the decoy's where it is named by its
 * login. Where it is named by its domain its salt would tell whose domain
 * that is, so the decoy's is shown, and no password is the right one.
 */
static int
give_verifier(struct credentials *cred, Gsasl_session *session)
{
	const char *given = gsasl_property_fast(session, GSASL_AUTHID);
	struct verifier verifier, decoy;
	char iterations[16];
	bool ok;

	if (!get_verifier(cred, given, &verifier, &decoy))
		return GSASL_AUTHENTICATION_ERROR;
	if (!same_salt(&verifier, &decoy)) {
		explain(cred, "SCRAM takes no domain's name for a login");
		verifier = decoy;
	}
	snprintf(iterations, sizeof(iterations), "%u", verifier.iterations);
	ok = gsasl_property_set(session, GSASL_SCRAM_ITER, iterations) ==
		GSASL_OK &&
	    give_bytes(
		session, GSASL_SCRAM_SALT, verifier.salt, verifier.salt_len) &&
	    give_bytes(session, GSASL_SCRAM_STOREDKEY, verifier.stored_key,
		SECRET_KEY_SIZE) &&
	    give_bytes(session, GSASL_SCRAM_SERVERKEY, verifier.server_key,
		SECRET_KEY_SIZE);
	explicit_bzero(&verifier, sizeof(verifier));
	return ok ? GSASL_OK : GSASL_MALLOC_ERROR;
}

/* SCRAM with and without PLUS: a client that saw no PLUS although it was
 * offered has someone in between (RFC 5802 6), and libgsasl finds out. */
static int
give_binding(const struct credentials *cred, Gsasl_session *session,
    Gsasl_property property)
{
	if (cred->binding == NULL || cred->binding_name != property)
		return GSASL_NO_CALLBACK;
	gsasl_property_set(session, property, cred->binding);
	return GSASL_OK;
}

/* PLAIN, LOGIN: the password itself is here. */
static int
check_password(struct credentials *cred, Gsasl_session *session)
{
	const char *password = gsasl_property_fast(session, GSASL_PASSWORD);
	const char *given = gsasl_property_fast(session, GSASL_AUTHID);
	struct verifier verifier, decoy;
	bool matches;

	if (password == NULL || !get_verifier(cred, given, &verifier, &decoy))
		return GSASL_AUTHENTICATION_ERROR;
	matches = secret_matches(&verifier, password);
	explicit_bzero(&verifier, sizeof(verifier));
	if (!matches && cred->why[0] == '\0')
		explain(cred, "wrong password");
	return matches ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static void
look_up_owner(const char *login, void *arg)
{
	struct credentials *cred = arg;

	answered(
	    cred, store_account_get(cred->store, login, take_account, cred));
}

/* EXTERNAL: the certificate may have been taken away since the handshake. */
static int
check_certificate(struct credentials *cred)
{
	enum store_result result = store_cert_login(
	    cred->store, cred->certificate, look_up_owner, cred);

	cred->sought = answered(cred, result);
	if (result == STORE_NONE)
		explain(cred, "certificate is no longer registered");
	return cred->login != NULL ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

int
credentials_answer(Gsasl *sasl, Gsasl_session *session, Gsasl_property property)
{
	struct credentials *cred = gsasl_session_hook_get(session);

	(void)sasl;
	switch ((int)property) {
	case GSASL_PASSWORD:
		return give_password(cred, session);
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_STOREDKEY:
	case GSASL_SCRAM_SERVERKEY:
		return give_verifier(cred, session);
	case GSASL_CB_TLS_EXPORTER:
	case GSASL_CB_TLS_UNIQUE:
		return give_binding(cred, session, property);
	case GSASL_VALIDATE_SIMPLE:
		return check_password(cred, session);
	case GSASL_VALIDATE_EXTERNAL:
		return check_certificate(cred);
	default:
		return GSASL_NO_CALLBACK;
	}
}

/* ---- the end of an exchange -------------------------------------------- */

static void
take_id(const struct account *account, void *arg)
{
	*(int64_t *)arg = account->id;
}

/* Nobody may act for another (RFC 4422 3.4.1). */
static bool
acts_for_itself(struct credentials *cred, Gsasl_session *session)
{
	const char *other = gsasl_property_fast(session, GSASL_AUTHZID);
	const char *why;
	int64_t id = 0;

	if (other == NULL || other[0] == '\0')
		return true;
	if (answered(
		cred, login_find(cred->store, other, take_id, &id, &why)) &&
	    id == cred->account)
		return true;
	if (!cred->database_failed)
		explain(cred, "may not act for another");
	return false;
}

int
credentials_step(struct credentials *cred, struct store *store,
    Gsasl_session *session, const char *input, char **output)
{
	int result;

	cred->store = store;
	cred->database_failed = false;
	result = gsasl_step64(session, input, output);
	if (result == GSASL_OK &&
	    (cred->login == NULL || cred->disabled ||
		!acts_for_itself(cred, session)))
		result = GSASL_AUTHENTICATION_ERROR;
	cred->store = NULL;
	return result;
}
