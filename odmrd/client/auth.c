/* SPDX-License-Identifier: ISC */
/*
 * Who owns what: a struct auth belongs to its session, except while a worker
 * has it (`working`): then it is touched by nobody else, but for `abandoned`,
 * and if the session ends meanwhile, done() is what frees it.
 *
 * Steps that check a password hash it thousands of times. They have threads of
 * their own (server->hasher), so that no look-up ever waits behind them, each
 * has its turn (guess_begin), and a client that went away is not hashed for.
 */
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>

#include "auth_internal.h"
#include "mechanism.h"
#include "client.h"

/* RFC 4954 4: 12288 octets with CRLF. */
enum { RESPONSE_MAX = 12286 };

/* A login has 64 characters, a password 255 octets. To prepare longer ones
 * (RFC 4013) takes time by the square of their length; as no account has them,
 * they are wrong without that. In base64: 1 KiB. */
enum { WORTHWHILE_MAX = 1368 };

static void
wipe_input(struct auth *auth)
{
	if (auth->input != NULL)
		explicit_bzero(auth->input, strlen(auth->input));
	free(auth->input);
	auth->input = NULL;
}

static void
auth_free(struct auth *auth)
{
	guess_end(&auth->guess);
	if (auth->sasl != NULL)
		gsasl_finish(auth->sasl);
	wipe_input(auth);
	gsasl_free(auth->output);
	credentials_clear(&auth->cred);
	free(auth);
}

void
auth_cancel(struct auth **auth)
{
	if (*auth == NULL)
		return;
	(*auth)->client = NULL;
	if (!(*auth)->working)
		auth_free(*auth);
	else
		atomic_store(&(*auth)->abandoned, true);
	*auth = NULL;
}

/* ---- on the worker ----------------------------------------------------- */

static void
step(struct auth *auth, struct store *store, const char *input)
{
	gsasl_free(auth->output);
	auth->output = NULL;
	auth->steps++;
	if (input != NULL && strlen(input) > WORTHWHILE_MAX) {
		auth->cred.database_failed = false;
		auth->result = GSASL_AUTHENTICATION_ERROR;
		return;
	}
	auth->result = credentials_step(
	    &auth->cred, store, auth->sasl, input, &auth->output);
	/* libgsasl would wait for ever for a client that says nothing. */
	if (auth->result == GSASL_NEEDS_MORE && input != NULL &&
	    input[0] == '\0')
		auth->result = GSASL_MECHANISM_PARSE_ERROR;
}

static void
work(struct job *job, struct store *store)
{
	struct auth *auth = (struct auth *)job;

	if (atomic_load(&auth->abandoned))
		return;
	/* LOGIN with an initial response: it answers the first challenge. */
	if (auth->mech->server_first && auth->steps == 0 && auth->input != NULL)
		step(auth, store, NULL);
	step(auth, store, auth->input);
}

/* ---- in the loop ------------------------------------------------------- */

/* Ends the exchange with what `reply` says. */
static void
give_up(struct client *cl, const char *reply)
{
	auth_cancel(&cl->auth);
	client_set_state(cl, client_rest_state(cl));
	client_refuse(cl, "%s", reply);
}

/* LOGIN never became a standard, but old clients look for these very words:
 * "Username:" and "Password:". */
static const char *
challenge(const struct auth *auth)
{
	if (strcmp(auth->mech->name, "LOGIN") == 0)
		return auth->steps == 1 ? "VXNlcm5hbWU6" : "UGFzc3dvcmQ6";
	return auth->output;
}

static void
done(struct job *job)
{
	struct auth *auth = (struct auth *)job;
	struct client *cl = auth->client;

	auth->working = false;
	if (cl == NULL)
		auth_free(auth);
	else if (auth->result == GSASL_NEEDS_MORE &&
	    !auth->cred.database_failed) {
		client_reply(cl, "334 %s", challenge(auth));
		client_continue(cl, CLIENT_SASL);
	} else
		auth_decided(cl);
}

/* No guess of this client is judged while it is barred. */
static void
judge(void *arg)
{
	struct client *cl = arg;
	struct auth *auth = cl->auth;

	if (!auth_is_allowed(cl))
		return;
	auth->working = true;
	worker_submit(
	    auth->guess.hashes ? cl->server->hasher : cl->server->worker,
	    &auth->job);
}

