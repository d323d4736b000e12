/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: main.cf, and how mail waits.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

enum { DAY = 86400, LIFETIME = 7 * DAY, REFRESH_LEAST = 600 };

static void
check_ids(struct doctor *doctor)
{
	if (postfix_yes(
		postfix_setting(doctor->postfix, "enable_long_queue_ids")))
		return;
	doctor_find(doctor, LONG_QUEUE_IDS, doctor->main_cf,
	    doctor_cure(doctor, "enable_long_queue_ids", "yes"),
	    "enable_long_queue_ids = %s",
	    postfix_setting(doctor->postfix, "enable_long_queue_ids"));
}

static void
check_lifetime(struct doctor *doctor, enum finding finding, const char *name)
{
	const char *value = postfix_setting(doctor->postfix, name);

	if (postfix_seconds(value, 'd') < LIFETIME)
		doctor_find(doctor, finding, doctor->main_cf,
		    doctor_cure(doctor, name, "7d"), "%s = %s", name, value);
}

static void
check_notices(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "delay_warning_time");

	if (postfix_seconds(value, 'h') != 0)
		doctor_find(doctor, DELAY_NOTICES, doctor->main_cf,
		    doctor_cure(doctor, "delay_warning_time", "0h"),
		    "delay_warning_time = %s", value);
}

static void
check_subdomains(struct doctor *doctor)
{
	const char *value = postfix_setting(
	    doctor->postfix, "parent_domain_matches_subdomains");

	if (postfix_lists(value, "relay_domains") ||
	    postfix_lists(value, "fast_flush_domains"))
		doctor_find(doctor, SUBDOMAINS, doctor->main_cf,
		    doctor_cure(doctor, "parent_domain_matches_subdomains",
			"debug_peer_list, mynetworks, "
			"permit_mx_backup_networks, "
			"qmqpd_authorized_clients, smtpd_access_maps"),
		    "parent_domain_matches_subdomains has relay_domains or "
		    "fast_flush_domains: %s",
		    value);
}

static void
check_refresh(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "fast_flush_refresh_time");

	if (postfix_seconds(value, 'h') < REFRESH_LEAST)
		doctor_find(doctor, FLUSH_REFRESH, doctor->main_cf,
		    doctor_cure(doctor, "fast_flush_refresh_time", "12h"),
		    "fast_flush_refresh_time = %s", value);
}

/* Lists of users may be tables; those but the default are the operator's
 * doing, and are only read where they name users. */
static void
check_users(struct doctor *doctor, const char *name)
{
	const char *value = postfix_setting(doctor->postfix, name);

	if (postfix_lists(value, doctor->conf->user) ||
	    strchr(value, ':') != NULL || strchr(value, '/') != NULL)
		return;
	doctor_find(doctor, QUEUE_USERS, doctor->main_cf,
	    doctor_cure(doctor, name,
		doctor_text(doctor, "%s%s%s", value,
		    value[0] != '\0' ? ", " : "", doctor->conf->user)),
	    "%s has no user %s: \"%s\"", name, doctor->conf->user, value);
}

static void
check_proxied(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "fast_flush_domains");

	if (strstr(value, "proxy:") == NULL)
		return;
	doctor_find(doctor, PROXIED_FLUSH, doctor->main_cf,
	    doctor_cure(doctor, "fast_flush_domains",
		"sqlite:" CONFDIR "/fast_flush_domains.cf"),
	    "fast_flush_domains = %s", value);
}

void
check_queue(struct doctor *doctor)
{
	if (doctor->postfix == NULL)
		return;
	if (!postfix_has_table(doctor->postfix, "sqlite"))
		doctor_find(doctor, POSTFIX_SQLITE, doctor->conf->postconf_path,
		    "apt-get install postfix-sqlite",
		    "postconf -m does not list sqlite");
	check_ids(doctor);
	check_lifetime(doctor, QUEUE_LIFETIME, "maximal_queue_lifetime");
	check_lifetime(doctor, BOUNCE_LIFETIME, "bounce_queue_lifetime");
	check_notices(doctor);
	check_subdomains(doctor);
	check_refresh(doctor);
	check_users(doctor, "authorized_flush_users");
	check_users(doctor, "authorized_mailq_users");
	check_proxied(doctor);
}
