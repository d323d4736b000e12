/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "pause.h"

enum { SECOND = 1000000000 };

int64_t
pause_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

void
pause_since(int64_t began)
{
	int64_t ns = pause_clock() - began;
	const struct timespec pause = { .tv_sec = ns / SECOND,
		.tv_nsec = ns % SECOND };

	nanosleep(&pause, NULL);
}
