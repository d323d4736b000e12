/* SPDX-License-Identifier: ISC */
/*
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
#include <unistd.h>

#include "link_internal.h"

enum { CLOSE_MS = 10000 };

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

void
link_destroy(struct link *link)
{
	if (link->is_closing)
		TAILQ_REMOVE(&closing_links, link, entry);
	link->is_closing = false;
	link->role = NULL;
	event_del(link->readable);
	event_del(link->writable);
	if (link->closing != NULL)
		timer_stop(link->closing);
	loop_bury(link->loop, &link->grave, bury_link, link);
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
	    event_new(base, fd, EV_READ | EV_PERSIST, link_on_readable, link);
	link->writable = event_new(base, fd, EV_WRITE, link_on_writable, link);
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
	link_send_when_writable(link);
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
	link_settle_input(link);
	link->handshake = tls_connection(tls, side);
	if (link->handshake == NULL)
		return false;
	/* Whatever comes now belongs to the handshake: leave it in the socket.
	 */
	event_del(link->readable);
	link_send_soon(link);
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
	link_settle_input(link);
	return intake_line(&link->in, limit, lenient, line, len, &link->taken);
}

size_t
link_peek(struct link *link, const char **bytes)
{
	link_settle_input(link);
	*bytes = intake_bytes(&link->in);
	return intake_length(&link->in);
}

bool
link_has_input(struct link *link)
{
	link_settle_input(link);
	return intake_length(&link->in) > 0;
}

void
link_write(struct link *link, const void *bytes, size_t n)
{
	if (evbuffer_add(link->out, bytes, n) == 0)
		link->written += n;
	else
		link->torn = true;
	link_send_soon(link);
}

void
link_vprintf(struct link *link, const char *fmt, va_list ap)
{
	int n = evbuffer_add_vprintf(link->out, fmt, ap);

	if (n >= 0)
		link->written += (uint64_t)n;
	else
		link->torn = true;
	link_send_soon(link);
}

void
link_printf(struct link *link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	link_vprintf(link, fmt, ap);
	va_end(ap);
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

void
link_quick_ack(struct link *link)
{
	link->quick_ack = true;
	link_acknowledge(link);
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
	link_destroy(arg);
}

void
link_close(struct link **linkp)
{
	struct link *link = *linkp;

	*linkp = NULL;
	if (link == NULL)
		return;
	link->role = NULL;
	link_settle_input(link);
	TAILQ_INSERT_TAIL(&closing_links, link, entry);
	link->is_closing = true;
	link->closing = timer_new(link->loop, on_closing_timeout, link);
	if (link->closing == NULL) {
		link_destroy(link);
		return;
	}
	timer_set(link->closing, CLOSE_MS);
	intake_use(&link->in, intake_length(&link->in));
	if (link->phase != PHASE_CONNECTING)
		event_add(link->readable, NULL);
	if (link_unsent(link) == 0)
		link_half_close(link);
}

void
link_abort(struct link **link)
{
	if (*link != NULL)
		link_destroy(*link);
	*link = NULL;
}

void
link_cut(struct link *link, const char *why)
{
	if (link->role != NULL)
		link->role->ended(link->owner, why);
	if (link->is_closing)
		link_destroy(link);
}

void
link_abandon_closing(void)
{
	struct link *link;

	while ((link = TAILQ_FIRST(&closing_links)) != NULL)
		link_destroy(link);
}
