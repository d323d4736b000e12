/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "domain.h"
#include "queued.h"

enum { QUEUE_ID_MAX = 64 };

void
queued_clear(struct queued *message)
{
	for (size_t i = 0; i < message->count; i++)
		free(message->recipients[i].address);
	free(message->recipients);
	json_decref(message->json);
	*message = (struct queued) { 0 };
}

/* Postfix lets pass what senders write, which need not be UTF-8, but JSON has
 * to be: such a line is read with question marks. */
static json_t *
parse(char *line, size_t len)
{
	json_error_t error;
	json_t *json = json_loadb(line, len, 0, &error);

	if (json != NULL || json_error_code(&error) != json_error_invalid_utf8)
		return json;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] >= 0x80)
			line[i] = '?';
	return json_loadb(line, len, 0, &error);
}

static bool
is_queue_id(const char *id)
{
	size_t len = 0;

	while (isalnum((unsigned char)id[len]))
		len++;
	return len > 0 && len <= QUEUE_ID_MAX && id[len] == '\0';
}

/* A control character would forge a line in the tag's list. */
static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* Postfix takes "user@example.org." for the same as without the dot. */
static bool
find_domain(const char *address, size_t *local_len, char domain[DOMAIN_SIZE])
{
	const char *at = strrchr(address, '@');
	size_t len;

	if (at == NULL || at == address || has_control(address))
		return false;
	*local_len = (size_t)(at - address);
	len = strlen(at + 1);
	if (len > 0 && at[len] == '.')
		len--;
	return domain_canonical(at + 1, len, domain, NULL);
}

static const char *
add_recipient(struct queued *message, json_t *item)
{
	const char *address =
	    json_string_value(json_object_get(item, "address"));
	struct queued_recipient *recipient;
	char domain[DOMAIN_SIZE];
	size_t local_len;

	if (address == NULL)
		return "a recipient without address";
	if (!find_domain(address, &local_len, domain))
		return NULL;
	recipient = &message->recipients[message->count];
	recipient->address = malloc(local_len + 1 + strlen(domain) + 1);
	if (recipient->address == NULL)
		return "out of memory";
	memcpy(recipient->address, address, local_len + 1);
	strcpy(recipient->address + local_len + 1, domain);
	recipient->domain = recipient->address + local_len + 1;
	recipient->reason =
	    json_string_value(json_object_get(item, "delay_reason"));
	message->count++;
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	const struct queued_recipient *left = a, *right = b;
	int order = strcmp(left->domain, right->domain);

	return order != 0 ? order : strcasecmp(left->address, right->address);
}

static void
sort(struct queued *message)
{
	struct queued_recipient *all = message->recipients;
	size_t kept = 0;

	if (message->count == 0)
		return;
	qsort(all, message->count, sizeof(*all), compare);
	for (size_t i = 1; i < message->count; i++)
		if (compare(&all[kept], &all[i]) == 0)
			free(all[i].address);
		else
			all[++kept] = all[i];
	message->count = kept + 1;
}

static const char *
read_recipients(struct queued *message)
{
	json_t *list = json_object_get(message->json, "recipients"), *item;
	const char *fault = NULL;
	size_t i;

	if (!json_is_array(list))
		return "no recipients";
	message->recipients =
	    calloc(json_array_size(list) + 1, sizeof(*message->recipients));
	if (message->recipients == NULL)
		return "out of memory";
	json_array_foreach(list, i, item) if ((fault = add_recipient(message,
						   item)) != NULL) return fault;
	sort(message);
	return NULL;
}

static const char *
read_fields(struct queued *message)
{
	json_t *size = json_object_get(message->json, "message_size");
	json_t *arrived = json_object_get(message->json, "arrival_time");

	message->queue =
	    json_string_value(json_object_get(message->json, "queue_name"));
	message->queue_id =
	    json_string_value(json_object_get(message->json, "queue_id"));
	message->sender =
	    json_string_value(json_object_get(message->json, "sender"));
	if (message->queue_id == NULL || !is_queue_id(message->queue_id))
		return "no queue id";
	if (message->queue == NULL || message->sender == NULL ||
	    !json_is_integer(size) || !json_is_integer(arrived))
		return "a field is missing";
	/* Postfix's own name for it in listings */
	if (strcmp(message->sender, "MAILER-DAEMON") == 0)
		message->sender = "";
	message->size = json_integer_value(size);
	message->arrived = json_integer_value(arrived);
	if (message->size < 0 || message->arrived < 0)
		return "a field is negative";
	return read_recipients(message);
}

const char *
queued_read(struct queued *message, char *line, size_t len)
{
	const char *fault;

	*message = (struct queued) { .json = parse(line, len) };
	if (!json_is_object((json_t *)message->json))
		fault = "no JSON object";
	else
		fault = read_fields(message);
	if (fault != NULL)
		queued_clear(message);
	return fault;
}
