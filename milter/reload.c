/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "lib/log.h"
#include "lib/notify.h"
#include "lib/setting.h"
#include "reload.h"
#include "tagger.h"

static char *conf_path;

bool
reload_init(const char *path)
{
	conf_path = realpath(path, NULL);
	return conf_path != NULL;
}

void
reload(const struct conf *started)
{
	struct conf *fresh = calloc(1, sizeof(*fresh));
	char error[CONF_ERROR_SIZE] = "out of memory";

	notify_reloading();
	if (fresh == NULL || !conf_load(fresh, conf_path, error)) {
		log_error(NULL,
		    "reload failed, the old configuration stays: %s", error);
		free(fresh);
	} else {
		setting_tell_fixed(FIXED_IN_MILTER, conf_path, started, fresh);
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
