/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "customer.h"
#include "lmtp.h"
#include "lib/log.h"
#include "lib/received.h"
#include "outcome.h"

static void take_input(struct lmtp *lmtp);

static void
bury_lmtp(void *dead)
{
	struct lmtp *lmtp = dead;

	timer_free(&lmtp->timer);
	free(lmtp);
}

static void
end(struct lmtp *lmtp)
{
	struct customer *c = lmtp->customer;
	struct transaction *tx = lmtp->tx;

	if (lmtp->state == LMTP_ENDED)
		return;
	lmtp_set_state(lmtp, LMTP_ENDED);
	TAILQ_REMOVE(&c->lmtps, lmtp, entry);
	link_close(&lmtp->link);
	timer_stop(lmtp->timer);
	lmtp->tx = NULL;
	outcome_forget(&lmtp->opinion);
	memory_queue_leave(c->server->memory, &lmtp->memory);
	lmtp_let_go(lmtp);
	loop_bury(c->server->loop, &lmtp->grave, bury_lmtp, lmtp);
	if (tx != NULL)
		pipeline_withdraw(c, tx);
	memory_queue_share(c->server->memory);
}

static void
arm(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	bool ours = lmtp->state >= LMTP_ANSWERING || tx == NULL ||
	    (!tx->discard && tx_full(tx));

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

/* One reply for each recipient (RFC 2033 4.2). The customer's 421 speaks of
 * its own connection, not of this one. */
static void
answer(void *arg)
{
	struct lmtp *lmtp = arg;
	struct transaction *tx = lmtp->tx;
	struct customer *c = lmtp->customer;

	for (size_t i = 0; i < tx->rcpt_count; i++) {
		const struct recipient *r = &tx->rcpts[i];

		link_printf(lmtp->link, "%d %s\r\n",
		    r->code == 421 ? 451 : r->code,
		    r->text != NULL ? r->text : "");
	}
	outcome_settle(c, tx);
	tx_free(&lmtp->tx);
	memory_queue_share(c->server->memory);
	lmtp->opinion = NULL;
	lmtp->queue_id[0] = '\0';
	lmtp_set_state(lmtp, LMTP_IDLE);
	lmtp_let_go(lmtp);
	arm(lmtp);
	if (!customer_takes_mail(c))
		end(lmtp);
	else
		take_input(lmtp);
}

static void
judge(struct lmtp *lmtp)
{
	lmtp_set_state(lmtp, LMTP_JUDGING);
	lmtp->opinion = outcome_decide(lmtp->customer, lmtp->tx, answer, lmtp);
	if (lmtp->opinion == NULL)
		answer(lmtp);
}

static void
on_answered(void *owner)
{
	struct lmtp *lmtp = owner;

	if (lmtp->state == LMTP_ANSWERING)
		judge(lmtp);
	else
		take_input(lmtp); /* reads the rest of the body first */
}

void
lmtp_turn_away(struct lmtp *lmtp)
{
	if (lmtp->state == LMTP_BODY || lmtp->state == LMTP_ANSWERING)
		pipeline_turn_away(
		    lmtp->customer, lmtp->tx, "4.3.2 The customer stalls");
}

static bool
is_gone(void *owner)
{
	struct lmtp *lmtp = owner;

	if (!link_peer_gone(lmtp->link))
		return false;
	end(lmtp);
	return true;
}

/* ---- the body ---------------------------------------------------------- */

/* The transaction has its whole body, or all that it can hold of it. */
static void
offer(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;

	if (tx->state == TX_FILLING && tx->body != NULL &&
	    received_queue_id(tx->body, tx->body_len, tx->received_id,
		sizeof(tx->received_id)))
		received_earlier_id(tx->body, tx->body_len, tx->earlier_id,
		    sizeof(tx->earlier_id));
	pipeline_offer(lmtp->customer, tx);
}

static void
end_of_body(struct lmtp *lmtp)
{
	lmtp->tx->whole = true;
	lmtp_set_state(lmtp, LMTP_ANSWERING);
	if (lmtp->tx->state == TX_DONE)
		judge(lmtp);
	else
		offer(lmtp);
}

/* The buffer has no room: what it has goes on its way, or memory is waited
 * for. True if there is room now. */
static bool
make_room(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	struct customer *c = lmtp->customer;

	if (tx->body_size == 0) {
		log_error(c->who.id, "out of memory for %s", lmtp->queue_id);
		end(lmtp);
		return false;
	}
	if (tx->starved && tx->state == TX_FILLING &&
	    !pipeline_wants_more(&c->pipeline)) {
		memory_queue_join(c->server->memory, &lmtp->memory);
		return false;
	}
	offer(lmtp);
	return lmtp->tx == tx && lmtp->state == LMTP_BODY &&
	    (tx->discard || !tx_full(tx));
}

/* Decodes what is there into the transaction, as far as there is room, or
 * into nothing where nobody wants it. False: has to wait. */
static bool
read_body(struct lmtp *lmtp)
{
	struct transaction *tx = lmtp->tx;
	char scratch[8192];
	const char *in;
	size_t n = link_peek(lmtp->link, &in), written;

	if (n == 0)
		return false;
	if (!tx->discard)
		n = tx_room(tx, n);
	else if (n > sizeof(scratch) - 1)
		n = sizeof(scratch) - 1;
	if (n == 0)
		return make_room(lmtp);
	link_consume(lmtp->link,
	    dot_decode(&lmtp->dot, in, n, tx->discard ? scratch : tx_space(tx),
		&written));
	if (!tx->discard)
		tx_filled(tx, written);
	if (lmtp->dot.state == DOT_END)
		end_of_body(lmtp);
	else if (tx->state == TX_SENDING)
		pipeline_run(lmtp->customer);
	return true;
}

/* ---- input -------------------------------------------------------------- */

/* Whoever asks and does not listen waits. */
static bool
has_much_to_say(const struct lmtp *lmtp)
{
	return lmtp->state != LMTP_ENDED &&
	    link_unsent(lmtp->link) > LINK_LOW_WATER;
}

static bool
read_command(struct lmtp *lmtp)
{
	switch (lmtp_read_command(lmtp)) {
	case LMTP_NONE:
		return false;
	case LMTP_TAKEN:
		return true;
	case LMTP_OVER:
		break;
	}
	end(lmtp);
	return false;
}

static void
take_input(struct lmtp *lmtp)
{
	bool more = true;

	while (more && !has_much_to_say(lmtp))
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
		case LMTP_JUDGING:
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

static const struct tx_owner_role tx_role = {
	.answered = on_answered,
	.resume = on_input,
	.gone = is_gone,
};

static const struct link_role lmtp_role = {
	.input = on_input,
	.drained = on_input,
	.ended = on_ended,
};

void
lmtp_greet(struct lmtp *lmtp)
{
	link_printf(lmtp->link, "220 %s LMTP\r\n",
	    lmtp->customer->server->conf->myhostname);
	lmtp_set_state(lmtp, LMTP_GREETED);
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
	lmtp->tx_role = &tx_role;
	lmtp->memory.resume = on_input;
	lmtp->memory.arg = lmtp;
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
	if (customer_takes_mail(c))
		lmtp_greet(lmtp);
	else if (!lmtp_hold(lmtp)) {
		link_printf(lmtp->link,
		    "421 4.3.2 Enough mail of this customer is on its way\r\n");
		end(lmtp);
	}
}

void
lmtp_dismiss(struct lmtp *lmtp, bool lost)
{
	if (lmtp->tx != NULL && !lost)
		return;
	if (lmtp->state == LMTP_JUDGING) {
		outcome_decline(&lmtp->opinion);
		answer(lmtp);
		return;
	}
	if (lmtp->tx != NULL)
		outcome_lose(lmtp->customer, lmtp->tx);
	if (lmtp->state != LMTP_IDLE)
		link_printf(
		    lmtp->link, "421 4.4.2 The customer's session is over\r\n");
	end(lmtp);
}
