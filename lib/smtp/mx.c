/* SPDX-License-Identifier: ISC */
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mx.h"

enum { ANSWER_SIZE = 16384, TRY_SECONDS = 2, TRIES = 2 };

void
resolver_setup(void)
{
	/* _res is each thread's own, and getaddrinfo(3) heeds it. */
	if (res_init() == -1)
		return;
	_res.retrans = TRY_SECONDS;
	_res.retry = TRIES;
	_res.options &= ~(unsigned long)(RES_DEFNAMES | RES_DNSRCH);
}

/* A record that cannot be read, or has a name too long, is left out. */
static bool
read_host(ns_msg *message, const ns_rr *record, struct mx_host *host)
{
	const unsigned char *data = ns_rr_rdata(*record);

	if (ns_rr_type(*record) != ns_t_mx || ns_rr_rdlen(*record) < 3)
		return false;
	host->preference = ns_get16(data);
	return ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
		   data + 2, host->name, sizeof(host->name)) != -1;
}

/* Those of one preference stay in the DNS's order, which it turns itself. */
static void
insert(struct mx *mx, const struct mx_host *host)
{
	size_t i = mx->count;

	if (i == MX_HOSTS_MAX && mx->hosts[--i].preference <= host->preference)
		return;
	for (; i > 0 && mx->hosts[i - 1].preference > host->preference; i--)
		mx->hosts[i] = mx->hosts[i - 1];
	mx->hosts[i] = *host;
	if (mx->count < MX_HOSTS_MAX)
		mx->count++;
}

static bool
is_root(const char *name)
{
	return name[0] == '\0' || strcmp(name, ".") == 0;
}

static enum mx_result
read_answer(const unsigned char *answer, size_t len, struct mx *mx)
{
	struct mx_host host;
	ns_msg message;
	ns_rr record;

	mx->count = 0;
	if (ns_initparse(answer, (int)len, &message) == -1)
		return MX_FAILED;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) == -1)
			return MX_FAILED;
		if (read_host(&message, &record, &host))
			insert(mx, &host);
	}
	if (mx->count == 0)
		return MX_NONE;
	return mx->count == 1 && is_root(mx->hosts[0].name) ? MX_NULL
							    : MX_FOUND;
}

enum mx_result
mx_lookup(const char *domain, struct mx *mx)
{
	unsigned char answer[ANSWER_SIZE];
	int len;

	mx->count = 0;
	len = res_query(domain, ns_c_in, ns_t_mx, answer, sizeof(answer));
	if (len == -1)
		return h_errno == HOST_NOT_FOUND || h_errno == NO_DATA
		    ? MX_NONE
		    : MX_FAILED;
	if ((size_t)len > sizeof(answer))
		return MX_FAILED;
	return read_answer(answer, (size_t)len, mx);
}
