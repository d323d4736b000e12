/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "identity.h"

void
identity_make_id(char id[SESSION_ID_SIZE])
{
	static unsigned count;

	snprintf(id, SESSION_ID_SIZE, "%08llX%04X",
	    (unsigned long long)time(NULL) & 0xffffffff, count++ & 0xffff);
}

bool
identity_copy(struct identity *copy, const struct identity *who)
{
	*copy = *who;
	if (who->login != NULL)
		copy->login = strdup(who->login);
	return (copy->login == NULL) == (who->login == NULL);
}
