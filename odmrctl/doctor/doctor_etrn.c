/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: who may say ETRN on port 25, and the policy service that is
 * asked. Restrictions are read as smtpd(8) goes through them, as far as they
 * decide for everyone.
 */
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define CLOSED                                                                 \
	"check_policy_service { unix:private/etrn-policy, { default_action "   \
	"= 458 4.3.0 Unable to queue messages } }, reject"

enum answer { OPEN, REFUSED, ASKED };

static bool
is(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

/* What the list comes to for a client of whom nothing is known. `*service` is
 * the private/ name of the policy service that it asks. */
static enum answer
read_restrictions(struct doctor *doctor, const char *list, const char **service)
{
	const char *word, *path;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		if (is(word, len, "permit"))
			return OPEN;
		if (is(word, len, "reject") || is(word, len, "defer"))
			return REFUSED;
		if (!is(word, len, "check_policy_service"))
			continue;
		len = postfix_word(&list, &word);
		path = memmem(word, len, "private/", strlen("private/"));
		if (path == NULL)
			continue;
		path += strlen("private/");
		*service = doctor_text(
		    doctor, "%.*s", (int)strcspn(path, ",} \t"), path);
		return ASKED;
	}
	return OPEN;
}

/* The client may have been refused before: with smtpd_delay_reject these are
 * gone through first. */
static bool
refused_before(struct doctor *doctor, const struct service *smtpd)
{
	static const char *const names[] = { "smtpd_client_restrictions",
		"smtpd_helo_restrictions" };
	const char *value, *service;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = postfix_setting_of(doctor->postfix, smtpd, names[i]);
		if (read_restrictions(doctor, value, &service) == REFUSED)
			return true;
	}
	return false;
}

/* The operand of argv= or user=, up to the next blank; NULL: there is none. */
static const char *
attribute(
    struct doctor *doctor, const struct service *service, const char *name)
{
	const char *found = strstr(service->arguments, name);

	if (found == NULL)
		return NULL;
	found += strlen(name);
	return doctor_text(doctor, "%.*s", (int)strcspn(found, " \t"), found);
}

static void
check_program(struct doctor *doctor, const struct service *policy)
{
	const char *path = attribute(doctor, policy, "argv=");
	struct stat st;

	if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & S_IXUSR) != 0 && !policy->chroot)
		return;
	doctor_find(doctor, ETRN_PROGRAM, doctor->master_cf,
	    doctor_cure_policy(doctor, policy->name),
	    policy->chroot ? "service %s: is chrooted, where %s does not work"
			   : "service %s: argv=%s is no program",
	    policy->name, path != NULL ? path : "");
}

static void
check_policy(struct doctor *doctor, const char *name)
{
	const struct service *policy =
	    postfix_service(doctor->postfix, name, "unix");
	const char *user;
	size_t len = strlen(doctor->conf->user);

	if (policy == NULL || strcmp(policy->command, "spawn") != 0) {
		doctor_find(doctor, ETRN_SERVICE, doctor->master_cf,
		    doctor_cure_policy(doctor, name),
		    "no service \"%s unix\" that runs spawn", name);
		return;
	}
	user = attribute(doctor, policy, "user=");
	if (user == NULL || strncmp(user, doctor->conf->user, len) != 0 ||
	    (user[len] != '\0' && user[len] != ':'))
		doctor_find(doctor, ETRN_USER, doctor->master_cf,
		    doctor_cure_policy(doctor, name),
		    "service %s: user=%s, the databases belong to %s", name,
		    user != NULL ? user : "", doctor->conf->user);
	check_program(doctor, policy);
}

/* What the service has of its own has to go, for main.cf to count. */
static const char *
close_etrn(struct doctor *doctor, const struct service *smtpd)
{
	static const char name[] = "smtpd_etrn_restrictions";
	const char *cure = doctor_cure(doctor, name, CLOSED), *service;
	bool asked =
	    read_restrictions(doctor, postfix_setting(doctor->postfix, name),
		&service) == ASKED;

	if (postfix_override(doctor->postfix, smtpd, name) == NULL)
		return cure;
	return doctor_text(doctor, "postconf%s -PX %s/%s/%s%s%s",
	    doctor_option_c(doctor), smtpd->name, smtpd->type, name,
	    asked ? "" : " && ", asked ? "" : cure);
}

static void
check_smtpd(struct doctor *doctor, const struct service *smtpd)
{
	const char *value = postfix_setting_of(
	    doctor->postfix, smtpd, "smtpd_etrn_restrictions");
	const char *service = NULL;

	switch (read_restrictions(doctor, value, &service)) {
	case ASKED:
		check_policy(doctor, service);
		break;
	case REFUSED:
		doctor_find(doctor, ETRN_UNASKED, doctor->main_cf,
		    close_etrn(doctor, smtpd),
		    "service %s: smtpd_etrn_restrictions = %s", smtpd->name,
		    value);
		break;
	case OPEN:
		if (refused_before(doctor, smtpd))
			break;
		doctor_find(doctor, ETRN_OPEN, doctor->main_cf,
		    close_etrn(doctor, smtpd),
		    "service %s: smtpd_etrn_restrictions = %s", smtpd->name,
		    value[0] != '\0' ? value : "(empty)");
		break;
	}
}

void
check_etrn(struct doctor *doctor)
{
	if (doctor->postfix == NULL)
		return;
	for (const struct service *one = doctor->postfix->services; one != NULL;
	     one = one->next)
		if (strcmp(one->command, "smtpd") == 0)
			check_smtpd(doctor, one);
}
