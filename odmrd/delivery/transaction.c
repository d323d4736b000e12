/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "transaction.h"

enum { BODY_FIRST = 8192 };

bool
traffic_is_busy(const struct traffic *traffic)
{
	return traffic->live > traffic->put_off;
}

static void
tell_if_quiet(struct traffic *traffic)
{
	if (!traffic_is_busy(traffic))
		traffic->quiet(traffic->customer);
}

struct transaction *
tx_new(struct traffic *traffic, const char *mail_args,
    const char queue_id[QUEUE_ID_SIZE], size_t body_max)
{
	struct transaction *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return NULL;
	tx->traffic = traffic;
	traffic->live++;
	tx->body_max = body_max;
	strcpy(tx->queue_id, queue_id);
	tx->mail_args = strdup(mail_args);
	if (tx->mail_args == NULL)
		tx_free(&tx);
	return tx;
}

void
tx_free(struct transaction **txp)
{
	struct transaction *tx = *txp;
	struct traffic *traffic;

	if (tx == NULL)
		return;
	traffic = tx->traffic;
	for (size_t i = 0; i < tx->rcpt_count; i++) {
		free(tx->rcpts[i].args);
		free(tx->rcpts[i].text);
	}
	if (tx->body_size > 0)
		budget_give(
		    &tx->traffic->budget, tx->body_size - tx->body_first);
	traffic->live--;
	free(tx->rcpts);
	free(tx->mail_args);
	free(tx->body);
	free(tx);
	*txp = NULL;
	tell_if_quiet(traffic);
}

void
tx_put_off(struct transaction *tx, bool put_off)
{
	tx->put_off = put_off;
	if (!put_off)
		tx->traffic->put_off--;
	else {
		tx->traffic->put_off++;
		tell_if_quiet(tx->traffic);
	}
}

bool
tx_add_recipient(struct transaction *tx, const char *args)
{
	struct recipient *rcpts;

	/* Grows at each power of two. */
	if ((tx->rcpt_count & (tx->rcpt_count - 1)) == 0) {
		size_t size = tx->rcpt_count == 0 ? 1 : 2 * tx->rcpt_count;

		rcpts = reallocarray(tx->rcpts, size, sizeof(*rcpts));
		if (rcpts == NULL)
			return false;
		tx->rcpts = rcpts;
	}
	rcpts = &tx->rcpts[tx->rcpt_count];
	*rcpts = (struct recipient) { .args = strdup(args) };
	if (rcpts->args == NULL)
		return false;
	tx->rcpt_count++;
	return true;
}

/* The buffer grows to `size`, within the budget. The first stretch is outside
 * of it, so that every message can move. */
static bool
grow(struct transaction *tx, size_t size)
{
	size_t more = tx->body_size > 0 ? size - tx->body_size : 0;
	char *body;

	if (more > 0 && !budget_take(&tx->traffic->budget, more))
		return false;
	body = realloc(tx->body, size);
	if (body == NULL) {
		budget_give(&tx->traffic->budget, more);
		return false;
	}
	if (tx->body_size == 0)
		tx->body_first = size;
	tx->body = body;
	tx->body_size = size;
	return true;
}

/* One byte more than is promised: the dot decoder may need it. */
size_t
tx_room(struct transaction *tx, size_t n)
{
	size_t size = tx->body_size > 0 ? tx->body_size : BODY_FIRST;

	if (tx->body_len >= tx->body_max)
		return 0;
	if (n > tx->body_max - tx->body_len)
		n = tx->body_max - tx->body_len;
	while (size < tx->body_len + n + 1)
		size *= 2;
	if (size > tx->body_max + 1)
		size = tx->body_max + 1;
	if (size > tx->body_size && !grow(tx, size)) {
		tx->starved = true;
		return tx->body_size > tx->body_len + 1
		    ? tx->body_size - tx->body_len - 1
		    : 0;
	}
	tx->starved = false;
	return n;
}

char *
tx_space(struct transaction *tx)
{
	return tx->body + tx->body_len;
}

bool
tx_full(const struct transaction *tx)
{
	return tx->body_len >= tx->body_max ||
	    (tx->starved && tx->body_len > 0);
}

void
tx_sent(struct transaction *tx, size_t n)
{
	memmove(tx->body, tx->body + n, tx->body_len - n);
	tx->body_len -= n;
	tx->starved = false;
}

void
tx_filled(struct transaction *tx, size_t n)
{
	tx->body_len += n;
	tx->bytes += (int64_t)n;
}

/* A quoted local part may have a '>' (RFC 5321 4.1.2). */
size_t
tx_path_len(const char *args)
{
	bool quoted = false;
	const char *at = args;

	for (; *at != '\0' && (quoted || *at != '>'); at++)
		if (*at == '"')
			quoted = !quoted;
		else if (*at == '\\' && at[1] != '\0')
			at++;
	return (size_t)(at - args) + (*at == '>');
}

void
tx_answer(struct transaction *tx, size_t rcpt, int code, const char *text)
{
	struct recipient *r = &tx->rcpts[rcpt];

	if (r->code != 0)
		return;
	r->code = code;
	r->text = strdup(text);
}

void
tx_answer_rest(
    struct transaction *tx, bool accepted_only, int code, const char *text)
{
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!accepted_only || tx->rcpts[i].accepted)
			tx_answer(tx, i, code, text);
}

size_t
tx_accepted(const struct transaction *tx)
{
	size_t n = 0;

	for (size_t i = 0; i < tx->rcpt_count; i++)
		n += tx->rcpts[i].accepted;
	return n;
}

size_t
tx_count(const struct transaction *tx, int class)
{
	size_t n = 0;

	for (size_t i = 0; i < tx->rcpt_count; i++)
		n += tx->rcpts[i].code / 100 == class;
	return n;
}

const char *
tx_id(const struct transaction *tx)
{
	if (tx->received_id[0] != '\0')
		return tx->received_id;
	return tx->queue_id[0] != '\0' ? tx->queue_id : NULL;
}

const char *
tx_other_id(const struct transaction *tx)
{
	if (tx->received_id[0] == '\0')
		return NULL;
	if (tx->queue_id[0] != '\0' &&
	    strcmp(tx->queue_id, tx->received_id) != 0)
		return tx->queue_id;
	return tx->earlier_id[0] != '\0' ? tx->earlier_id : NULL;
}
