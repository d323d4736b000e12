/* SPDX-License-Identifier: ISC */
/*
 * The queue id that Postfix wrote into the Received: field which it put on top
 * of a message. XFORWARD IDENT does not always tell it: there is none for mail
 * that came by sendmail(1), and behind a content filter it is the id that the
 * message had before the filter.
 */
#ifndef RECEIVED_H
#define RECEIVED_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks into the first `n` bytes of a message, which need not be all of it.
 * Writes the id, or returns false if the message does not begin with a
 * Received: field of Postfix. What a client said of itself (HELO) is not
 * believed: only lines that Postfix began itself count.
 */
bool received_queue_id(const char *head, size_t n, char *id, size_t size);

#endif
