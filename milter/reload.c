/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/notify.h"
#include "reload.h"
#include "tagger.h"

static char *conf_path;

bool
reload_init(const char *path)
{
	conf_path = realpath(path, NULL);
	return conf_path != NULL;
}

static void
tell_fixed(const char *name, bool same)
{
	if (!same)
		log_warning(
		    NULL, "%s: %s counts after a restart", conf_path, name);
}

static void
tell_all_fixed(const struct conf *old, const struct conf *new)
{
	tell_fixed("milter_socket",
	    strcmp(old->milter_socket, new->milter_socket) == 0);
	tell_fixed("milter_pid_file",
	    strcmp(old->milter_pid_file, new->milter_pid_file) == 0);
	tell_fixed("user", strcmp(old->user, new->user) == 0);
	tell_fixed(
	    "postfix_user", strcmp(old->postfix_user, new->postfix_user) == 0);
	tell_fixed("log", old->log == new->log);
}

void
reload(const struct conf *started)
{
	struct conf *fresh = calloc(1, sizeof(*fresh));
	char error[CONF_ERROR_SIZE] = "out of memory";

	notify_reloading();
	if (fresh == NULL || !conf_load(fresh, conf_path, error)) {
		log_error(NULL, "%s; the old configuration stays", error);
		free(fresh);
	} else {
		tell_all_fixed(started, fresh);
		tagger_reload(fresh);
		log_info(NULL, "reloaded");
	}
	notify_ready();
}

void
reload_free(void)
{
	free(conf_path);
	conf_path = NULL;
}
