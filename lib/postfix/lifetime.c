/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lifetime.h"
#include "program.h"

enum { ANSWER_SIZE = 256, DIGITS_MAX = 10 };

struct answer {
	char text[ANSWER_SIZE];
	size_t len;
};

static bool
take(void *arg, const char *bytes, size_t len)
{
	struct answer *answer = arg;

	if (len > ANSWER_SIZE - 1 - answer->len)
		len = ANSWER_SIZE - 1 - answer->len;
	memcpy(answer->text + answer->len, bytes, len);
	answer->len += len;
	return true;
}

static int64_t
unit(char c)
{
	switch (tolower((unsigned char)c)) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 604800;
	default:
		return 0;
	}
}

bool
lifetime_parse(const char *text, size_t len, int64_t *seconds)
{
	int64_t number = 0;
	size_t digits = 0;

	while (digits < len && isdigit((unsigned char)text[digits]))
		number = number * 10 + (text[digits++] - '0');
	if (digits == 0 || digits > DIGITS_MAX || len > digits + 1)
		return false;
	*seconds = number * unit(digits < len ? text[digits] : 'd');
	return digits == len || unit(text[digits]) != 0;
}

/* Moves `*text` behind the line. */
static bool
read_line(const char **text, int64_t *seconds)
{
	size_t len = strcspn(*text, "\n");
	bool ok = (*text)[len] == '\n' && lifetime_parse(*text, len, seconds);

	*text += len + ((*text)[len] == '\n');
	return ok;
}

bool
lifetime_ask(const struct conf *conf, struct lifetime *lifetime, char *error,
    size_t size)
{
	const char *const argv[] = { conf->postconf_path, "-c",
		conf->postfix_config_directory, "-hx", "maximal_queue_lifetime",
		"bounce_queue_lifetime", NULL };
	struct answer answer = { .len = 0 };
	const struct program postconf = {
		.argv = argv, .take = take, .arg = &answer
	};
	const char *text = answer.text;

	if (!program_run(&postconf, error, size))
		return false;
	answer.text[answer.len] = '\0';
	if (read_line(&text, &lifetime->maximal) &&
	    read_line(&text, &lifetime->bounce) && *text == '\0')
		return true;
	snprintf(error, size,
	    "%s: maximal_queue_lifetime and "
	    "bounce_queue_lifetime are no times",
	    conf->postconf_path);
	return false;
}
