/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <strings.h>
#include <time.h>

#include "customer.h"
#include "lmtp.h"
#include "log.h"
#include "settle.h"

/* Postfix's longest line: a MAIL or RCPT with its DSN parameters. */
enum { LMTP_LINE_MAX = 4096 };

struct verb {
	const char *name;
	void (*handle)(struct lmtp *lmtp, const char *args);
	unsigned states; /* where it is allowed; elsewhere 503 */
};

static void take_input(struct lmtp *lmtp);

static void
set_state(struct lmtp *lmtp, enum lmtp_state state)
{
	lmtp->state = state;
}

static void
bury_lmtp(void *dead)
{
	struct lmtp *lmtp = dead;

	timer_free(&lmtp->timer);
	free(lmtp);
}

/* Ends the connection. A transaction that is still wanted by the pipeline is
 * left to it. */
static void
end(struct lmtp *lmtp)
{
	struct customer *c = lmtp->customer;
	struct transaction *tx = lmtp->tx;

	if (lmtp->state == LMTP_ENDED)
		return;
	set_state(lmtp, LMTP_ENDED);
	TAILQ_REMOVE(&c->lmtps, lmtp, entry);
	link_close(&lmtp->link);
	timer_stop(lmtp->timer);
	lmtp->tx = NULL;
	loop_bury(c->server->loop, bury_lmtp, lmtp);
	if (tx != NULL)
		pipeline_withdraw(c, tx);
	drain_check(c);
}

static void
arm(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	bool ours = lmtp->state == LMTP_ANSWERING || tx == NULL ||
	    (!tx->discard && tx_room(tx) == 0);

	if (lmtp->state == LMTP_ENDED)
		return;
	if (ours)
		timer_stop(lmtp->timer);
	else
		timer_set(lmtp->timer,
		    lmtp->customer->server->conf->customer_timeout * 1000);
}

static void
on_timeout(void *arg)
{
	struct lmtp *lmtp = arg;

	log_warning(lmtp->customer->who.id, "Postfix is silent within %s",
	    lmtp->queue_id[0] != '\0' ? lmtp->queue_id : "a message");
	end(lmtp);
}

/* ---- answers ----------------------------------------------------------- */

static void
settle(struct lmtp *lmtp, const struct transaction *tx)
{
	struct settlement s = {
		.queue_id = tx->queue_id,
		.domain = lmtp->domain,
		.session = lmtp->customer->who.id,
		.delivered = (long)tx_count(tx, 2),
		.refused = (long)tx_count(tx, 5),
		.kept = (long)tx_count(tx, 4),
		.bytes = tx->bytes,
		.when = time(NULL),
	};

	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (s.answer == NULL || tx->rcpts[i].code >= 400)
			s.answer = tx->rcpts[i].text;
	if (s.queue_id != NULL)
		settle_tx(lmtp->customer->server->settle, &s);
}

/* One reply for each recipient (RFC 2033 4.2). The customer's 421 speaks of
 * its own connection, not of this one. */
static void
answer(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	struct customer *c = lmtp->customer;

	for (size_t i = 0; i < tx->rcpt_count; i++) {
		const struct recipient *r = &tx->rcpts[i];

		link_printf(lmtp->link, "%d %s\r\n",
		    r->code == 421 ? 451 : r->code,
		    r->text != NULL ? r->text : "");
	}
	settle(lmtp, tx);
	customer_count(c, tx);
	tx_free(&lmtp->tx);
	lmtp->queue_id[0] = '\0';
	set_state(lmtp, LMTP_IDLE);
	arm(lmtp);
	if (c->state != CUSTOMER_READY || c->server->stopping)
		end(lmtp);
	else {
		take_input(lmtp);
		drain_check(c);
	}
}

void
lmtp_answered(struct lmtp *lmtp)
{
	if (lmtp->state == LMTP_ANSWERING)
		answer(lmtp);
	else
		take_input(lmtp); /* reads the rest of the body first */
}

void
lmtp_resume(struct lmtp *lmtp)
{
	take_input(lmtp);
}

bool
lmtp_busy(const struct lmtp *lmtp)
{
	return lmtp->tx != NULL;
}

/* ---- the body ---------------------------------------------------------- */

static void
end_of_body(struct lmtp *lmtp)
{
	lmtp->tx->whole = true;
	set_state(lmtp, LMTP_ANSWERING);
	if (lmtp->tx->state == TX_DONE)
		answer(lmtp);
	else
		pipeline_offer(lmtp->customer, lmtp->tx);
}

