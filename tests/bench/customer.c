/* SPDX-License-Identifier: ISC */
/*
 * A customer that collects its mail by ATRN (RFC 2645) and throws it away.
 *
 *	customer HOST PORT lockstep|pipelining|chunking clear|tls LOGIN DOMAIN
 *
 * The password is the login. When it has authenticated it prints the round trip
 * that it measured, and waits for the end of standard input, so that many can
 * begin at once. When it has collected it prints what came, and when: `turned`
 * is ATRN's 250, `quit` the provider's QUIT. Both are lines of JSON. A dialogue
 * that goes another way ends it with EX_PROTOCOL.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "serve.h"

enum { CHALLENGE_MAX = 512 };

static struct stream *
connect_to(const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct stream *s;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		errx(EX_USAGE, "%s: no IPv4 address", host);
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		err(EX_UNAVAILABLE, "%s:%s", host, port);
	s = stream_new(fd);
	if (s == NULL)
		errx(EX_OSERR, "out of memory");
	return s;
}

/* The last line of a reply that must begin with `code`. */
static const char *
hear(struct stream *s, const char *code)
{
	const char *line;

	do {
		line = stream_line(s);
		if (line == NULL)
			errx(EX_PROTOCOL, "closed instead of %s", code);
		if (strncmp(line, code, strlen(code)) != 0)
			errx(EX_PROTOCOL, "%s instead of %s", line, code);
	} while (line[strlen(code)] == '-');
	return line;
}

static void
authenticate(struct stream *s, const char *login)
{
	unsigned char challenge[CHALLENGE_MAX], digest[EVP_MAX_MD_SIZE];
	unsigned char answer[2 * CHALLENGE_MAX];
	char text[CHALLENGE_MAX];
	const char *word;
	unsigned digest_len;
	int len;

	stream_printf(s, "AUTH CRAM-MD5\r\n");
	word = hear(s, "334") + strlen("334 ");
	if (strlen(word) >= CHALLENGE_MAX || strlen(login) >= CHALLENGE_MAX / 2)
		errx(EX_PROTOCOL, "challenge or login is too long");
	len = EVP_DecodeBlock(
	    challenge, (const unsigned char *)word, (int)strlen(word));
	if (len < 0)
		errx(EX_PROTOCOL, "%s: no base64", word);
	/* It counts the padding as bytes. */
	for (const char *p = word + strlen(word); p > word && p[-1] == '='; p--)
		len--;
	HMAC(EVP_md5(), login, (int)strlen(login), challenge, (size_t)len,
	    digest, &digest_len);
	len = snprintf(text, sizeof(text), "%s ", login);
	for (unsigned i = 0; i < digest_len; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%02x",
		    (unsigned)digest[i]);
	EVP_EncodeBlock(answer, (const unsigned char *)text, len);
	stream_printf(s, "%s\r\n", (const char *)answer);
	hear(s, "235");
}

/* Returns the seconds of the round trip. */
static double
say_hello(struct stream *s)
{
	double asked = stream_clock();

	stream_printf(s, "EHLO customer.test\r\n");
	hear(s, "250");
	return stream_clock() - asked;
}

int
main(int argc, char **argv)
{
	enum dialect dialect;
	struct tally tally;
	struct stream *s;
	double round_trip, turned;

	if (argc != 7 || !dialect_parse(argv[3], &dialect))
		errx(EX_USAGE,
		    "usage: customer HOST PORT DIALECT clear|tls LOGIN DOMAIN");
	tally_init(&tally);
	s = connect_to(argv[1], argv[2]);
	hear(s, "220");
	round_trip = say_hello(s);
	if (strcmp(argv[4], "tls") == 0) {
		stream_printf(s, "STARTTLS\r\n");
		hear(s, "220");
		if (!stream_start_tls(s))
			errx(EX_PROTOCOL, "no TLS");
		say_hello(s);
	}
	authenticate(s, argv[5]);
	printf("{\"round_trip\": %.6f}\n", round_trip);
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	stream_printf(s, "ATRN %s\r\n", argv[6]);
	hear(s, "250");
	turned = stream_clock();
	if (!serve(s, dialect, &tally))
		errx(EX_PROTOCOL, "closed without QUIT after %ld messages",
		    tally.messages);
	printf("{\"messages\": %ld, \"bytes\": %lld, \"turned\": %.6f, "
	       "\"first\": %.6f, \"last\": %.6f, \"quit\": %.6f}\n",
	    tally.messages, tally.bytes, turned, tally.first, tally.last,
	    stream_clock());
	stream_free(&s);
	return EX_OK;
}
