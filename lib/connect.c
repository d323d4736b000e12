/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connect.h"
#include "endpoint.h"

/* On Linux the time for sending bounds connect(2) as well. */
int
connect_address(const struct sockaddr *addr, socklen_t len, int seconds,
    char error[CONNECT_ERROR_SIZE])
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
	snprintf(error, CONNECT_ERROR_SIZE, "%s", strerror(fault));
	errno = fault;
	return fault == EACCES && geteuid() != 0 ? CONNECT_FORBIDDEN : -1;
}

int
connect_host(const char *host, const char *port, int seconds,
    char error[CONNECT_ERROR_SIZE])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int fd = -1, fault = getaddrinfo(host, port, &hints, &found);

	if (fault != 0) {
		snprintf(error, CONNECT_ERROR_SIZE, "%s",
		    fault == EAI_SYSTEM ? strerror(errno)
					: gai_strerror(fault));
		return -1;
	}
	for (struct addrinfo *one = found; one != NULL && fd < 0;
	     one = one->ai_next)
		fd = connect_address(
		    one->ai_addr, one->ai_addrlen, seconds, error);
	freeaddrinfo(found);
	return fd;
}

int
connect_socket(const char *name, int seconds, char error[CONNECT_ERROR_SIZE])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct endpoint to;
	const char *path = endpoint_socket(&to, name);

	if (path == NULL)
		return connect_host(to.host[0] != '\0' ? to.host : "localhost",
		    to.port, seconds, error);
	if (strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) <
	    sizeof(addr.sun_path))
		return connect_address((const struct sockaddr *)&addr,
		    sizeof(addr), seconds, error);
	snprintf(error, CONNECT_ERROR_SIZE,
	    "longer than the path of a socket can be");
	return -1;
}