/* `input` is NULL if the client has said nothing yet. */
static void
submit(struct client *cl, const char *input)
{
	struct auth *auth = cl->auth;

	wipe_input(auth);
	if (input != NULL) {
		auth->input = strdup(input);
		if (auth->input == NULL) {
			give_up(cl, "451 4.3.0 Out of memory");
			return;
		}
		auth->responses++;
	}
	/* Stays if no worker can do it: a failure of ours, not of theirs. */
	auth->cred.database_failed = true;
	auth->result = GSASL_AUTHENTICATION_ERROR;
	client_set_state(cl, CLIENT_ASKING);
	if (auth->responses == auth->mech->responses)
		guess_begin(
		    &auth->guess, cl->guest, auth->mech->hashes, judge, cl);
	else
		judge(cl);
}

static bool
take_binding(struct client *cl, struct credentials *cred)
{
	struct tls_binding binding;

	if (!link_channel_binding(cl->link, &binding))
		return true;
	cred->binding_name = binding.kind == TLS_BINDING_EXPORTER
	    ? GSASL_CB_TLS_EXPORTER
	    : GSASL_CB_TLS_UNIQUE;
	return gsasl_base64_to((const char *)binding.bytes, binding.len,
		   &cred->binding, NULL) == GSASL_OK;
}

static struct auth *
auth_new(struct client *cl, const struct mechanism *mech)
{
	struct auth *auth = calloc(1, sizeof(*auth));

	if (auth == NULL)
		return NULL;
	auth->job.work = work;
	auth->job.done = done;
	auth->client = cl;
	auth->mech = mech;
	atomic_init(&auth->abandoned, false);
	memcpy(auth->cred.certificate, cl->certificate, FINGERPRINT_SIZE);
	if (!take_binding(cl, &auth->cred) ||
	    gsasl_server_start(cl->server->sasl, mech->name, &auth->sasl) !=
		GSASL_OK) {
		auth_free(auth);
		return NULL;
	}
	gsasl_session_hook_set(auth->sasl, &auth->cred);
	return auth;
}

/* What is wrong with AUTH's arguments; NULL: nothing. */
static const char *
check_arguments(const struct mechanism *mech, const char *initial)
{
	if (mech == NULL)
		return "504 5.5.4 Mechanism is not offered";
	if (strpbrk(initial, " \t") != NULL)
		return "501 5.5.4 Syntax: AUTH mechanism [response]";
	if (strlen(initial) > RESPONSE_MAX)
		return "500 5.5.6 The response is too long";
	/* RFC 4954 4: MUST. */
	if (initial[0] != '\0' && !mech->takes_initial)
		return "501 5.7.0 This mechanism takes no initial response";
	return NULL;
}

void
auth_command(struct client *cl, char *args)
{
	char *initial = args + strcspn(args, " \t");
	const struct mechanism *mech;
	const char *fault;

	if (args[0] == '\0') {
		client_refuse(cl, "501 5.5.4 Syntax: AUTH mechanism");
		return;
	}
	if (*initial != '\0')
		*initial++ = '\0';
	initial += strspn(initial, " \t");
	mech = mechanism_find(cl, args);
	fault = check_arguments(mech, initial);
	if (fault != NULL) {
		client_refuse(cl, "%s", fault);
		return;
	}
	cl->auth = auth_new(cl, mech);
	if (cl->auth == NULL)
		client_reply(cl, "451 4.3.0 Cannot authenticate now");
	else if (initial[0] == '\0')
		submit(cl, NULL);
	else
		/* RFC 4954 4: "=" stands for an empty initial response. */
		submit(cl, strcmp(initial, "=") == 0 ? "" : initial);
}

void
auth_line(struct client *cl, char *line)
{
	size_t len = strlen(line);

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		line[--len] = '\0';
	if (strcmp(line, "*") == 0)
		give_up(cl, "501 5.7.0 Authentication cancelled");
	else if (len > RESPONSE_MAX)
		give_up(cl, "500 5.5.6 The response is too long");
	else if (!cl->auth->finished)
		submit(cl, line);
	else if (len == 0)
		auth_succeed(cl);
	else
		give_up(cl, "501 5.5.2 Nothing is left to be said");
}
