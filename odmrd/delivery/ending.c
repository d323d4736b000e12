/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "customer.h"
#include "ending.h"
#include "lib/log.h"

enum { DOMAINS_SHOWN = 1024 };

static const char *
or_dash(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : "-";
}

/* Separated by commas; a long list ends in an ellipsis. */
static void
list_domains(const char *domains, char out[DOMAINS_SHOWN])
{
	int len = snprintf(out, DOMAINS_SHOWN, "%s", domains);

	if (len >= DOMAINS_SHOWN)
		strcpy(out + DOMAINS_SHOWN - sizeof("..."), "...");
	for (char *p = out; *p != '\0'; p++)
		if (*p == '\n')
			*p = ',';
}

void
ending_log(const char *word, const struct ending *e)
{
	char login[LOG_WORD_SIZE], domains[DOMAINS_SHOWN];
	const char *tls = link_tls_version(e->link);

	log_word(or_dash(e->who->login), login);
	list_domains(or_dash(e->domains), domains);
	log_info(e->who->id,
	    "%s account=%s client=%s tls=%s mech=%s domains=%s plan=%s "
	    "delivered=%ld kept=%ld refused=%ld bytes=%lld submitted=%ld "
	    "seconds=%.1f reason=%s",
	    word, login, e->who->client, tls != NULL ? tls : "no",
	    or_dash(e->who->mech), domains, or_dash(e->plan),
	    e->tally->delivered, e->tally->kept, e->tally->refused,
	    (long long)e->tally->bytes, e->who->submitted,
	    (double)(loop_now_ms() - e->began_ms) / 1000, e->reason);
}
