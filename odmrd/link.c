/* SPDX-License-Identifier: ISC */
/*
 * A libevent bufferevent, plain or OpenSSL, with deferred callbacks: libevent
 * calls us from the loop only, never from within a write.
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
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "link.h"
#include "records.h"

enum { CLOSE_MS = 10000, LINGER_MS = 2000 };

struct link {
	TAILQ_ENTRY(link) entry; /* while it is closing */
	struct loop *loop;
	struct bufferevent *bev;
	const struct link_role *role; /* NULL: closing, nobody listens */
	void *owner;
	struct timer *closing;
	size_t taken;   /* bytes of the last line, still in the input */
	SSL *handshake; /* waits for the output to be sent */
	enum tls_side side;
	loop_call *gone;
	void *gone_arg;
	uint64_t written; /* bytes, in clear */
	bool secure;
	bool is_closing;
	bool line_records;
	bool shut; /* our half is closed */
	bool full; /* of input that the role has left: nothing is read */
};

static TAILQ_HEAD(, link) closing_links = TAILQ_HEAD_INITIALIZER(closing_links);

static const int bev_options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

static void begin_handshake(struct link *link);

static void
bury_link(void *dead)
{
	struct link *link = dead;

	timer_free(&link->closing);
	SSL_free(link->handshake);
	if (link->bev != NULL)
		bufferevent_free(link->bev);
	if (link->gone != NULL)
		link->gone(link->gone_arg);
	loop_release(link->loop);
	free(link);
}

static void
destroy(struct link *link)
{
	if (link->is_closing)
		TAILQ_REMOVE(&closing_links, link, entry);
	link->is_closing = false;
	link->role = NULL;
	bufferevent_disable(link->bev, EV_READ | EV_WRITE);
	bufferevent_setcb(link->bev, NULL, NULL, NULL, NULL);
	if (link->closing != NULL)
		timer_stop(link->closing);
	loop_bury(link->loop, bury_link, link);
}

static size_t
input_length(const struct link *link)
{
	return evbuffer_get_length(bufferevent_get_input(link->bev));
}

/* As long as the input is full and reading enabled, libevent calls us in every
 * turn of the loop. */
static void
pause_if_full(struct link *link)
{
	if (link->full || input_length(link) < LINK_INPUT_MAX)
		return;
	link->full = true;
	bufferevent_disable(link->bev, EV_READ);
}

static void
use_up(struct link *link, size_t n)
{
	evbuffer_drain(bufferevent_get_input(link->bev), n);
	if (!link->full || input_length(link) >= LINK_INPUT_MAX)
		return;
	link->full = false;
	bufferevent_enable(link->bev, EV_READ);
}

static void
settle_input(struct link *link)
{
	size_t taken = link->taken;

	link->taken = 0;
	if (taken > 0)
		use_up(link, taken);
}

/* All is sent: says so to the peer and waits a moment for its own end. */
static void
half_close(struct link *link)
{
	SSL *ssl = bufferevent_openssl_get_ssl(link->bev);

	link->shut = true;
	if (ssl != NULL && link->secure) {
		SSL_shutdown(ssl);
		ERR_clear_error();
	}
	shutdown(bufferevent_getfd(link->bev), SHUT_WR);
	timer_set(link->closing, LINGER_MS);
}

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct link *link = arg;

	(void)bev;
	if (link->role != NULL)
		link->role->input(link->owner);
	if (link->role != NULL)
		pause_if_full(link);
	else
		evbuffer_drain(
		    bufferevent_get_input(link->bev), input_length(link));
}

static void
on_drained(struct bufferevent *bev, void *arg)
{
	struct link *link = arg;
	size_t unsent = evbuffer_get_length(bufferevent_get_output(bev));

	if (link->role == NULL) {
		if (unsent == 0 && !link->shut)
			half_close(link);
	} else if (link->handshake != NULL) {
		if (unsent == 0)
			begin_handshake(link);
	} else if (link->role->drained != NULL)
		link->role->drained(link->owner);
}

static const char *
end_reason(struct link *link, short what)
{
	unsigned long code = bufferevent_get_openssl_error(link->bev);

	if (what & BEV_EVENT_EOF)
		return "closed by peer";
	if (code != 0) {
		const char *text = ERR_reason_error_string(code);

		return text != NULL ? text : "TLS error";
	}
	return evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR());
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link *link = arg;

	if (what & BEV_EVENT_CONNECTED) {
		/* By link_connect: whoever has something to say says it. */
		if (bufferevent_openssl_get_ssl(bev) == NULL)
			return;
		link->secure = true;
		if (link->role != NULL && link->role->secured != NULL)
			link->role->secured(link->owner);
		return;
	}
	if (link->role == NULL) {
		destroy(link);
		return;
	}
	/* What came before the end is still worth reading. */
	if (input_length(link) > 0)
		link->role->input(link->owner);
	if (link->role != NULL)
		link->role->ended(link->owner, end_reason(link, what));
}

