/* SPDX-License-Identifier: ISC */
/*
 * A non-blocking stream socket, in clear or under TLS: moves bytes between it
 * and buffers, as many as it takes at the moment.
 *
 * Whatever the peer sends, a call returns soon: it moves a bounded share of
 * bytes and of TLS records, and the socket's readiness tells of the rest.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "lib/flood.h"

struct evbuffer;

struct wire {
	int fd;
	SSL *ssl; /* NULL: in clear */
	/*
	 * Each line is a TLS record of its own. fetchmail's own TLS ("ssl")
	 * takes one line from a record and waits on the socket for the next,
	 * whatever the record still holds: with several lines in one it hangs,
	 * before the turn and after it.
	 */
	bool line_records;
	struct flood flood; /* TLS records since the last data */
	const char *fault;  /* of the last WIRE_FAILED */
};

enum wire_result {
	WIRE_OK,
	WIRE_WANTS_INPUT,  /* nothing to do before the socket is readable */
	WIRE_WANTS_OUTPUT, /* ... writable */
	WIRE_EOF,
	WIRE_FAILED,
};

/* Reads what is there, `size` bytes at most. WIRE_OK: at least one. */
enum wire_result wire_read(
    struct wire *wire, char *bytes, size_t size, size_t *n);
/* Input, or its end, that TLS has taken from the socket already: that shows it
 * no more. */
bool wire_holds_input(const struct wire *wire);
/* Takes from `out` what goes. WIRE_OK: all, or so much that others are next. */
enum wire_result wire_write(struct wire *wire, struct evbuffer *out);

/* From now on under TLS, with a connection of tls_connection(), which it takes.
 * The handshake is next. False: out of memory. */
bool wire_secure(struct wire *wire, SSL *ssl);
/* Goes on with the handshake. WIRE_OK: done. */
enum wire_result wire_handshake(struct wire *wire);
/* Says that nothing more will be written. */
void wire_shut(struct wire *wire);
/* Frees what TLS has and closes the descriptor. */
void wire_close(struct wire *wire);

#endif
