/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/listener.h>

#include "listener.h"
#include "log.h"

enum { BACKLOG = 512, REST_MS = 200, COMPLAINT_MS = 10000 };

struct listener {
	struct evconnlistener *ev;
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
on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *peer,
    int len, void *arg)
{
	struct listener *listener = arg;
	(void)ev;
	if (listener->path == NULL) {
		prepare(fd);
		listener->accepted(fd, peer, (socklen_t)len, listener->arg);
	} else
		listener->accepted(fd, NULL, 0, listener->arg);
}

static void
on_rested(void *arg)
{
	struct listener *listener = arg;

	evconnlistener_enable(listener->ev);
}

/* Most likely out of descriptors: leave the queue alone for a moment rather
 * than spin on it, and the log for longer. */
static void
on_accept_error(struct evconnlistener *ev, void *arg)
{
	struct listener *listener = arg;
	int fault = errno;
	int64_t now = loop_now_ms();

	if (listener->complained_ms == 0 ||
	    now - listener->complained_ms >= COMPLAINT_MS) {
		log_error(NULL, "accept: %s", strerror(fault));
		listener->complained_ms = now;
	}
	evconnlistener_disable(ev);
	timer_set(listener->rest, REST_MS);
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
	listener->accepted = accepted;
	listener->arg = arg;
	listener->path = path;
	listener->rest = timer_new(loop, on_rested, listener);
	if (listener->rest != NULL)
		listener->ev = evconnlistener_new(loop_base(loop), on_accept,
		    listener, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
		    BACKLOG, fd);
	if (listener->ev == NULL) {
		saved = errno;
		close(fd);
		listener_free(&listener);
		errno = saved;
		return NULL;
	}
	evconnlistener_set_error_cb(listener->ev, on_accept_error);
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

void
listener_free(struct listener **listener)
{
	if (*listener == NULL)
		return;
	timer_free(&(*listener)->rest);
	if ((*listener)->ev != NULL)
		evconnlistener_free((*listener)->ev);
	if ((*listener)->path != NULL)
		unlink((*listener)->path);
	free((*listener)->path);
	free(*listener);
	*listener = NULL;
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
