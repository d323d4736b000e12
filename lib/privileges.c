/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "privileges.h"

bool
privileges_drop(const char *user, gid_t extra, char *error, size_t size)
{
	const struct passwd *pw;

	if (geteuid() == 0) {
		pw = getpwnam(user);
		if (pw == NULL) {
			snprintf(error, size, "user: no such user: %s", user);
			return false;
		}
		/* Its own groups too: adm, say, may read the mail log. */
		if (initgroups(user, extra) == -1 ||
		    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
		    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1) {
			snprintf(error, size, "cannot become user %s: %s", user,
			    strerror(errno));
			return false;
		}
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
		snprintf(error, size, "no_new_privs: %s", strerror(errno));
		return false;
	}
	return true;
}
