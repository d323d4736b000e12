/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "socket.h"

/* More than Postfix has SMTP servers: where the queue of connections is full,
 * their mail passes untagged. */
enum { BACKLOG = 1024, INET_NAME_SIZE = 300 };

/* The path of a unix socket; NULL for one of the Internet. */
static const char *
socket_path(const char *name)
{
	if (strncmp(name, "unix:", 5) == 0)
		return name + 5;
	if (strncmp(name, "local:", 6) == 0)
		return name + 6;
	return NULL;
}

static bool
is_inet6(const char *name)
{
	return strncmp(name, "inet6:", 6) == 0;
}

/* The port of "inet:port@host" goes to `port`, the host is returned; NULL where
 * none is named. */
static char *
split_inet(const char *name, char port[INET_NAME_SIZE])
{
	char *host;
	size_t len;

	strlcpy(port, strchr(name, ':') + 1, INET_NAME_SIZE);
	host = strchr(port, '@');
	if (host == NULL)
		return NULL;
	*host++ = '\0';
	len = strlen(host);
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return host;
	host[len - 1] = '\0';
	return host + 1;
}

static const char *
inet_fault(const char *name)
{
	char port[INET_NAME_SIZE];
	const char *host;

	if (strncmp(name, "inet:", 5) != 0 && !is_inet6(name))
		return "is neither unix:/path nor inet:port@host";
	if (strlen(name) >= INET_NAME_SIZE)
		return "is too long";
	host = split_inet(name, port);
	if (port[0] == '\0' || port[strspn(port, "0123456789")] != '\0')
		return "has no port number before the @";
	if (host != NULL && host[0] == '\0')
		return "has no host behind the @";
	return NULL;
}

bool
socket_check(const char *name, char error[SOCKET_ERROR_SIZE])
{
	const char *path = socket_path(name), *fault = NULL;
	struct sockaddr_un addr;

	if (path == NULL)
		fault = inet_fault(name);
	else if (path[0] != '/')
		fault = "needs an absolute path";
	else if (strlen(path) >= sizeof(addr.sun_path))
		fault = "has a longer path than a socket can have";
	if (fault != NULL)
		snprintf(error, SOCKET_ERROR_SIZE,
		    "milter_socket: \"%.256s\" %s", name, fault);
	return fault == NULL;
}

/* Is a process listening there? -1 and errno when that cannot be told. */
static int
is_answered(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc, reason;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	reason = errno;
	close(fd);
	if (rc == 0 || reason == EAGAIN)
		return 1;
	errno = reason;
	return reason == ECONNREFUSED || reason == ENOENT ? 0 : -1;
}

/* Makes way for a new socket; returns NULL or what stands in the way. */
static const char *
remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(st.st_mode))
		return "is there already and is no socket";
	switch (is_answered(path)) {
	case 0:
		break;
	case 1:
		return "another process answers there";
	default:
		return strerror(errno);
	}
	if (unlink(path) == -1 && errno != ENOENT)
		return strerror(errno);
	return NULL;
}

static int
open_listener(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool
start_listening(int fd, const struct sockaddr *addr, socklen_t size)
{
	static const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
	    bind(fd, addr, size) == 0 && listen(fd, BACKLOG) == 0;
}

/* -1, with what is wrong. */
static int
listen_at(const struct sockaddr *addr, socklen_t size, const char **fault)
{
	int fd = open_listener(addr->sa_family);

	if (fd != -1 && start_listening(fd, addr, size))
		return fd;
	*fault = strerror(errno);
	if (fd != -1)
		close(fd);
	return -1;
}

static int
listen_on_path(const char *path, gid_t group, const char **fault)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd;

	*fault = remove_stale(path);
	if (*fault != NULL)
		return -1;
	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	mask = umask(0117);
	fd = listen_at((struct sockaddr *)&addr, sizeof(addr), fault);
	umask(mask);
	if (fd != -1 && group != (gid_t)-1 &&
	    chown(path, (uid_t)-1, group) == -1)
		log_warning(NULL,
		    "%s: not given to the mail system's group: %s", path,
		    strerror(errno));
	return fd;
}

/* "port@host", the host as a name, as an address, or as one in brackets;
 * without a host, every address of this machine. */
static int
listen_on_port(const char *name, const char **fault)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	char port[INET_NAME_SIZE], *host;
	struct addrinfo *found;
	int rc, fd;

	hints.ai_family = is_inet6(name) ? AF_INET6 : AF_INET;
	host = split_inet(name, port);
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0) {
		*fault = rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
		return -1;
	}
	fd = listen_at(found->ai_addr, found->ai_addrlen, fault);
	freeaddrinfo(found);
	return fd;
}

int
socket_open(const char *name, gid_t group, char error[SOCKET_ERROR_SIZE])
{
	const char *path = socket_path(name), *fault = NULL;
	int fd = path != NULL ? listen_on_path(path, group, &fault)
			      : listen_on_port(name, &fault);

	if (fd == -1)
		snprintf(error, SOCKET_ERROR_SIZE, "milter_socket: %.256s: %s",
		    name, fault);
	return fd;
}

void
socket_remove(const char *name)
{
	const char *path = socket_path(name);

	if (path != NULL)
		unlink(path);
}
