/* SPDX-License-Identifier: ISC */
/*
 * The commands of LMTP, as Postfix's lmtp(8) gives them. The table is the
 * dispatch: verb, handler, the states where it is allowed.
 */
#include <string.h>
#include <strings.h>

#include "customer.h"
#include "lmtp.h"
#include "lib/log.h"

/* Postfix's longest line: a MAIL or RCPT with its DSN parameters. */
enum { LMTP_LINE_MAX = 4096 };

struct verb {
	const char *name;
	/* False: the connection must end. */
	bool (*handle)(struct lmtp *lmtp, const char *args);
	unsigned states; /* where it is allowed; elsewhere 503 */
};

void
lmtp_set_state(struct lmtp *lmtp, enum lmtp_state state)
{
	/* In the order of the enum. */
	static const char *const names[] = { "held", "greeted", "idle",
		"envelope", "body", "answering", "judging", "ended" };

	log_state(lmtp->customer->who.id, "lmtp",
	    lmtp->queue_id[0] != '\0' ? lmtp->queue_id : NULL,
	    names[lmtp->state], names[state]);
	lmtp->state = state;
}

/* True: the connection goes on. */
static bool
reply(struct lmtp *lmtp, const char *text)
{
	link_printf(lmtp->link, "%s\r\n", text);
	return true;
}

