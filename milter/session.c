/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol.h"
#include "record.h"
#include "session.h"

enum {
	UNWANTED = STEP_NO_HELO | STEP_NO_DATA | STEP_NO_END_OF_HEADERS |
	    STEP_NO_BODY | STEP_NO_UNKNOWN,
	MUTE = STEP_MUTE_CONNECT | STEP_MUTE_MAIL | STEP_MUTE_RCPT |
	    STEP_MUTE_HEADER,
	WORDS_MAX = 64 /* of MAIL and RCPT: an address, and parameters */
};

static void
forget_message(struct session *session)
{
	message_clear(&session->message);
	free(session->queue_id);
	session->queue_id = NULL;
}

void
session_clear(struct session *session)
{
	forget_message(session);
	*session = (struct session) { 0 };
}

static void
put_answer(struct answer *answer, const void *data, size_t size)
{
	uint32_t length = htonl((uint32_t)size);

	memcpy(answer->bytes, &length, sizeof(length));
	memcpy(answer->bytes + sizeof(length), data, size);
	answer->size = sizeof(length) + size;
}

static size_t
put_number(char *at, uint32_t number)
{
	number = htonl(number);
	memcpy(at, &number, sizeof(number));
	return sizeof(number);
}

static uint32_t
number_at(const char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

/* The queue id, whatever Postfix's parameters milter_*_macros say. At stages
 * that have none yet it stands for nothing, where an empty list would stand for
 * all that those parameters name. */
static size_t
put_macros(char *start)
{
	char *at = start;

	for (uint32_t stage = 0; stage < MACROS_STAGES; stage++) {
		at += put_number(at, stage);
		at = stpcpy(at, "i") + 1;
	}
	return (size_t)(at - start);
}

/* Question and answer are three numbers: version, actions, steps. */
static bool
on_negotiate(struct session *session, const char *data, size_t size,
    struct answer *answer)
{
	char reply[sizeof(answer->bytes) - PACKET_LENGTH_SIZE], *at = reply;
	uint32_t version, actions, steps;

	if (size < 12)
		return false;
	version = number_at(data);
	actions = number_at(data + 4) & ACTION_MACROS;
	steps = number_at(data + 8) & (UNWANTED | MUTE);
	if (version < PROTOCOL_OLDEST)
		return false;
	session->mute = steps & MUTE;
	*at++ = COMMAND_NEGOTIATE;
	at += put_number(
	    at, version < PROTOCOL_NEWEST ? version : PROTOCOL_NEWEST);
	at += put_number(at, actions);
	at += put_number(at, steps);
	if (actions != 0)
		at += put_macros(at);
	put_answer(answer, reply, (size_t)(at - reply));
	return true;
}

/* The string at *at, which is moved behind it; NULL at the end, or where no
 * octet ends it. */
static const char *
next_string(const char **at, const char *end)
{
	const char *start = *at, *nul;

	if (start == end)
		return NULL;
	nul = memchr(start, '\0', (size_t)(end - start));
	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return start;
}

/* Behind the letter of the command that they are for: name, value, name ... */
static void
on_macros(struct session *session, const char *data, size_t size)
{
	const char *at = data + 1, *end = data + size, *name, *value;

	if (size == 0)
		return;
	if (data[0] == COMMAND_MAIL)
		forget_message(session);
	while ((name = next_string(&at, end)) != NULL &&
	    (value = next_string(&at, end)) != NULL) {
		if (strcmp(name, "i") != 0 && strcmp(name, "{i}") != 0)
			continue;
		free(session->queue_id);
		session->queue_id = strdup(value);
	}
}

/*
 * Host name, family, and for the Internet's families port and address. Mail
 * from sendmail(1) comes as from 127.0.0.1; what is no address of the Internet
 * is local, too.
 */
static void
on_connect(struct session *session, const char *data, size_t size)
{
	const char *at = data, *end = data + size, *text;
	struct in6_addr address;
	int family;

	strlcpy(session->client, "localhost", sizeof(session->client));
	if (next_string(&at, end) == NULL || end - at < 4)
		return;
	family = *at == '6' ? AF_INET6 : AF_INET;
	at += 3;
	text = next_string(&at, end);
	if (text != NULL && strncasecmp(text, "IPv6:", 5) == 0)
		text += 5;
	if (text != NULL && inet_pton(family, text, &address) == 1)
		inet_ntop(
		    family, &address, session->client, sizeof(session->client));
}

/* The strings of MAIL and RCPT, NULL last; false if there are none. */
static bool
split(const char *data, size_t size, const char *words[WORDS_MAX + 1])
{
	const char *at = data, *end = data + size;
	size_t count = 0;

	while (
	    count < WORDS_MAX && (words[count] = next_string(&at, end)) != NULL)
		count++;
	words[count] = NULL;
	return count > 0;
}

static bool
on_mail(struct session *session, const char *data, size_t size)
{
	const char *words[WORDS_MAX + 1];

	if (!split(data, size, words))
		return false;
	message_begin(&session->message, words);
	return true;
}

/* Postfix sends only the recipients that it accepted. */
static bool
on_recipient(struct session *session, const char *data, size_t size)
{
	const char *words[WORDS_MAX + 1];

	if (!split(data, size, words))
		return false;
	if (session->message.sender != NULL)
		message_recipient(&session->message, words);
	return true;
}

static bool
on_header(struct session *session, const char *data, size_t size)
{
	const char *words[WORDS_MAX + 1];

	if (!split(data, size, words))
		return false;
	message_header(&session->message, words);
	return true;
}

static void
on_end_of_message(struct session *session)
{
	record_message(&session->message, session->queue_id, session->client);
	forget_message(session);
}

static void
on_next_session(struct session *session)
{
	forget_message(session);
	session->client[0] = '\0';
}

/* What is heard and not answered. */
static bool
is_mute(const struct session *session, char command)
{
	switch (command) {
	case COMMAND_CONNECT:
		return (session->mute & STEP_MUTE_CONNECT) != 0;
	case COMMAND_MAIL:
		return (session->mute & STEP_MUTE_MAIL) != 0;
	case COMMAND_RCPT:
		return (session->mute & STEP_MUTE_RCPT) != 0;
	case COMMAND_HEADER:
		return (session->mute & STEP_MUTE_HEADER) != 0;
	case COMMAND_NEGOTIATE:
	case COMMAND_MACROS:
	case COMMAND_ABORT:
	case COMMAND_NEXT_SESSION:
		return true;
	default:
		return false;
	}
}

static bool
handle(struct session *session, char command, const char *data, size_t size,
    struct answer *answer)
{
	switch (command) {
	case COMMAND_NEGOTIATE:
		return on_negotiate(session, data, size, answer);
	case COMMAND_MACROS:
		on_macros(session, data, size);
		return true;
	case COMMAND_CONNECT:
		on_connect(session, data, size);
		return true;
	case COMMAND_MAIL:
		return on_mail(session, data, size);
	case COMMAND_RCPT:
		return on_recipient(session, data, size);
	case COMMAND_HEADER:
		return on_header(session, data, size);
	case COMMAND_END_OF_MESSAGE:
		on_end_of_message(session);
		return true;
	case COMMAND_ABORT:
		forget_message(session);
		return true;
	case COMMAND_NEXT_SESSION:
		on_next_session(session);
		return true;
	case COMMAND_HELO:
	case COMMAND_DATA:
	case COMMAND_END_OF_HEADERS:
	case COMMAND_BODY:
	case COMMAND_UNKNOWN:
		return true;
	default:
		return false;
	}
}

bool
session_packet(struct session *session, const char *packet, size_t size,
    struct answer *answer)
{
	static const char go_on = ANSWER_CONTINUE;

	answer->size = 0;
	if (size == 0 ||
	    !handle(session, packet[0], packet + 1, size - 1, answer))
		return false;
	if (!is_mute(session, packet[0]))
		put_answer(answer, &go_on, 1);
	return true;
}