static void
adopt(struct link *link, struct bufferevent *bev)
{
	link->bev = bev;
	bufferevent_setcb(bev, on_readable, on_drained, on_event, link);
	bufferevent_setwatermark(bev, EV_READ, 0, LINK_INPUT_MAX);
	bufferevent_setwatermark(bev, EV_WRITE, LINK_LOW_WATER, 0);
	bufferevent_set_max_single_read(bev, LINK_INPUT_MAX);
	bufferevent_set_max_single_write(bev, 4 * LINK_INPUT_MAX);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

struct link *
link_new(struct loop *loop, int fd, const struct link_role *role, void *owner)
{
	struct link *link = calloc(1, sizeof(*link));
	struct bufferevent *bev = NULL;

	if (link != NULL)
		bev = bufferevent_socket_new(loop_base(loop), fd, bev_options);
	if (bev == NULL) {
		free(link);
		evutil_closesocket(fd);
		return NULL;
	}
	link->loop = loop;
	loop_hold(loop);
	link->role = role;
	link->owner = owner;
	adopt(link, bev);
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
	link = link_new(loop, fd, role, owner);
	if (link == NULL)
		errno = ENOMEM;
	else if (bufferevent_socket_connect(link->bev, addr, (int)len) == -1) {
		saved = errno;
		link_abort(&link);
		errno = saved;
	}
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

static void
begin_handshake(struct link *link)
{
	struct bufferevent *plain = link->bev, *secured;
	int fd = bufferevent_getfd(plain);

	secured = bufferevent_openssl_socket_new(loop_base(link->loop), fd,
	    link->handshake,
	    link->side == TLS_SERVER ? BUFFEREVENT_SSL_ACCEPTING
				     : BUFFEREVENT_SSL_CONNECTING,
	    bev_options);
	if (secured == NULL) {
		link->role->ended(link->owner, "out of memory");
		return;
	}
	link->handshake = NULL;
	bufferevent_setfd(plain, -1);
	bufferevent_free(plain);
	adopt(link, secured);
}

bool
link_start_tls(struct link *link, struct tls *tls, enum tls_side side)
{
	settle_input(link);
	link->handshake = tls_connection(tls, side);
	link->side = side;
	if (link->handshake == NULL)
		return false;
	/* Whatever comes now belongs to the handshake: leave it in the socket.
	 */
	bufferevent_disable(link->bev, EV_READ);
	bufferevent_setwatermark(link->bev, EV_WRITE, 0, 0);
	if (link_unsent(link) == 0)
		begin_handshake(link);
	return true;
}

const char *
link_tls_version(const struct link *link)
{
	return link->secure
	    ? SSL_get_version(bufferevent_openssl_get_ssl(link->bev))
	    : NULL;
}

bool
link_peer_fingerprint(const struct link *link, char out[FINGERPRINT_SIZE])
{
	return link->secure &&
	    tls_peer_fingerprint(bufferevent_openssl_get_ssl(link->bev), out);
}

bool
link_channel_binding(const struct link *link, struct tls_binding *out)
{
	return link->secure &&
	    tls_channel_binding(bufferevent_openssl_get_ssl(link->bev), out);
}

/* Is there, within the `len` bytes before a line's LF, what no line has? */
static bool
bad_line(const char *line, size_t len, bool lenient)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	else if (!lenient)
		return true;
	return memchr(line, '\0', len) != NULL ||
	    memchr(line, '\r', len) != NULL;
}

enum line_result
link_line(
    struct link *link, size_t limit, bool lenient, char **line, size_t *len)
{
	struct evbuffer *in = bufferevent_get_input(link->bev);
	struct evbuffer_ptr lf;
	size_t n;

	settle_input(link);
	lf = evbuffer_search(in, "\n", 1, NULL);
	if (lf.pos == -1)
		return evbuffer_get_length(in) > limit ? LINE_LONG : LINE_NONE;
	n = (size_t)lf.pos;
	if (n > limit)
		return LINE_LONG;
	*line = (char *)evbuffer_pullup(in, (ev_ssize_t)n + 1);
	if (*line == NULL || bad_line(*line, n, lenient))
		return LINE_BAD;
	link->taken = n + 1;
	if (n > 0 && (*line)[n - 1] == '\r')
		n--;
	(*line)[n] = '\0';
	*len = n;
	return LINE_OK;
}

size_t
link_peek(struct link *link, const char **bytes)
{
	struct evbuffer *in = bufferevent_get_input(link->bev);
	struct evbuffer_iovec first;

	settle_input(link);
	if (evbuffer_peek(in, -1, NULL, &first, 1) < 1)
		return 0;
	*bytes = first.iov_base;
	return first.iov_len;
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
	return input_length(link) > 0;
}

void
link_write(struct link *link, const void *bytes, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(link->bev);

	if (link->line_records)
		records_add(out, bytes, n);
	else
		evbuffer_add(out, bytes, n);
	link->written += n;
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
	struct pollfd pfd = { bufferevent_getfd(link->bev), POLLRDHUP, 0 };

	return poll(&pfd, 1, 0) > 0;
}

size_t
link_unsent(const struct link *link)
{
	return evbuffer_get_length(bufferevent_get_output(link->bev));
}

void
link_line_records(struct link *link)
{
	link->line_records = true;
}

/* What the kernel still holds counts as not taken; under TLS it is a little
 * more than was written, which does not matter for telling a change. */
uint64_t
link_taken(const struct link *link)
{
	int held = 0;

	if (ioctl(bufferevent_getfd(link->bev), SIOCOUTQ, &held) == -1)
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
	bufferevent_setwatermark(link->bev, EV_WRITE, 0, 0);
	bufferevent_enable(link->bev, EV_READ);
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
