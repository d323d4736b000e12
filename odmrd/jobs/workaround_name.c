/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "workaround_name.h"

static const struct {
	const char *name;
	enum workaround_bit bit;
} names[] = {
	{ "no-tls", AVOID_TLS },
	{ "tls", NEED_TLS },
	{ "no-chunking", AVOID_CHUNKING },
	{ "no-pipelining", AVOID_PIPELINING },
	{ "helo", AVOID_EHLO },
	{ "no-noop", AVOID_NOOP },
	{ "few-rset", AVOID_RSET },
	{ "few-in-flight", AVOID_CROWD },
};

unsigned
workaround_of(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name != NULL && strcmp(names[i].name, name) == 0)
			return names[i].bit;
	return 0;
}

const char *
workaround_name(enum workaround_bit bit)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].bit == bit)
			return names[i].name;
	return NULL;
}
