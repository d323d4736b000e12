/* SPDX-License-Identifier: ISC */
/*
 * Who owns what: a struct auth belongs to its session, except while a worker
 * has it (`working`): then it is touched by nobody else, and if the session
 * ends meanwhile, done() is what frees it.
 *
 * A client never learns whether a login exists: unknown, disabled and wrong
 * passwords fail alike, and PLAIN hashes a password either way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gsasl.h>

#include "auth.h"
#include "log.h"
#include "secret.h"
#include "session.h"

struct auth {
	struct job job;
	struct session *session; /* NULL: it has ended */
	Gsasl_session *sasl;
	bool working;
	char mech[MECH_SIZE];
	char *input;  /* base64, from the client */
	char *output; /* base64, libgsasl's */
	int result;   /* of gsasl_step64 */
	unsigned steps;
	/* set by the worker: */
	struct store *store;
	bool found; /* the account was looked up and is there */
	bool disabled;
	bool database_failed;
	char why[256]; /* for the log; "": ask libgsasl */
	int64_t account;
	long linger;
	char *login;
	char *scram;
	char *password;
};

const char *
auth_mechanisms(bool secure)
{
	return secure ? "CRAM-MD5 PLAIN" : "CRAM-MD5";
}

static void
wipe(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

static void
auth_free(struct auth *auth)
{
	if (auth->sasl != NULL)
		gsasl_finish(auth->sasl);
	wipe(&auth->input);
	wipe(&auth->scram);
	wipe(&auth->password);
	gsasl_free(auth->output);
	free(auth->login);
	free(auth);
}

void
auth_cancel(struct auth **auth)
{
	if (*auth == NULL)
		return;
	(*auth)->session = NULL;
	if (!(*auth)->working)
		auth_free(*auth);
	*auth = NULL;
}

/* ---- on the worker ----------------------------------------------------- */

static char *
copy(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

static void
take_account(const struct account *account, void *arg)
{
	struct auth *auth = arg;

	auth->found = true;
	auth->disabled = account->disabled;
	auth->account = account->id;
	auth->linger = account->linger;
	auth->login = copy(account->login);
	auth->scram = copy(account->scram);
	auth->password = copy(account->password);
}

static void
say(struct auth *auth, const char *why)
{
	snprintf(auth->why, sizeof(auth->why), "%s", why);
}

/* Loads the account that the client names; false if it cannot be used. */
static bool
look_up(struct auth *auth, const char *login)
{
	enum store_result result;

	if (login == NULL)
		return false;
	if (!auth->found) {
		result =
		    store_account_get(auth->store, login, take_account, auth);
		if (result == STORE_FAILED) {
			auth->database_failed = true;
			say(auth, store_error(auth->store));
			return false;
		}
		if (result == STORE_NONE) {
			say(auth, "no such account");
			return false;
		}
	}
	if (auth->disabled)
		say(auth, "account is disabled");
	return auth->login != NULL && !auth->disabled;
}

static int
give_password(struct auth *auth, Gsasl_session *sasl)
{
	if (!look_up(auth, gsasl_property_fast(sasl, GSASL_AUTHID)))
		return GSASL_AUTHENTICATION_ERROR;
	if (auth->password == NULL) {
		say(auth, "account has no CRAM-MD5 secret");
		return GSASL_AUTHENTICATION_ERROR;
	}
	gsasl_property_set(sasl, GSASL_PASSWORD, auth->password);
	return GSASL_OK;
}

/* PLAIN: the password itself is here. */
static int
check_password(struct auth *auth, Gsasl_session *sasl)
{
	static const char nobody[] =
	    "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	const char *password = gsasl_property_fast(sasl, GSASL_PASSWORD);
	const char *login = gsasl_property_fast(sasl, GSASL_AUTHID);
	const char *other = gsasl_property_fast(sasl, GSASL_AUTHZID);
	bool usable = look_up(auth, login), matches;
	struct verifier verifier;

	if (!secret_parse(usable ? auth->scram : nobody, &verifier)) {
		say(auth, "stored verifier is damaged");
		return GSASL_AUTHENTICATION_ERROR;
	}
	matches = password != NULL && secret_matches(&verifier, password);
	explicit_bzero(&verifier, sizeof(verifier));
	/* Nobody may act for another (RFC 4616 2). */
	if (other != NULL && other[0] != '\0' && strcmp(other, login) != 0)
		matches = false;
	return usable && matches ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

int
auth_callback(Gsasl *sasl, Gsasl_session *session, Gsasl_property property)
{
	struct auth *auth = gsasl_session_hook_get(session);

	(void)sasl;
	if (property == GSASL_PASSWORD)
		return give_password(auth, session);
	if (property == GSASL_VALIDATE_SIMPLE)
		return check_password(auth, session);
	return GSASL_NO_CALLBACK;
}

static void
work(struct job *job, struct store *store)
{
	struct auth *auth = (struct auth *)job;

	auth->store = store;
	/* To nothing at all libgsasl gives its challenge again, and again. */
	if (auth->steps++ > 0 && auth->input[0] == '\0')
		auth->result = GSASL_MECHANISM_PARSE_ERROR;
	else
		auth->result =
		    gsasl_step64(auth->sasl, auth->input, &auth->output);
}

/* ---- in the loop ------------------------------------------------------- */

static void
succeed(struct session *s, struct auth *auth)
{
	free(s->who.login);
	s->who.login = auth->login;
	s->who.account = auth->account;
	s->who.linger = auth->linger;
	snprintf(s->who.mech, sizeof(s->who.mech), "%s", auth->mech);
	auth->login = NULL;
	session_reply(s, "235 2.7.0 Authenticated as %s", s->who.login);
}

static void
fail(struct session *s, const struct auth *auth)
{
	const char *login = gsasl_property_fast(auth->sasl, GSASL_AUTHID);

	log_warning(s->who.id, "refused: AUTH %s client=%s login=%.64s: %s",
	    auth->mech, s->who.client, login != NULL ? login : "-",
	    auth->why[0] != '\0' ? auth->why : gsasl_strerror(auth->result));
	if (auth->database_failed)
		session_reply(s,
		    "451 4.3.0 Cannot authenticate now, try "
		    "again later");
	else if (auth->result == GSASL_BASE64_ERROR)
		session_refuse(s, "501 5.5.2 Cannot decode the response");
	else
		session_refuse(s, "535 5.7.8 Authentication failed");
}

/* The state that a session without an exchange is in. */
static enum session_state
rest_state(const struct session *s)
{
	return s->who.login != NULL ? SESSION_KNOWN : SESSION_GREETED;
}

static void
done(struct job *job)
{
	struct auth *auth = (struct auth *)job;
	struct session *s = auth->session;

	auth->working = false;
	if (s == NULL) {
		auth_free(auth);
		return;
	}
	if (auth->result == GSASL_NEEDS_MORE) {
		session_reply(s, "334 %s", auth->output);
		session_continue(s, SESSION_SASL);
		return;
	}
	if (auth->result == GSASL_OK && auth->login != NULL)
		succeed(s, auth);
	else
		fail(s, auth);
	auth_cancel(&s->auth);
	if (s->state != SESSION_ENDED)
		session_continue(s, rest_state(s));
}

static void
submit(struct session *s, const char *input)
{
	struct auth *auth = s->auth;

	wipe(&auth->input);
	gsasl_free(auth->output);
	auth->output = NULL;
	/* Stays if no worker can do it: a failure of ours, not of theirs. */
	auth->result = GSASL_AUTHENTICATION_ERROR;
	auth->database_failed = false;
	auth->input = strdup(input);
	if (auth->input == NULL) {
		session_reply(s, "451 4.3.0 Out of memory");
		auth_cancel(&s->auth);
		session_set_state(s, rest_state(s));
		return;
	}
	auth->working = true;
	session_set_state(s, SESSION_ASKING);
	worker_submit(s->server->worker, &auth->job);
}

static bool
offered(const char *mech, bool secure)
{
	const char *list = auth_mechanisms(secure);
	size_t len = strlen(mech), n;

	for (; *list != '\0'; list += n + (list[n] != '\0')) {
		n = strcspn(list, " ");
		if (n == len && strncasecmp(list, mech, len) == 0)
			return true;
	}
	return false;
}

static struct auth *
auth_new(struct session *s, const char *mech)
{
	struct auth *auth = calloc(1, sizeof(*auth));

	if (auth == NULL)
		return NULL;
	auth->job.work = work;
	auth->job.done = done;
	auth->session = s;
	snprintf(auth->mech, sizeof(auth->mech), "%s", mech);
	for (char *p = auth->mech; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p -= 'a' - 'A';
	if (gsasl_server_start(s->server->sasl, auth->mech, &auth->sasl) !=
	    GSASL_OK) {
		free(auth);
		return NULL;
	}
	gsasl_session_hook_set(auth->sasl, auth);
	return auth;
}

void
auth_command(struct session *s, char *args)
{
	char *initial = args + strcspn(args, " ");

	if (*initial != '\0')
		*initial++ = '\0';
	initial += strspn(initial, " ");
	if (args[0] == '\0') {
		session_refuse(s, "501 5.5.4 Syntax: AUTH mechanism");
		return;
	}
	/* fetchmail asks twice where it has an esmtpname: the second AUTH
	 * replaces the first. */
	if (!offered(args, link_tls_version(s->link) != NULL)) {
		session_refuse(s, "504 5.5.4 Mechanism is not offered");
		return;
	}
	/* RFC 4954 4: no initial response where the server begins. */
	if (*initial != '\0' && strcasecmp(args, "CRAM-MD5") == 0) {
		session_refuse(s, "501 5.5.4 CRAM-MD5 begins with the server");
		return;
	}
	s->auth = auth_new(s, args);
	if (s->auth == NULL) {
		session_reply(s, "451 4.3.0 Cannot authenticate now");
		return;
	}
	if (strchr(initial, ' ') != NULL) {
		auth_cancel(&s->auth);
		session_refuse(
		    s, "501 5.5.4 Syntax: AUTH mechanism [response]");
		return;
	}
	/* RFC 4954 4: "=" stands for an empty initial response. */
	submit(s, strcmp(initial, "=") == 0 ? "" : initial);
}

void
auth_line(struct session *s, char *line)
{
	if (strcmp(line, "*") == 0) {
		auth_cancel(&s->auth);
		session_set_state(s, rest_state(s));
		session_refuse(s, "501 5.7.0 Authentication cancelled");
		return;
	}
	submit(s, line);
}
