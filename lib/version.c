/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "version.h"

void
version_show(const char *program)
{
	printf("%s (postfix-odmr) %s\n", program, ODMR_VERSION);
}
