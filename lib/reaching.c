/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "reaching.h"

/* On Linux the time for sending bounds connect(2) as well. */
static int
reach(const struct sockaddr *addr, socklen_t len, int seconds,
    char error[REACHING_ERROR_SIZE])
{
	struct timeval time = { .tv_sec = seconds };
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fault;

	if (fd != -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0 &&
	    connect(fd, addr, len) == 0)
		return fd;
	fault = errno == EINPROGRESS ? ETIMEDOUT : errno;
	if (fd != -1)
		close(fd);
	snprintf(error, REACHING_ERROR_SIZE, "%s", strerror(fault));
	errno = fault;
	return fault == EACCES && geteuid() != 0 ? REACHING_FORBIDDEN : -1;
}

int
reaching_address(
    const struct address *address, int seconds, char error[REACHING_ERROR_SIZE])
{
	return reach((const struct sockaddr *)&address->addr, address->len,
	    seconds, error);
}

static int
reach_inet(
    const struct endpoint *to, int seconds, char error[REACHING_ERROR_SIZE])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	const char *host = to->host[0] != '\0' ? to->host : "localhost";
	int fd, rc = getaddrinfo(host, to->port, &hints, &found);

	if (rc != 0) {
		snprintf(error, REACHING_ERROR_SIZE, "%s", gai_strerror(rc));
		return -1;
	}
	fd = reach(found->ai_addr, found->ai_addrlen, seconds, error);
	freeaddrinfo(found);
	return fd;
}

int
reaching_socket(const char *name, int seconds, char error[REACHING_ERROR_SIZE])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct endpoint to;
	const char *path = endpoint_socket(&to, name);

	if (path == NULL)
		return reach_inet(&to, seconds, error);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(error, REACHING_ERROR_SIZE,
		    "longer than the path of a socket can be");
		return -1;
	}
	strcpy(addr.sun_path, path);
	return reach(
	    (const struct sockaddr *)&addr, sizeof(addr), seconds, error);
}

bool
reaching_read(int fd, void *bytes, size_t size)
{
	char *at = bytes;
	ssize_t n;

	for (size_t have = 0; have < size; have += (size_t)n) {
		n = read(fd, at + have, size - have);
		if (n <= 0)
			return false;
	}
	return true;
}
