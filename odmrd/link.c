/* SPDX-License-Identifier: ISC */
/*
 * Two buffers between a wire and a role. What is written goes out at the end of
 * the loop's turn, all at once and by one system call: the writable event is
 * made active by hand, and waited for only when the socket takes no more.
 * Roles are called from the loop only, never from within a write.
 *
 * Life: open -> closing (flushing, then half closed and waiting for the peer's
 * end, so that the last reply is not lost to a reset) -> buried.
 */
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "intake.h"
#include "link.h"
#include "wire.h"

enum { CLOSE_MS = 10000, LINGER_MS = 2000 };

/* What the socket's next readiness means. */
enum phase { PHASE_CONNECTING, PHASE_HANDSHAKE, PHASE_OPEN };

struct link {
	TAILQ_ENTRY(link) entry; /* while it is closing */
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
};

static TAILQ_HEAD(, link) closing_links = TAILQ_HEAD_INITIALIZER(closing_links);

static void
link_free(struct link *link)
{
	timer_free(&link->closing);
	SSL_free(link->handshake);
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	intake_use(&link->in, intake_length(&link->in));
	if (link->out != NULL)
		evbuffer_free(link->out);
	wire_close(&link->wire);
	free(link);
}

static void
bury_link(void *dead)
{
	struct link *link = dead;
	struct loop *loop = link->loop;
	loop_call *gone = link->gone;
	void *arg = link->gone_arg;

	link_free(link);
	if (gone != NULL)
		gone(arg);
	loop_release(loop);
}

static void
destroy(struct link *link)
{
	if (link->is_closing)
		TAILQ_REMOVE(&closing_links, link, entry);
	link->is_closing = false;
	link->role = NULL;
	event_del(link->readable);
	event_del(link->writable);
	if (link->closing != NULL)
		timer_stop(link->closing);
	loop_bury(link->loop, bury_link, link);
}

/* ---- input ------------------------------------------------------------- */

/* The socket does not show it. */
static void
read_what_tls_holds(struct link *link)
{
	bool dead = link->role == NULL && !link->is_closing;

	if (!dead && !link->full && wire_holds_input(&link->wire))
		event_active(link->readable, EV_READ, 0);
}

static void
pause_if_full(struct link *link)
{
	if (link->full || intake_length(&link->in) < INTAKE_SIZE)
		return;
	link->full = true;
	event_del(link->readable);
}

static void
use_up(struct link *link, size_t n)
{
	intake_use(&link->in, n);
	if (!link->full || intake_length(&link->in) >= INTAKE_SIZE)
		return;
	link->full = false;
	event_add(link->readable, NULL);
	read_what_tls_holds(link);
}

static void
settle_input(struct link *link)
{
	size_t taken = link->taken;

	link->taken = 0;
	if (taken > 0)
		use_up(link, taken);
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
		destroy(link);
		return;
	}
	event_del(link->readable);
	if (intake_length(&link->in) > 0)
		link->role->input(link->owner);
	if (link->role != NULL)
		link->role->ended(link->owner, why);
}

/* ---- output ------------------------------------------------------------ */

/* Later in this turn of the loop, or when the socket takes more. */
static void
send_soon(struct link *link)
{
	if (link->sending || link->phase == PHASE_CONNECTING)
		return;
	link->sending = true;
	event_active(link->writable, EV_WRITE, 0);
}

static void
send_when_writable(struct link *link)
{
	link->sending = true;
	event_add(link->writable, NULL);
}

/* All is sent: says so to the peer and waits a moment for its own end. */
static void
half_close(struct link *link)
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
		send_when_writable(link);
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
			half_close(link);
	} else if (link->handshake != NULL) {
		if (link_unsent(link) == 0)
			begin_handshake(link);
	} else if (link->role->drained != NULL &&
	    link_unsent(link) <= LINK_LOW_WATER)
		link->role->drained(link->owner);
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
			send_when_writable(link);
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

static void
on_readable(evutil_socket_t fd, short what, void *arg)
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
		send_soon(link);
	if (result == WIRE_WANTS_OUTPUT)
		send_when_writable(link);
	if (link->role == NULL)
		intake_use(&link->in, intake_length(&link->in));
	else if (result == WIRE_OK)
		link->role->input(link->owner);
	if (link->role != NULL)
		pause_if_full(link);
	read_what_tls_holds(link);
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

static void
on_writable(evutil_socket_t fd, short what, void *arg)
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

/* ---- life -------------------------------------------------------------- */

struct link *
link_new(struct loop *loop, int fd, const struct link_role *role, void *owner)
{
	struct link *link = calloc(1, sizeof(*link));
	struct event_base *base = loop_base(loop);

	if (link == NULL) {
		close(fd);
		return NULL;
	}
	link->wire.fd = fd;
	link->phase = PHASE_OPEN;
	link->out = evbuffer_new();
	link->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(base, fd, EV_WRITE, on_writable, link);
	if (link->out == NULL || link->readable == NULL ||
	    link->writable == NULL || event_add(link->readable, NULL) == -1) {
		link_free(link);
		return NULL;
	}
	link->loop = loop;
	loop_hold(loop);
	link->role = role;
	link->owner = owner;
	return link;
}

