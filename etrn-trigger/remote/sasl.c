/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include <gsasl.h>

#include "lib/log.h"
#include "sasl.h"

/* A server may ask for as many iterations as it likes: these, the most that
 * lib/secret.c knows, take some ten seconds. */
enum { ITERATIONS_MAX = 10 * 1000 * 1000 };

/* Challenges in an exchange: no mechanism here needs more than two. */
enum { CHALLENGES_MAX = 4 };

enum {
	NEEDS_PRIVACY = 1 << 0, /* it shows the password */
	NEEDS_BINDING = 1 << 1, /* a channel to bind to */
	SERVER_FIRST = 1 << 2,
};

static const struct mechanism {
	const char *name;
	unsigned flags;
} mechanisms[] = {
	{ "SCRAM-SHA-256-PLUS", NEEDS_BINDING },
	{ "SCRAM-SHA-256", 0 },
	{ "CRAM-MD5", SERVER_FIRST },
	{ "PLAIN", NEEDS_PRIVACY },
	{ "LOGIN", NEEDS_PRIVACY | SERVER_FIRST },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

struct exchange {
	struct peer *peer;
	const struct mechanism *mech;
	Gsasl_session *sasl;
	int result;   /* of the last step */
	char *output; /* base64, what is to be said; may be NULL */
	char challenge[PEER_LINE_SIZE]; /* base64, the last one */
};

/* ---- the choice -------------------------------------------------------- */

static bool
lists(const char *list, const char *name)
{
	size_t len;

	for (; *list != '\0'; list += len) {
		list += strspn(list, " ");
		len = strcspn(list, " ");
		if (len == strlen(name) && strncasecmp(list, name, len) == 0)
			return true;
	}
	return false;
}

static const struct mechanism *
choose(struct peer *peer, const char *offered)
{
	struct wire_binding binding;
	const struct mechanism *mech;

	for (size_t i = 0; i < MECHANISMS; i++) {
		mech = &mechanisms[i];
		if (!lists(offered, mech->name))
			continue;
		if ((mech->flags & NEEDS_PRIVACY) && !peer->wire.verified)
			continue;
		if ((mech->flags & NEEDS_BINDING) &&
		    !wire_binding(&peer->wire, &binding))
			continue;
		return mech;
	}
	log_error(NULL,
	    "%s: cannot log in: it offers no mechanism that may be used "
	    "%s (it offers: %s)",
	    peer->host,
	    peer->wire.verified ? "here"
				: "without TLS and a verified certificate",
	    offered[0] != '\0' ? offered : "none");
	return NULL;
}

/* ---- the mechanism ----------------------------------------------------- */

static void
wipe_output(struct exchange *x)
{
	if (x->output != NULL)
		explicit_bzero(x->output, strlen(x->output));
	gsasl_free(x->output);
	x->output = NULL;
}

/* A binding that is there is told to SCRAM without -PLUS, too: it lets the
 * server see that somebody has hidden its -PLUS from us. */
static bool
tell_binding(struct exchange *x)
{
	struct wire_binding binding;
	char *text = NULL;
	int result;

	if (!wire_binding(&x->peer->wire, &binding))
		return true;
	if (gsasl_base64_to((const char *)binding.bytes, binding.len, &text,
		NULL) != GSASL_OK)
		return false;
	result = gsasl_property_set(x->sasl,
	    binding.exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
	    text);
	gsasl_free(text);
	return result == GSASL_OK;
}

/* The iterations that a SCRAM server asks for; 0 if it does not. */
static long
iterations(const char *challenge)
{
	size_t len = 0;
	char *text = NULL, *at, *copy;
	long count = 0;

	if (gsasl_base64_from(challenge, strlen(challenge), &text, &len) !=
	    GSASL_OK)
		return 0;
	copy = strndup(text, len);
	at = copy != NULL ? strstr(copy, ",i=") : NULL;
	if (at != NULL)
		count = strtol(at + 3, NULL, 10);
	free(copy);
	gsasl_free(text);
	return count;
}

static void
step(struct exchange *x, const char *input)
{
	wipe_output(x);
	if (input != NULL && strncmp(x->mech->name, "SCRAM", 5) == 0 &&
	    iterations(input) > ITERATIONS_MAX)
		x->result = GSASL_MECHANISM_PARSE_ERROR;
	else
		x->result = gsasl_step64(x->sasl, input, &x->output);
}

/* ---- the exchange ------------------------------------------------------ */

static void
keep_challenge(void *arg, const char *line)
{
	struct exchange *x = arg;

	strlcpy(x->challenge, strlen(line) > 4 ? line + 4 : "",
	    sizeof(x->challenge));
}

static int
cancel(struct exchange *x)
{
	struct reply reply;
	int code;

	log_error(NULL, "%s: AUTH %s: %s", x->peer->host, x->mech->name,
	    gsasl_strerror(x->result));
	code = peer_say(x->peer, "*");
	if (code == EX_OK)
		code = peer_hear(x->peer, &reply, NULL, NULL);
	return code == EX_OK ? EX_PROTOCOL : code;
}

/* Answers challenges until there are no more. */
static int
answer(struct exchange *x, struct reply *reply)
{
	bool done = false;
	int code;

	for (int i = 0;; i++) {
		code = peer_hear(x->peer, reply, keep_challenge, x);
		if (code != EX_OK || reply->code != 334)
			return code;
		if (done || i == CHALLENGES_MAX)
			x->result = GSASL_MECHANISM_CALLED_TOO_MANY_TIMES;
		else
			step(x, x->challenge);
		done = x->result == GSASL_OK;
		if (!done && x->result != GSASL_NEEDS_MORE)
			return cancel(x);
		code =
		    peer_say(x->peer, "%s", x->output != NULL ? x->output : "");
		if (code != EX_OK)
			return code;
	}
}

static int
begin(struct exchange *x)
{
	if (x->mech->flags & SERVER_FIRST)
		return peer_say(x->peer, "AUTH %s", x->mech->name);
	step(x, NULL);
	if (x->result != GSASL_OK && x->result != GSASL_NEEDS_MORE) {
		log_error(NULL, "%s: AUTH %s: %s", x->peer->host, x->mech->name,
		    gsasl_strerror(x->result));
		return EX_SOFTWARE;
	}
	return peer_say(x->peer, "AUTH %s %s", x->mech->name, x->output);
}

static int
play(struct exchange *x)
{
	struct reply reply;
	int code;

	x->result = GSASL_NEEDS_MORE;
	code = begin(x);
	if (code == EX_OK)
		code = answer(x, &reply);
	if (code != EX_OK)
		return code;
	if (reply.code != 235)
		return peer_refused(x->peer, "login refused", &reply);
	if (x->result == GSASL_OK)
		return EX_OK;
	log_error(NULL,
	    "%s: AUTH %s: accepted without having shown that it knows the "
	    "account",
	    x->peer->host, x->mech->name);
	return EX_PROTOCOL;
}

static int
run(struct exchange *x, Gsasl *gsasl, const struct login *login)
{
	int code = EX_OSERR;

	if (gsasl_client_start(gsasl, x->mech->name, &x->sasl) != GSASL_OK) {
		log_error(NULL, "GNU SASL cannot do %s", x->mech->name);
		return EX_OSERR;
	}
	if (gsasl_property_set(x->sasl, GSASL_AUTHID, login->name) ==
		GSASL_OK &&
	    gsasl_property_set(x->sasl, GSASL_PASSWORD, login->password) ==
		GSASL_OK &&
	    tell_binding(x))
		code = play(x);
	else
		log_error(NULL, "out of memory");
	wipe_output(x);
	gsasl_finish(x->sasl);
	return code;
}

int
sasl_authenticate(
    struct peer *peer, const struct login *login, const char *offered)
{
	struct exchange x = { .peer = peer, .mech = choose(peer, offered) };
	Gsasl *gsasl = NULL;
	int code;

	if (x.mech == NULL)
		return EX_NOPERM;
	if (gsasl_init(&gsasl) != GSASL_OK) {
		log_error(NULL, "GNU SASL cannot be used");
		return EX_OSERR;
	}
	code = run(&x, gsasl, login);
	gsasl_done(gsasl);
	return code;
}
