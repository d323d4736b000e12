/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

bool
place_is_ours(const char *path)
{
	char *copy = strdup(path);
	bool ours;
	int reason;

	if (copy == NULL)
		return false;
	ours = access(dirname(copy), W_OK | X_OK) == 0;
	reason = errno;
	free(copy);
	errno = reason;
	return ours ||
	    (reason == ENOENT && strncmp(path, "/run/", strlen("/run/")) == 0);
}
