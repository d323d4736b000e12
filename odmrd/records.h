/* SPDX-License-Identifier: ISC */
/*
 * Lines that go out as one TLS record each. fetchmail's own TLS ("ssl") takes
 * one line from a record and waits on the socket for the next, whatever the
 * record still holds: with several lines in one it hangs, before the turn and
 * after it. bufferevent_openssl makes a record of each chain in its output, and
 * memory that was added by reference stays a chain of its own.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include <stddef.h>

struct evbuffer;

/* Copies the bytes to the end of `out`, each line a record. Out of memory they
 * are added as they are: rather a hang there than a line lost here. */
void records_add(struct evbuffer *out, const char *bytes, size_t n);

#endif
