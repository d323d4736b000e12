/* SPDX-License-Identifier: ISC */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <unistr.h>

#include "json.h"
#include "table.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static json_t *
text_of(const char *text, size_t len)
{
	char *sound = malloc(len * strlen(replacement) + 1), *end = sound;
	const uint8_t *rest = (const uint8_t *)text, *bad;
	json_t *made;

	if (sound == NULL)
		return NULL;
	while ((bad = u8_check(rest, len)) != NULL) {
		end = mempcpy(end, rest, (size_t)(bad - rest));
		end = stpcpy(end, replacement);
		len -= (size_t)(bad + 1 - rest);
		rest = bad + 1;
	}
	end = mempcpy(end, rest, len);
	made = json_stringn_nocheck(sound, (size_t)(end - sound));
	free(sound);
	return made;
}

json_t *
json_text(const char *text)
{
	return text != NULL ? text_of(text, strlen(text)) : json_null();
}

void
json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) == -1)
		err(EX_OSERR, "out of memory");
}

void
json_set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == -1)
		err(EX_OSERR, "out of memory");
}

void
json_set_text(json_t *object, const char *key, const char *text)
{
	json_set(object, key, json_text(text));
}

void
json_set_int(json_t *object, const char *key, int64_t value)
{
	json_set(object, key, json_integer(value));
}

void
json_set_bool(json_t *object, const char *key, bool value)
{
	json_set(object, key, json_boolean(value));
}

void
json_set_time(json_t *object, const char *key, int64_t when)
{
	char text[TABLE_TIME_SIZE];

	json_set_text(object, key, when == 0 ? NULL : table_time(when, text));
}

void
json_set_lines(json_t *object, const char *key, const char *text)
{
	json_t *lines = json_array();
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		json_add(lines, text_of(text, len));
	}
	json_set(object, key, lines);
}

static void
begin_item(struct json *json, const char *key)
{
	if (json->in_list && key != NULL) {
		putc(']', json->out);
		json->in_list = false;
		json->comma = true;
	}
	if (json->comma)
		putc(',', json->out);
	json->comma = true;
	if (key != NULL)
		fprintf(json->out, "\"%s\":", key);
}

void
json_begin(struct json *json, FILE *out)
{
	*json = (struct json) { .out = out };
	putc('{', out);
}

void
json_list(struct json *json, const char *key)
{
	begin_item(json, key);
	putc('[', json->out);
	json->in_list = true;
	json->comma = false;
}

/* Whether it could be written is asked when all is. */
void
json_put(struct json *json, const char *key, json_t *value)
{
	if (value == NULL)
		err(EX_OSERR, "out of memory");
	begin_item(json, key);
	json_dumpf(value, json->out, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(value);
}

void
json_end(struct json *json)
{
	fputs(json->in_list ? "]}\n" : "}\n", json->out);
}
