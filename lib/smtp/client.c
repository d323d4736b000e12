/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client.h"
#include "lib/clock.h"
#include "lib/connect.h"

enum { QUIT_SECONDS = 5 };

/* ---- faults -------------------------------------------------------------- */

bool
smtp_fail(struct smtp_client *client, int code, const char *fmt, ...)
{
	va_list ap;

	if (client->code != EX_OK)
		return false;
	client->code = code;
	va_start(ap, fmt);
	vsnprintf(client->why, sizeof(client->why), fmt, ap);
	va_end(ap);
	return false;
}

int
smtp_refusal(const struct reply *reply)
{
	if (reply_class(reply) == 5)
		return EX_NOPERM;
	return reply_class(reply) == 4 ? EX_TEMPFAIL : EX_PROTOCOL;
}

bool
smtp_refused(struct smtp_client *client, const char *what)
{
	const struct reply *reply = &client->reply;

	return smtp_fail(client, smtp_refusal(reply), "%s: %d %s", what,
	    reply->code, reply->text);
}

static bool
lose(struct smtp_client *client)
{
	client->lost = true;
	return smtp_fail(client, EX_UNAVAILABLE, "%s", client->wire.fault);
}

static bool
find_senseless(struct smtp_client *client, const char *what)
{
	client->lost = true;
	return smtp_fail(client, EX_PROTOCOL, "%s", what);
}

static int64_t
deadline(const struct smtp_client *client, int seconds)
{
	int64_t until = clock_ms() + (int64_t)seconds * 1000;

	return client->until != 0 && client->until < until ? client->until
							   : until;
}

static int64_t
reply_deadline(const struct smtp_client *client)
{
	return deadline(client,
	    client->seconds != 0 ? client->seconds : SMTP_REPLY_SECONDS);
}

/* ---- the connection ------------------------------------------------------ */

bool
smtp_open(struct smtp_client *client, const char *port)
{
	char error[CONNECT_ERROR_SIZE];

	if (wire_take(&client->wire,
		connect_host(client->host, port, SMTP_CONNECT_SECONDS, error)))
		return true;
	client->lost = true;
	return smtp_fail(client, EX_UNAVAILABLE,
	    "cannot connect to port %s: %s", port, error);
}

bool
smtp_open_address(
    struct smtp_client *client, const struct address *address, int seconds)
{
	char error[CONNECT_ERROR_SIZE];
	const struct sockaddr *to = (const struct sockaddr *)&address->addr;

	if (wire_take(&client->wire,
		connect_address(to, address->len, seconds, error)))
		return true;
	client->lost = true;
	return smtp_fail(client, EX_UNAVAILABLE, "%s", error);
}

/* RFC 5321 4.1.1.10: the answer is waited for, whatever it is. */
static void
quit(struct smtp_client *client)
{
	int64_t until = deadline(client, QUIT_SECONDS);

	if (wire_write(&client->wire, "QUIT\r\n", 6, until))
		wire_read(
		    &client->wire, client->bytes, sizeof(client->bytes), until);
}

void
smtp_close(struct smtp_client *client)
{
	if (!client->lost)
		quit(client);
	client->lost = true;
	wire_close(&client->wire);
}

/* ---- lines --------------------------------------------------------------- */