struct link *
link_connect(struct loop *loop, const struct sockaddr *addr, socklen_t len,
    const struct link_role *role, void *owner)
{
	struct link *link;
	int on = 1, saved;
	int fd = socket(
	    addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, addr, len) == -1 && errno != EINPROGRESS) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	link = link_new(loop, fd, role, owner);
	if (link == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	link->phase = PHASE_CONNECTING;
	event_del(link->readable);
	send_when_writable(link);
	return link;
}

void
link_hand_over(struct link *link, const struct link_role *role, void *owner)
{
	link->role = role;
	link->owner = owner;
}

void
link_when_gone(struct link *link, loop_call *gone, void *arg)
{
	link->gone = gone;
	link->gone_arg = arg;
}

/* ---- TLS --------------------------------------------------------------- */

bool
link_start_tls(struct link *link, struct tls *tls, enum tls_side side)
{
	settle_input(link);
	link->handshake = tls_connection(tls, side);
	if (link->handshake == NULL)
		return false;
	/* Whatever comes now belongs to the handshake: leave it in the socket.
	 */
	event_del(link->readable);
	send_soon(link);
	return true;
}

/* NULL: not secured. */
static SSL *
secured(const struct link *link)
{
	return link->phase == PHASE_OPEN ? link->wire.ssl : NULL;
}

const char *
link_tls_version(const struct link *link)
{
	const SSL *ssl = secured(link);

	return ssl != NULL ? SSL_get_version(ssl) : NULL;
}

bool
link_peer_fingerprint(const struct link *link, char out[FINGERPRINT_SIZE])
{
	const SSL *ssl = secured(link);

	return ssl != NULL && tls_peer_fingerprint(ssl, out);
}

bool
link_channel_binding(const struct link *link, struct tls_binding *out)
{
	SSL *ssl = secured(link);

	return ssl != NULL && tls_channel_binding(ssl, out);
}

/* ---- what roles read and write ------------------------------------------ */

enum line_result
link_line(
    struct link *link, size_t limit, bool lenient, char **line, size_t *len)
{
	settle_input(link);
	return intake_line(&link->in, limit, lenient, line, len, &link->taken);
}

size_t
link_peek(struct link *link, const char **bytes)
{
	settle_input(link);
	*bytes = intake_bytes(&link->in);
	return intake_length(&link->in);
}

void
link_consume(struct link *link, size_t n)
{
	use_up(link, n);
}

bool
link_has_input(struct link *link)
{
	settle_input(link);
	return intake_length(&link->in) > 0;
}

void
link_write(struct link *link, const void *bytes, size_t n)
{
	if (evbuffer_add(link->out, bytes, n) == 0)
		link->written += n;
	else
		link->torn = true;
	send_soon(link);
}

void
link_printf(struct link *link, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n > 0)
		link_write(link, text, (size_t)n);
	free(n >= 0 ? text : NULL);
}

bool
link_peer_gone(const struct link *link)
{
	struct pollfd pfd = { link->wire.fd, POLLRDHUP, 0 };

	return poll(&pfd, 1, 0) > 0;
}

size_t
link_unsent(const struct link *link)
{
	return evbuffer_get_length(link->out);
}

void
link_line_records(struct link *link)
{
	link->wire.line_records = true;
}

/* What the kernel still holds counts as not taken; under TLS it is a little
 * more than was written, which does not matter for telling a change. */
uint64_t
link_taken(const struct link *link)
{
	int held = 0;

	if (ioctl(link->wire.fd, SIOCOUTQ, &held) == -1)
		held = 0;
	return link->written - link_unsent(link) - (uint64_t)held;
}

static void
on_closing_timeout(void *arg)
{
	destroy(arg);
}

void
link_close(struct link **linkp)
{
	struct link *link = *linkp;

	*linkp = NULL;
	if (link == NULL)
		return;
	link->role = NULL;
	settle_input(link);
	TAILQ_INSERT_TAIL(&closing_links, link, entry);
	link->is_closing = true;
	link->closing = timer_new(link->loop, on_closing_timeout, link);
	if (link->closing == NULL) {
		destroy(link);
		return;
	}
	timer_set(link->closing, CLOSE_MS);
	intake_use(&link->in, intake_length(&link->in));
	if (link->phase != PHASE_CONNECTING)
		event_add(link->readable, NULL);
	if (link_unsent(link) == 0)
		half_close(link);
}

void
link_abort(struct link **link)
{
	if (*link != NULL)
		destroy(*link);
	*link = NULL;
}

void
link_abandon_closing(void)
{
	struct link *link;

	while ((link = TAILQ_FIRST(&closing_links)) != NULL)
		destroy(link);
}
