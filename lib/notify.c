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
#else
static void
notify(const char *state)
{
	(void)state;
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
