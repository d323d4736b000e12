/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/locked_file.h"
#include "postmap.h"
#include "program.h"

enum {
	PROGRAM_ERROR_SIZE = 256,
	RUN_SECONDS = 120,
	LOCK_SECONDS = 120,
	LOCK_LOOK_MS = 20
};

/* The types that postmap can write, and what they call their files. */
static const struct postmap_type {
	const char *name, *suffix;
	/* As a whole it is written by one transaction, and a process that has
	 * it open sees the change: but not that another file took its place. */
	bool in_place;
	bool fixed; /* no entry can be changed */
} types[] = {
	{ "lmdb", ".lmdb", true, false },
	{ "hash", ".db", false, false },
	{ "btree", ".db", false, false },
	{ "cdb", ".cdb", false, true },
};

static bool __attribute__((format(printf, 2, 3)))
complain(struct postmap *map, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(
	    map->error, POSTMAP_ERROR_SIZE, "table %.200s: ", map->table);

	va_start(ap, fmt);
	vsnprintf(map->error + n, POSTMAP_ERROR_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* NULL: none of them. */
static const struct postmap_type *
type_of(const char *table)
{
	size_t len = strcspn(table, ":");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strlen(types[i].name) == len &&
		    strncmp(table, types[i].name, len) == 0 &&
		    strncmp(table + len, ":/", 2) == 0)
			return &types[i];
	return NULL;
}

static const char wanted[] =
    "must be lmdb:/PATH, hash:/PATH, btree:/PATH or cdb:/PATH";

bool
postmap_file(const char *table, char path[PATH_MAX])
{
	const struct postmap_type *type = type_of(table);

	if (type != NULL)
		snprintf(path, PATH_MAX, "%s%s", table + strlen(type->name) + 1,
		    type->suffix);
	return type != NULL;
}

bool
postmap_is_ours(const char *table, char error[POSTMAP_ERROR_SIZE])
{
	char file[PATH_MAX];

	if (!postmap_file(table, file))
		snprintf(
		    error, POSTMAP_ERROR_SIZE, "%.256s: %s", table, wanted);
	else if (access(file, R_OK | W_OK) == -1)
		snprintf(error, POSTMAP_ERROR_SIZE, "%.256s: %s", file,
		    errno == ENOENT ? "missing: run \"odmrctl table\""
				    : strerror(errno));
	else
		return true;
	return false;
}

static bool
exists(const struct postmap *map)
{
	char file[PATH_MAX];

	return postmap_file(map->table, file) && access(file, F_OK) == 0;
}

static bool
find_type(struct postmap *map)
{
	map->type = type_of(map->table);
	if (map->type != NULL)
		map->path = map->table + strlen(map->type->name) + 1;
	return map->type != NULL || complain(map, "%s", wanted);
}

/* ---- running it ---------------------------------------------------------- */

/* `also`: this exit status without a word is success, too. */
static bool
run(struct postmap *map, const char *option, const char *operand,
    const char *table, int input, int also)
{
	const char *argv[] = { map->conf->postmap_path, "-c",
		map->conf->postfix_config_directory, map->ascii ? "-ru" : "-r",
		NULL, NULL, NULL, NULL };
	const struct program program = { .argv = argv,
		.input = input,
		.seconds = RUN_SECONDS,
		.also = also };
	char error[PROGRAM_ERROR_SIZE];
	size_t n = 4;

	if (option != NULL)
		argv[n++] = option;
	if (operand != NULL)
		argv[n++] = operand;
	argv[n] = table;
	return program_run(&program, error, sizeof(error)) ||
	    complain(map, "%s", error);
}

static bool
run_with(struct postmap *map, const char *option, const char *operand,
    const char *lines, int also)
{
	int input = memfd_create("lines", MFD_CLOEXEC);
	size_t len = strlen(lines);
	bool ok = input != -1 && write(input, lines, len) == (ssize_t)len &&
	    lseek(input, 0, SEEK_SET) == 0;

	if (ok)
		ok = run(map, option, operand, map->table, input, also);
	else
		complain(map, "%s", strerror(errno));
	if (input != -1)
		close(input);
	return ok;
}

/* ---- one after the other ------------------------------------------------- */

bool
postmap_begin(struct postmap *map)
{
	char name[PATH_MAX];

	if (!find_type(map))
		return false;
	snprintf(name, sizeof(name), "%s.lock", map->path);
	for (long waited = 0; waited < LOCK_SECONDS * 1000;
	     waited += LOCK_LOOK_MS) {
		map->lock = locked_file_open(name, 0600);
		if (map->lock != -1 || errno != EWOULDBLOCK)
			break;
		poll(NULL, 0, LOCK_LOOK_MS);
	}
	return map->lock != -1 ||
	    complain(map, "%s: %s", name, locked_file_fault());
}

void
postmap_end(struct postmap *map)
{
	close(map->lock);
}

/* ---- the whole ----------------------------------------------------------- */

static bool
write_source(struct postmap *map, const char *path, const char *text)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	FILE *out = fd != -1 ? fdopen(fd, "w") : NULL;
	bool written;

	if (out == NULL)
		return complain(map, "%s: %s", path, strerror(errno));
	/* Whatever the umask is: the table gets the mode of its source. */
	fchmod(fd, 0644);
	written = fputs(text, out) != EOF;
	return (fclose(out) == 0 && written) ||
	    complain(map, "%s: %s", path, strerror(errno));
}

