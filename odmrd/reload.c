/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/notify.h"
#include "lib/setting.h"
#include "reload.h"
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

/* What main.c would not have started with. */
static bool
usable(const struct conf *conf, char *error, size_t size)
{
	if (conf->listen_tls[0] != '\0' && conf->tls_cert_file[0] == '\0') {
		snprintf(error, size, "%s: listen_tls: needs tls_cert_file",
		    conf_path);
		return false;
	}
	return submission_check(conf, error, size);
}

/* NULL where none is set; `*ok` tells whether that is what was wanted. */
static struct tls *
load_tls(const struct conf *conf, bool *ok)
{
	char error[512];
	struct tls *tls;

	*ok = true;
	if (conf->tls_cert_file[0] == '\0')
		return NULL;
	tls = tls_new(
	    conf->tls_cert_file, conf->tls_key_file, error, sizeof(error));
	if (tls == NULL) {
		log_error(NULL, "tls_cert_file: %s; the old certificate stays",
		    error);
		*ok = false;
	}
	return tls;
}

void
reload(struct server *server)
{
	struct old_conf *fresh = calloc(1, sizeof(*fresh));
	char error[CONF_ERROR_SIZE] = "out of memory";
	struct tls *tls;
	bool ok;

	notify_reloading();
	if (fresh == NULL || !conf_load(&fresh->conf, conf_path, error) ||
	    !usable(&fresh->conf, error, sizeof(error))) {
		log_error(NULL, "%s; the old configuration stays", error);
		if (fresh != NULL)
			conf_free(&fresh->conf);
		free(fresh);
		notify_ready();
		return;
	}
	setting_tell_fixed(
	    FIXED_IN_ODMRD, conf_path, server->conf, &fresh->conf);
	tls = load_tls(&fresh->conf, &ok);
	if (ok) {
		/* Connections keep what they were made from. */
		tls_free(&server->tls);
		server->tls = tls;
	}
	fresh->next = confs;
	confs = fresh;
	server->conf = &fresh->conf;
	log_set_debug(server->conf->log_level == CONF_LOG_DEBUG);
	log_info(NULL, "reloaded");
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