/* Decodes what is there into the transaction, as far as there is room, or
 * into nothing where nobody wants it. False: has to wait. */
static bool
read_body(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	char scratch[8192], *out;
	const char *in;
	size_t n = link_peek(lmtp->link, &in), written;
	size_t room = tx->discard ? sizeof(scratch) - 1 : tx_room(tx);

	if (n == 0)
		return false;
	if (room == 0) {
		pipeline_offer(lmtp->customer, tx);
		return lmtp->state == LMTP_BODY &&
		    (tx->discard || tx_room(tx) > 0);
	}
	if (n > room)
		n = room;
	out = tx->discard ? scratch : tx_space(tx, n + 1);
	if (out == NULL) {
		log_error(lmtp->customer->who.id, "out of memory for %s",
		    lmtp->queue_id);
		end(lmtp);
		return false;
	}
	link_consume(lmtp->link, dot_decode(&lmtp->dot, in, n, out, &written));
	if (!tx->discard)
		tx_filled(tx, written);
	if (lmtp->dot.state == DOT_END)
		end_of_body(lmtp);
	else if (tx->state == TX_SENDING)
		pipeline_run(lmtp->customer);
	return true;
}

/* ---- commands ---------------------------------------------------------- */

static void
reply(struct lmtp *lmtp, const char *text)
{
	link_printf(lmtp->link, "%s\r\n", text);
}

