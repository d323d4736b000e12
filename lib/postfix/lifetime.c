/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifetime.h"
#include "program.h"

enum { DIGITS_MAX = 10 };

int64_t
postfix_seconds(const char *value, char unit)
{
	static const char units[] = "smhdw";
	static const int64_t worth[] = { 1, 60, 3600, 86400, 604800 };
	size_t digits = strspn(value, "0123456789");
	const char *found;

	if (digits == 0 || digits > DIGITS_MAX)
		return -1;
	if (value[digits] != '\0')
		unit = (char)tolower((unsigned char)value[digits]);
	found = strchr(units, unit);
	if (found == NULL || strlen(value) > digits + 1)
		return -1;
	return strtoll(value, NULL, 10) * worth[found - units];
}

bool
lifetime_ask(const struct conf *conf, struct lifetime *lifetime, char *error,
    size_t size)
{
	const char *const argv[] = { conf->postconf_path, "-c",
		conf->postfix_config_directory, "-hx", "maximal_queue_lifetime",
		"bounce_queue_lifetime", NULL };
	const struct program postconf = { .argv = argv };
	char *output, *maximal, *bounce, *rest;
	bool ok = program_output(&postconf, &output, error, size);

	if (ok) {
		rest = output;
		maximal = strsep(&rest, "\n");
		bounce = strsep(&rest, "\n");
		lifetime->maximal = postfix_seconds(maximal, 'd');
		lifetime->bounce =
		    bounce != NULL ? postfix_seconds(bounce, 'd') : -1;
		ok = lifetime->maximal != -1 && lifetime->bounce != -1 &&
		    rest != NULL && *rest == '\0';
		if (!ok)
			snprintf(error, size,
			    "%s: maximal_queue_lifetime and "
			    "bounce_queue_lifetime are no times",
			    conf->postconf_path);
	}
	free(output);
	return ok;
}
