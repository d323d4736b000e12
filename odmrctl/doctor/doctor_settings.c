/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: main.cf and master.cf, as far as one setting, or one service,
 * tells by itself: how mail waits, the odmr transport, and flush(8).
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

/* A setting, and what it must not be. */
struct setting {
	enum finding finding;
	const char *name;
	bool (*wrong)(const char *value, const struct setting *);
	const char *than; /* what `wrong` compares with */
	/* The value that it should have; NULL: its own without what is wrong */
	const char *cure;
};

/* ---- what can be wrong --------------------------------------------------- */

static bool
differs(const char *value, const struct setting *setting)
{
	return strcasecmp(value, setting->than) != 0;
}

/* Where the value has no unit, Postfix takes that of the setting's default:
 * here it is the unit of `than`. */
static int64_t
seconds(const char *value, const struct setting *setting)
{
	return postfix_seconds(value, setting->than[strlen(setting->than) - 1]);
}

static bool
is_shorter(const char *value, const struct setting *setting)
{
	return seconds(value, setting) < seconds(setting->than, setting);
}

static bool
is_longer(const char *value, const struct setting *setting)
{
	return seconds(value, setting) > seconds(setting->than, setting);
}

static bool
is_less(const char *value, const struct setting *setting)
{
	return atol(value) < atol(setting->than);
}

static bool
is_more(const char *value, const struct setting *setting)
{
	return atol(value) > atol(setting->than);
}

static bool
lists(const char *value, const struct setting *setting)
{
	return postfix_lists(value, setting->than);
}

static bool
contains(const char *value, const struct setting *setting)
{
	return strstr(value, setting->than) != NULL;
}

static bool
has_subdomains(const char *value, const struct setting *setting)
{
	(void)setting;
	return postfix_lists(value, "relay_domains") ||
	    postfix_lists(value, "fast_flush_domains");
}

/* ---- what is mended within a list ---------------------------------------- */

static const char *
without_subdomains(struct doctor *doctor, const struct setting *setting)
{
	return doctor_less(doctor,
	    doctor_less(doctor, postfix_setting(doctor->postfix, setting->name),
		"relay_domains"),
	    "fast_flush_domains");
}

/* As the table that proxymap(8) would open. */
static const char *
without_proxy(struct doctor *doctor, const struct setting *setting)
{
	const char *rest = postfix_setting(doctor->postfix, setting->name);
	const char *made = "", *found;
	const size_t len = strlen(setting->than);

	for (; (found = strstr(rest, setting->than)) != NULL;
	     rest = found + len)
		made = doctor_text(
		    doctor, "%s%.*s", made, (int)(found - rest), rest);
	return doctor_text(doctor, "%s%s", made, rest);
}

static const char *
mended(struct doctor *doctor, const struct setting *setting)
{
	if (setting->cure != NULL)
		return setting->cure;
	if (setting->wrong == has_subdomains)
		return without_subdomains(doctor, setting);
	if (setting->wrong == contains)
		return without_proxy(doctor, setting);
	return doctor_less(doctor,
	    doctor_list_with(doctor, setting->name, setting->than),
	    setting->than);
}

/* ---- the tables ---------------------------------------------------------- */

/* clang-format off */
static const struct setting waiting[] = {
	{ LONG_QUEUE_IDS, "enable_long_queue_ids", differs, "yes", "yes" },
	{ QUEUE_LIFETIME, "maximal_queue_lifetime", is_shorter, "7d", "7d" },
	{ BOUNCE_LIFETIME, "bounce_queue_lifetime", is_shorter, "7d", "7d" },
	{ DELAY_NOTICES, "delay_warning_time", is_longer, "0h", "0h" },
	{ SUBDOMAINS, "parent_domain_matches_subdomains", has_subdomains, NULL, NULL },
	{ FLUSH_REFRESH, "fast_flush_refresh_time", is_shorter, "1h", "12h" },
	{ PROXIED_FLUSH, "fast_flush_domains", contains, "proxy:", NULL },
	{ ODMR_DEFERRED, "defer_transports", lists, "odmr", NULL },
};

/* Of the transport in main.cf. */
static const struct setting transport[] = {
	{ RECIPIENT_LIMIT, "odmr_destination_recipient_limit", is_less, "2",
	    "100" },
	{ RECIPIENT_LIMIT, "odmr_destination_recipient_limit", is_more, "100",
	    "100" },
	{ RATE_DELAY, "odmr_destination_rate_delay", is_longer, "0s", "0s" },
	{ RATE_DELAY, "odmr_transport_rate_delay", is_longer, "0s", "0s" },
};

/* Of its service. */
static const struct setting lmtp[] = {
	{ XFORWARD_OFF, "lmtp_send_xforward_command", differs, "yes", "yes" },
	{ LINE_FOLDING, "lmtp_line_length_limit", differs, "0", "0" },
	{ LMTP_TIMEOUT, "lmtp_data_init_timeout", is_shorter, "3600s", "2h" },
	{ LMTP_TIMEOUT, "lmtp_data_xfer_timeout", is_shorter, "3600s", "2h" },
	{ LMTP_TIMEOUT, "lmtp_data_done_timeout", is_shorter, "3600s", "2h" },
	{ CONNECTION_CACHE, "lmtp_connection_cache_on_demand", differs, "yes",
	    "yes" },
};
/* clang-format on */

