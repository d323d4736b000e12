/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "command.h"
#include "odmrd/delivery/ending.h"
#include "lib/log.h"
#include "peers.h"
#include "client.h"
#include "odmrd/client/submission/submission.h"
#include "turn.h"

enum { REASON_SIZE = 160 };

void
client_set_state(struct client *cl, enum client_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "new", "greeted", "sasl", "known",
		"asking", "body", "securing", "ended" };

	log_state(cl->who.id, "session", NULL, names[cl->state], names[state]);
	cl->state = state;
}

static void
bury_client(void *dead)
{
	struct client *cl = dead;

	timer_free(&cl->timer);
	timer_free(&cl->hold);
	submission_free(&cl->submission);
	free(cl->who.login);
	free(cl);
}

static void
leave(struct client *cl)
{
	client_set_state(cl, CLIENT_ENDED);
	request_cancel(cl);
	auth_cancel(&cl->auth);
	turn_cancel(&cl->turn);
	submission_close(cl);
	timer_stop(cl->timer);
	if (cl->hold != NULL)
		timer_stop(cl->hold);
	TAILQ_REMOVE(&cl->server->clients, cl, entry);
	loop_bury(cl->server->loop, &cl->grave, bury_client, cl);
	cl->server->one_less(cl->server);
}

void
client_end(struct client *cl, const char *reason)
{
	static const struct tally nothing;
	const struct ending ending = {
		.who = &cl->who,
		.link = cl->link,
		.tally = &nothing,
		.began_ms = cl->began_ms,
		.reason = reason,
	};

	if (cl->state == CLIENT_ENDED)
		return;
	ending_log("ended", &ending);
	link_close(&cl->link);
	leave(cl);
}

void
client_turned(struct client *cl)
{
	cl->link = NULL;
	leave(cl);
}

static void __attribute__((format(printf, 2, 0)))
write_reply(struct client *cl, const char *fmt, va_list ap)
{
	link_vprintf(cl->link, fmt, ap);
	link_write(cl->link, "\r\n", 2);
}

void
client_reply(struct client *cl, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_reply(cl, fmt, ap);
	va_end(ap);
}

void
client_expel(
    struct client *cl, const char *status, const char *text, const char *reason)
{
	/* Within a handshake nobody would understand it. */
	if (cl->state != CLIENT_SECURING)
		client_reply(cl, "421 %s %s %s", status,
		    cl->server->conf->myhostname, text);
	client_end(cl, reason);
}

void
client_refuse(struct client *cl, const char *fmt, ...)
{
	va_list ap;

	if (++cl->errors > cl->server->conf->error_limit) {
		client_expel(cl, "4.7.0", "Too many errors", "too-many-errors");
		return;
	}
	va_start(ap, fmt);
	write_reply(cl, fmt, ap);
	va_end(ap);
}

static void
take_line(struct client *cl, char *line)
{
	if (cl->state == CLIENT_SASL)
		auth_line(cl, line);
	else
		command_line(cl, line);
}

/* What cannot be a command line of any mail program ends the session. */
static void
malformed(struct client *cl, const char *what)
{
	client_reply(cl, "500 5.5.2 Line %s", what);
	client_end(cl, "malformed-line");
}

/* False: no line is there. */
static bool
take_next_line(struct client *cl)
{
	char *line;
	size_t len;

	switch (link_line(cl->link, (size_t)cl->server->conf->line_length_limit,
	    false, &line, &len)) {
	case LINE_NONE:
		return false;
	case LINE_OK:
		take_line(cl, line);
		break;
	case LINE_LONG:
		malformed(cl, "too long");
		break;
	case LINE_BAD:
		malformed(cl, "has a NUL, or no proper CRLF");
		break;
	}
	return true;
}

/* A client that does not read its replies is not listened to either. */
static void
take_input(struct client *cl)
{
	bool more = true;

	while (more)
		if (cl->state > CLIENT_BODY || cl->state == CLIENT_ASKING ||
		    link_unsent(cl->link) > LINK_LOW_WATER)
			more = false;
		else if (cl->state == CLIENT_BODY)
			more = submission_body(cl);
		else
			more = take_next_line(cl);
}

enum client_state
client_rest_state(const struct client *cl)
{
	return cl->who.login != NULL ? CLIENT_KNOWN : CLIENT_GREETED;
}

