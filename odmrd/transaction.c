/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "transaction.h"

struct transaction *
tx_new(struct lmtp *lmtp, const char *mail_args, const char *queue_id,
    size_t body_max)
{
	struct transaction *tx = calloc(1, sizeof(*tx));

	if (tx == NULL)
		return NULL;
	tx->lmtp = lmtp;
	tx->body_max = body_max;
	tx->mail_args = strdup(mail_args);
	if (queue_id[0] != '\0')
		tx->queue_id = strdup(queue_id);
	if (tx->mail_args == NULL ||
	    (queue_id[0] != '\0' && tx->queue_id == NULL))
		tx_free(&tx);
	return tx;
}

void
tx_free(struct transaction **txp)
{
	struct transaction *tx = *txp;

	if (tx == NULL)
		return;
	for (size_t i = 0; i < tx->rcpt_count; i++) {
		free(tx->rcpts[i].args);
		free(tx->rcpts[i].text);
	}
	free(tx->rcpts);
	free(tx->queue_id);
	free(tx->mail_args);
	free(tx->body);
	free(tx);
	*txp = NULL;
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
	tx->rcpts[tx->rcpt_count] =
	    (struct recipient) { strdup(args), 0, NULL, false };
	return tx->rcpts[tx->rcpt_count++].args != NULL;
}

size_t
tx_room(const struct transaction *tx)
{
	return tx->body_len < tx->body_max ? tx->body_max - tx->body_len : 0;
}

char *
tx_space(struct transaction *tx, size_t n)
{
	size_t need = tx->body_len + n, size;
	char *body;

	if (need > tx->body_size) {
		size = tx->body_size > 0 ? 2 * tx->body_size : 8192;
		while (size < need)
			size *= 2;
		body = realloc(tx->body, size);
		if (body == NULL)
			return NULL;
		tx->body = body;
		tx->body_size = size;
	}
	return tx->body + tx->body_len;
}

void
tx_filled(struct transaction *tx, size_t n)
{
	tx->body_len += n;
	tx->bytes += (int64_t)n;
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
