/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/notify.h"
#include "lib/setting.h"
#include "reload.h"
#include "start.h"
#include "odmrd/jobs/server.h"
#include "odmrd/client/submission/submission.h"
#include "odmrd/net/tls.h"

/* A configuration that was replaced. Other threads may still read it, so it
 * stays until the end. */
struct old_conf {
	struct old_conf *next;
	struct conf conf;
};

static char *conf_path;
static struct old_conf *confs; /* the newest is in use, but for the first */

bool
reload_init(const char *path)
{
	conf_path = realpath(path, NULL);
	return conf_path != NULL;
}

/* All of it, or nothing: `*stays` is what was not replaced, by name. */
static bool
load(struct old_conf *fresh, struct tls **tls, const char **stays, char *error,
    size_t size)
{
	*stays = "configuration";
	if (!conf_load(&fresh->conf, conf_path, error))
		return false;
	if (fresh->conf.tls_cert_file[0] != '\0')
		*stays = "certificate";
	if (start_load_tls(&fresh->conf, tls, error, size)) {
		if (submission_check(&fresh->conf, error, size))
			return true;
		*stays = "configuration";
		tls_free(tls);
	}
	conf_free(&fresh->conf);
	return false;
}

static void
take_up(struct server *server, struct old_conf *fresh, struct tls *tls)
{
	setting_tell_fixed(
	    FIXED_IN_ODMRD, conf_path, server->conf, &fresh->conf);
	/* Connections keep what they were made from. */
	tls_free(&server->tls);
	server->tls = tls;
	fresh->next = confs;
	confs = fresh;
	server->conf = &fresh->conf;
	log_set_debug(server->conf->log_level == CONF_LOG_DEBUG);
	log_info(NULL, "reloaded");
}

void
reload(struct server *server)
{
	struct old_conf *fresh = calloc(1, sizeof(*fresh));
	char error[CONF_ERROR_SIZE] = "out of memory";
	const char *stays = "configuration";
	struct tls *tls;

	notify_reloading();
	if (fresh != NULL && load(fresh, &tls, &stays, error, sizeof(error)))
		take_up(server, fresh, tls);
	else {
		log_error(
		    NULL, "reload failed, the old %s stays: %s", stays, error);
		free(fresh);
	}
	notify_ready();
}

void
reload_free(void)
{
	struct old_conf *old;

	free(conf_path);
	conf_path = NULL;
	while ((old = confs) != NULL) {
		confs = old->next;
		conf_free(&old->conf);
		free(old);
	}
}
