/* SPDX-License-Identifier: ISC */
/*
 * What a link is made of, for link.c, which roles call, and link_flow.c, which
 * the loop calls.
 */
#ifndef LINK_INTERNAL_H
#define LINK_INTERNAL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "intake.h"
#include "link.h"
#include "wire.h"

/* What the socket's next readiness means. */
enum phase { PHASE_CONNECTING, PHASE_HANDSHAKE, PHASE_OPEN };

struct link {
	TAILQ_ENTRY(link) entry; /* while it is closing */
	struct later grave, again;
	struct loop *loop;
	struct wire wire;
	enum phase phase;
	struct event *readable, *writable;
	struct intake in;
	struct evbuffer *out;
	const struct link_role *role; /* NULL: closing, nobody listens */
	void *owner;
	struct timer *closing;
	size_t taken;   /* bytes of the last line, still in the input */
	SSL *handshake; /* waits for the output to be sent */
	loop_call *gone;
	void *gone_arg;
	uint64_t written; /* bytes, in clear */
	bool is_closing;
	bool sending; /* on_writable will be called */
	bool shut;    /* our half is closed */
	bool full;    /* of input that the role has left: nothing is read */
	bool torn;    /* a piece of the output found no memory */
	bool quick_ack;
	bool drained; /* the role is being told: it had its turn */
	short due;    /* the events that `again` brings */
};

/* link.c: no role hears of it any more, and the loop buries it. */
void link_destroy(struct link *link);

/* link_flow.c: what the socket's events call. */
void link_on_readable(evutil_socket_t fd, short what, void *link);
void link_on_writable(evutil_socket_t fd, short what, void *link);
/* Uses up the last line that was taken. */
void link_settle_input(struct link *link);
/* Output goes out later in this turn of the loop, or when the socket takes
 * more. */
void link_send_soon(struct link *link);
void link_send_when_writable(struct link *link);
/* Acknowledges what has come, which the kernel does for once only. */
void link_acknowledge(const struct link *link);
/* All is sent: says so to the peer and waits a moment for its own end. */
void link_half_close(struct link *link);

#endif
