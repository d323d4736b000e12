/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/xattr.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "setup.h"
#include "swap_file.h"

enum { FILE_MOST = 16 << 20, ACL_SIZE = 4096 };

#define NEW ".odmr-setup"

bool
swap_is_same(const struct piece *a, const struct piece *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

bool
swap_sync_parent(const char *path)
{
	char *directory = must(strdup(path)), *slash = strrchr(directory, '/');
	bool ok;
	int fd;

	*(slash == directory ? slash + 1 : slash) = '\0';
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd != -1 && fsync(fd) == 0;
	if (fd != -1)
		close(fd);
	free(directory);
	return ok;
}

/* ---- reading ------------------------------------------------------------- */

bool
swap_load(const char *path, struct piece *piece)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	*piece = (struct piece) { 0 };
	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size <= FILE_MOST) {
		piece->text = must(malloc((size_t)st.st_size + 1));
		n = read(fd, piece->text, (size_t)st.st_size);
	} else {
		errno = EINVAL;
	}
	if (n >= 0) {
		piece->len = (size_t)n;
		piece->text[n] = '\0';
	}
	close(fd);
	return n >= 0 && n == st.st_size;
}

int
swap_read(const char *path, struct piece *piece)
{
	char *target = realpath(path, NULL);
	const char *fault = NULL;
	struct stat st;

	if (target == NULL || stat(target, &st) == -1)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "is no plain file";
	else if (st.st_nlink != 1)
		fault =
		    "has several names (hard links), of which only this one "
		    "would change";
	else if (!swap_load(target, piece))
		fault =
		    st.st_size > FILE_MOST ? "is too large" : strerror(errno);
	free(target);
	return fault == NULL ? EX_OK
			     : complain(EX_CONFIG, "%s: %s", path, fault);
}

/* ---- writing ------------------------------------------------------------- */

static bool
write_whole(int fd, const struct piece *piece)
{
	size_t done = 0;
	ssize_t n;

	while (done < piece->len) {
		n = write(fd, piece->text + done, piece->len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* A file system without such lists has none to lose. */
static bool
copy_acl(int fd, const char *like)
{
	static const char name[] = "system.posix_acl_access";
	char list[ACL_SIZE];
	ssize_t len = getxattr(like, name, list, sizeof(list));

	if (len == -1)
		return errno == ENODATA || errno == ENOTSUP;
	return fsetxattr(fd, name, list, (size_t)len, 0) == 0;
}

bool
swap_take_after(int fd, const char *like)
{
	struct stat st;

	return stat(like, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0 &&
	    fchmod(fd, st.st_mode & 07777) == 0 &&
	    (S_ISDIR(st.st_mode) || copy_acl(fd, like));
}

bool
swap_write(const char *path, const char *like, const struct piece *piece)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd != -1 && write_whole(fd, piece) &&
	    swap_take_after(fd, like) && fsync(fd) == 0;
	int reason = errno;

	if (fd != -1)
		close(fd);
	if (fd != -1 && !ok)
		unlink(path);
	errno = reason;
	return ok;
}

int
swap_replace(const char *path, const struct piece *piece)
{
	char *target = realpath(path, NULL), *new;
	int reason;
	bool ok;

	if (target == NULL)
		return complain(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	new = setup_text("%s" NEW, target);
	ok = swap_write(new, target, piece) && rename(new, target) == 0 &&
	    swap_sync_parent(target);
	reason = errno;
	if (!ok && reason != EEXIST)
		unlink(new);
	free(new);
	free(target);
	return ok ? EX_OK
		  : complain(EX_CANTCREAT, "%s: cannot be replaced: %s", path,
			strerror(reason));
}

void
swap_forget_new(const char *directory, const char *const *names, int count)
{
	char *path, *target, *new;

	for (int i = 0; i < count; i++) {
		path = setup_text("%s/%s", directory, names[i]);
		target = realpath(path, NULL);
		new = setup_text("%s" NEW, target != NULL ? target : path);
		unlink(new);
		free(new);
		free(target);
		free(path);
	}
}