static void
on_lhlo(struct lmtp *lmtp, const char *args)
{
	const struct customer *c = lmtp->customer;

	(void)args;
	link_printf(lmtp->link, "250-%s\r\n250-PIPELINING\r\n",
	    c->server->conf->myhostname);
	if (c->caps & CAP_SIZE && c->size_limit > 0)
		link_printf(
		    lmtp->link, "250-SIZE %lld\r\n", (long long)c->size_limit);
	else if (c->caps & CAP_SIZE)
		reply(lmtp, "250-SIZE");
	if (c->caps & CAP_8BITMIME)
		reply(lmtp, "250-8BITMIME");
	if (c->caps & CAP_SMTPUTF8)
		reply(lmtp, "250-SMTPUTF8");
	if (c->caps & CAP_DSN)
		reply(lmtp, "250-DSN");
	reply(lmtp, "250-ENHANCEDSTATUSCODES");
	reply(lmtp, "250 XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
	set_state(lmtp, LMTP_IDLE);
}

/* Queue ids are letters and digits, which xtext leaves as they are. */
static void
on_xforward(struct lmtp *lmtp, const char *args)
{
	const char *ident = strcasestr(args, "IDENT=");
	size_t len;

	if (ident != NULL) {
		ident += strlen("IDENT=");
		len = strcspn(ident, " ");
		if (len >= QUEUE_ID_SIZE) {
			reply(lmtp, "501 5.5.4 IDENT is too long");
			return;
		}
		memcpy(lmtp->queue_id, ident, len);
		lmtp->queue_id[len] = '\0';
		if (strcmp(lmtp->queue_id, "[UNAVAILABLE]") == 0)
			lmtp->queue_id[0] = '\0';
	}
	reply(lmtp, "250 2.0.0 Ok");
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

static void
on_mail(struct lmtp *lmtp, const char *args)
{
	const struct server *server = lmtp->customer->server;
	const char *path = path_of(args, "FROM:");

	if (path == NULL) {
		reply(lmtp, "501 5.5.4 Syntax: MAIL FROM:<address>");
		return;
	}
	if (lmtp->customer->state != CUSTOMER_READY || server->stopping) {
		reply(lmtp, "421 4.3.2 The session is ending");
		end(lmtp);
		return;
	}
	lmtp->tx = tx_new(
	    lmtp, path, lmtp->queue_id, (size_t)server->conf->message_buffer);
	if (lmtp->tx == NULL) {
		reply(lmtp, "451 4.3.0 Out of memory");
		return;
	}
	set_state(lmtp, LMTP_ENVELOPE);
	reply(lmtp, "250 2.1.0 Ok");
}

static void
on_rcpt(struct lmtp *lmtp, const char *args)
{
	const char *path = path_of(args, "TO:");

	if (path == NULL)
		reply(lmtp, "501 5.5.4 Syntax: RCPT TO:<address>");
	else if (!tx_add_recipient(lmtp->tx, path))
		reply(lmtp, "451 4.3.0 Out of memory");
	else
		reply(lmtp, "250 2.1.5 Ok");
}

static void
on_data(struct lmtp *lmtp, const char *args)
{
	(void)args;
	if (lmtp->tx->rcpt_count == 0) {
		reply(lmtp, "503 5.5.1 No recipients");
		return;
	}
	lmtp->dot = (struct dot) { 0 };
	set_state(lmtp, LMTP_BODY);
	reply(lmtp, "354 End data with <CR><LF>.<CR><LF>");
}

static void
on_rset(struct lmtp *lmtp, const char *args)
{
	(void)args;
	if (lmtp->tx != NULL)
		tx_free(&lmtp->tx);
	lmtp->queue_id[0] = '\0';
	if (lmtp->state == LMTP_ENVELOPE)
		set_state(lmtp, LMTP_IDLE);
	reply(lmtp, "250 2.0.0 Ok");
	drain_check(lmtp->customer);
}

static void
on_noop(struct lmtp *lmtp, const char *args)
{
	(void)args;
	reply(lmtp, "250 2.0.0 Ok");
}

static void
on_quit(struct lmtp *lmtp, const char *args)
{
	(void)args;
	reply(lmtp, "221 2.0.0 Bye");
	end(lmtp);
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

static void
command(struct lmtp *lmtp, const char *line)
{
	size_t len = strcspn(line, " ");
	const char *args = line + len + strspn(line + len, " ");

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strlen(verbs[i].name) != len ||
		    strncasecmp(line, verbs[i].name, len) != 0)
			continue;
		if (verbs[i].states & IN(lmtp->state))
			verbs[i].handle(lmtp, args);
		else
			reply(lmtp, "503 5.5.1 Bad sequence of commands");
		return;
	}
	reply(lmtp, "502 5.5.2 Command not implemented");
}

/* Takes one line; false if there is none, or the connection ended. */
static bool
read_command(struct lmtp *lmtp)
{
	char *line;
	size_t len;

	switch (link_line(lmtp->link, LMTP_LINE_MAX, false, &line, &len)) {
	case LINE_NONE:
		return false;
	case LINE_OK:
		command(lmtp, line);
		return true;
	case LINE_LONG:
	case LINE_BAD:
		log_warning(lmtp->customer->who.id,
		    "refused: no LMTP on the socket of %s", lmtp->domain);
		reply(lmtp, "500 5.5.2 Line too long or malformed");
		end(lmtp);
		return false;
	}
	return false;
}

static void
take_input(struct lmtp *lmtp)
{
	bool more = true;

	while (more)
		switch (lmtp->state) {
		case LMTP_GREETED:
		case LMTP_IDLE:
		case LMTP_ENVELOPE:
			more = read_command(lmtp);
			break;
		case LMTP_BODY:
			more = read_body(lmtp);
			break;
		case LMTP_HELD:
		case LMTP_ANSWERING:
		case LMTP_ENDED:
			more = false;
			break;
		}
	arm(lmtp);
}

/* ---- the connection ---------------------------------------------------- */

static void
on_input(void *owner)
{
	take_input(owner);
}

static void
on_ended(void *owner, const char *why)
{
	(void)why;
	end(owner);
}

static const struct link_role lmtp_role = {
	.input = on_input,
	.ended = on_ended,
};

void
lmtp_greet(struct lmtp *lmtp)
{
	link_printf(lmtp->link, "220 %s LMTP\r\n",
	    lmtp->customer->server->conf->myhostname);
	set_state(lmtp, LMTP_GREETED);
}

void
lmtp_accept(struct customer *c, const char *domain, int fd)
{
	struct lmtp *lmtp = calloc(1, sizeof(*lmtp));

	if (lmtp == NULL) {
		close(fd);
		return;
	}
	lmtp->customer = c;
	strcpy(lmtp->domain, domain);
	lmtp->timer = timer_new(c->server->loop, on_timeout, lmtp);
	lmtp->link = link_new(c->server->loop, fd, &lmtp_role, lmtp);
	if (lmtp->timer == NULL || lmtp->link == NULL) {
		log_error(c->who.id, "out of memory for Postfix's connection");
		link_abort(&lmtp->link);
		bury_lmtp(lmtp);
		return;
	}
	TAILQ_INSERT_TAIL(&c->lmtps, lmtp, entry);
	if (c->state == CUSTOMER_READY)
		lmtp_greet(lmtp);
}

void
lmtp_dismiss(struct lmtp *lmtp, bool lost)
{
	if (lmtp->tx != NULL && !lost)
		return;
	if (lmtp->state != LMTP_IDLE)
		reply(lmtp, "421 4.4.2 The customer's session is over");
	end(lmtp);
}
