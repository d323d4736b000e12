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

#include "etrn-trigger/trigger.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/smtp/login.h"
#include "lib/smtp/sasl.h"
#include "lib/tags/node.h"

/* All of it, with looking up the host; the longest command (RFC 5321
 * 4.5.3.1.4). */
enum { ALL_SECONDS = 600, COMMAND_MAX = 512 };

/* Exit status if there is no mail for any of the names. */
enum { EX_NOMAIL = 1 };

struct remote {
	const struct arguments *args;
	struct endpoint server;
	struct login login;
	bool in_clear; /* TLS has failed before, and need not be */
	int asked;     /* for so many names */
	struct smtp_client client;
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

static size_t
rank(int code)
{
	static const int ranks[] = { EX_NOMAIL, EX_OK, EX_TEMPFAIL, EX_NOPERM };
	size_t i = 0;

	while (i < sizeof(ranks) / sizeof(*ranks) && ranks[i] != code)
		i++;
	return i;
}

/* False: there is no code for it, the session is over. */
static bool
ask_name(struct remote *r, const char *name, int *code)
{
	const struct reply *reply = &r->client.reply;
	const char *why;
	struct node node;

	if (!smtp_command(
		&r->client, "ETRN %s", command_name(name, &node, &why)))
		return false;
	printf("%s: %d %s\n", name, reply->code, reply->text);
	fflush(stdout);
	/* RFC 1985 5.1: 251 is "no messages waiting", and 459 "node not
	 * allowed", which is no temporary matter. */
	if (reply->code == 251)
		*code = EX_NOMAIL;
	else if (reply->code == 459)
		*code = EX_NOPERM;
	else
		*code = reply_class(reply) == 2 ? EX_OK : smtp_refusal(reply);
	return true;
}

static int
ask_names(struct remote *r)
{
	int code = EX_NOMAIL, one;

	while (r->asked < r->args->count && !r->client.lost)
		if (ask_name(r, r->args->names[r->asked++], &one) &&
		    rank(one) > rank(code))
			code = one;
	return code;
}

/* ---- the session ------------------------------------------------------- */

static bool
prepare(struct remote *r)
{
	const struct arguments *args = r->args;
	struct smtp_client *client = &r->client;
	const char *port = args->tls ? "465" : "25";

	if (r->server.port[0] != '\0')
		port = r->server.port;
	return smtp_open(client, port) &&
	    (!args->tls || smtp_tls(client, true)) && smtp_greeting(client) &&
	    smtp_ehlo(client) &&
	    (args->tls || r->in_clear ||
		smtp_starttls(client, args->starttls)) &&
	    (r->login.name == NULL || sasl_authenticate(client, &r->login));
}

static int
visit(struct remote *r, const char *myhostname)
{
	int code = EX_OK;

	r->client = (struct smtp_client) {
		.host = r->server.host,
		.hostname = myhostname,
	};
	if (prepare(r))
		code = ask_names(r);
	if (r->client.code != EX_OK) {
		log_error(NULL, "%s: %s", r->server.host, r->client.why);
		code = r->client.code;
	}
	if (r->asked > 0 && r->asked < r->args->count)
		log_error(NULL, "%s: %d of %d names were not asked for",
		    r->server.host, r->args->count - r->asked, r->args->count);
	smtp_close(&r->client);
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
	int code = take_arguments(&r);

	if (code == EX_OK && args->login != NULL)
		code = login_read(&r.login, args->login, args->password_file);
	if (code != EX_OK)
		return code;
	/* Also where a library waits by itself: for a name server, or in
	 * hashing the password. */
	signal(SIGALRM, give_up);
	alarm(ALL_SECONDS);
	code = visit(&r, trigger->conf.myhostname);
	if (r.client.tls_failed && !args->starttls && !args->tls) {
		log_warning(NULL, "%s: once more, without TLS", r.server.host);
		r.in_clear = true;
		code = visit(&r, trigger->conf.myhostname);
	}
	login_clear(&r.login);
	return code;
}
