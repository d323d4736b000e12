/* SPDX-License-Identifier: ISC */
/*
 * A session: a client on port 366 before the turn (RFC 2645 5.1, 5.2), where
 * it is the client and we are the server. It ends when the client goes, breaks
 * a rule, or turns the line: then struct customer goes on with the link.
 */
#ifndef SESSION_H
#define SESSION_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>

#include "odmrd/delivery/customer.h"
#include "etrn.h"
#include "request.h"
#include "odmrd/net/link.h"
#include "odmrd/jobs/server.h"

struct auth;
struct guest;
struct submission;
struct turn;

enum session_state {
	SESSION_NEW,      /* greeted by us; EHLO or HELO awaited */
	SESSION_GREETED,  /* EHLO was given; nobody is authenticated */
	SESSION_SASL,     /* the next line belongs to the AUTH exchange */
	SESSION_KNOWN,    /* authenticated as who.login */
	SESSION_ASKING,   /* a worker or the smtpd has the next word */
	SESSION_BODY,     /* the submission takes the input: a message */
	SESSION_SECURING, /* the TLS handshake runs */
	SESSION_ENDED,    /* waits for its burial */
};

struct session {
	struct later grave;
	TAILQ_ENTRY(session) entry;
	struct server *server;
	struct link *link;
	enum session_state state;
	struct identity who;
	char certificate[FINGERPRINT_SIZE]; /* the client's registered one */
	struct auth *auth;       /* the exchange that runs, or NULL */
	struct request *request; /* what it waits for, or NULL */
	enum etrn_offer etrn_offer;
	struct turn *turn;             /* waits for another session, or NULL */
	struct submission *submission; /* from its first use on, or NULL */
	struct timer *timer;           /* how long the client may take */
	struct timer *hold;            /* until AUTH is answered, or NULL */
	struct guest *guest;           /* valid while the link is */
	const char *dismissed; /* why it ends at its next word, or NULL */
	int64_t began_ms;
	bool implicit_tls;
	long commands;
	long errors;
};

/* A client has connected; takes `fd`. `implicit_tls`: it begins with a TLS
 * handshake (RFC 8314). Whoever is refused hears it at once. */
void session_accept(struct server *server, int fd, const struct sockaddr *addr,
    socklen_t len, bool implicit_tls);

/* The only writer of replies; fmt is a whole reply without its last CRLF. */
void session_reply(struct session *session, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for what the client did wrong: it may do so a few times only. */
void session_refuse(struct session *session, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* RFC 5321 3.8: 421 with our name before the text, and the end. */
void session_expel(struct session *session, const char *status,
    const char *text, const char *reason);

void session_set_state(struct session *session, enum session_state state);
/* The state of a session that nothing goes on in: GREETED or KNOWN. */
enum session_state session_rest_state(const struct session *session);
/* AUTH has succeeded for `account`; false: it has too many sessions, and this
 * one has ended. */
bool session_allows_account(struct session *session, int64_t account);
/* The worker has answered: goes on with the input that waited. */
void session_continue(struct session *session, enum session_state state);

/* Ends the session; what was written still goes out. */
void session_end(struct session *session, const char *reason);
/* Ends it without closing the line, which is another role's now. */
void session_turned(struct session *session);
/* The operator wants it gone, or has taken back what let it in: 421. Where a
 * submitted message only waits for its answer, it ends behind that. */
void session_dismiss(struct session *session, const char *reason);
/* odmrd stops. */
void session_stop(struct session *session);

#endif
