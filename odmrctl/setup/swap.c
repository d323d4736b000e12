/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "setup.h"
#include "swap.h"
#include "swap_file.h"

static const char *const names[SWAP_FILES] = { "main.cf", "master.cf" };

/* ---- names --------------------------------------------------------------- */

static char *
inside(const char *directory, const char *name)
{
	return setup_text("%s/" SWAP_DIRECTORY "/%s", directory, name);
}

static bool
exists(const char *directory, const char *name)
{
	char *path = inside(directory, name);
	struct stat st;
	bool is = lstat(path, &st) == 0;

	free(path);
	return is;
}

static void
remove_inside(const char *directory, const char *name)
{
	char *path = inside(directory, name);

	swap_remove_directory(path);
	free(path);
}

static bool
rename_inside(const char *directory, const char *from, const char *to)
{
	char *old = inside(directory, from), *new = inside(directory, to);
	bool ok = rename(old, new) == 0 && swap_sync_parent(new);

	free(old);
	free(new);
	return ok;
}

void
swap_remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *one;
	char *name;

	if (dir == NULL)
		return;
	while ((one = readdir(dir)) != NULL) {
		if (strcmp(one->d_name, ".") == 0 ||
		    strcmp(one->d_name, "..") == 0)
			continue;
		name = setup_text("%s/%s", path, one->d_name);
		if (unlink(name) == -1)
			rmdir(name);
		free(name);
	}
	closedir(dir);
	rmdir(path);
}

