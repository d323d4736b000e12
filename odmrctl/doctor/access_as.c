/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/privileges.h"

enum { ERROR_SIZE = 256 };

bool
access_as_denied(
    const char *user, const char *group, const char *path, int mode)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = group != NULL ? getgrnam(group) : NULL;
	char error[ERROR_SIZE];
	int status = 0;
	pid_t pid;

	if (pw == NULL || (geteuid() != 0 && geteuid() != pw->pw_uid))
		return false;
	pid = fork();
	if (pid == 0)
		_exit(
		    privileges_drop(user, gr != NULL ? gr->gr_gid : pw->pw_gid,
			error, sizeof(error)) &&
		    access(path, mode) == -1 &&
		    (errno == EACCES || errno == EROFS));
	while (pid != -1 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}
