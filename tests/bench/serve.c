/* SPDX-License-Identifier: ISC */
/*
 * The server's side of SMTP or LMTP, for measuring: it says yes to everything,
 * throws the mail away, and keeps count. Which extensions it announces decides
 * how a client may speak with it (RFC 2920, RFC 3030); LMTP (RFC 2033) gets
 * one reply for each recipient.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve.h"

struct dialogue {
	struct stream *s;
	enum dialect dialect;
	struct tally *tally;
	long recipients;
	long long bytes; /* of this message */
};

static const char *const dialects[] = { [LMTP] = "lmtp",
	[LOCKSTEP] = "lockstep",
	[PIPELINING] = "pipelining",
	[CHUNKING] = "chunking" };

bool
dialect_parse(const char *name, enum dialect *dialect)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
		if (strcmp(name, dialects[i]) == 0) {
			*dialect = (enum dialect)i;
			return true;
		}
	return false;
}

void
tally_init(struct tally *tally)
{
	*tally = (struct tally) { .lock = PTHREAD_MUTEX_INITIALIZER,
		.grown = PTHREAD_COND_INITIALIZER };
}

static void
count_message(struct dialogue *d)
{
	struct tally *tally = d->tally;
	double now = stream_clock();

	pthread_mutex_lock(&tally->lock);
	if (tally->messages++ == 0)
		tally->first = now;
	tally->last = now;
	tally->bytes += d->bytes;
	pthread_cond_signal(&tally->grown);
	pthread_mutex_unlock(&tally->lock);
}

static void
forget_message(struct dialogue *d)
{
	d->recipients = 0;
	d->bytes = 0;
}

static void
end_message(struct dialogue *d)
{
	long replies = d->dialect == LMTP ? d->recipients : 1;

	while (replies-- > 0)
		stream_printf(d->s, "250 2.0.0 Taken\r\n");
	count_message(d);
	forget_message(d);
}

static void
greet(struct dialogue *d)
{
	stream_printf(d->s, "250-sink.test\r\n");
	if (d->dialect != LOCKSTEP)
		stream_printf(d->s, "250-PIPELINING\r\n");
	if (d->dialect == CHUNKING)
		stream_printf(d->s, "250-CHUNKING\r\n");
	stream_printf(d->s, "250-8BITMIME\r\n250 SIZE 0\r\n");
}

/* Up to the line that is a dot. Lines are not looked at one by one: where
 * none can begin, a whole buffer is passed over. */
static bool
take_data(struct dialogue *d)
{
	static const char end[] = "\r\n.\r\n";
	size_t matched = 2, n; /* as if a line had just ended */
	const char *bytes, *cr;

	stream_printf(d->s, "354 Go on\r\n");
	while (matched < strlen(end)) {
		if (matched == 0) {
			n = stream_bytes(d->s, STREAM_IN, &bytes);
			if (n == 0)
				return false;
			cr = memmem(bytes, n, "\r\n.", 3);
			if (cr == NULL)
				cr = n > 1 ? bytes + n - 2 : bytes;
			d->s->at -= n - (size_t)(cr - bytes);
			d->bytes += cr - bytes;
		}
		if (stream_bytes(d->s, 1, &bytes) == 0)
			return false;
		d->bytes++;
		if (*bytes == end[matched])
			matched++;
		else
			matched = *bytes == end[0] ? 1 : 0;
	}
	end_message(d);
	return true;
}

static bool
take_chunk(struct dialogue *d, const char *args)
{
	char *rest;
	unsigned long left = strtoul(args, &rest, 10);
	bool last = strcasecmp(rest, " LAST") == 0;
	const char *bytes;
	size_t n;

	d->bytes += (long long)left;
	while (left > 0) {
		n = stream_bytes(d->s, left, &bytes);
		if (n == 0)
			return false;
		left -= n;
	}
	if (last)
		end_message(d);
	else
		stream_printf(d->s, "250 2.0.0 Chunk\r\n");
	return true;
}

static bool
is(const char *line, const char *verb)
{
	return strncasecmp(line, verb, strlen(verb)) == 0;
}

bool
serve(struct stream *s, enum dialect dialect, struct tally *tally)
{
	struct dialogue d = { .s = s, .dialect = dialect, .tally = tally };
	bool lives = true;
	char *line;

	stream_printf(s, "220 sink.test ready\r\n");
	while (lives && (line = stream_line(s)) != NULL) {
		if (is(line, "DATA"))
			lives = take_data(&d);
		else if (is(line, "BDAT "))
			lives = take_chunk(&d, line + strlen("BDAT "));
		else if (is(line, "EHLO") || is(line, "LHLO"))
			greet(&d);
		else if (is(line, "QUIT")) {
			stream_printf(s, "221 2.0.0 Bye\r\n");
			stream_flush(s);
			return true;
		} else {
			if (is(line, "RCPT"))
				d.recipients++;
			else if (is(line, "RSET"))
				forget_message(&d);
			stream_printf(s, "250 2.0.0 Ok\r\n");
		}
	}
	return false;
}
