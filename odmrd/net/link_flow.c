/* SPDX-License-Identifier: ISC */
/*
 * Two buffers between a wire and a role. What is written goes out at the end of
 * the loop's turn, all at once and by one system call: the writable event is
 * made active by hand, and waited for only when the socket takes no more.
 * Roles are called from the loop only, never from within a write.
 *
 * A link does no more in a turn than read what its intake holds and write what
 * wire.h allows, and then once more what its role wrote in between. What is
 * left, and the socket does not tell of, is for the next turn (later_on).
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string.h>

#include "link_internal.h"

enum { LINGER_MS = 2000 };

/* ---- turns ------------------------------------------------------------- */

static bool
is_dead(const struct link *link)
{
	return link->role == NULL && !link->is_closing;
}

static void
go_on(void *arg)
{
	struct link *link = arg;
	short due = link->due;

	link->due = 0;
	if (is_dead(link))
		return;
	if (due & EV_READ)
		event_active(link->readable, EV_READ, 0);
	if (due & EV_WRITE)
		event_active(link->writable, EV_WRITE, 0);
}

/* An event that is made active within a turn belongs to it: a link that does
 * so again and again would be the only one to have turns. */
static void
later_on(struct link *link, short what)
{
	if (link->due == 0)
		loop_later(link->loop, &link->again, go_on, link);
	link->due |= what;
}

/* ---- input ------------------------------------------------------------- */

/* The socket does not show it. */
static void
read_what_tls_holds(struct link *link)
{
	if (!is_dead(link) && !link->full && wire_holds_input(&link->wire))
		later_on(link, EV_READ);
}

static void
pause_if_full(struct link *link)
{
	if (link->full || intake_length(&link->in) < INTAKE_SIZE)
		return;
	link->full = true;
	event_del(link->readable);
}

void
link_consume(struct link *link, size_t n)
{
	intake_use(&link->in, n);
	if (!link->full || intake_length(&link->in) >= INTAKE_SIZE)
		return;
	link->full = false;
	event_add(link->readable, NULL);
	read_what_tls_holds(link);
}

void
link_settle_input(struct link *link)
{
	size_t taken = link->taken;

	link->taken = 0;
	if (taken > 0)
		link_consume(link, taken);
}

