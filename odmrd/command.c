/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "atrn.h"
#include "auth.h"
#include "command.h"
#include "session.h"

struct command {
	const char *verb;
	void (*handle)(struct session *session, char *args);
	unsigned states;     /* where it is allowed */
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
	session_reply(s, "250 %s", s->server->conf->myhostname);
}

/* RFC 2645 5.1.1: the response MUST include AUTH and ATRN. */
static void
on_ehlo(struct session *s, char *args)
{
	bool secure = link_tls_version(s->link) != NULL;

	(void)args;
	greet(s);
	session_reply(s, "250-%s", s->server->conf->myhostname);
	if (s->server->tls != NULL && !secure)
		session_reply(s, "250-STARTTLS");
	session_reply(s, "250-AUTH %s", auth_mechanisms(secure));
	session_reply(s, "250 ATRN");
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
on_noop(struct session *s, char *args)
{
	(void)args;
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
#define ANY       (IN(SESSION_NEW) | IN(SESSION_GREETED) | IN(SESSION_KNOWN))

static const struct command commands[] = {
	{ "EHLO", on_ehlo, ANY, NULL },
	{ "HELO", on_helo, ANY, NULL },
	{ "STARTTLS", on_starttls, IN(SESSION_NEW) | IN(SESSION_GREETED),
	    bad_sequence },
	{ "AUTH", auth_command, IN(SESSION_GREETED) | IN(SESSION_KNOWN),
	    bad_sequence },
	/* RFC 2645 5.2.1: MUST be rejected if not authenticated. */
	{ "ATRN", atrn_command, IN(SESSION_KNOWN), need_auth },
	{ "NOOP", on_noop, ANY, NULL },
	{ "RSET", on_noop, ANY, NULL },
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

void
command_line(struct session *s, char *line)
{
	size_t len = strlen(line);
	const struct command *command;
	char *args;

	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		line[--len] = '\0';
	len = strcspn(line, " \t");
	args = line + len + strspn(line + len, " \t");
	command = find(line, len);
	if (command == NULL)
		session_refuse(s, "502 5.5.1 Command not implemented");
	else if (!(command->states & IN(s->state)))
		session_refuse(s, "%s", command->refusal);
	else
		command->handle(s, args);
}
