/* SPDX-License-Identifier: ISC */
/* Preloaded: a unix socket takes a while to be made, as on a file system that
 * has just lost many. */
#define _GNU_SOURCE
#include <sys/socket.h>

#include <dlfcn.h>
#include <unistd.h>

enum { SLOW_US = 5000 };

int
bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t);

	*(void **)&real = dlsym(RTLD_NEXT, "bind");
	if (address->sa_family == AF_UNIX)
		usleep(SLOW_US);
	return real(fd, address, len);
}
