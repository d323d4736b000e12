/* SPDX-License-Identifier: ISC */
/*
 * A link: one stream connection with its buffers, its lines and its TLS. Every
 * role (client, customer, lmtp) sits on one and hears of it through a table
 * of callbacks. Input that a role does not take stays here and, from a bound
 * on, in the peer's socket: a slow reader slows its writer and costs nothing.
 *
 * A role lets go of its link by link_close (what is written goes out first,
 * bounded in time) or link_abort; after either it hears nothing more.
 */
#ifndef LINK_H
#define LINK_H

#include <sys/socket.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake.h"
#include "loop.h"
#include "tls.h"

struct link;

struct link_role {
	/* New input is there. Called once for any number of bytes: the role
	 * takes what it can and comes back by itself for what it left. */
	void (*input)(void *owner);
	/* Little unsent output is left (link_unsent() <= LINK_LOW_WATER). */
	void (*drained)(void *owner);
	/* The TLS handshake that link_start_tls began is done. */
	void (*secured)(void *owner);
	/* The peer is gone; `why` is for the log. The role must let go. */
	void (*ended)(void *owner, const char *why);
};

enum { LINK_LOW_WATER = 32 * 1024 };

/* Takes the non-blocking `fd`, also on failure (NULL: out of memory). */
struct link *link_new(
    struct loop *loop, int fd, const struct link_role *role, void *owner);
/* Connects by TCP without waiting for it: if that fails later, the role hears
 * that the link has ended. NULL with errno set. */
struct link *link_connect(struct loop *loop, const struct sockaddr *addr,
    socklen_t len, const struct link_role *role, void *owner);

/* Another role goes on with the same connection: nothing is copied. */
void link_hand_over(
    struct link *link, const struct link_role *role, void *owner);

/* `gone` is called when the connection's descriptor is closed at last, which
 * is a while after link_close. */
void link_when_gone(struct link *link, loop_call *gone, void *arg);

/*
 * Begins a TLS handshake once all output is sent. The caller has made sure
 * that no input waits (law: nothing read before the handshake survives it).
 * False: out of memory.
 */
bool link_start_tls(struct link *link, struct tls *tls, enum tls_side side);
/* "TLSv1.3" and such, or NULL on a clear link. */
const char *link_tls_version(const struct link *link);
/* As in tls.h; false on a clear link. */
bool link_peer_fingerprint(const struct link *link, char out[FINGERPRINT_SIZE]);
bool link_channel_binding(const struct link *link, struct tls_binding *out);

/* The next line, as in intake.h; it is valid until the next call on this link,
 * and stays if it is not LINE_OK. */
enum line_result link_line(
    struct link *link, size_t limit, bool lenient, char **line, size_t *len);

/* All input that is there, and how to use it up; reading goes on then, if it
 * had to stop. */
size_t link_peek(struct link *link, const char **bytes);
void link_consume(struct link *link, size_t n);
/* The peer has closed: seen even while input waits that nobody takes. */
bool link_peer_gone(const struct link *link);
bool link_has_input(struct link *link);

/* Out of memory, the link ends soon: half a message never looks whole. */
void link_write(struct link *link, const void *bytes, size_t n);
void link_printf(struct link *link, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void link_vprintf(struct link *link, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* From now on each line is a TLS record of its own, see wire.h. */
void link_line_records(struct link *link);
size_t link_unsent(const struct link *link);
/* From now on the peer's host hears at once that its bytes have come: a peer
 * that waits for that with the rest of a reply (Nagle's algorithm) waits 40 ms
 * each time otherwise. */
void link_quick_ack(struct link *link);
/* Grows as long as the peer's host takes in what is written. */
uint64_t link_taken(const struct link *link);

/* The last words of links that are closing are given up. */
void link_abandon_closing(void);

/* From outside: the role hears `ended`, if there is one, and nothing more goes
 * out. */
void link_cut(struct link *link, const char *why);

/* `*link` becomes NULL; NULL is fine. */
void link_close(struct link **link);
void link_abort(struct link **link);

#endif
