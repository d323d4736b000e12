/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "hello.h"
#include "lib/log.h"

int
hello_greeting(struct peer *peer)
{
	struct reply reply;
	int code = peer_hear(peer, &reply, NULL, NULL);

	if (code == EX_OK && reply.code != 220)
		code = peer_refused(peer, "connection refused", &reply);
	return code;
}

/* What goes beyond any sensible number of mechanisms is not seen. */
static void
take_mechanisms(struct offers *offers, const char *names)
{
	size_t len = strlen(offers->mechanisms);

	if (len + strlen(names) + 2 > sizeof(offers->mechanisms))
		return;
	if (len > 0)
		strcat(offers->mechanisms, " ");
	strcat(offers->mechanisms, names);
}

static void
take_offer(void *arg, const char *line)
{
	struct offers *offers = arg;

	line += strlen(line) > 4 ? 4 : strlen(line);
	if (strcasecmp(line, "STARTTLS") == 0)
		offers->starttls = true;
	/* With "=" as before it was a standard, which Postfix still says. */
	else if (strncasecmp(line, "AUTH ", 5) == 0 ||
	    strncasecmp(line, "AUTH=", 5) == 0)
		take_mechanisms(offers, line + 5);
}

int
hello_say(struct peer *peer, const char *myhostname, struct offers *offers)
{
	struct reply reply;
	int code;

	*offers = (struct offers) { .starttls = false };
	code = peer_say(peer, "EHLO %s", myhostname);
	if (code == EX_OK)
		code = peer_hear(peer, &reply, take_offer, offers);
	/* There is no ETRN after HELO. */
	if (code == EX_OK && reply.code != 250)
		code = peer_refused(peer, "EHLO refused", &reply);
	return code;
}

/* EX_OK without TLS: there is none to be had, and none is needed. */
static int
ask(struct peer *peer, bool verify, bool *agreed)
{
	struct reply reply;
	int code = peer_say(peer, "STARTTLS");

	if (code == EX_OK)
		code = peer_hear(peer, &reply, NULL, NULL);
	if (code != EX_OK)
		return code;
	*agreed = reply.code == 220;
	if (!*agreed && (verify || peer->lost))
		return peer_refused(peer, "STARTTLS refused", &reply);
	return EX_OK;
}

int
hello_encrypt(struct peer *peer, const char *myhostname, struct offers *offers,
    bool verify, bool *failed)
{
	bool agreed = false;
	int code;

	if (!offers->starttls) {
		if (!verify)
			return EX_OK;
		log_error(NULL, "%s: offers no STARTTLS", peer->host);
		return EX_UNAVAILABLE;
	}
	code = ask(peer, verify, &agreed);
	if (code != EX_OK || !agreed)
		return code;
	if (peer_is_early(peer)) {
		peer->lost = true;
		log_error(
		    NULL, "%s: sent bytes in clear after STARTTLS", peer->host);
		return EX_PROTOCOL;
	}
	code = peer_encrypt(peer, verify);
	*failed = code != EX_OK;
	return code == EX_OK ? hello_say(peer, myhostname, offers) : code;
}
