/* SPDX-License-Identifier: ISC */
/* The log that is a file. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "follower.h"
#include "lib/postfix/log_file.h"

/* The place behind the next newline from `at` on; -1: none yet. */
static int64_t
find_line_end(struct follower *f, int fd, int64_t at)
{
	char *newline;
	ssize_t n;

	while ((n = pread(fd, f->chunk, FOLLOWER_CHUNK_SIZE, at)) > 0) {
		newline = memchr(f->chunk, '\n', (size_t)n);
		if (newline != NULL)
			return at + (newline - f->chunk) + 1;
		at += n;
	}
	return -1;
}

/* `end` is behind the last newline of the chunk that is to be settled. */
static bool
settle_to(struct follower *f, const char *end)
{
	size_t len = (size_t)(end - f->chunk);

	f->position.offset += (int64_t)len;
	return follower_settle(f, len);
}

/* Up to the last newline. What is behind it is not written to its end yet. */
static bool
read_rest(struct follower *f, int fd, const char *path)
{
	int64_t next;
	char *last;
	ssize_t n;

	for (;;) {
		n = pread(
		    fd, f->chunk, FOLLOWER_CHUNK_SIZE, f->position.offset);
		if (n == -1)
			return follower_fail(f, path, strerror(errno));
		last = memrchr(f->chunk, '\n', (size_t)n);
		if (last == NULL && n < FOLLOWER_CHUNK_SIZE)
			return true;
		if (last == NULL) {
			next = find_line_end(f, fd, f->position.offset);
			if (next == -1)
				return true;
			f->position.offset = next;
		} else if (!settle_to(f, last + 1))
			return false;
	}
}

/* The first of them from where reading stopped. */
static bool
read_old(struct follower *f, const struct old_log *old)
{
	const char *why = "was changed after it was rotated";
	struct stat st;
	int fd = log_file_open(old->path, &st, &why);
	bool ok = true;

	if (f->position.inode != (int64_t)old->st.st_ino)
		f->position = (struct log_position) {
			.inode = (int64_t)old->st.st_ino,
		};
	if (fd != -1 && st.st_ino == old->st.st_ino &&
	    log_file_ends_line(fd, &st, f->position.offset))
		ok = read_rest(f, fd, old->path);
	else
		follower_warn(old->path, why);
	if (fd != -1)
		close(fd);
	return ok;
}

/* Saved at once: there is one warning, even while nothing is in the new one. */
static bool
pass_over_old(struct follower *f, const struct stat *now)
{
	follower_warn(f->path, "the log before it is gone or compressed");
	f->position = (struct log_position) { .inode = (int64_t)now->st_ino };
	return follower_settle(f, 0);
}

/* `now` is the log that is written. It may be rotated at this very moment. */
static bool
read_rotated(struct follower *f, const struct stat *now)
{
	struct old_logs old;
	bool ok = true;

	if (!old_logs_find(&old, f->path, f->position.inode))
		return follower_fail(f, f->path, strerror(errno));
	if (old.count == 0)
		ok = pass_over_old(f, now);
	for (size_t i = 0; ok && i < old.count; i++)
		if (old.all[i].st.st_ino != now->st_ino)
			ok = read_old(f, &old.all[i]);
	old_logs_free(&old);
	return ok;
}

/* As long as nothing is in the new file, the place in the old one stays saved:
 * Postfix may still write there. */
static bool
read_log(struct follower *f, int fd, const struct stat *st)
{
	bool rotated = (int64_t)st->st_ino != f->position.inode;

	if (rotated && f->position.inode != 0 && !read_rotated(f, st))
		return false;
	if (rotated || !log_file_ends_line(fd, st, f->position.offset))
		f->position = (struct log_position) {
			.inode = (int64_t)st->st_ino,
		};
	return read_rest(f, fd, f->path);
}

bool
follow_file(struct follower *f)
{
	const char *why;
	struct stat st;
	bool ok;
	int fd = log_file_open(f->path, &st, &why);

	if (fd == -1)
		return follower_fail(f, f->path, why);
	ok = read_log(f, fd, &st);
	close(fd);
	return ok;
}
