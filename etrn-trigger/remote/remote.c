/* SPDX-License-Identifier: ISC */
/*
 * etrn-trigger --remote HOST[:PORT] NAME...: asks another server by ETRN (RFC
 * 1985) to start the mail that waits for each name, and prints its answers.
 * For who has mail waiting elsewhere: needs no database, and no configuration.
 *
 * The exit status is that of the worst answer, in the order of ranks[].
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "hello.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "login.h"
#include "lib/tags/node.h"
#include "peer.h"
#include "sasl.h"
#include "etrn-trigger/trigger.h"

/* All of it, with looking up the host; the longest command RFC 5321 allows. */
enum { ALL_SECONDS = 600, COMMAND_MAX = 512 };

/* Exit status if there is no mail for any of the names. */
enum { EX_NOMAIL = 1 };

struct remote {
	const struct arguments *args;
	const char *myhostname;
	struct endpoint server;
	struct login login;
	bool in_clear; /* TLS has failed before, and need not be */
	struct peer peer;
};

/* ---- what was asked for ------------------------------------------------ */

/* What ETRN says for it: servers know an internationalised name by its A-labels
 * only. NULL: it has none. */
static const char *
command_name(const char *name, struct node *node, const char **why)
{
	for (const char *c = name; *c != '\0'; c++)
		if (!isascii((unsigned char)*c))
			return node_parse(node, name, why) ? node->text : NULL;
	return name;
}

static bool
check_name(const char *typed)
{
	const char *why = NULL, *name;
	struct node node;

	name = command_name(typed, &node, &why);
	if (*typed == '\0')
		why = "is empty";
	else if (name != NULL &&
	    strlen("ETRN \r\n") + strlen(name) > COMMAND_MAX)
		why = "is too long for a command";
	for (; name != NULL && *name != '\0' && why == NULL; name++)
		if (!isgraph((unsigned char)*name))
			why = "has a character that no command may have";
	if (why != NULL)
		log_error(NULL, "the name \"%s\" %s", typed, why);
	return why == NULL;
}

static int
take_arguments(struct remote *r)
{
	const struct arguments *args = r->args;
	const char *fault = endpoint_parse(&r->server, args->remote);

	if (args->starttls && args->tls)
		log_error(NULL, "--starttls and --tls: only one of them");
	else if ((args->login == NULL) != (args->password_file == NULL))
		log_error(NULL, "--login and --password-file: both or none");
	else if (args->login != NULL && args->login[0] == '\0')
		log_error(NULL, "--login: is empty");
	else if (fault != NULL)
		log_error(NULL, "--remote \"%s\" %s", args->remote, fault);
	else {
		for (int i = 0; i < args->count; i++)
			if (!check_name(args->names[i]))
				return EX_DATAERR;
		return EX_OK;
	}
	return EX_USAGE;
}

/* ---- the names --------------------------------------------------------- */

static int
worse(int a, int b)
{
	static const int ranks[] = { EX_NOMAIL, EX_OK, EX_TEMPFAIL, EX_NOPERM };
	size_t rank_a = 0, rank_b = 0;

	/* What is not there ends the session: worse than all. */
	while (rank_a < sizeof(ranks) / sizeof(*ranks) && ranks[rank_a] != a)
		rank_a++;
	while (rank_b < sizeof(ranks) / sizeof(*ranks) && ranks[rank_b] != b)
		rank_b++;
	return rank_a >= rank_b ? a : b;
}

static int
ask_name(struct remote *r, const char *name)
{
	const char *why;
	struct reply reply;
	struct node node;
	int code =
	    peer_say(&r->peer, "ETRN %s", command_name(name, &node, &why));

	if (code == EX_OK)
		code = peer_hear(&r->peer, &reply, NULL, NULL);
	if (code != EX_OK)
		return code;
	printf("%s: %d %s\n", name, reply.code, reply.text);
	fflush(stdout);
	/* RFC 1985 5.1: 251 is "no messages waiting". */
	if (reply.code == 251)
		return EX_NOMAIL;
	return reply_class(&reply) == 2 ? EX_OK : peer_refusal(&reply);
}

static int
ask_names(struct remote *r)
{
	const struct arguments *args = r->args;
	int code = EX_NOMAIL, i;

	for (i = 0; i < args->count && !r->peer.lost; i++)
		code = worse(code, ask_name(r, args->names[i]));
	if (i < args->count)
		log_error(NULL, "%s: %d of %d names were not asked for",
		    r->server.host, args->count - i, args->count);
	return code;
}

/* ---- the session ------------------------------------------------------- */

/* `*failed`: by TLS, which is not needed. */
static int
prepare(struct remote *r, bool *failed)
{
	bool verify = r->args->starttls;
	struct offers offers;
	int code = EX_OK;

	if (r->args->tls)
		code = peer_encrypt(&r->peer, true);
	if (code == EX_OK)
		code = hello_greeting(&r->peer);
	if (code == EX_OK)
		code = hello_say(&r->peer, r->myhostname, &offers);
	if (code == EX_OK && !r->args->tls && !r->in_clear)
		code = hello_encrypt(
		    &r->peer, r->myhostname, &offers, verify, failed);
	*failed = *failed && !verify;
	if (code == EX_OK && r->login.name != NULL)
		code =
		    sasl_authenticate(&r->peer, &r->login, offers.mechanisms);
	return code;
}

static int
visit(struct remote *r, bool *tls_failed)
{
	const char *port = r->args->tls ? "465" : "25";
	int code;

	if (r->server.port[0] != '\0')
		port = r->server.port;
	code = peer_open(&r->peer, r->server.host, port);

	*tls_failed = false;
	if (code == EX_OK)
		code = prepare(r, tls_failed);
	if (code == EX_OK)
		code = ask_names(r);
	peer_close(&r->peer);
	return code;
}

static void
give_up(int signal_number)
{
	static const char text[] =
	    "etrn-trigger: no end in sight after ten minutes: given up\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal_number;
	(void)written;
	_exit(EX_UNAVAILABLE);
}

int
trigger_remote(struct trigger *trigger, const struct arguments *args)
{
	struct remote r = { .args = args };
	bool tls_failed;
	int code;

	r.myhostname = trigger->conf.myhostname;
	code = take_arguments(&r);
	if (code == EX_OK && args->login != NULL)
		code = login_read(&r.login, args->login, args->password_file);
	if (code != EX_OK)
		return code;
	/* Also where a library waits by itself: for a name server, or in
	 * hashing the password. */
	signal(SIGALRM, give_up);
	alarm(ALL_SECONDS);
	code = visit(&r, &tls_failed);
	if (tls_failed) {
		log_warning(NULL, "%s: once more, without TLS", r.server.host);
		r.in_clear = true;
		code = visit(&r, &tls_failed);
	}
	login_clear(&r.login);
	return code;
}
