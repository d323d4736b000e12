/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "request.h"

static const char *const names[REQUEST_VALUES] = {
	[REQUEST_KIND] = "request",
	[REQUEST_STATE] = "protocol_state",
	[REQUEST_NODE] = "etrn_domain",
	[REQUEST_ADDRESS] = "client_address",
	[REQUEST_LOGIN] = "sasl_username",
	[REQUEST_FINGERPRINT] = "ccert_fingerprint",
};

/* The first fault is the one that is told. */
static void
spoil(struct request *request, const char *fault)
{
	if (request->fault == NULL)
		request->fault = fault;
}

/* Of a line that is too long the beginning stays, so that it is no empty one.
 */
static void
keep(struct request *request, char byte)
{
	if (byte == '\0')
		spoil(request, "a NUL");
	if (request->len < sizeof(request->line) - 1)
		request->line[request->len++] = byte;
	else
		spoil(request, "a line that is too long");
}

static void
take_value(struct request *request, const char *name, const char *value)
{
	for (int i = 0; i < REQUEST_VALUES; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		if (request->seen[i])
			spoil(request, "an attribute twice");
		request->seen[i] = true;
		strcpy(request->values[i], value);
	}
}

static void
take_line(struct request *request)
{
	char *equals;

	request->line[request->len] = '\0';
	request->len = 0;
	equals = strchr(request->line, '=');
	if (equals == NULL || equals == request->line) {
		spoil(request, "a line that is no attribute");
		return;
	}
	*equals = '\0';
	take_value(request, request->line, equals + 1);
}

static void
finish(struct request *request)
{
	if (strcmp(request->values[REQUEST_KIND], "smtpd_access_policy") != 0)
		spoil(request, "not request=smtpd_access_policy");
	if (strcmp(request->values[REQUEST_STATE], "ETRN") != 0)
		spoil(request, "not protocol_state=ETRN");
	if (request->values[REQUEST_NODE][0] == '\0')
		spoil(request, "no etrn_domain");
	if (request->values[REQUEST_ADDRESS][0] == '\0')
		spoil(request, "no client_address");
}

bool
request_read(struct request *request, char byte)
{
	request->begun = true;
	if (byte != '\n') {
		keep(request, byte);
		return false;
	}
	if (request->len == 0) {
		finish(request);
		return true;
	}
	take_line(request);
	return false;
}

void
request_clear(struct request *request)
{
	for (int i = 0; i < REQUEST_VALUES; i++) {
		request->values[i][0] = '\0';
		request->seen[i] = false;
	}
	request->fault = NULL;
	request->begun = false;
	request->len = 0;
}
