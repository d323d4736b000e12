/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include <gsasl.h>

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
	struct smtp_client *client;
	const struct mechanism *mech;
	Gsasl_session *sasl;
	int result;   /* of the last step */
	char *output; /* base64, what is to be said; may be NULL */
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
choose(struct smtp_client *client)
{
	const char *offered = client->offers.mechanisms;
	struct wire *wire = &client->wire;
	struct wire_binding binding;
	const struct mechanism *mech;

	for (size_t i = 0; i < MECHANISMS; i++) {
		mech = &mechanisms[i];
		if (lists(offered, mech->name) &&
		    (!(mech->flags & NEEDS_PRIVACY) || wire->verified) &&
		    (!(mech->flags & NEEDS_BINDING) ||
			wire_binding(wire, &binding)))
			return mech;
	}
	smtp_fail(client, EX_NOPERM,
	    "cannot log in: it offers no mechanism that may be used %s "
	    "(it offers: %s)",
	    wire->verified ? "here" : "without TLS and a verified certificate",
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

	if (!wire_binding(&x->client->wire, &binding))
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

static bool
fail(struct exchange *x, int code, const char *why)
{
	return smtp_fail(x->client, code, "AUTH %s: %s", x->mech->name, why);
}

/* RFC 4954 4: "*" ends the exchange. */
static bool
cancel(struct exchange *x)
{
	fail(x, EX_PROTOCOL, gsasl_strerror(x->result));
	return smtp_command(x->client, "*") && false;
}

/* Answers challenges until there are no more. */
static bool
answer(struct exchange *x)
{
	bool done = false;

	for (int i = 0; x->client->reply.code == 334; i++) {
		if (done || i == CHALLENGES_MAX)
			x->result = GSASL_MECHANISM_CALLED_TOO_MANY_TIMES;
		else
			step(x, x->client->rest);
		done = x->result == GSASL_OK;
		if (!done && x->result != GSASL_NEEDS_MORE)
			return cancel(x);
		if (!smtp_command(
			x->client, "%s", x->output != NULL ? x->output : ""))
			return false;
	}
	return true;
}

static bool
begin(struct exchange *x)
{
	x->result = GSASL_NEEDS_MORE;
	if (x->mech->flags & SERVER_FIRST)
		return smtp_command(x->client, "AUTH %s", x->mech->name);
	step(x, NULL);
	if (x->result != GSASL_OK && x->result != GSASL_NEEDS_MORE)
		return fail(x, EX_SOFTWARE, gsasl_strerror(x->result));
	return smtp_command(x->client, "AUTH %s %s", x->mech->name, x->output);
}

static bool
play(struct exchange *x)
{
	if (!begin(x) || !answer(x))
		return false;
	if (x->client->reply.code != 235)
		return smtp_refused(x->client, "login refused");
	return x->result == GSASL_OK ||
	    fail(x, EX_PROTOCOL,
		"accepted without having shown that it knows the account");
}

static bool
run(struct exchange *x, Gsasl *gsasl, const struct login *login)
{
	bool ok;

	if (gsasl_client_start(gsasl, x->mech->name, &x->sasl) != GSASL_OK)
		return fail(x, EX_OSERR, "GNU SASL cannot do it");
	if (gsasl_property_set(x->sasl, GSASL_AUTHID, login->name) ==
		GSASL_OK &&
	    gsasl_property_set(x->sasl, GSASL_PASSWORD, login->password) ==
		GSASL_OK &&
	    tell_binding(x))
		ok = play(x);
	else
		ok = fail(x, EX_OSERR, "out of memory");
	wipe_output(x);
	gsasl_finish(x->sasl);
	return ok;
}

bool
sasl_authenticate(struct smtp_client *client, const struct login *login)
{
	struct exchange x = { .client = client, .mech = choose(client) };
	Gsasl *gsasl = NULL;
	bool ok;

	if (x.mech == NULL)
		return false;
	if (gsasl_init(&gsasl) != GSASL_OK)
		return fail(&x, EX_OSERR, "GNU SASL cannot be used");
	ok = run(&x, gsasl, login);
	gsasl_done(gsasl);
	return ok;
}
