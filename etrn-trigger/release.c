/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/log.h"
#include "lib/postfix/postqueue.h"
#include "release.h"

enum { WHY_SIZE = 512 };

bool
release_count(
    const struct conf *conf, struct domain_count *domains, size_t count)
{
	char why[WHY_SIZE] = "";

	if (domain_count(conf, domains, count, why, sizeof(why)))
		return true;
	if (!program_abandoned())
		log_error(
		    NULL, "postqueue -j: the queue cannot be read: %s", why);
	return false;
}

/* ---- releasing --------------------------------------------------------- */

bool
release_domain(const struct conf *conf, const char *domain)
{
	char why[WHY_SIZE];

	if (postqueue_flush(conf, domain, why, sizeof(why)))
		return true;
	if (!program_abandoned())
		log_error(NULL, "postqueue -s %s failed: %s", domain, why);
	return false;
}

void
release_all(const struct conf *conf, struct domain_count *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		domains[i].started = domains[i].messages > 0 &&
		    release_domain(conf, domains[i].name);
}

/* ---- dialling ---------------------------------------------------------- */

static bool
dial(const struct conf *conf, const char *domain)
{
	char command[sizeof("dial ") + DOMAIN_SIZE], fault[DAEMON_FAULT_SIZE];

	snprintf(command, sizeof(command), "dial %s", domain);
	if (daemon_ask(conf, command, NULL, NULL, fault) == DAEMON_OK)
		return true;
	log_error(NULL, "%s: odmrd cannot be told: %s: %s", domain,
	    conf->control_socket, fault);
	return false;
}

int
release_dial(const struct conf *conf, const struct node *node)
{
	const struct node_domain *domain = node->domains;
	int count = 0;

	for (size_t i = 0; i < node->count; i++, domain++) {
		if (domain->mode != MODE_HOLD || domain->held == 0)
			continue;
		if (!dial(conf, domain->name))
			return -1;
		count++;
	}
	return count;
}
