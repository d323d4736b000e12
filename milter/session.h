/* SPDX-License-Identifier: ISC */
/*
 * One SMTP session as the mail system tells of it: packets come in, it collects
 * the envelope, and at the end of a message has it recorded.
 *
 * Law: every answer lets the mail go on, whatever comes. Only connect, MAIL,
 * RCPT, header fields and the end of a message are wanted, and only the last is
 * waited for; from a mail system that cannot leave the rest out, it is passed
 * over.
 */
#ifndef SESSION_H
#define SESSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

/* All zero is a new session. */
struct session {
	struct message message;
	char *queue_id; /* NULL: not told yet */
	uint32_t mute;  /* steps that want no answer */
	char client[INET6_ADDRSTRLEN];
};

struct answer {
	size_t size; /* 0: none */
	unsigned char bytes[64];
};

/* `packet` is what follows the length, of `size` octets. False: it was the last
 * one, or cannot be understood. */
bool session_packet(struct session *session, const char *packet, size_t size,
    struct answer *answer);
void session_clear(struct session *session);

#endif
