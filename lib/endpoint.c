/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

static bool
take(char *out, size_t size, const char *text, size_t len)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

const char *
endpoint_split(struct endpoint *out, const char *text)
{
	size_t len;

	*out = (struct endpoint) { .brackets = text[0] == '[' };
	text += out->brackets;
	len = strcspn(text, out->brackets ? "]" : ":");
	if (out->brackets && text[len] == '\0')
		return "lacks the closing bracket";
	if (len == 0)
		return "has no host";
	if (!take(out->host, sizeof(out->host), text, len))
		return "is longer than 253 octets";
	text += len + out->brackets;
	if (text[0] == '\0')
		return NULL;
	if (text[0] != ':' ||
	    !take(out->port, sizeof(out->port), text + 1, strlen(text + 1)))
		return "has no valid port after its host";
	return NULL;
}

static bool
is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	    inet_pton(AF_INET6, host, address) == 1;
}

static bool
is_port(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0' && strlen(text) <= 5 &&
	    atoi(text) >= 1 && atoi(text) <= 65535;
}

const char *
endpoint_parse(struct endpoint *out, const char *text)
{
	char typed[DOMAIN_SIZE];
	const char *fault;

	if (is_address(text) && strchr(text, ':') != NULL)
		return "is an address without brackets, as in [2001:db8::1]";
	fault = endpoint_split(out, text);
	if (fault != NULL)
		return fault;
	if (out->port[0] != '\0' && !is_port(out->port))
		return "has no valid port after its host";
	if (is_address(out->host)) {
		out->brackets = true;
		return NULL;
	}
	strcpy(typed, out->host);
	if (!hostname_canonical(typed, strlen(typed), out->host, NULL))
		return "has no valid host name or address";
	return NULL;
}

char *
endpoint_text(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_SIZE])
{
	snprintf(out, ENDPOINT_TEXT_SIZE, "%s%s%s%s%s",
	    endpoint->brackets ? "[" : "", endpoint->host,
	    endpoint->brackets ? "]" : "", endpoint->port[0] != '\0' ? ":" : "",
	    endpoint->port);
	return out;
}

const char *
endpoint_socket(struct endpoint *out, const char *name)
{
	const char *rest = name + strcspn(name, ":");
	const char *host;

	rest += *rest == ':';
	*out = (struct endpoint) { 0 };
	if (strncmp(name, "inet", strlen("inet")) != 0)
		return rest;
	host = rest + strcspn(rest, "@");
	take(out->port, sizeof(out->port), rest, (size_t)(host - rest));
	host += *host == '@';
	out->brackets = host[0] == '[';
	host += out->brackets;
	take(out->host, sizeof(out->host), host,
	    strcspn(host, out->brackets ? "]" : ""));
	return NULL;
}
