/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: the odmr transport, in master.cf and main.cf, and flush(8).
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

/* The default of any transport; the least number of deliveries at a time that
 * the shipped master.cf thinks of is 25. */
enum { CONCURRENCY_DEFAULT = 20, RECIPIENTS_MOST = 100, TIMEOUT_LEAST = 3600 };

static void
check_yes(struct doctor *doctor, const struct service *odmr,
    enum finding finding, const char *name)
{
	const char *value = postfix_setting_of(doctor->postfix, odmr, name);

	if (!postfix_yes(value))
		doctor_find(doctor, finding, doctor->master_cf,
		    doctor_cure_of(doctor, odmr, name, "yes"),
		    "service odmr: %s = %s", name, value);
}

static void
check_folding(struct doctor *doctor, const struct service *odmr)
{
	const char *value =
	    postfix_setting_of(doctor->postfix, odmr, "lmtp_line_length_limit");

	if (strcmp(value, "0") != 0)
		doctor_find(doctor, LINE_FOLDING, doctor->master_cf,
		    doctor_cure_of(doctor, odmr, "lmtp_line_length_limit", "0"),
		    "service odmr: lmtp_line_length_limit = %s", value);
}

static void
check_timeouts(struct doctor *doctor, const struct service *odmr)
{
	static const char *const names[] = { "lmtp_data_init_timeout",
		"lmtp_data_xfer_timeout", "lmtp_data_done_timeout" };
	const char *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = postfix_setting_of(doctor->postfix, odmr, names[i]);
		if (postfix_seconds(value, 's') < TIMEOUT_LEAST)
			doctor_find(doctor, LMTP_TIMEOUT, doctor->master_cf,
			    doctor_cure_of(doctor, odmr, names[i], "2h"),
			    "service odmr: %s = %s", names[i], value);
	}
}

static long
number(const struct doctor *doctor, const char *name)
{
	return atol(postfix_setting(doctor->postfix, name));
}

static void
check_concurrency(struct doctor *doctor)
{
	long limit = number(doctor, "odmr_destination_concurrency_limit");
	long initial = number(doctor, "odmr_initial_destination_concurrency");

	if (limit != 0 && limit <= CONCURRENCY_DEFAULT)
		doctor_find(doctor, CONCURRENCY, doctor->main_cf,
		    doctor_cure(
			doctor, "odmr_destination_concurrency_limit", "200"),
		    "odmr_destination_concurrency_limit = %ld", limit);
	else if (initial < limit)
		doctor_find(doctor, INITIAL_CONCURRENCY, doctor->main_cf,
		    doctor_cure(doctor, "odmr_initial_destination_concurrency",
			doctor_text(doctor, "%ld", limit)),
		    "odmr_initial_destination_concurrency = %ld, "
		    "odmr_destination_concurrency_limit = %ld",
		    initial, limit);
}

static void
check_maxproc(struct doctor *doctor, const struct service *odmr)
{
	long limit = number(doctor, "odmr_destination_concurrency_limit");
	long most = strcmp(odmr->maxproc, "-") == 0
	    ? number(doctor, "default_process_limit")
	    : atol(odmr->maxproc);

	if (most != 0 && most < limit)
		doctor_find(doctor, MAXPROC, doctor->master_cf,
		    doctor_text(doctor, "postconf -c %s -F '%s/%s/%s=%ld'",
			doctor->conf->postfix_config_directory, odmr->name,
			odmr->type, "process_limit", limit * 5),
		    "service odmr: maxproc is %ld, "
		    "odmr_destination_concurrency_limit = %ld",
		    most, limit);
}

static void
check_recipients(struct doctor *doctor)
{
	long limit = number(doctor, "odmr_destination_recipient_limit");

	if (limit < 2 || limit > RECIPIENTS_MOST)
		doctor_find(doctor, RECIPIENT_LIMIT, doctor->main_cf,
		    doctor_cure(
			doctor, "odmr_destination_recipient_limit", "100"),
		    "odmr_destination_recipient_limit = %ld", limit);
}

static void
check_rate(struct doctor *doctor, const char *name)
{
	const char *value = postfix_setting(doctor->postfix, name);

	if (postfix_seconds(value, 's') > 0)
		doctor_find(doctor, RATE_DELAY, doctor->main_cf,
		    doctor_cure(doctor, name, "0s"), "%s = %s", name, value);
}

static void
check_deferred(struct doctor *doctor)
{
	const char *value =
	    postfix_setting(doctor->postfix, "defer_transports");

	if (postfix_lists(value, "odmr"))
		doctor_find(doctor, ODMR_DEFERRED, doctor->main_cf,
		    doctor_cure(doctor, "defer_transports", "etrn-hold"),
		    "defer_transports = %s", value);
}

/* Of the transport's own settings there are none without its service. */
void
check_delivery(struct doctor *doctor)
{
	const struct service *odmr;

	if (doctor->postfix == NULL)
		return;
	odmr = postfix_service(doctor->postfix, "odmr", "unix");
	check_deferred(doctor);
	if (odmr == NULL)
		return;
	check_concurrency(doctor);
	check_maxproc(doctor, odmr);
	check_recipients(doctor);
	check_rate(doctor, "odmr_destination_rate_delay");
	check_rate(doctor, "odmr_transport_rate_delay");
}

void
check_odmr_service(struct doctor *doctor)
{
	const struct service *odmr;

	if (doctor->postfix == NULL)
		return;
	odmr = postfix_service(doctor->postfix, "odmr", "unix");
	if (odmr == NULL) {
		doctor_find(doctor, ODMR_MISSING, doctor->master_cf,
		    CURE_MASTER_CF, "no service \"odmr unix\"");
		return;
	}
	if (strcmp(odmr->command, "lmtp") != 0) {
		doctor_find(doctor, ODMR_COMMAND, doctor->master_cf,
		    CURE_MASTER_CF, "service odmr runs \"%s\", not lmtp",
		    odmr->command);
		return;
	}
	check_yes(doctor, odmr, XFORWARD_OFF, "lmtp_send_xforward_command");
	check_folding(doctor, odmr);
	check_timeouts(doctor, odmr);
	check_yes(
	    doctor, odmr, CONNECTION_CACHE, "lmtp_connection_cache_on_demand");
}

void
check_services(struct doctor *doctor)
{
	const char *name;

	if (doctor->postfix == NULL)
		return;
	name = postfix_setting(doctor->postfix, "flush_service_name");
	if (postfix_service(doctor->postfix, name, "unix") == NULL)
		doctor_find(doctor, FLUSH_MISSING, doctor->master_cf,
		    doctor_text(doctor,
			"postconf -c %s -M '%s/unix=%s unix n - y 1000? 0 "
			"flush'",
			doctor->conf->postfix_config_directory, name, name),
		    "no service \"%s unix\"", name);
}
