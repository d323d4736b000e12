/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: a copy of Postfix's configuration, with main.cf and master.cf
 * as they are to be and links to all else. Postfix's programs and doctor tell
 * what they make of it before anything is changed.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "setup.h"
#include "swap_file.h"

/* ---- the directory ------------------------------------------------------- */

static bool
is_linked(const char *name)
{
	return name[0] != '.' && strcmp(name, "main.cf") != 0 &&
	    strcmp(name, "master.cf") != 0 && strcmp(name, SWAP_DIRECTORY) != 0;
}

static bool
link_others(const struct setup *setup)
{
	const char *original = setup->conf->postfix_config_directory;
	char *whole = realpath(original, NULL), *from, *to;
	DIR *dir = whole != NULL ? opendir(whole) : NULL;
	const struct dirent *one;
	bool ok = dir != NULL;

	while (ok && (one = readdir(dir)) != NULL) {
		if (!is_linked(one->d_name))
			continue;
		from = setup_text("%s/%s", whole, one->d_name);
		to = setup_text("%s/%s", setup->directory, one->d_name);
		ok = symlink(from, to) == 0;
		free(from);
		free(to);
	}
	if (dir != NULL)
		closedir(dir);
	free(whole);
	return ok;
}

/* For the same readers. As old as can be, for Postfix's programs wait until a
 * file is some seconds old. */
static bool
write_copy(const struct setup *setup, const char *name, const char *original,
    const struct cf *cf)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char *path = setup_text("%s/%s", setup->directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd != -1 &&
	    write(fd, cf->text, cf->len) == (ssize_t)cf->len &&
	    swap_take_after(fd, original) && futimens(fd, old) == 0;

	if (fd != -1)
		close(fd);
	free(path);
	return ok;
}

static int
write_all(const struct setup *setup)
{
	if (write_copy(setup, "main.cf", setup->main_path, &setup->main) &&
	    write_copy(setup, "master.cf", setup->master_path, &setup->master))
		return EX_OK;
	return complain(
	    EX_CANTCREAT, "%s: %s", setup->directory, strerror(errno));
}

int
draft_open(struct setup *setup)
{
	static const char template[] = "/tmp/odmr-setup.XXXXXX";

	setup->directory = must(strdup(template));
	if (mkdtemp(setup->directory) == NULL) {
		free(setup->directory);
		setup->directory = NULL;
		return complain(
		    EX_CANTCREAT, "%s: %s", template, strerror(errno));
	}
	/* doctor looks from it as other users. */
	if (chmod(setup->directory, 0755) == -1 || !link_others(setup))
		return complain(
		    EX_CANTCREAT, "%s: %s", setup->directory, strerror(errno));
	setup->draft = *setup->conf;
	setup->draft.postfix_config_directory = setup->directory;
	return draft_read(setup);
}

void
draft_close(struct setup *setup)
{
	postfix_free(&setup->postfix);
	if (setup->directory != NULL)
		swap_remove_directory(setup->directory);
	free(setup->directory);
	setup->directory = NULL;
}

int
draft_read(struct setup *setup)
{
	char error[POSTFIX_ERROR_SIZE];
	int code = write_all(setup);

	if (code != EX_OK)
		return code;
	postfix_free(&setup->postfix);
	if (postfix_load(&setup->postfix, &setup->draft, error))
		return EX_OK;
	return complain(
	    EX_CONFIG, "%s: %s", setup->conf->postfix_config_directory, error);
}
