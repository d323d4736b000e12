/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "hop.h"

#define SMTP_PORT "25"

static bool
take(char *out, size_t size, const char *text, size_t len)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool
take_port(struct hop *hop, const char *text)
{
	if (text[0] == '\0') {
		strcpy(hop->port, SMTP_PORT);
		return true;
	}
	return text[0] == ':' &&
	    take(hop->port, sizeof(hop->port), text + 1, strlen(text + 1)) &&
	    hop->port[strspn(hop->port, "0123456789")] == '\0' &&
	    atoi(hop->port) >= 1 && atoi(hop->port) <= 65535;
}

bool
hop_parse(struct hop *hop, const char *text)
{
	size_t len;

	hop->by_mx = text[0] != '[';
	text += !hop->by_mx;
	len = strcspn(text, hop->by_mx ? ":" : "]");
	if (!take(hop->host, sizeof(hop->host), text, len))
		return false;
	text += len;
	if (!hop->by_mx && *text++ != ']')
		return false;
	return take_port(hop, text);
}

bool
hop_may_loop(const struct hop *hop)
{
	return strcmp(hop->port, SMTP_PORT) == 0;
}
