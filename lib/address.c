/* SPDX-License-Identifier: ISC */
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "endpoint.h"

/* getaddrinfo takes 65902 for 366. */
static bool
is_port(const char *text)
{
	return text[0] != '\0' && strlen(text) <= 5 &&
	    text[strspn(text, "0123456789")] == '\0' && atoi(text) <= 65535;
}

static bool
resolve(const char *host, const char *port, struct address *out)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found;

	if (strcmp(host, "*") == 0) {
		hints.ai_family = AF_INET;
		host = NULL;
	}
	if (!is_port(port) || getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* Brackets are for what has colons of its own. */
static bool
take(const char *text, struct address *out)
{
	struct endpoint to;

	return endpoint_split(&to, text) == NULL &&
	    to.brackets == (strchr(to.host, ':') != NULL) &&
	    resolve(to.host, to.port, out);
}

int
address_next(const char **list, struct address *out, char *error, size_t size)
{
	size_t len;

	*list += strspn(*list, ", \t");
	if (**list == '\0')
		return 0;
	len = strcspn(*list, ", \t");
	if (len < sizeof(out->text)) {
		memcpy(out->text, *list, len);
		out->text[len] = '\0';
		if (take(out->text, out)) {
			*list += len;
			return 1;
		}
	}
	snprintf(error, size,
	    "\"%.*s\" is no address such as *:366, 192.0.2.1:366 or [::]:366",
	    (int)(len < 80 ? len : 80), *list);
	return -1;
}
