/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "permission.h"

enum { GROUPS_MAX = 64 };

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX + 1];
	int count;
};

static int
find_identity(const char *user, const char *group, struct identity *id)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr;

	if (pw == NULL)
		return -1;
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->count = GROUPS_MAX;
	if (getgrouplist(user, id->gid, id->groups, &id->count) == -1)
		id->count = GROUPS_MAX;
	gr = group != NULL ? getgrnam(group) : NULL;
	if (gr != NULL)
		id->groups[id->count++] = gr->gr_gid;
	return 0;
}

/* In the child. Only async-signal-safe calls, though there are no threads. */
static enum permission
try_access(const struct identity *id, const char *path, int mode)
{
	if (geteuid() == 0 &&
	    (setgroups((size_t)id->count, id->groups) == -1 ||
		setresgid(id->gid, id->gid, id->gid) == -1 ||
		setresuid(id->uid, id->uid, id->uid) == -1))
		return UNTOLD;
	if (access(path, mode) == 0)
		return PERMITTED;
	return errno == EACCES || errno == EROFS ? FORBIDDEN : UNTOLD;
}

enum permission
permission_of(const char *user, const char *group, const char *path, int mode)
{
	struct identity id;
	int status;
	pid_t pid;

	if (find_identity(user, group, &id) == -1 ||
	    (geteuid() != 0 && geteuid() != id.uid))
		return UNTOLD;
	pid = fork();
	if (pid == 0)
		_exit((int)try_access(&id, path, mode));
	if (pid == -1)
		return UNTOLD;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return UNTOLD;
	if (!WIFEXITED(status))
		return UNTOLD;
	return (enum permission)WEXITSTATUS(status);
}
