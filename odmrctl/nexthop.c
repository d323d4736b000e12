/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nexthop.h"

enum { HOST_SIZE = 254, LABEL_MAX = 63, PORT_DIGITS = 5 };

static bool
is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	    inet_pton(AF_INET6, host, address) == 1;
}

/* Unlike a mail domain, a host may have one label only. */
static bool
is_host(const char *host)
{
	bool numeric = true;
	size_t label = 0;

	for (const char *s = host;; s++) {
		if (*s == '.' || *s == '\0') {
			if (label == 0 || label > LABEL_MAX || s[-1] == '-')
				return false;
			label = 0;
			if (*s == '\0')
				return !numeric;
			continue;
		}
		if (!isascii(*s) || (!isalnum(*s) && *s != '-') ||
		    (*s == '-' && label == 0))
			return false;
		numeric = numeric && isdigit(*s);
		label++;
	}
}

static bool
is_port(const char *text)
{
	const char *fault;

	if (text[strspn(text, "0123456789")] != '\0' ||
	    strlen(text) > PORT_DIGITS)
		return false;
	strtonum(text, 1, 65535, &fault);
	return fault == NULL;
}

const char *
nexthop_parse(const char *text, char *out, size_t size)
{
	bool literal = text[0] == '[';
	const char *start = literal ? text + 1 : text;
	size_t len = strcspn(start, literal ? "]" : ":");
	const char *rest = start + len;
	char host[HOST_SIZE];
	bool bare;
	int n;

	if (literal && *rest++ != ']')
		return "lacks the closing bracket";
	if (len == 0)
		return "has no host";
	if (len >= sizeof(host))
		return "is longer than 253 octets";
	memcpy(host, start, len);
	host[len] = '\0';
	if (!literal && is_address(text) && strchr(text, ':') != NULL)
		return "is an address without brackets, as in [2001:db8::1]";
	bare = !literal && is_address(host);
	if (!is_host(host) && !bare && !(literal && is_address(host)))
		return "has no valid host name or address";
	if (*rest != '\0' && (*rest != ':' || !is_port(rest + 1)))
		return "has no valid port after its host";
	n = bare ? snprintf(out, size, "[%s]%s", host, rest)
		 : snprintf(out, size, "%s", text);
	return n >= 0 && (size_t)n < size ? NULL : "is too long";
}
