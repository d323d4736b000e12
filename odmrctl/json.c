/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "table.h"

/* The length of the UTF-8 character at `s`, or 0 (RFC 3629 section 4). */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (len > left || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static void
write_string(FILE *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	putc('"', out);
	for (size_t i = 0; i < len; i += n) {
		n = 1;
		if (s[i] == '"' || s[i] == '\\')
			fprintf(out, "\\%c", s[i]);
		else if (s[i] < 0x20 || s[i] == 0x7f)
			fprintf(out, "\\u%04x", s[i]);
		else if (s[i] < 0x80)
			putc(s[i], out);
		else if ((n = utf8_length(s + i, len - i)) > 0)
			fwrite(s + i, 1, n, out);
		else {
			fputs("\\ufffd", out);
			n = 1;
		}
	}
	putc('"', out);
}

static void
begin_item(struct json *json, const char *key)
{
	if (json->comma)
		putc(',', json->out);
	json->comma = true;
	if (key != NULL)
		fprintf(json->out, "\"%s\":", key);
}

void
json_open(struct json *json, const char *key, char bracket)
{
	begin_item(json, key);
	putc(bracket, json->out);
	json->comma = false;
}

void
json_close(struct json *json, char bracket)
{
	putc(bracket, json->out);
	json->comma = true;
}

void
json_text(struct json *json, const char *key, const char *text)
{
	begin_item(json, key);
	if (text != NULL)
		write_string(json->out, text, strlen(text));
	else
		fputs("null", json->out);
}

void
json_int(struct json *json, const char *key, int64_t value)
{
	begin_item(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	begin_item(json, key);
	fputs(value ? "true" : "false", json->out);
}

void
json_time(struct json *json, const char *key, int64_t when)
{
	char text[TABLE_TIME_SIZE];

	json_text(json, key, when == 0 ? NULL : table_time(when, text));
}

void
json_lines(struct json *json, const char *key, const char *text)
{
	size_t len;

	json_open(json, key, '[');
	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		begin_item(json, NULL);
		write_string(json->out, text, len);
	}
	json_close(json, ']');
}
