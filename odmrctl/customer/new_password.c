/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "customer.h"

enum { GROUPS = 4, GROUP = 6 };

_Static_assert(GROUPS *(GROUP + 1) == NEW_PASSWORD_SIZE,
    "a hyphen or the NUL behind each");

const char *
new_password(char out[NEW_PASSWORD_SIZE])
{
	/* Without what looks like another in some font: i l 1, o 0, s 5, z 2,
	 * g q 9; of b 6 and u v one. */
	static const char letters[] = "abcdefhjkmnprtvwxy3478";
	char *at = out;

	for (int group = 0; group < GROUPS; group++) {
		for (int i = 0; i < GROUP; i++)
			*at++ =
			    letters[arc4random_uniform(sizeof(letters) - 1)];
		*at++ = '-';
	}
	at[-1] = '\0';
	return out;
}
