/* SPDX-License-Identifier: ISC */
/*
 * SMTPUTF8 with customers whose servers do not have it. Postfix is told that
 * they do, as it would return such mail to its senders at once; what really
 * needs it gets a refusal of ours instead, 5.6.7, which the second opinion
 * judges like the customer's own.
 */
#include <ctype.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "customer.h"
#include "pipeline.h"

static const char parameter[] = " SMTPUTF8";

static bool
is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isascii((unsigned char)text[i]))
			return false;
	return true;
}

/* Takes the parameter out of what stands behind the path. */
static void
drop_parameter(char *args)
{
	char *at = args + tx_path_len(args);
	size_t len = strlen(parameter);

	for (; (at = strcasestr(at, parameter)) != NULL; at += len)
		if (at[len] == ' ' || at[len] == '\0') {
			memmove(at, at + len, strlen(at + len) + 1);
			return;
		}
}

static bool
asks_for_it(const char *args)
{
	const char *at = strcasestr(args + tx_path_len(args), parameter);

	return at != NULL;
}

/* Does a header field have octets beyond ASCII? What the buffer does not have
 * yet counts as a body. */
static bool
header_is_8bit(const struct transaction *tx)
{
	const char *end = memmem(tx->body, tx->body_len, "\r\n\r\n", 4);
	size_t len = end != NULL ? (size_t)(end - tx->body) : tx->body_len;

	return !is_ascii(tx->body, len);
}

/* The domain of the path becomes its A-label. False: that does not help, or
 * there is no memory. */
static bool
make_ascii(char **args)
{
	size_t path = tx_path_len(*args), at = path;
	char *domain, *label = NULL, *fit = NULL;

	while (at > 0 && (*args)[at - 1] != '@')
		at--;
	if (at == 0 || path - at < 2 || !is_ascii(*args, at))
		return false;
	domain = strndup(*args + at, path - at - 1);
	if (domain != NULL &&
	    idn2_to_ascii_8z(domain, &label, IDN2_NONTRANSITIONAL) == IDN2_OK &&
	    asprintf(&fit, "%.*s%s>%s", (int)at, *args, label, *args + path) <
		0)
		fit = NULL;
	free(domain);
	idn2_free(label);
	if (fit == NULL)
		return false;
	free(*args);
	*args = fit;
	return true;
}

static bool
fit_path(char **args)
{
	return is_ascii(*args, tx_path_len(*args)) || make_ascii(args);
}

static bool
fit(struct transaction *tx)
{
	if (header_is_8bit(tx) || !fit_path(&tx->mail_args))
		return false;
	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!fit_path(&tx->rcpts[i].args))
			return false;
	drop_parameter(tx->mail_args);
	return true;
}

bool
smtputf8_fits(const struct customer *c, struct transaction *tx)
{
	if (c->caps & CAP_SMTPUTF8 || !asks_for_it(tx->mail_args) || fit(tx))
		return true;
	/* RFC 6531 3.5. One that was not asked for its extensions may have
	 * it. */
	if (c->unasked)
		tx_answer_rest(tx, false, 451, "4.6.7 SMTPUTF8 is unknown");
	else
		tx_answer_rest(tx, false, 553,
		    "5.6.7 The customer's server has no SMTPUTF8");
	return false;
}
