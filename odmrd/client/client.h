/* SPDX-License-Identifier: ISC */
/*
 * A client on port 366 before the turn (RFC 2645 5.1, 5.2), where we are the
 * server. It goes when it hangs up, breaks a rule, or turns the line: then
 * struct customer goes on with the link. The session, for the log and for the
 * operator, is both of them, from the connection to its end.
 */
#ifndef CLIENT_H
#define CLIENT_H

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

enum client_state {
	CLIENT_NEW,      /* greeted by us; EHLO or HELO awaited */
	CLIENT_GREETED,  /* EHLO was given; nobody is authenticated */
	CLIENT_SASL,     /* the next line belongs to the AUTH exchange */
	CLIENT_KNOWN,    /* authenticated as who.login */
	CLIENT_ASKING,   /* a worker or the smtpd has the next word */
	CLIENT_BODY,     /* the submission takes the input: a message */
	CLIENT_SECURING, /* the TLS handshake runs */
	CLIENT_ENDED,    /* waits for its burial */
};

struct client {
	struct later grave;
	TAILQ_ENTRY(client) entry;
	struct server *server;
	struct link *link;
	enum client_state state;
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
void client_accept(struct server *server, int fd, const struct sockaddr *addr,
    socklen_t len, bool implicit_tls);

/* The only writer of replies; fmt is a whole reply without its last CRLF. */
void client_reply(struct client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for what the client did wrong: it may do so a few times only. */
void client_refuse(struct client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* RFC 5321 3.8: 421 with our name before the text, and the end. */
void client_expel(struct client *client, const char *status, const char *text,
    const char *reason);

void client_set_state(struct client *client, enum client_state state);
/* The state of a client that waits for nothing: GREETED or KNOWN. */
enum client_state client_rest_state(const struct client *client);
/* AUTH has succeeded for `account`; false: it has too many sessions, and this
 * one has ended. */
bool client_allows_account(struct client *client, int64_t account);
/* The worker has answered: goes on with the input that waited. */
void client_continue(struct client *client, enum client_state state);

/* Ends the session; what was written still goes out. */
void client_end(struct client *client, const char *reason);
/* Ends it without closing the line, which is another role's now. */
void client_turned(struct client *client);
/* The operator wants it gone, or has taken back what let it in: 421. Where a
 * submitted message only waits for its answer, it ends behind that. */
void client_dismiss(struct client *client, const char *reason);
/* odmrd stops. */
void client_stop(struct client *client);

#endif