static bool
on_lhlo(struct lmtp *lmtp, const char *args)
{
	const struct customer *c = lmtp->customer;

	(void)args;
	link_printf(lmtp->link, "250-%s\r\n250-PIPELINING\r\n",
	    c->server->conf->myhostname);
	/* Without the number, and SMTPUTF8 with 8BITMIME: where the customer's
	 * server does not take such a message, that is for the second opinion
	 * to judge, and not for Postfix at once. (Without 8BITMIME Postfix
	 * makes 7 bits of a message, but not for a server with SMTPUTF8.) */
	if (c->caps & CAP_SIZE)
		reply(lmtp, "250-SIZE");
	if (c->caps & CAP_8BITMIME) {
		reply(lmtp, "250-8BITMIME");
		reply(lmtp, "250-SMTPUTF8");
	}
	if (c->caps & CAP_DSN)
		reply(lmtp, "250-DSN");
	reply(lmtp, "250-ENHANCEDSTATUSCODES");
	reply(lmtp, "250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
	lmtp_set_state(lmtp, LMTP_IDLE);
	return true;
}

/* Queue ids are letters and digits, which xtext leaves as they are. */
static bool
on_xforward(struct lmtp *lmtp, const char *args)
{
	const char *ident = strcasestr(args, "IDENT=");
	size_t len;

	if (ident != NULL) {
		ident += strlen("IDENT=");
		len = strcspn(ident, " ");
		if (len >= QUEUE_ID_SIZE)
			return reply(lmtp, "501 5.5.4 IDENT is too long");
		memcpy(lmtp->queue_id, ident, len);
		lmtp->queue_id[len] = '\0';
		if (strcmp(lmtp->queue_id, "[UNAVAILABLE]") == 0)
			lmtp->queue_id[0] = '\0';
	}
	return reply(lmtp, "250 2.0.0 Ok");
}

/* The path and its parameters behind "FROM:" or "TO:", or NULL. */
static const char *
path_of(const char *args, const char *keyword)
{
	size_t len = strlen(keyword);

	if (strncasecmp(args, keyword, len) != 0)
		return NULL;
	args += len;
	args += strspn(args, " ");
	return args[0] == '<' && strchr(args, '>') != NULL ? args : NULL;
}

bool
lmtp_hold(struct lmtp *lmtp)
{
	if (!lmtp->counts)
		lmtp->counts = share_take(lmtp->customer);
	return lmtp->counts;
}

void
lmtp_let_go(struct lmtp *lmtp)
{
	bool counted = lmtp->counts;

	lmtp->counts = false;
	if (counted && share_give(lmtp->customer))
		drain_more(lmtp->customer);
}

static bool
on_mail(struct lmtp *lmtp, const char *args)
{
	struct customer *c = lmtp->customer;
	const char *path = path_of(args, "FROM:");

	if (path == NULL)
		return reply(lmtp, "501 5.5.4 Syntax: MAIL FROM:<address>");
	if (!customer_takes_mail(c)) {
		reply(lmtp, "421 4.3.2 The session is ending");
		return false;
	}
	if (!lmtp_hold(lmtp))
		return reply(lmtp,
		    "450 4.3.2 Enough mail of this customer is on its way");
	lmtp->tx = tx_new(&c->traffic, path, lmtp->queue_id,
	    (size_t)c->server->conf->message_buffer);
	if (lmtp->tx == NULL) {
		lmtp_let_go(lmtp);
		return reply(lmtp, "451 4.3.0 Out of memory");
	}
	lmtp->tx->role = lmtp->tx_role;
	lmtp->tx->owner = lmtp;
	lmtp->tx->domain = lmtp->domain;
	customer_wake(c);
	lmtp_set_state(lmtp, LMTP_ENVELOPE);
	return reply(lmtp, "250 2.1.0 Ok");
}

static bool
on_rcpt(struct lmtp *lmtp, const char *args)
{
	const char *path = path_of(args, "TO:");

	if (path == NULL)
		return reply(lmtp, "501 5.5.4 Syntax: RCPT TO:<address>");
	if (!tx_add_recipient(lmtp->tx, path))
		return reply(lmtp, "451 4.3.0 Out of memory");
	return reply(lmtp, "250 2.1.5 Ok");
}

static bool
on_data(struct lmtp *lmtp, const char *args)
{
	(void)args;
	if (lmtp->tx->rcpt_count == 0)
		return reply(lmtp, "503 5.5.1 No recipients");
	lmtp->dot = (struct dot) { 0 };
	lmtp_set_state(lmtp, LMTP_BODY);
	return reply(lmtp, "354 End data with <CR><LF>.<CR><LF>");
}

static bool
on_rset(struct lmtp *lmtp, const char *args)
{
	(void)args;
	tx_free(&lmtp->tx);
	lmtp_let_go(lmtp);
	lmtp->queue_id[0] = '\0';
	if (lmtp->state == LMTP_ENVELOPE)
		lmtp_set_state(lmtp, LMTP_IDLE);
	return reply(lmtp, "250 2.0.0 Ok");
}

static bool
on_noop(struct lmtp *lmtp, const char *args)
{
	(void)args;
	return reply(lmtp, "250 2.0.0 Ok");
}

static bool
on_quit(struct lmtp *lmtp, const char *args)
{
	(void)args;
	reply(lmtp, "221 2.0.0 Bye");
	return false;
}

#define IN(state) (1U << (state))

static const struct verb verbs[] = {
	{ "LHLO", on_lhlo, IN(LMTP_GREETED) | IN(LMTP_IDLE) },
	{ "XFORWARD", on_xforward, IN(LMTP_IDLE) },
	{ "MAIL", on_mail, IN(LMTP_IDLE) },
	{ "RCPT", on_rcpt, IN(LMTP_ENVELOPE) },
	{ "DATA", on_data, IN(LMTP_ENVELOPE) },
	{ "RSET", on_rset,
	    IN(LMTP_GREETED) | IN(LMTP_IDLE) | IN(LMTP_ENVELOPE) },
	{ "NOOP", on_noop,
	    IN(LMTP_GREETED) | IN(LMTP_IDLE) | IN(LMTP_ENVELOPE) },
	{ "QUIT", on_quit,
	    IN(LMTP_GREETED) | IN(LMTP_IDLE) | IN(LMTP_ENVELOPE) },
};

/* False: the connection must end. */
static bool
command(struct lmtp *lmtp, const char *line)
{
	size_t len = strcspn(line, " ");
	const char *args = line + len + strspn(line + len, " ");

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != len ||
		    strncasecmp(line, verbs[i].name, len) != 0)
			continue;
		if (verbs[i].states & IN(lmtp->state))
			return verbs[i].handle(lmtp, args);
		return reply(lmtp, "503 5.5.1 Bad sequence of commands");
	}
	return reply(lmtp, "502 5.5.2 Command not implemented");
}

enum lmtp_read
lmtp_read_command(struct lmtp *lmtp)
{
	char *line;
	size_t len;

	switch (link_line(lmtp->link, LMTP_LINE_MAX, false, &line, &len)) {
	case LINE_NONE:
		return LMTP_NONE;
	case LINE_OK:
		return command(lmtp, line) ? LMTP_TAKEN : LMTP_OVER;
	case LINE_LONG:
	case LINE_BAD:
		log_warning(lmtp->customer->who.id,
		    "refused: no LMTP on the socket of %s", lmtp->domain);
		reply(lmtp, "500 5.5.2 Line too long or malformed");
		break;
	}
	return LMTP_OVER;
}
