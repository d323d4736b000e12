/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "uptime.h"

int64_t
uptime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}
