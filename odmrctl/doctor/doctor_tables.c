/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: the two tables that odmrctl writes for Postfix. What they say
 * of each domain is looked at with Postfix's own settings, in doctor_domains.c:
 * only if they say what the database says.
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>

#include "doctor.h"
#include "lib/tags/relay_table.h"

static bool
check_type(struct doctor *doctor, const char *table)
{
	const char *type =
	    doctor_text(doctor, "%.*s", (int)strcspn(table, ":"), table);

	if (postfix_has_table(doctor->postfix, type))
		return true;
	doctor_find(doctor, TABLE_TYPE, doctor->conf->postconf_path,
	    doctor_text(doctor, "apt-get install postfix-%s", type),
	    "postconf -m does not list %s", type);
	return false;
}

static void
check_owner(struct doctor *doctor, const char *table)
{
	const struct passwd *pw = getpwnam(doctor->conf->user);
	char path[PATH_MAX];
	struct stat st;

	if (!postmap_file(table, path) || lstat(path, &st) == -1 ||
	    pw == NULL ||
	    (st.st_uid == pw->pw_uid && S_ISREG(st.st_mode) &&
		(st.st_mode & (S_IWGRP | S_IWOTH)) == 0))
		return;
	doctor_find(doctor, TABLE_OWNER, doctor_text(doctor, "%s", path),
	    doctor_text(
		doctor, "rm %s; %s", path, doctor_odmrctl(doctor, "table")),
	    "belongs to user %u, mode %04o", (unsigned)st.st_uid,
	    (unsigned)st.st_mode & 07777);
}

static void
check_content(struct doctor *doctor)
{
	char error[POSTMAP_ERROR_SIZE];
	bool agree = false;

	if (relay_table_check(doctor->conf, doctor->store, &agree, error)) {
		doctor->tables_agree = agree;
		if (agree)
			return;
		snprintf(
		    error, sizeof(error), "do not say what the database says");
	}
	doctor_find(doctor, TABLE_STALE,
	    doctor_text(doctor, "%s, %s", doctor->conf->domain_table,
		doctor->conf->etrn_table),
	    doctor_odmrctl(doctor, "table"), "%s", error);
}

void
check_tables(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;

	if (doctor->store == NULL || doctor->postfix == NULL ||
	    !check_type(doctor, conf->domain_table) ||
	    !check_type(doctor, conf->etrn_table))
		return;
	check_owner(doctor, conf->domain_table);
	check_owner(doctor, conf->etrn_table);
	check_content(doctor);
}