static bool say(struct smtp_client *client, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static bool
say(struct smtp_client *client, const char *fmt, va_list ap)
{
	int64_t until = reply_deadline(client);
	char *line;
	bool said;
	int len = vasprintf(&line, fmt, ap);

	if (len == -1)
		return smtp_fail(client, EX_OSERR, "out of memory");
	said = wire_write(&client->wire, line, (size_t)len, until) &&
	    wire_write(&client->wire, "\r\n", 2, until);
	/* It may have been a password. */
	explicit_bzero(line, (size_t)len);
	free(line);
	return said || lose(client);
}

bool
smtp_say(struct smtp_client *client, const char *fmt, ...)
{
	va_list ap;
	bool said;

	va_start(ap, fmt);
	said = say(client, fmt, ap);
	va_end(ap);
	return said;
}

/* Reads more, behind what was not taken yet. */
static bool
fill(struct smtp_client *client, int64_t until)
{
	size_t n;

	client->end -= client->begin;
	memmove(client->bytes, client->bytes + client->begin, client->end);
	client->begin = 0;
	if (client->end == sizeof(client->bytes))
		return find_senseless(client, "a line is too long");
	n = wire_read(&client->wire, client->bytes + client->end,
	    sizeof(client->bytes) - client->end, until);
	client->end += n;
	return n > 0 || lose(client);
}

/* The next without its end, until something else is read; NULL: none. */
static char *
next_line(struct smtp_client *client, int64_t until)
{
	char *line, *end;

	while ((end = memchr(client->bytes + client->begin, '\n',
		    client->end - client->begin)) == NULL)
		if (!fill(client, until))
			return NULL;
	line = client->bytes + client->begin;
	client->begin = (size_t)(end + 1 - client->bytes);
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	if (strlen(line) == (size_t)(end - line))
		return line;
	find_senseless(client, "a line has a NUL byte");
	return NULL;
}

/* What goes beyond any sensible number of mechanisms is not seen. */
static void
take_mechanisms(struct smtp_offers *offers, const char *names)
{
	size_t len = strlen(offers->mechanisms);

	if (len + strlen(names) + 2 <= sizeof(offers->mechanisms))
		sprintf(offers->mechanisms + len, "%s%s", len > 0 ? " " : "",
		    names);
}

/* A line of the reply to EHLO (RFC 5321 4.1.1.1). */
static void
take_offer(struct smtp_offers *offers, const char *offer)
{
	offers->starttls |= strcasecmp(offer, "STARTTLS") == 0;
	offers->atrn |= strcasecmp(offer, "ATRN") == 0;
	/* With "=" as before it was a standard, which Postfix still says. */
	if (strncasecmp(offer, "AUTH ", 5) == 0 ||
	    strncasecmp(offer, "AUTH=", 5) == 0)
		take_mechanisms(offers, offer + 5);
}

static bool
hear(struct smtp_client *client, struct smtp_offers *offers)
{
	int64_t until = reply_deadline(client);
	enum reply_result result = REPLY_MORE;
	char *line;

	memset(&client->reply, 0, sizeof(client->reply));
	while (result == REPLY_MORE) {
		line = next_line(client, until);
		if (line == NULL)
			return false;
		client->rest = line + strnlen(line, 4);
		result = reply_line(&client->reply, line, strlen(line));
		if (result == REPLY_BAD)
			return find_senseless(client, "no SMTP reply");
		if (offers != NULL)
			take_offer(offers, client->rest);
	}
	/* RFC 5321 3.8: it closes now. */
	client->lost |= client->reply.code == 421;
	return true;
}

bool
smtp_hear(struct smtp_client *client)
{
	return hear(client, NULL);
}

bool
smtp_command(struct smtp_client *client, const char *fmt, ...)
{
	va_list ap;
	bool said;

	va_start(ap, fmt);
	said = say(client, fmt, ap);
	va_end(ap);
	return said && smtp_hear(client);
}

/* ---- before the first command -------------------------------------------- */

bool
smtp_tls(struct smtp_client *client, bool verify)
{
	client->tls_failed = !wire_encrypt(
	    &client->wire, client->host, verify, reply_deadline(client));
	return !client->tls_failed || lose(client);
}

bool
smtp_greeting(struct smtp_client *client)
{
	return smtp_hear(client) &&
	    (client->reply.code == 220 ||
		smtp_refused(client, "connection refused"));
}

/* HELO is not tried: what is wanted here is not there without EHLO. */
bool
smtp_ehlo(struct smtp_client *client)
{
	client->offers = (struct smtp_offers) { .starttls = false };
	return smtp_say(client, "EHLO %s", client->hostname) &&
	    hear(client, &client->offers) &&
	    (reply_class(&client->reply) == 2 ||
		smtp_refused(client, "EHLO refused"));
}

bool
smtp_starttls(struct smtp_client *client, bool verify)
{
	if (!client->offers.starttls)
		return !verify ||
		    smtp_fail(client, EX_UNAVAILABLE, "offers no STARTTLS");
	if (!smtp_command(client, "STARTTLS"))
		return false;
	if (client->reply.code != 220)
		return (!verify && !client->lost) ||
		    smtp_refused(client, "STARTTLS refused");
	/* RFC 3207 4.2: what was said before the handshake does not count. */
	if (client->begin < client->end)
		return find_senseless(
		    client, "sent bytes in clear after STARTTLS");
	return smtp_tls(client, verify) && smtp_ehlo(client);
}
