/* SPDX-License-Identifier: ISC */
/*
 * Strays: mail of a session that has tags, and that Postfix does not bring.
 * Where is it? The queue is looked at for up to STRAYS_MAX messages of which
 * the tags know the id, and for the domains that have tags. What waits there is
 * then asked for by its id: flush(8) may have lost it from its list, as it was
 * just being delivered, or deferred, when another flush met it.
 */
#ifndef STRAYS_H
#define STRAYS_H

#include "odmrd/jobs/queue_count.h"

enum { STRAYS_MAX = 300 };

struct customer;
struct flush_line;
struct tagged;

struct strays {
	struct queue_question question; /* with what was found */
	struct customer *customer;      /* NULL: forgotten */
	void (*found)(
	    struct customer *customer, const struct strays *strays, bool known);
	char *names; /* of the domains */
};

/* Looks for them. found() is called once, from the loop, unless they are
 * forgotten; `strays` is borrowed for the call. NULL: out of memory. */
struct strays *strays_seek(struct customer *customer,
    const struct tagged *tagged,
    void (*found)(
	struct customer *customer, const struct strays *strays, bool known));
void strays_forget(struct strays **strays);

/* Marks the tags of those on hold. False: none is. */
bool strays_hold(const struct strays *strays);
/* Asks for the domains that have tags. */
void strays_flush_domains(const struct strays *strays, struct flush_line *line);
/* Asks for those messages that wait and are not active. */
void strays_flush_messages(
    const struct strays *strays, struct flush_line *line);

#endif
