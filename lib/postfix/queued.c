/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/log.h"
#include "queued.h"

enum { QUEUE_ID_MAX = 64 };

void
queued_clear(struct queued *message)
{
	recipients_clear(&message->recipients);
	json_decref(message->json);
	*message = (struct queued) { 0 };
}

/* Where there is no memory for the next character of a string, Jansson (2.14)
 * drops it, or writes past its buffer. Better an end than a wrong recipient. */
static void *
allocate(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL) {
		log_error(NULL, "out of memory while reading the queue");
		_exit(EX_OSERR);
	}
	return memory;
}

static void
set_allocator(void)
{
	json_set_alloc_funcs(allocate, free);
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

static const char *
add_recipient(struct queued *message, json_t *item)
{
	json_t *address = json_object_get(item, "address");
	const char *reason =
	    json_string_value(json_object_get(item, "delay_reason"));

	if (!json_is_string(address))
		return "a recipient without address";
	if (!recipients_add(&message->recipients, json_string_value(address),
		json_string_length(address), reason))
		return "out of memory";
	return NULL;
}

static const char *
read_recipients(struct queued *message)
{
	json_t *list = json_object_get(message->json, "recipients"), *item;
	const char *fault = NULL;
	size_t i;

	if (!json_is_array(list))
		return "no recipients";
	json_array_foreach(list, i, item) if ((fault = add_recipient(message,
						   item)) != NULL) return fault;
	recipients_sort(&message->recipients);
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
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *fault;

	pthread_once(&once, set_allocator);
	*message = (struct queued) { .json = parse(line, len) };
	if (!json_is_object((json_t *)message->json))
		fault = "no JSON object";
	else
		fault = read_fields(message);
	if (fault != NULL)
		queued_clear(message);
	return fault;
}
