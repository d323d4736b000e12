/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "auth.h"
#include "command.h"
#include "mechanism.h"
#include "client.h"
#include "odmrd/client/submission/submission.h"

struct command {
	const char *verb;
	void (*handle)(struct client *client, char *args);
	unsigned states;     /* where it is allowed; IF_SUBMISSION */
	const char *refusal; /* what it hears elsewhere */
};

static const char bad_sequence[] = "503 5.5.1 Bad sequence of commands";
static const char need_auth[] = "530 5.7.0 Authentication required";

static void
greet(struct client *cl)
{
	if (cl->state == CLIENT_NEW)
		client_set_state(cl, CLIENT_GREETED);
}

static void
on_helo(struct client *cl, char *args)
{
	(void)args;
	greet(cl);
	submission_close(cl);
	client_reply(cl, "250 %s", cl->server->conf->myhostname);
}

/* ETRN is shown to whom it may be of use: that is for its login to say, or for
 * its network. RFC 2645 5.1.1: the response MUST include AUTH and ATRN. */
static void
say_ehlo(struct client *cl)
{
	bool secure = link_tls_version(cl->link) != NULL;
	const char *offers = submission_offers(cl);
	char mechanisms[MECHANISM_LIST_SIZE];
	size_t len;

	client_reply(cl, "250-%s", cl->server->conf->myhostname);
	if (cl->server->tls != NULL && !secure)
		client_reply(cl, "250-STARTTLS");
	client_reply(cl, "250-AUTH %s", mechanism_list(cl, mechanisms));
	if (cl->who.login != NULL || cl->etrn_offer == ETRN_OFFERED)
		client_reply(cl, "250-ETRN");
	for (; *offers != '\0'; offers += len + 1) {
		len = strcspn(offers, "\n");
		client_reply(cl, "250-%.*s", (int)len, offers);
	}
	client_reply(cl, "250 ATRN");
}

static void
on_ehlo(struct client *cl, char *args)
{
	(void)args;
	greet(cl);
	if (cl->who.login != NULL && cl->server->conf->submission)
		submission_hello(cl, say_ehlo);
	else if (cl->who.login != NULL || cl->etrn_offer != ETRN_UNASKED)
		say_ehlo(cl);
	else
		etrn_ask_offer(cl, say_ehlo);
}

static void
on_starttls(struct client *cl, char *args)
{
	if (args[0] != '\0')
		client_refuse(cl, "501 5.5.4 STARTTLS takes no argument");
	else if (cl->server->tls == NULL)
		client_refuse(cl, "502 5.5.1 STARTTLS is not offered");
	else if (link_tls_version(cl->link) != NULL)
		client_refuse(cl, "503 5.5.1 TLS is in use already");
	else if (link_has_input(cl->link)) {
		/* RFC 3207 4: the command is the last of a group. Whoever put
		 * bytes behind it wants them taken for encrypted ones. */
		client_reply(cl, "503 5.5.1 Nothing may follow STARTTLS");
		client_end(cl, "input-behind-starttls");
	} else {
		client_reply(cl, "220 2.0.0 Ready to start TLS");
		client_set_state(cl, CLIENT_SECURING);
		if (!link_start_tls(cl->link, cl->server->tls, TLS_SERVER))
			client_end(cl, "out-of-memory");
	}
}

static void
on_auth(struct client *cl, char *args)
{
	/* RFC 4954 4: not within a transaction. Whatever was opened was
	 * opened for the login before. */
	if (submission_has_mail(cl)) {
		client_refuse(cl, "%s", bad_sequence);
		return;
	}
	submission_close(cl);
	auth_command(cl, args);
}

static void
on_atrn(struct client *cl, char *args)
{
	if (submission_has_mail(cl)) {
		client_refuse(cl, "%s", bad_sequence);
		return;
	}
	submission_close(cl);
	atrn_command(cl, args);
}

/* What Exchange says instead: all the account's domains. */
static void
on_turn(struct client *cl, char *args)
{
	if (args[0] != '\0')
		client_refuse(cl, "501 5.5.4 TURN takes no argument");
	else
		on_atrn(cl, args);
}

static void
on_noop(struct client *cl, char *args)
{
	(void)args;
	if (!submission_noop(cl))
		client_reply(cl, "250 2.0.0 Ok");
}

static void
on_rset(struct client *cl, char *args)
{
	(void)args;
	if (!submission_rset(cl))
		client_reply(cl, "250 2.0.0 Ok");
}

static void
on_quit(struct client *cl, char *args)
{
	(void)args;
	client_reply(cl, "221 2.0.0 %s closing connection",
	    cl->server->conf->myhostname);
	client_end(cl, "quit");
}

#define IN(state) (1U << (state))
/* There is no such verb unless submission = yes. */
#define IF_SUBMISSION (1U << 31)
#define ANY           (IN(CLIENT_NEW) | IN(CLIENT_GREETED) | IN(CLIENT_KNOWN))

static const struct command commands[] = {
	{ "EHLO", on_ehlo, ANY, NULL },
	{ "HELO", on_helo, ANY, NULL },
	{ "STARTTLS", on_starttls, IN(CLIENT_NEW) | IN(CLIENT_GREETED),
	    bad_sequence },
	{ "AUTH", on_auth, IN(CLIENT_GREETED) | IN(CLIENT_KNOWN),
	    bad_sequence },
	/* RFC 2645 5.2.1: MUST be rejected if not authenticated. */
	{ "ATRN", on_atrn, IN(CLIENT_KNOWN), need_auth },
	{ "TURN", on_turn, IN(CLIENT_KNOWN), need_auth },
	{ "ETRN", etrn_command, IN(CLIENT_GREETED) | IN(CLIENT_KNOWN),
	    bad_sequence },
	{ "NOOP", on_noop, ANY, NULL },
	{ "RSET", on_rset, ANY, NULL },
	{ "MAIL", submission_mail, IN(CLIENT_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "RCPT", submission_rcpt, IN(CLIENT_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "DATA", submission_data, IN(CLIENT_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "BDAT", submission_bdat, IN(CLIENT_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "QUIT", on_quit, ANY, NULL },
};

static const struct command *
find(const char *verb, size_t len)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].verb) == len &&
		    strncasecmp(commands[i].verb, verb, len) == 0)
			return &commands[i];
	return NULL;
}

/* A client that has come for its mail needs a handful of commands. */
static bool
may_go_on(struct client *cl)
{
	const struct conf *conf = cl->server->conf;

	if (++cl->commands > conf->command_limit) {
		client_expel(
		    cl, "4.7.0", "Too many commands", "too-many-commands");
		return false;
	}
	if (cl->state == CLIENT_KNOWN)
		timer_set(cl->timer, conf->command_time_limit * 1000);
	return true;
}

void
command_line(struct client *cl, char *line)
{
	size_t len = strlen(line);
	const struct command *command;
	char *args;

	if (!may_go_on(cl))
		return;

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		line[--len] = '\0';
	len = strcspn(line, " \t");
	args = line + len + strspn(line + len, " \t");
	command = find(line, len);
	if (command == NULL ||
	    (command->states & IF_SUBMISSION && !cl->server->conf->submission))
		client_refuse(cl, "502 5.5.1 Command not implemented");
	else if (!(command->states & IN(cl->state)))
		client_refuse(cl, "%s", command->refusal);
	else
		command->handle(cl, args);
}
