/* SPDX-License-Identifier: ISC */
#include "notify.h"

#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>

static void
notify(const char *state)
{
	/* A manager that does not hear it gives up on us by itself. */
	(void)sd_notify(0, state);
}

int64_t
notify_watchdog_ms(void)
{
	uint64_t usec;

	return sd_watchdog_enabled(0, &usec) > 0 ? (int64_t)(usec / 2000) : 0;
}
#else
static void
notify(const char *state)
{
	(void)state;
}

int64_t
notify_watchdog_ms(void)
{
	return 0;
}
#endif

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
