/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "certificate.h"
#include "command.h"
#include "odmrd/delivery/ending.h"
#include "lib/log.h"
#include "peers.h"
#include "session.h"
#include "odmrd/client/submission/submission.h"
#include "turn.h"

enum { REASON_SIZE = 160 };

void
session_set_state(struct session *s, enum session_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "new", "greeted", "sasl", "known",
		"asking", "body", "securing", "ended" };

	log_state(s->who.id, "session", NULL, names[s->state], names[state]);
	s->state = state;
}

static void
bury_session(void *dead)
{
	struct session *s = dead;

	timer_free(&s->timer);
	timer_free(&s->hold);
	submission_free(&s->submission);
	free(s->who.login);
	free(s);
}

static void
leave(struct session *s)
{
	session_set_state(s, SESSION_ENDED);
	request_cancel(s);
	auth_cancel(&s->auth);
	turn_cancel(&s->turn);
	submission_close(s);
	timer_stop(s->timer);
	if (s->hold != NULL)
		timer_stop(s->hold);
	TAILQ_REMOVE(&s->server->sessions, s, entry);
	loop_bury(s->server->loop, &s->grave, bury_session, s);
	s->server->one_less(s->server);
}

void
session_end(struct session *s, const char *reason)
{
	static const struct tally nothing;
	const struct ending ending = {
		.who = &s->who,
		.link = s->link,
		.tally = &nothing,
		.began_ms = s->began_ms,
		.reason = reason,
	};

	if (s->state == SESSION_ENDED)
		return;
	ending_log("ended", &ending);
	link_close(&s->link);
	leave(s);
}

void
session_turned(struct session *s)
{
	s->link = NULL;
	leave(s);
}

static void __attribute__((format(printf, 2, 0)))
write_reply(struct session *s, const char *fmt, va_list ap)
{
	link_vprintf(s->link, fmt, ap);
	link_write(s->link, "\r\n", 2);
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
session_expel(
    struct session *s, const char *status, const char *text, const char *reason)
{
	/* Within a handshake nobody would understand it. */
	if (s->state != SESSION_SECURING)
		session_reply(s, "421 %s %s %s", status,
		    s->server->conf->myhostname, text);
	session_end(s, reason);
}

void
session_refuse(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (++s->errors > s->server->conf->error_limit) {
		session_expel(s, "4.7.0", "Too many errors", "too-many-errors");
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

/* False: no line is there. */
static bool
take_next_line(struct session *s)
{
	char *line;
	size_t len;

	switch (link_line(s->link, (size_t)s->server->conf->line_length_limit,
	    false, &line, &len)) {
	case LINE_NONE:
		return false;
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
	return true;
}

/* A client that does not read its replies is not listened to either. */
static void
take_input(struct session *s)
{
	bool more = true;

	while (more)
		if (s->state > SESSION_BODY || s->state == SESSION_ASKING ||
		    link_unsent(s->link) > LINK_LOW_WATER)
			more = false;
		else if (s->state == SESSION_BODY)
			more = submission_body(s);
		else
			more = take_next_line(s);
}

enum session_state
session_rest_state(const struct session *s)
{
	return s->who.login != NULL ? SESSION_KNOWN : SESSION_GREETED;
}

static long
sessions_of(const struct server *server, int64_t account)
{
	const struct session *s;
	const struct customer *c;
	long count = 0;

	TAILQ_FOREACH(s, &server->sessions, entry)
		count += s->who.login != NULL && s->who.account == account;
	TAILQ_FOREACH(c, &server->customers, entry)
		count += c->who.account == account;
	return count;
}

bool
session_allows_account(struct session *s, int64_t account)
{
	const struct conf *conf = s->server->conf;
	bool again = s->who.login != NULL && s->who.account == account;

	if (again ||
	    sessions_of(s->server, account) < conf->session_limit_per_account)
		return true;
	log_warning(s->who.id,
	    "refused: AUTH client=%s account=%lld: session_limit_per_account",
	    s->who.client, (long long)account);
	session_expel(s, "4.7.0", "Too many sessions of this account",
	    "too-many-sessions");
	return false;
}

void
session_continue(struct session *s, enum session_state state)
{
	session_set_state(s, state);
	if (s->dismissed != NULL) {
		session_dismiss(s, s->dismissed);
		return;
	}
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
	char reason[REASON_SIZE];

	snprintf(reason, sizeof(reason), "%s (%s)",
	    s->state == SESSION_SECURING ? "tls-failed" : "lost", why);
	session_end(s, reason);
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
	certificate_ask(s);
}

static const struct link_role session_role = {
	.input = on_input,
	.drained = on_input,
	.secured = on_secured,
	.ended = on_ended,
};

static void
on_timeout(void *arg)
{
	session_expel(arg, "4.4.2", "Timeout", "timeout");
}

void
session_dismiss(struct session *s, const char *reason)
{
	if (submission_ends(s))
		s->dismissed = reason;
	else
		session_expel(
		    s, "4.7.0", "The operator ends this session", reason);
}

void
session_stop(struct session *s)
{
	session_expel(s, "4.3.2", "is stopping", "stopping");
}

static void
name_client(
    char client[CLIENT_SIZE], const struct sockaddr *peer, socklen_t len)
{
	if (getnameinfo(
		peer, len, client, CLIENT_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
		strcpy(client, "unknown");
}

/* Costs nothing but one packet; on a fresh socket it never blocks. A client
 * that waits for TLS would not understand the words. */
static void
turn_away(const struct server *server, int fd, bool implicit_tls)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
	    "421 4.7.0 %.255s Too many connections, try again later\r\n",
	    server->conf->myhostname);

	if (!implicit_tls)
		(void)send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* NULL: out of memory; `fd` is closed and `guest` has left then. */
static struct session *
session_new(struct server *server, int fd, struct guest *guest)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->timer = timer_new(server->loop, on_timeout, s);
	if (s == NULL || s->timer == NULL) {
		free(s);
		close(fd);
		guest_leave(guest);
		return NULL;
	}
	s->server = server;
	s->guest = guest;
	s->link = link_new(server->loop, fd, &session_role, s);
	if (s->link == NULL) {
		bury_session(s);
		guest_leave(guest);
		return NULL;
	}
	guest_settle(guest, s->link);
	return s;
}

void
session_accept(struct server *server, int fd, const struct sockaddr *addr,
    socklen_t len, bool implicit_tls)
{
	char client[CLIENT_SIZE];
	struct session *s;
	struct guest *guest;

	name_client(client, addr, len);
	guest = peers_admit(server->peers, addr, client);
	if (guest == NULL) {
		turn_away(server, fd, implicit_tls);
		return;
	}
	s = session_new(server, fd, guest);
	if (s == NULL) {
		log_error(NULL, "out of memory for %s", client);
		return;
	}
	s->began_ms = loop_now_ms();
	identity_make_id(s->who.id);
	strcpy(s->who.client, client);
	TAILQ_INSERT_TAIL(&server->sessions, s, entry);
	timer_set(s->timer, server->conf->auth_time_limit * 1000);
	s->implicit_tls = implicit_tls;
	if (!implicit_tls) {
		greet(s);
		return;
	}
	link_line_records(s->link);
	if (link_start_tls(s->link, server->tls, TLS_SERVER))
		session_set_state(s, SESSION_SECURING);
	else
		session_end(s, "out-of-memory");
}
