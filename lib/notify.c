/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

/* The length of the address, 0 where `name` is none: a path, or behind '@' a
 * name in the abstract namespace. */
static socklen_t
notify_address(struct sockaddr_un *addr, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(addr->sun_path))
		return 0;
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, name, len + 1);
	if (name[0] == '@')
		addr->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* A manager that does not hear it gives up on us by itself. */
static void
notify(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr;
	socklen_t len;
	int fd;

	len = name != NULL ? notify_address(&addr, name) : 0;
	if (len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&addr, len);
	close(fd);
}

/* A number alone; 0 where there is none. */
static long long
number_from(const char *variable)
{
	const char *text = getenv(variable);
	long long number;
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0 && number > 0 ? number : 0;
}

/* WATCHDOG_PID says whom the manager means: a child has our environment. */
int64_t
notify_watchdog_ms(void)
{
	if (getenv("WATCHDOG_PID") != NULL &&
	    number_from("WATCHDOG_PID") != getpid())
		return 0;
	return number_from("WATCHDOG_USEC") / 2000;
}

void
notify_ready(void)
{
	notify("READY=1");
}

void
notify_reloading(void)
{
	notify("RELOADING=1");
}

void
notify_stopping(void)
{
	notify("STOPPING=1");
}

void
notify_alive(void)
{
	notify("WATCHDOG=1");
}