static bool
replace(struct postmap *map, const char *made)
{
	char old[PATH_MAX];

	postmap_file(map->table, old);
	return rename(made, old) == 0 ||
	    complain(map, "%s: %s", old, strerror(errno));
}

static bool
write_beside(struct postmap *map, const char *source)
{
	char table[PATH_MAX], made[PATH_MAX];
	bool ok;

	snprintf(table, sizeof(table), "%s:%s", map->type->name, source);
	postmap_file(table, made);
	unlink(made); /* one that died has left it */
	ok = run(map, NULL, NULL, table, 0, 0) && replace(map, made);
	if (!ok)
		unlink(made);
	return ok;
}

static bool
write_in_place(struct postmap *map, const char *source)
{
	return rename(source, map->path) == 0 &&
	    run(map, NULL, NULL, map->table, 0, 0);
}

bool
postmap_write(struct postmap *map, const char *text)
{
	char new[PATH_MAX];
	bool ok;

	snprintf(new, sizeof(new), "%s.new", map->path);
	unlink(new);
	ok = write_source(map, new, text);
	if (ok && map->type->in_place && exists(map)) {
		ok = write_in_place(map, new);
		/* It is damaged, or somebody else's. */
		if (!ok)
			ok = rename(map->path, new) == 0 &&
			    write_beside(map, new);
	} else if (ok)
		ok = write_beside(map, new);
	unlink(new);
	unlink(map->path);
	return ok;
}

/* ---- its parts ----------------------------------------------------------- */

bool
postmap_is_open_to_change(const struct postmap *map)
{
	return !map->type->fixed && exists(map);
}

bool
postmap_put(struct postmap *map, const char *put)
{
	return run_with(map, "-i", NULL, put, 0);
}

bool
postmap_remove(struct postmap *map, const char *gone)
{
	/* 1: none of them was there. */
	return run_with(map, "-d", "-", gone, 1);
}

bool
postmap_dump(struct postmap *map, char **text)
{
	const char *const argv[] = { map->conf->postmap_path, "-c",
		map->conf->postfix_config_directory, "-s", map->table, NULL };
	const struct program dump = { .argv = argv };
	char error[PROGRAM_ERROR_SIZE];

	return program_output(&dump, text, error, sizeof(error)) ||
	    complain(map, "%s", error);
}
