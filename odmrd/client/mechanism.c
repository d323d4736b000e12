/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "mechanism.h"
#include "client.h"

enum {
	NEEDS_PRIVACY = 1 << 0,     /* it shows the password */
	NEEDS_BINDING = 1 << 1,     /* a channel to bind to */
	NEEDS_CERTIFICATE = 1 << 2, /* a registered one of the client */
};

/* The better first: some clients take the first that they know. CRAM-MD5 is
 * always there (RFC 2645 5.1.2: MUST). */
static const struct mechanism mechanisms[] = {
	{ "EXTERNAL", NEEDS_CERTIFICATE, 1, false, true, false },
	{ "SCRAM-SHA-256-PLUS", NEEDS_BINDING, 2, false, true, false },
	{ "SCRAM-SHA-256", 0, 2, false, true, false },
	{ "CRAM-MD5", 0, 1, true, false, false },
	{ "PLAIN", NEEDS_PRIVACY, 1, false, true, true },
	/* Some clients send the login at once. */
	{ "LOGIN", NEEDS_PRIVACY, 2, true, true, true },
};

enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]) };

static bool
offered(const struct client *cl, const struct mechanism *mech)
{
	struct tls_binding binding;

	if ((mech->needs & NEEDS_PRIVACY) && link_tls_version(cl->link) == NULL)
		return cl->server->conf->allow_plaintext_auth;
	if (mech->needs & NEEDS_BINDING)
		return link_channel_binding(cl->link, &binding);
	if (mech->needs & NEEDS_CERTIFICATE)
		return cl->certificate[0] != '\0';
	return true;
}

const struct mechanism *
mechanism_find(const struct client *cl, const char *name)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (strcasecmp(mechanisms[i].name, name) == 0)
			return offered(cl, &mechanisms[i]) ? &mechanisms[i]
							   : NULL;
	return NULL;
}

const char *
mechanism_list(const struct client *cl, char out[MECHANISM_LIST_SIZE])
{
	out[0] = '\0';
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (!offered(cl, &mechanisms[i]))
			continue;
		if (out[0] != '\0')
			strlcat(out, " ", MECHANISM_LIST_SIZE);
		strlcat(out, mechanisms[i].name, MECHANISM_LIST_SIZE);
	}
	return out;
}
