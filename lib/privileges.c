/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "privileges.h"

static bool laid_off;
static gid_t another_group;

void
privileges_with_group(gid_t group)
{
	another_group = group;
}

static int
add_group(void)
{
	gid_t groups[NGROUPS_MAX];
	int count = getgroups(NGROUPS_MAX - 1, groups);

	if (another_group == 0 || count == -1)
		return count == -1 ? -1 : 0;
	groups[count] = another_group;
	return setgroups((size_t)count + 1, groups);
}

/* To leave the saved id alone is to be able to go back. */
static bool
become(const char *user, gid_t extra, bool for_good, char *error, size_t size)
{
	const struct passwd *pw = getpwnam(user);

	if (pw == NULL) {
		snprintf(error, size, "user: no such user: %s", user);
		return false;
	}
	/* Its own groups too: one of them may read the certificate's key. */
	if (initgroups(user, extra) == 0 && add_group() == 0 &&
	    setresgid(pw->pw_gid, pw->pw_gid,
		for_good ? pw->pw_gid : (gid_t)-1) == 0 &&
	    setresuid(
		pw->pw_uid, pw->pw_uid, for_good ? pw->pw_uid : (uid_t)-1) == 0)
		return true;
	snprintf(
	    error, size, "cannot become user %s: %s", user, strerror(errno));
	return false;
}

bool
privileges_drop(const char *user, gid_t extra, char *error, size_t size)
{
	if (geteuid() == 0 && !become(user, extra, true, error, size))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
		snprintf(error, size, "no_new_privs: %s", strerror(errno));
		return false;
	}
	return true;
}

bool
privileges_lay_off(const char *user, gid_t extra, char *error, size_t size)
{
	if (geteuid() != 0)
		return true;
	laid_off = become(user, extra, false, error, size);
	return laid_off;
}

/* Half of it would be neither. */
void
privileges_take_up(void)
{
	if (!laid_off)
		return;
	if (setresuid(0, 0, 0) == -1 || setresgid(0, 0, 0) == -1)
		abort();
	laid_off = false;
}
