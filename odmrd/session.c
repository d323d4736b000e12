/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "atrn.h"
#include "auth.h"
#include "command.h"
#include "log.h"
#include "session.h"

enum { ERRORS_MAX = 10 };

void
session_set_state(struct session *s, enum session_state state)
{
	s->state = state;
}

static void
bury_session(void *dead)
{
	struct session *s = dead;

	timer_free(&s->timer);
	free(s->who.login);
	free(s);
}

static void
leave(struct session *s)
{
	session_set_state(s, SESSION_ENDED);
	auth_cancel(&s->auth);
	atrn_cancel(&s->atrn);
	timer_stop(s->timer);
	TAILQ_REMOVE(&s->server->sessions, s, entry);
	loop_bury(s->server->loop, bury_session, s);
	server_one_less(s->server);
}

void
session_end(struct session *s, const char *reason)
{
	const char *tls;

	if (s->state == SESSION_ENDED)
		return;
	tls = link_tls_version(s->link);
	log_info(s->who.id,
	    "ended account=%s client=%s tls=%s mech=%s seconds=%.1f reason=%s",
	    s->who.login != NULL ? s->who.login : "-", s->who.client,
	    tls != NULL ? tls : "no",
	    s->who.mech[0] != '\0' ? s->who.mech : "-",
	    (double)(loop_now_ms() - s->began_ms) / 1000, reason);
	link_close(&s->link);
	leave(s);
}

void
session_turned(struct session *s)
{
	s->link = NULL;
	leave(s);
}

/* fetchmail's ssl hangs where one TLS record carries several lines. */
static void __attribute__((format(printf, 2, 0)))
write_reply(struct session *s, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	link_record(s->link, text);
}

void
session_reply(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_reply(s, fmt, ap);
	va_end(ap);
}

void
session_refuse(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (++s->errors > ERRORS_MAX) {
		session_reply(s, "421 4.7.0 %s Too many errors",
		    s->server->conf->myhostname);
		session_end(s, "too-many-errors");
		return;
	}
	va_start(ap, fmt);
	write_reply(s, fmt, ap);
	va_end(ap);
}

static void
take_line(struct session *s, char *line)
{
	if (s->state == SESSION_SASL)
		auth_line(s, line);
	else
		command_line(s, line);
}

/* What cannot be a command line of any mail program ends the session. */
static void
malformed(struct session *s, const char *what)
{
	session_reply(s, "500 5.5.2 Line %s", what);
	session_end(s, "malformed-line");
}

static void
take_input(struct session *s)
{
	char *line;
	size_t len;

	while (s->state < SESSION_ASKING)
		switch (link_line(s->link,
		    (size_t)s->server->conf->line_length_limit, false, &line,
		    &len)) {
		case LINE_NONE:
			return;
		case LINE_OK:
			take_line(s, line);
			break;
		case LINE_LONG:
			malformed(s, "too long");
			break;
		case LINE_BAD:
			malformed(s, "has a NUL, or no proper CRLF");
			break;
		}
}

void
session_continue(struct session *s, enum session_state state)
{
	session_set_state(s, state);
	if (state == SESSION_KNOWN)
		timer_set(s->timer, s->server->conf->command_time_limit * 1000);
	take_input(s);
}

static void
on_input(void *owner)
{
	take_input(owner);
}

static void
on_ended(void *owner, const char *why)
{
	struct session *s = owner;

	log_info(s->who.id, "line lost: %s", why);
	session_end(s, s->state == SESSION_SECURING ? "tls-failed" : "lost");
}

static void
greet(struct session *s)
{
	session_reply(s, "220 %s on-demand mail relay server ready",
	    s->server->conf->myhostname);
}

/* RFC 3207 4.2: all that was said before the handshake is forgotten. */
static void
on_secured(void *owner)
{
	struct session *s = owner;

	session_set_state(s, SESSION_NEW);
	if (s->implicit_tls)
		greet(s);
}

static const struct link_role session_role = {
	.input = on_input,
	.secured = on_secured,
	.ended = on_ended,
};

static void
on_timeout(void *arg)
{
	struct session *s = arg;

	if (s->state != SESSION_SECURING)
		session_reply(
		    s, "421 4.4.2 %s Timeout", s->server->conf->myhostname);
	session_end(s, "timeout");
}

void
session_stop(struct session *s)
{
	if (s->state != SESSION_SECURING)
		session_reply(
		    s, "421 4.3.2 %s is stopping", s->server->conf->myhostname);
	session_end(s, "stopping");
}

/* Short, unique for months, and in the order of time. */
static void
make_id(char id[SESSION_ID_SIZE])
{
	static unsigned count;

	snprintf(id, SESSION_ID_SIZE, "%08llX%04X",
	    (unsigned long long)time(NULL) & 0xffffffff, count++ & 0xffff);
}

static void
name_client(
    char client[CLIENT_SIZE], const struct sockaddr *peer, socklen_t len)
{
	if (getnameinfo(
		peer, len, client, CLIENT_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
		strcpy(client, "unknown");
}

void
session_accept(struct server *server, int fd, const struct sockaddr *peer,
    socklen_t len, bool implicit_tls)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(fd);
		return;
	}
	s->server = server;
	s->began_ms = loop_now_ms();
	make_id(s->who.id);
	name_client(s->who.client, peer, len);
	s->timer = timer_new(server->loop, on_timeout, s);
	s->link = link_new(server->loop, fd, &session_role, s);
	if (s->timer == NULL || s->link == NULL) {
		log_error(s->who.id, "out of memory for %s", s->who.client);
		link_abort(&s->link);
		bury_session(s);
		return;
	}
	TAILQ_INSERT_TAIL(&server->sessions, s, entry);
	timer_set(s->timer, server->conf->auth_time_limit * 1000);
	s->implicit_tls = implicit_tls;
	if (!implicit_tls)
		greet(s);
	else if (link_start_tls(s->link, server->tls, TLS_SERVER))
		session_set_state(s, SESSION_SECURING);
	else
		session_end(s, "out-of-memory");
}
