/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "auth.h"
#include "lib/log.h"
#include "lib/store/store.h"
#include "client.h"

struct certificate {
	struct request request;
	char fingerprint[FINGERPRINT_SIZE];
};

static void
work(struct job *job, struct store *store)
{
	struct certificate *cert = (struct certificate *)job;

	cert->request.result =
	    store_cert_login(store, cert->fingerprint, NULL, NULL);
	request_fault(&cert->request, store);
}

/* A database that fails costs the offer: the client sees what else there is. */
static void
done(struct job *job)
{
	struct certificate *cert = (struct certificate *)job;
	struct request *r = &cert->request;
	struct client *cl = r->client;

	request_over(r);
	if (cl != NULL) {
		if (r->result == STORE_OK)
			memcpy(cl->certificate, cert->fingerprint,
			    FINGERPRINT_SIZE);
		else if (r->result == STORE_FAILED)
			log_error(
			    cl->who.id, "client certificate: %s", r->error);
		client_continue(cl, CLIENT_NEW);
	}
	request_free(r);
}

void
certificate_ask(struct client *cl)
{
	char fingerprint[FINGERPRINT_SIZE];
	struct certificate *cert;

	if (!link_peer_fingerprint(cl->link, fingerprint))
		return;
	cert = request_new(cl, sizeof(*cert), work, done);
	if (cert == NULL)
		return;
	memcpy(cert->fingerprint, fingerprint, FINGERPRINT_SIZE);
	request_submit(&cert->request);
}
