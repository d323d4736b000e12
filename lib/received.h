/* SPDX-License-Identifier: ISC */
/*
 * The queue id that Postfix wrote into the Received: field which it put on top
 * of a message. XFORWARD IDENT does not always tell it: there is none for mail
 * that came by sendmail(1), and behind a content filter it is the id that the
 * message had before the filter.
 *
 * What passes a content filter is received by Postfix a second time, under
 * another id. The field of the first time stands further down then.
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

/* The same for one field, whose value is `value`, without its name. */
bool received_value_id(const char *value, char *id, size_t size);

/* The id in the next field down that has the same host as the topmost: that of
 * the first time. Anybody may have written that field, where there was none. */
bool received_earlier_id(const char *head, size_t n, char *id, size_t size);

#endif