/* Of main.cf, or of a service, whose -o options come first. */
static void
check_table(struct doctor *doctor, const struct service *service,
    const struct setting *setting, size_t count)
{
	const char *value, *cure;

	for (; count-- > 0; setting++) {
		value = service == NULL
		    ? postfix_setting(doctor->postfix, setting->name)
		    : postfix_setting_of(
			  doctor->postfix, service, setting->name);
		if (!setting->wrong(value, setting))
			continue;
		cure = mended(doctor, setting);
		if (service == NULL)
			doctor_find(doctor, setting->finding, doctor->main_cf,
			    doctor_cure(doctor, setting->name, cure), "%s = %s",
			    setting->name, value);
		else
			doctor_find(doctor, setting->finding, doctor->master_cf,
			    doctor_cure_of(
				doctor, service, setting->name, cure),
			    "service %s: %s = %s", service->name, setting->name,
			    value);
	}
}

#define TABLE(table) (table), sizeof(table) / sizeof((table)[0])

/* ---- what depends on more than its value --------------------------------- */

/* Lists of users may be tables; those but the default are the operator's
 * doing, and are only read where they name users. */
static void
check_users(struct doctor *doctor, const char *name)
{
	const char *value = postfix_setting(doctor->postfix, name);
	const char *own = postfix_unexpanded(doctor->postfix, name);

	if (postfix_lists(value, doctor->conf->user) ||
	    strchr(value, ':') != NULL || strchr(value, '/') != NULL)
		return;
	doctor_find(doctor, QUEUE_USERS, doctor->main_cf,
	    doctor_cure(doctor, name,
		doctor_text(doctor, "%s%s%s", own, own[0] != '\0' ? ", " : "",
		    doctor->conf->user)),
	    "%s has no user %s: \"%s\"", name, doctor->conf->user, value);
}

static long
number(const struct doctor *doctor, const char *name)
{
	return atol(postfix_setting(doctor->postfix, name));
}

/* The default of any transport is 20; the least number of deliveries at a time
 * that the shipped master.cf thinks of is 25. */
static void
check_concurrency(struct doctor *doctor, const struct service *odmr)
{
	static const char name[] = "odmr_destination_concurrency_limit",
			  first[] = "odmr_initial_destination_concurrency";
	long limit = number(doctor, name), initial = number(doctor, first);
	long most = strcmp(odmr->maxproc, "-") == 0
	    ? number(doctor, "default_process_limit")
	    : atol(odmr->maxproc);
	const bool low = limit != 0 && limit <= 20;
	const long wanted = low ? 200 : limit;

	if (low)
		doctor_find(doctor, CONCURRENCY, doctor->main_cf,
		    doctor_cure(doctor, name, "200"), "%s = %ld", name, limit);
	if (initial < wanted)
		doctor_find(doctor, INITIAL_CONCURRENCY, doctor->main_cf,
		    doctor_cure(
			doctor, first, doctor_text(doctor, "%ld", wanted)),
		    "%s = %ld, %s = %ld", first, initial, name, limit);
	if (most != 0 && most < wanted)
		doctor_find(doctor, MAXPROC, doctor->master_cf,
		    doctor_text(doctor, "postconf%s -F '%s/%s/%s=%ld'",
			doctor_option_c(doctor), odmr->name, odmr->type,
			"process_limit", wanted * 5),
		    "service odmr: maxproc is %ld, %s = %ld", most, name,
		    limit);
}

/* ---- the services -------------------------------------------------------- */

static void
check_odmr(struct doctor *doctor)
{
	const struct service *odmr =
	    postfix_service(doctor->postfix, "odmr", "unix");

	if (odmr == NULL) {
		doctor_find(doctor, ODMR_MISSING, doctor->master_cf,
		    doctor_cure_odmr(doctor), "no service \"odmr unix\"");
		return;
	}
	check_concurrency(doctor, odmr);
	check_table(doctor, NULL, TABLE(transport));
	if (strcmp(odmr->command, "lmtp") != 0)
		doctor_find(doctor, ODMR_COMMAND, doctor->master_cf,
		    doctor_cure_odmr(doctor),
		    "service odmr runs \"%s\", not lmtp", odmr->command);
	else
		check_table(doctor, odmr, TABLE(lmtp));
}

static void
check_flush(struct doctor *doctor)
{
	const char *name =
	    postfix_setting(doctor->postfix, "flush_service_name");

	if (postfix_service(doctor->postfix, name, "unix") == NULL)
		doctor_find(doctor, FLUSH_MISSING, doctor->master_cf,
		    doctor_text(doctor,
			"postconf%s -M '%s/unix=%s unix n - y 1000? 0 flush'",
			doctor_option_c(doctor), name, name),
		    "no service \"%s unix\"", name);
}

void
check_settings(struct doctor *doctor)
{
	if (doctor->postfix == NULL)
		return;
	check_table(doctor, NULL, TABLE(waiting));
	check_users(doctor, "authorized_flush_users");
	check_users(doctor, "authorized_mailq_users");
	check_odmr(doctor);
	check_flush(doctor);
}
