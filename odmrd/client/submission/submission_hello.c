/* SPDX-License-Identifier: ISC */
/*
 * The first words with the smtpd: 220, EHLO, XCLIENT, another 220, and EHLO for
 * the client. The second EHLO's reply is what the smtpd offers to this client,
 * and that is what the client's own EHLO shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "odmrd/client/client.h"
#include "submission.h"

enum { OFFER_MAX = 80 };

/* The client's own name was never checked, its address is known. */
static void
say_ehlo(struct submission *sub, enum submission_state state)
{
	const char *client = sub->client->who.client;

	sub->xclient = false;
	sub->offers[0] = '\0';
	link_printf(sub->link, "EHLO [%s%.*s]\r\n",
	    strchr(client, ':') != NULL ? "IPv6:" : "",
	    (int)strcspn(client, "%"), client);
	submission_set_state(sub, state);
}

/* RFC 3461 4: whatever could end the value or the line is written in hex. */
static void
write_xtext(struct link *link, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text > ' ' && *text < 127 && *text != '+' && *text != '=')
			link_write(link, text, 1);
		else
			link_printf(link, "+%02X", (unsigned char)*text);
}

/* Without its name: to ask for it would take time, and only the address can be
 * relied upon. */
static void
say_xclient(struct submission *sub)
{
	const struct identity *who = &sub->client->who;

	link_printf(sub->link, "XCLIENT ADDR=%s%.*s NAME=[UNAVAILABLE] LOGIN=",
	    strchr(who->client, ':') != NULL ? "IPV6:" : "",
	    (int)strcspn(who->client, "%"), who->client);
	write_xtext(sub->link, who->login);
	link_printf(sub->link, "\r\n");
	submission_set_state(sub, SUBMISSION_XCLIENT);
}

static void
learn_xclient(struct submission *sub, const char *line)
{
	if (strncasecmp(line, "XCLIENT ", 8) == 0)
		sub->xclient = strcasestr(line, " ADDR") != NULL &&
		    strcasestr(line, " NAME") != NULL &&
		    strcasestr(line, " LOGIN") != NULL;
}

/* Shows the client what works through us: parameters of MAIL and RCPT, and
 * BDAT. */
static void
learn_offer(struct submission *sub, const char *line)
{
	static const char *const known[] = { "SIZE", "8BITMIME", "SMTPUTF8",
		"DSN", "CHUNKING", "ENHANCEDSTATUSCODES" };
	size_t len = strcspn(line, " "), used = strlen(sub->offers);

	if (strlen(line) > OFFER_MAX || used + OFFER_MAX + 2 > OFFERS_SIZE)
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == len &&
		    strncasecmp(line, known[i], len) == 0)
			snprintf(sub->offers + used, OFFERS_SIZE - used, "%s\n",
			    line);
}

static void
be_ready(struct submission *sub)
{
	char *mail = sub->mail;

	sub->envelope = ENVELOPE_NONE;
	submission_set_state(sub, SUBMISSION_READY);
	if (mail == NULL) {
		submission_greeted(sub);
		return;
	}
	sub->mail = NULL;
	submission_send(sub, ASKED_MAIL, mail);
	free(mail);
}

void
submission_learn(struct submission *sub, const char *line)
{
	if (sub->state == SUBMISSION_EHLO)
		learn_xclient(sub, line);
	else if (sub->state == SUBMISSION_WELCOME)
		learn_offer(sub, line);
}

static const char hint[] = "smtpd_authorized_xclient_hosts";

void
submission_begin(struct submission *sub, const struct reply *reply)
{
	int code = reply->code;

	if (sub->state == SUBMISSION_GREETING && code == 220)
		say_ehlo(sub, SUBMISSION_EHLO);
	else if (sub->state == SUBMISSION_EHLO && code == 250 && sub->xclient)
		say_xclient(sub);
	else if (sub->state == SUBMISSION_EHLO && code == 250)
		submission_fail(sub,
		    "does not offer XCLIENT with ADDR, NAME and LOGIN to "
		    "odmrd: set its %s",
		    hint);
	else if (sub->state == SUBMISSION_XCLIENT && code == 220)
		say_ehlo(sub, SUBMISSION_WELCOME);
	else if (sub->state == SUBMISSION_XCLIENT)
		submission_fail(sub, "XCLIENT refused: %d %s (see its %s)",
		    code, reply->text, hint);
	else if (sub->state == SUBMISSION_WELCOME && code == 250)
		be_ready(sub);
	else
		submission_fail(sub, "refuses: %d %s", code, reply->text);
}

void
submission_hello(struct client *cl, void (*then)(struct client *cl))
{
	struct submission *sub = submission_get(cl);

	if (sub == NULL)
		return;
	sub->then = then;
	if (sub->state == SUBMISSION_READY) {
		say_ehlo(sub, SUBMISSION_WELCOME);
		submission_hold_client(sub);
	} else
		submission_open(sub);
}

/* Before AUTH nobody has asked the smtpd; these two it surely has. */
const char *
submission_offers(const struct client *cl)
{
	if (!cl->server->conf->submission)
		return "";
	if (cl->who.login == NULL)
		return "SIZE\n8BITMIME\n";
	return cl->submission != NULL && cl->submission->link != NULL
	    ? cl->submission->offers
	    : "";
}