int
swap_lock(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return complain(
		    EX_CONFIG, "%s: %s", directory, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return EX_OK; /* the end of the process opens it again */
	if (errno == EWOULDBLOCK)
		return complain(EX_TEMPFAIL,
		    "%s: another odmrctl setup is at work there", directory);
	return complain(EX_OSERR, "%s: %s", directory, strerror(errno));
}

/* ---- what is written down ------------------------------------------------ */

static bool
write_piece(const struct swap *swap, const char *place, int file,
    const char *kind, const struct piece *piece)
{
	char *like = setup_text("%s/%s", swap->directory, names[file]);
	char *path = setup_text("%s/" SWAP_DIRECTORY "/%s/%s.%s",
	    swap->directory, place, names[file], kind);
	bool ok = swap_write(path, like, piece);

	free(path);
	free(like);
	return ok;
}

static bool
read_piece(const char *directory, const char *place, int file, const char *kind,
    struct piece *piece)
{
	char *path = setup_text("%s/" SWAP_DIRECTORY "/%s/%s.%s", directory,
	    place, names[file], kind);
	bool ok = swap_load(path, piece);

	free(path);
	return ok;
}

static bool
write_pieces(const struct swap *swap, const char *place)
{
	bool ok = true;

	for (int i = 0; ok && i < SWAP_FILES; i++)
		ok = write_piece(swap, place, i, "now", &swap->now[i]) &&
		    write_piece(swap, place, i, "then", &swap->then[i]) &&
		    write_piece(swap, place, i, "before", &swap->before[i]);
	return ok;
}

static bool
write_down(const struct swap *swap)
{
	char *all = setup_text("%s/" SWAP_DIRECTORY, swap->directory);
	char *tmp = inside(swap->directory, "tmp");
	char *undo = inside(swap->directory, "tmp/undo");
	const struct piece none = { 0 };
	bool ok;

	ok = (mkdir(all, 0755) == 0 || errno == EEXIST) &&
	    swap_sync_parent(all) && mkdir(tmp, 0755) == 0 &&
	    write_pieces(swap, "tmp") &&
	    (!swap->undo || swap_write(undo, all, &none)) &&
	    swap_sync_parent(undo) &&
	    rename_inside(swap->directory, "tmp", "pending");
	free(undo);
	free(tmp);
	free(all);
	return ok;
}

void
swap_free_pieces(struct piece pieces[SWAP_FILES])
{
	for (int i = 0; i < SWAP_FILES; i++) {
		free(pieces[i].text);
		pieces[i] = (struct piece) { 0 };
	}
}

static bool
read_two(const char *directory, const char *place, const char *kind,
    struct piece pieces[SWAP_FILES])
{
	bool ok = true;

	for (int i = 0; i < SWAP_FILES; i++)
		ok = read_piece(directory, place, i, kind, &pieces[i]) && ok;
	return ok;
}

bool
swap_read_record(const char *directory, struct piece before[SWAP_FILES],
    struct piece then[SWAP_FILES])
{
	return read_two(directory, "record", "before", before) &&
	    read_two(directory, "record", "then", then);
}

/* ---- a change ------------------------------------------------------------ */

/* The file is as it should be now, or still as it was. */
static int
is_known(const char *directory, int file, const struct piece *from,
    const struct piece *to, bool *done)
{
	char *path = setup_text("%s/%s", directory, names[file]);
	struct piece there = { 0 };
	int code = swap_read(path, &there);

	*done = code == EX_OK && swap_is_same(&there, to);
	if (code == EX_OK && !*done && !swap_is_same(&there, from))
		code = complain(
		    EX_TEMPFAIL, "%s: somebody has changed it meanwhile", path);
	free(there.text);
	free(path);
	return code;
}

static int
replace(const char *directory, int file, const struct piece *to)
{
	char *path = setup_text("%s/%s", directory, names[file]);
	int code = swap_replace(path, to);

	free(path);
	return code;
}

/* In which order: see swap.h. */
static int
replace_both(const char *directory, bool main_first,
    const struct piece from[SWAP_FILES], const struct piece to[SWAP_FILES])
{
	const int order[SWAP_FILES] = { main_first ? SWAP_MAIN : SWAP_MASTER,
		main_first ? SWAP_MASTER : SWAP_MAIN };
	bool done[SWAP_FILES] = { false };
	int code = EX_OK;

	for (int i = 0; code == EX_OK && i < SWAP_FILES; i++)
		code = is_known(directory, i, &from[i], &to[i], &done[i]);
	for (int i = 0; code == EX_OK && i < SWAP_FILES; i++)
		if (!done[order[i]])
			code = replace(directory, order[i], &to[order[i]]);
	return code;
}

int
swap_apply(const struct swap *swap)
{
	bool changed;
	int code, reason;

	if (!write_down(swap)) {
		reason = errno;
		remove_inside(swap->directory, "tmp");
		remove_inside(swap->directory, "");
		return complain(EX_CANTCREAT, "%s/" SWAP_DIRECTORY ": %s",
		    swap->directory, strerror(reason));
	}
	code = replace_both(swap->directory, swap->undo, swap->now, swap->then);
	if (code != EX_OK)
		swap_recover(swap->directory, &changed);
	return code;
}

int
swap_commit(const struct swap *swap)
{
	const char *directory = swap->directory;

	if ((!exists(directory, "record") ||
		rename_inside(directory, "record", "record.old")) &&
	    rename_inside(
		directory, "pending", swap->undo ? "tmp" : "record")) {
		remove_inside(directory, "record.old");
		remove_inside(directory, "tmp");
		if (swap->undo)
			remove_inside(directory, "");
		return EX_OK;
	}
	return complain(
	    EX_OSERR, "%s/" SWAP_DIRECTORY ": %s", directory, strerror(errno));
}

/* ---- who did not live to the end ----------------------------------------- */

bool
swap_is_pending(const char *directory)
{
	return exists(directory, "pending");
}

static int
take_back(const char *directory, bool *changed)
{
	struct piece now[SWAP_FILES] = { 0 }, then[SWAP_FILES] = { 0 };
	bool undo = exists(directory, "pending/undo");
	int code;

	if (read_two(directory, "pending", "now", now) &&
	    read_two(directory, "pending", "then", then))
		code = replace_both(directory, !undo, then, now);
	else
		code = complain(EX_OSERR, "%s/" SWAP_DIRECTORY "/pending: %s",
		    directory, strerror(errno));
	*changed = code == EX_OK;
	if (code == EX_TEMPFAIL)
		complain(code,
		    "a change of %s was interrupted: what was before is in "
		    "%s/" SWAP_DIRECTORY "/pending, in main.cf.now and "
		    "master.cf.now; make main.cf and master.cf as you want "
		    "them, and remove pending",
		    directory, directory);
	swap_free_pieces(now);
	swap_free_pieces(then);
	return code;
}

int
swap_recover(const char *directory, bool *changed)
{
	int code = EX_OK;

	*changed = false;
	swap_forget_new(directory, names, SWAP_FILES);
	if (exists(directory, "pending")) {
		code = take_back(directory, changed);
		if (code != EX_OK)
			return code;
		if ((!exists(directory, "record") &&
			exists(directory, "record.old") &&
			!rename_inside(directory, "record.old", "record")) ||
		    !rename_inside(directory, "pending", "tmp"))
			return complain(EX_OSERR, "%s/" SWAP_DIRECTORY ": %s",
			    directory, strerror(errno));
	}
	remove_inside(directory, "tmp");
	remove_inside(directory, "record.old");
	remove_inside(directory, "");
	return EX_OK;
}
