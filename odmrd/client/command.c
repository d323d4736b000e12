/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "atrn.h"
#include "auth.h"
#include "command.h"
#include "mechanism.h"
#include "session.h"
#include "odmrd/client/submission/submission.h"

struct command {
	const char *verb;
	void (*handle)(struct session *session, char *args);
	unsigned states;     /* where it is allowed; IF_SUBMISSION */
	const char *refusal; /* what it hears elsewhere */
};

static const char bad_sequence[] = "503 5.5.1 Bad sequence of commands";
static const char need_auth[] = "530 5.7.0 Authentication required";

static void
greet(struct session *s)
{
	if (s->state == SESSION_NEW)
		session_set_state(s, SESSION_GREETED);
}

static void
on_helo(struct session *s, char *args)
{
	(void)args;
	greet(s);
	submission_close(s);
	session_reply(s, "250 %s", s->server->conf->myhostname);
}

/* ETRN is shown to whom it may be of use: that is for its login to say, or for
 * its network. RFC 2645 5.1.1: the response MUST include AUTH and ATRN. */
static void
say_ehlo(struct session *s)
{
	bool secure = link_tls_version(s->link) != NULL;
	const char *offers = submission_offers(s);
	char mechanisms[MECHANISM_LIST_SIZE];
	size_t len;

	session_reply(s, "250-%s", s->server->conf->myhostname);
	if (s->server->tls != NULL && !secure)
		session_reply(s, "250-STARTTLS");
	session_reply(s, "250-AUTH %s", mechanism_list(s, mechanisms));
	if (s->who.login != NULL || s->etrn_offer == ETRN_OFFERED)
		session_reply(s, "250-ETRN");
	for (; *offers != '\0'; offers += len + 1) {
		len = strcspn(offers, "\n");
		session_reply(s, "250-%.*s", (int)len, offers);
	}
	session_reply(s, "250 ATRN");
}

static void
on_ehlo(struct session *s, char *args)
{
	(void)args;
	greet(s);
	if (s->who.login != NULL && s->server->conf->submission)
		submission_hello(s, say_ehlo);
	else if (s->who.login != NULL || s->etrn_offer != ETRN_UNASKED)
		say_ehlo(s);
	else
		etrn_ask_offer(s, say_ehlo);
}

static void
on_starttls(struct session *s, char *args)
{
	if (args[0] != '\0')
		session_refuse(s, "501 5.5.4 STARTTLS takes no argument");
	else if (s->server->tls == NULL)
		session_refuse(s, "502 5.5.1 STARTTLS is not offered");
	else if (link_tls_version(s->link) != NULL)
		session_refuse(s, "503 5.5.1 TLS is in use already");
	else if (link_has_input(s->link)) {
		/* RFC 3207 4: the command is the last of a group. Whoever put
		 * bytes behind it wants them taken for encrypted ones. */
		session_reply(s, "503 5.5.1 Nothing may follow STARTTLS");
		session_end(s, "input-behind-starttls");
	} else {
		session_reply(s, "220 2.0.0 Ready to start TLS");
		session_set_state(s, SESSION_SECURING);
		if (!link_start_tls(s->link, s->server->tls, TLS_SERVER))
			session_end(s, "out-of-memory");
	}
}

static void
on_auth(struct session *s, char *args)
{
	/* RFC 4954 4: not within a transaction. Whatever was opened was
	 * opened for the login before. */
	if (submission_has_mail(s)) {
		session_refuse(s, "%s", bad_sequence);
		return;
	}
	submission_close(s);
	auth_command(s, args);
}

static void
on_atrn(struct session *s, char *args)
{
	if (submission_has_mail(s)) {
		session_refuse(s, "%s", bad_sequence);
		return;
	}
	submission_close(s);
	atrn_command(s, args);
}

/* What Exchange says instead: all the account's domains. */
static void
on_turn(struct session *s, char *args)
{
	if (args[0] != '\0')
		session_refuse(s, "501 5.5.4 TURN takes no argument");
	else
		on_atrn(s, args);
}

static void
on_noop(struct session *s, char *args)
{
	(void)args;
	if (!submission_noop(s))
		session_reply(s, "250 2.0.0 Ok");
}

static void
on_rset(struct session *s, char *args)
{
	(void)args;
	if (!submission_rset(s))
		session_reply(s, "250 2.0.0 Ok");
}

static void
on_quit(struct session *s, char *args)
{
	(void)args;
	session_reply(
	    s, "221 2.0.0 %s closing connection", s->server->conf->myhostname);
	session_end(s, "quit");
}

#define IN(state) (1U << (state))
/* There is no such verb unless submission = yes. */
#define IF_SUBMISSION (1U << 31)
#define ANY           (IN(SESSION_NEW) | IN(SESSION_GREETED) | IN(SESSION_KNOWN))

static const struct command commands[] = {
	{ "EHLO", on_ehlo, ANY, NULL },
	{ "HELO", on_helo, ANY, NULL },
	{ "STARTTLS", on_starttls, IN(SESSION_NEW) | IN(SESSION_GREETED),
	    bad_sequence },
	{ "AUTH", on_auth, IN(SESSION_GREETED) | IN(SESSION_KNOWN),
	    bad_sequence },
	/* RFC 2645 5.2.1: MUST be rejected if not authenticated. */
	{ "ATRN", on_atrn, IN(SESSION_KNOWN), need_auth },
	{ "TURN", on_turn, IN(SESSION_KNOWN), need_auth },
	{ "ETRN", etrn_command, IN(SESSION_GREETED) | IN(SESSION_KNOWN),
	    bad_sequence },
	{ "NOOP", on_noop, ANY, NULL },
	{ "RSET", on_rset, ANY, NULL },
	{ "MAIL", submission_mail, IN(SESSION_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "RCPT", submission_rcpt, IN(SESSION_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "DATA", submission_data, IN(SESSION_KNOWN) | IF_SUBMISSION,
	    need_auth },
	{ "BDAT", submission_bdat, IN(SESSION_KNOWN) | IF_SUBMISSION,
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
may_go_on(struct session *s)
{
	const struct conf *conf = s->server->conf;

	if (++s->commands > conf->command_limit) {
		session_expel(
		    s, "4.7.0", "Too many commands", "too-many-commands");
		return false;
	}
	if (s->state == SESSION_KNOWN)
		timer_set(s->timer, conf->command_time_limit * 1000);
	return true;
}

void
command_line(struct session *s, char *line)
{
	size_t len = strlen(line);
	const struct command *command;
	char *args;

	if (!may_go_on(s))
		return;

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		line[--len] = '\0';
	len = strcspn(line, " \t");
	args = line + len + strspn(line + len, " \t");
	command = find(line, len);
	if (command == NULL ||
	    (command->states & IF_SUBMISSION && !s->server->conf->submission))
		session_refuse(s, "502 5.5.1 Command not implemented");
	else if (!(command->states & IN(s->state)))
		session_refuse(s, "%s", command->refusal);
	else
		command->handle(s, args);
}
