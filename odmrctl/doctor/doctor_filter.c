/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: content filters. A message that comes back from one has a
 * second queue id, and its tag moves along if the milter sees that as well
 * (lib/store/store_rename.c). So the smtpd(8) behind a filter needs the milter
 * too, and none but it: others have been asked before the filter.
 */
#include <stdlib.h>
#include <string.h>

#include "milters.h"

static const char *const filters[] = { "content_filter", "smtpd_proxy_filter" };

enum { FILTERS = sizeof(filters) / sizeof(filters[0]) };

/* Of this service; NULL: none. */
static const char *
filter_of(struct doctor *doctor, const struct service *service)
{
	const char *value;

	for (size_t i = 0; i < FILTERS; i++) {
		value =
		    postfix_setting_of(doctor->postfix, service, filters[i]);
		if (value[0] != '\0')
			return doctor_text(
			    doctor, "%s = %s", filters[i], value);
	}
	return NULL;
}

/* ---- FILTER in tables ---------------------------------------------------- */

/* As the result of an access(5) or header_checks(5) table. */
static bool
has_filter(const char *text)
{
	const char *found = text;

	while ((found = strcasestr(found, "FILTER")) != NULL) {
		if (found > text && strchr(" \t={", found[-1]) != NULL &&
		    found[6] != '\0' && strchr(" \t", found[6]) != NULL)
			return true;
		found += strlen("FILTER");
	}
	return false;
}

static bool
file_has_filter(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (file != NULL && !found && getline(&line, &room, file) != -1)
		found = line[0] != '#' && has_filter(line);
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}

/* Of the tables in a list, those whose source can be read; NULL: none. */
static const char *
filter_in(struct doctor *doctor, const char *list)
{
	const char *word, *copy, *path;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		copy = doctor_text(doctor, "%.*s", (int)len, word);
		path = strchr(copy, ':');
		if (path != NULL && path[1] == '/' ? file_has_filter(path + 1)
						   : has_filter(copy))
			return copy;
	}
	return NULL;
}

static const char *
filter_in_tables(struct doctor *doctor, const struct service *service)
{
	static const char *const settings[] = { "header_checks", "body_checks",
		"mime_header_checks", "nested_header_checks",
		"smtpd_client_restrictions", "smtpd_helo_restrictions",
		"smtpd_sender_restrictions", "smtpd_relay_restrictions",
		"smtpd_recipient_restrictions", "smtpd_data_restrictions",
		"smtpd_end_of_data_restrictions" };
	const char *found;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		found = filter_in(doctor,
		    postfix_setting_of(doctor->postfix, service, settings[i]));
		if (found != NULL)
			return doctor_text(
			    doctor, "FILTER in %s, %s", settings[i], found);
	}
	return NULL;
}

/* ---- what comes back ----------------------------------------------------- */

static bool
asks_nobody(struct doctor *doctor, const struct service *smtpd)
{
	return postfix_lists(postfix_setting_of(doctor->postfix, smtpd,
				 "receive_override_options"),
	    "no_milters");
}

static bool
has_ours(struct doctor *doctor, const struct service *smtpd)
{
	struct mention mention;

	return milters_find_ours(doctor,
		   postfix_setting_of(doctor->postfix, smtpd, "smtpd_milters"),
		   &mention) &&
	    !asks_nobody(doctor, smtpd);
}

/* An smtpd without the milter and without a filter, where others have one.
 * Where a table alone names the filter, all have none: then it is one with
 * settings of its own about milters. */
static bool
is_behind(struct doctor *doctor, const struct service *smtpd, bool by_table)
{
	return strcmp(smtpd->command, "smtpd") == 0 &&
	    !has_ours(doctor, smtpd) && filter_of(doctor, smtpd) == NULL &&
	    (!by_table || asks_nobody(doctor, smtpd) ||
		postfix_override(doctor->postfix, smtpd, "smtpd_milters") !=
		    NULL);
}

static const char *
cure(struct doctor *doctor, const struct service *smtpd)
{
	static const char options[] = "receive_override_options";
	const struct postfix *postfix = doctor->postfix;
	const char *list =
	    postfix_override(postfix, smtpd, "smtpd_milters") != NULL
	    ? milters_cure(doctor, smtpd, "smtpd_milters")
	    : doctor_cure_of(
		  doctor, smtpd, "smtpd_milters", milters_shipped(doctor));

	if (!asks_nobody(doctor, smtpd))
		return list;
	return doctor_text(doctor, "%s && %s", list,
	    doctor_cure_of(doctor, smtpd, options,
		doctor_less(doctor, postfix_setting_of(postfix, smtpd, options),
		    "no_milters")));
}

/* The filter of any service that has the milter, or of a table. */
static const char *
find_filter(struct doctor *doctor, bool *by_table)
{
	const struct service *one;
	const char *filter = NULL;

	*by_table = false;
	for (one = doctor->postfix->services; one != NULL && filter == NULL;
	     one = one->next)
		if (strcmp(one->command, "smtpd") == 0)
			filter = filter_of(doctor, one);
	for (one = doctor->postfix->services; one != NULL && filter == NULL;
	     one = one->next)
		if (strcmp(one->command, "smtpd") == 0 ||
		    strcmp(one->command, "cleanup") == 0) {
			filter = filter_in_tables(doctor, one);
			*by_table = filter != NULL;
		}
	return filter;
}

void
check_filters(struct doctor *doctor)
{
	const char *filter;
	bool by_table, any = false;

	if (doctor->postfix == NULL)
		return;
	for (const struct service *one = doctor->postfix->services; one != NULL;
	     one = one->next)
		any = any ||
		    (strcmp(one->command, "smtpd") == 0 &&
			has_ours(doctor, one));
	filter = any ? find_filter(doctor, &by_table) : NULL;
	if (filter == NULL)
		return;
	for (const struct service *one = doctor->postfix->services; one != NULL;
	     one = one->next)
		if (is_behind(doctor, one, by_table))
			doctor_find(doctor, FILTER_WITHOUT_MILTER,
			    doctor->master_cf, cure(doctor, one),
			    "%s; service %s has no %s", filter, one->name,
			    doctor->conf->milter_socket);
}
