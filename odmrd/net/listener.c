/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "listener.h"
#include "lib/log.h"

/* In a turn of the loop only some are accepted: who comes in numbers must not
 * keep those waiting that are here. */
enum { BACKLOG = 512, ACCEPTS_MAX = 16, REST_MS = 200, COMPLAINT_MS = 10000 };

struct listener {
	struct loop *loop;
	struct later grave;
	int fd; /* -1: freed */
	struct event *readable;
	struct timer *rest;
	int64_t complained_ms; /* when the log was told; 0: never */
	listener_accept *accepted;
	void *arg;
	char *path; /* of a unix socket */
};

/* Replies go out at once, and a peer that is gone without a word is found
 * within three minutes. */
static void
prepare(int fd)
{
	int unsent = 32 * 1024, on = 1, idle = 90, interval = 20, count = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* On a slow line mail waits with Postfix, not in the kernel. */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void
on_rested(void *arg)
{
	struct listener *listener = arg;

	event_add(listener->readable, NULL);
}

/* Most likely out of descriptors: leave the queue alone for a moment rather
 * than spin on it, and the log for longer. */
static void
rest(struct listener *listener, int fault)
{
	int64_t now = loop_now_ms();

	if (listener->complained_ms == 0 ||
	    now - listener->complained_ms >= COMPLAINT_MS) {
		log_error(NULL, "accept: %s", strerror(fault));
		listener->complained_ms = now;
	}
	event_del(listener->readable);
	timer_set(listener->rest, REST_MS);
}

/* False: there is none, or it cannot be had. */
static bool
accept_one(struct listener *listener)
{
	struct sockaddr_storage addr;
	struct sockaddr *peer = (struct sockaddr *)&addr;
	socklen_t len = sizeof(addr);
	int fd = accept4(listener->fd, listener->path == NULL ? peer : NULL,
	    &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			rest(listener, errno);
		return false;
	}
	if (listener->path == NULL) {
		prepare(fd);
		listener->accepted(fd, peer, len, listener->arg);
	} else
		listener->accepted(fd, NULL, 0, listener->arg);
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	int left = ACCEPTS_MAX;

	(void)fd;
	(void)what;
	while (left > 0 && listener->fd != -1 && accept_one(listener))
		left--;
}

/* Takes `fd` and `path`, also on failure. */
static struct listener *
listen_on(
    struct loop *loop, int fd, char *path, listener_accept *accepted, void *arg)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int saved;

	if (listener == NULL) {
		close(fd);
		free(path);
		return NULL;
	}
	listener->loop = loop;
	listener->fd = fd;
	listener->accepted = accepted;
	listener->arg = arg;
	listener->path = path;
	listener->rest = timer_new(loop, on_rested, listener);
	listener->readable = event_new(
	    loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, listener);
	if (listener->rest == NULL || listener->readable == NULL ||
	    listen(fd, BACKLOG) == -1 ||
	    event_add(listener->readable, NULL) == -1) {
		saved = errno;
		listener_free(&listener);
		errno = saved;
		return NULL;
	}
	return listener;
}

struct listener *
listener_tcp(struct loop *loop, const struct sockaddr *addr, socklen_t len,
    listener_accept *accepted, void *arg)
{
	int saved, on = 1;
	int fd = socket(
	    addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, addr, len) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	return listen_on(loop, fd, NULL, accepted, arg);
}

struct listener *
listener_unix(
    struct loop *loop, const char *path, listener_accept *accepted, void *arg)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, saved;
	char *kept;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return NULL;
	kept = strdup(path);
	unlink(path);
	if (kept == NULL ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    chmod(path, 0660) == -1) {
		saved = errno;
		close(fd);
		free(kept);
		errno = saved;
		return NULL;
	}
	return listen_on(loop, fd, kept, accepted, arg);
}

static void
bury_listener(void *dead)
{
	struct listener *listener = dead;

	timer_free(&listener->rest);
	if (listener->readable != NULL)
		event_free(listener->readable);
	free(listener->path);
	free(listener);
}

void
listener_free(struct listener **listenerp)
{
	struct listener *listener = *listenerp;

	*listenerp = NULL;
	if (listener == NULL)
		return;
	if (listener->rest != NULL)
		timer_stop(listener->rest);
	if (listener->readable != NULL)
		event_del(listener->readable);
	close(listener->fd);
	listener->fd = -1;
	if (listener->path != NULL)
		unlink(listener->path);
	loop_bury(listener->loop, &listener->grave, bury_listener, listener);
}

uid_t
peer_uid(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return (uid_t)-1;
	return peer.uid;
}