static long
sessions_of(const struct server *server, int64_t account)
{
	const struct client *cl;
	const struct customer *c;
	long count = 0;

	TAILQ_FOREACH(cl, &server->clients, entry)
		count += cl->who.login != NULL && cl->who.account == account;
	TAILQ_FOREACH(c, &server->customers, entry)
		count += c->who.account == account;
	return count;
}

bool
client_allows_account(struct client *cl, int64_t account)
{
	const struct conf *conf = cl->server->conf;
	bool again = cl->who.login != NULL && cl->who.account == account;

	if (again ||
	    sessions_of(cl->server, account) < conf->session_limit_per_account)
		return true;
	log_warning(cl->who.id,
	    "refused: AUTH client=%s account=%lld: session_limit_per_account",
	    cl->who.client, (long long)account);
	client_expel(cl, "4.7.0", "Too many sessions of this account",
	    "too-many-sessions");
	return false;
}

void
client_continue(struct client *cl, enum client_state state)
{
	client_set_state(cl, state);
	if (cl->dismissed != NULL) {
		client_dismiss(cl, cl->dismissed);
		return;
	}
	if (state == CLIENT_KNOWN)
		timer_set(
		    cl->timer, cl->server->conf->command_time_limit * 1000);
	take_input(cl);
}

static void
on_input(void *owner)
{
	take_input(owner);
}

static void
on_ended(void *owner, const char *why)
{
	struct client *cl = owner;
	char reason[REASON_SIZE];

	snprintf(reason, sizeof(reason), "%s (%s)",
	    cl->state == CLIENT_SECURING ? "tls-failed" : "lost", why);
	client_end(cl, reason);
}

static void
greet(struct client *cl)
{
	client_reply(cl, "220 %s on-demand mail relay server ready",
	    cl->server->conf->myhostname);
}

/* RFC 3207 4.2: all that was said before the handshake is forgotten. */
static void
on_secured(void *owner)
{
	struct client *cl = owner;

	client_set_state(cl, CLIENT_NEW);
	if (cl->implicit_tls)
		greet(cl);
	certificate_ask(cl);
}

static const struct link_role client_role = {
	.input = on_input,
	.drained = on_input,
	.secured = on_secured,
	.ended = on_ended,
};

static void
on_timeout(void *arg)
{
	client_expel(arg, "4.4.2", "Timeout", "timeout");
}

void
client_dismiss(struct client *cl, const char *reason)
{
	if (submission_ends(cl))
		cl->dismissed = reason;
	else
		client_expel(
		    cl, "4.7.0", "The operator ends this session", reason);
}

void
client_stop(struct client *cl)
{
	client_expel(cl, "4.3.2", "is stopping", "stopping");
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
static struct client *
client_new(struct server *server, int fd, struct guest *guest)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl != NULL)
		cl->timer = timer_new(server->loop, on_timeout, cl);
	if (cl == NULL || cl->timer == NULL) {
		free(cl);
		close(fd);
		guest_leave(guest);
		return NULL;
	}
	cl->server = server;
	cl->guest = guest;
	cl->link = link_new(server->loop, fd, &client_role, cl);
	if (cl->link == NULL) {
		bury_client(cl);
		guest_leave(guest);
		return NULL;
	}
	guest_settle(guest, cl->link);
	return cl;
}

void
client_accept(struct server *server, int fd, const struct sockaddr *addr,
    socklen_t len, bool implicit_tls)
{
	char client[CLIENT_SIZE];
	struct client *cl;
	struct guest *guest;

	name_client(client, addr, len);
	guest = peers_admit(server->peers, addr, client);
	if (guest == NULL) {
		turn_away(server, fd, implicit_tls);
		return;
	}
	cl = client_new(server, fd, guest);
	if (cl == NULL) {
		log_error(NULL, "out of memory for %s", client);
		return;
	}
	cl->began_ms = loop_now_ms();
	identity_make_id(cl->who.id);
	strcpy(cl->who.client, client);
	TAILQ_INSERT_TAIL(&server->clients, cl, entry);
	timer_set(cl->timer, server->conf->auth_time_limit * 1000);
	cl->implicit_tls = implicit_tls;
	if (!implicit_tls) {
		greet(cl);
		return;
	}
	link_line_records(cl->link);
	if (link_start_tls(cl->link, server->tls, TLS_SERVER))
		client_set_state(cl, CLIENT_SECURING);
	else
		client_end(cl, "out-of-memory");
}