void
link_acknowledge(const struct link *link)
{
	int on = 1;

	setsockopt(link->wire.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static enum wire_result
fill(struct link *link)
{
	enum wire_result result;
	size_t room, n = 0;
	char *at = intake_room(&link->in, &room);

	if (at == NULL && intake_length(&link->in) == INTAKE_SIZE)
		return WIRE_WANTS_INPUT;
	if (at == NULL) {
		link->wire.fault = "out of memory";
		return WIRE_FAILED;
	}
	result = wire_read(&link->wire, at, room, &n);
	intake_add(&link->in, n);
	return result;
}

/* The peer is gone, or the wire is of no more use. What came before that is
 * still worth reading. */
static void
lose(struct link *link, enum wire_result result)
{
	const char *why =
	    result == WIRE_EOF ? "closed by peer" : link->wire.fault;

	if (link->role == NULL) {
		link_destroy(link);
		return;
	}
	event_del(link->readable);
	if (intake_length(&link->in) > 0)
		link->role->input(link->owner);
	/* Closing shall not wait for what can never be sent. */
	if (result == WIRE_FAILED)
		evbuffer_drain(link->out, link_unsent(link));
	if (link->role != NULL)
		link->role->ended(link->owner, why);
}

/* ---- output ------------------------------------------------------------ */

void
link_send_soon(struct link *link)
{
	if (link->sending || link->phase == PHASE_CONNECTING)
		return;
	link->sending = true;
	if (link->drained)
		later_on(link, EV_WRITE);
	else
		event_active(link->writable, EV_WRITE, 0);
}

void
link_send_when_writable(struct link *link)
{
	link->sending = true;
	event_add(link->writable, NULL);
}

void
link_half_close(struct link *link)
{
	link->shut = true;
	wire_shut(&link->wire);
	timer_set(link->closing, LINGER_MS);
}

static void
shake_hands(struct link *link)
{
	enum wire_result result = wire_handshake(&link->wire);

	switch (result) {
	case WIRE_OK:
		link->phase = PHASE_OPEN;
		if (link->role != NULL && link->role->secured != NULL)
			link->role->secured(link->owner);
		return;
	case WIRE_WANTS_INPUT:
		return;
	case WIRE_WANTS_OUTPUT:
		link_send_when_writable(link);
		return;
	case WIRE_EOF:
	case WIRE_FAILED:
		lose(link, result);
		return;
	}
}

static void
begin_handshake(struct link *link)
{
	SSL *ssl = link->handshake;

	link->handshake = NULL;
	link->phase = PHASE_HANDSHAKE;
	if (!wire_secure(&link->wire, ssl)) {
		link->role->ended(link->owner, "out of memory");
		return;
	}
	event_add(link->readable, NULL);
	shake_hands(link);
}

static void
after_sending(struct link *link)
{
	if (link->role == NULL) {
		if (link_unsent(link) == 0 && !link->shut)
			link_half_close(link);
	} else if (link->handshake != NULL) {
		if (link_unsent(link) == 0)
			begin_handshake(link);
	} else if (link->role->drained != NULL &&
	    link_unsent(link) <= LINK_LOW_WATER) {
		link->drained = true;
		link->role->drained(link->owner);
		link->drained = false;
	}
}

static void
send_output(struct link *link)
{
	enum wire_result result;

	if (link->torn) {
		link->wire.fault = "out of memory";
		lose(link, WIRE_FAILED);
		return;
	}
	result = wire_write(&link->wire, link->out);
	switch (result) {
	case WIRE_OK:
	case WIRE_WANTS_OUTPUT:
		if (link_unsent(link) > 0)
			link_send_when_writable(link);
		after_sending(link);
		return;
	case WIRE_WANTS_INPUT:
		return;
	case WIRE_EOF:
	case WIRE_FAILED:
		/* Its last words, such as a 421, may be there already. */
		if (link->role != NULL)
			fill(link);
		lose(link, result);
		return;
	}
}

/* ---- events ------------------------------------------------------------ */

void
link_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	enum wire_result result;

	(void)fd;
	(void)what;
	if (link->phase == PHASE_HANDSHAKE) {
		shake_hands(link);
		return;
	}
	result = fill(link);
	if (result == WIRE_EOF || result == WIRE_FAILED) {
		lose(link, result);
		return;
	}
	/* TLS may have waited for this before it could write, or for writing
	 * before it can read. */
	if (link_unsent(link) > 0)
		link_send_soon(link);
	if (result == WIRE_WANTS_OUTPUT)
		link_send_when_writable(link);
	if (link->role == NULL)
		intake_use(&link->in, intake_length(&link->in));
	else if (result == WIRE_OK)
		link->role->input(link->owner);
	if (link->role != NULL)
		pause_if_full(link);
	read_what_tls_holds(link);
	/* What is written tells it, too, and saves the call. */
	if (link->quick_ack && !link->sending)
		link_acknowledge(link);
}

static void
on_connected(struct link *link)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(link->wire.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		link->wire.fault = strerror(error);
		lose(link, WIRE_FAILED);
		return;
	}
	link->phase = PHASE_OPEN;
	event_add(link->readable, NULL);
	send_output(link);
}

void
link_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;

	(void)fd;
	(void)what;
	link->sending = false;
	switch (link->phase) {
	case PHASE_CONNECTING:
		on_connected(link);
		return;
	case PHASE_HANDSHAKE:
		shake_hands(link);
		return;
	case PHASE_OPEN:
		send_output(link);
		return;
	}
}
