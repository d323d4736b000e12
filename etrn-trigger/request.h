/* SPDX-License-Identifier: ISC */
/*
 * A request of Postfix's policy delegation protocol (SMTPD_POLICY_README):
 * lines "attribute=value", ended by an empty line. Of its attributes those
 * that an ETRN is judged by are kept, the rest is ignored. Memory is that of
 * the struct, whatever comes.
 *
 * What is wrong with a request is found here; it is then read to its end, so
 * that it can be answered, but none of its values is to be used.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum request_value {
	REQUEST_KIND,
	REQUEST_STATE,
	REQUEST_NODE,
	REQUEST_ADDRESS,
	REQUEST_LOGIN,
	REQUEST_FINGERPRINT,
	REQUEST_VALUES
};

/* Room for a line and its NUL. Postfix's own bounds are lower. */
enum { REQUEST_LINE_SIZE = 4096 };

/* Zeroed, it waits for a first byte. */
struct request {
	char values[REQUEST_VALUES][REQUEST_LINE_SIZE]; /* "": not known */
	const char *fault; /* what is wrong; NULL: nothing */
	bool begun;
	/* request.c's */
	bool seen[REQUEST_VALUES];
	size_t len; /* of the line so far */
	char line[REQUEST_LINE_SIZE];
};

/* True: it was the last byte of the request. */
bool request_read(struct request *request, char byte);

void request_clear(struct request *request);

#endif
