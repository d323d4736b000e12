/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "certificate.h"
#include "lib/log.h"
#include "session.h"
#include "lib/store/store.h"

/* It belongs to the worker until done() has it back. */
struct certificate {
	struct job job;
	struct session *session; /* NULL: it has ended */
	char fingerprint[FINGERPRINT_SIZE];
	enum store_result result;
	char error[256];
};

void
certificate_cancel(struct certificate **certificate)
{
	if (*certificate != NULL)
		(*certificate)->session = NULL;
	*certificate = NULL;
}

static void
work(struct job *job, struct store *store)
{
	struct certificate *cert = (struct certificate *)job;

	cert->result = store_cert_login(store, cert->fingerprint, NULL, NULL);
	if (cert->result == STORE_FAILED)
		strlcpy(cert->error, store_error(store), sizeof(cert->error));
}

/* A database that fails costs the offer: the client sees what else there is. */
static void
done(struct job *job)
{
	struct certificate *cert = (struct certificate *)job;
	struct session *s = cert->session;

	if (s != NULL) {
		s->asked = NULL;
		if (cert->result == STORE_OK)
			memcpy(s->certificate, cert->fingerprint,
			    FINGERPRINT_SIZE);
		else if (cert->result == STORE_FAILED)
			log_error(
			    s->who.id, "client certificate: %s", cert->error);
		session_continue(s, SESSION_NEW);
	}
	free(cert);
}

void
certificate_ask(struct session *s)
{
	char fingerprint[FINGERPRINT_SIZE];
	struct certificate *cert;

	if (!link_peer_fingerprint(s->link, fingerprint))
		return;
	cert = calloc(1, sizeof(*cert));
	if (cert == NULL)
		return;
	cert->job.work = work;
	cert->job.done = done;
	cert->session = s;
	memcpy(cert->fingerprint, fingerprint, FINGERPRINT_SIZE);
	cert->result = STORE_FAILED;
	strlcpy(cert->error, "no database", sizeof(cert->error));
	s->asked = cert;
	session_set_state(s, SESSION_ASKING);
	worker_submit(s->server->worker, &cert->job);
}
