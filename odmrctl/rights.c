/* SPDX-License-Identifier: ISC */
#include <grp.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "odmrctl.h"
#include "lib/postfix/mail_journal.h"
#include "lib/privileges.h"
#include "rights.h"

enum { ERROR_SIZE = 256 };

typedef bool give_up(const char *user, gid_t extra, char *error, size_t size);

/* Where there is no such group, postqueue's fault will tell. */
static int
become_user(const struct conf *conf, give_up *how)
{
	const struct group *group = getgrnam(conf->flush_group);
	char error[ERROR_SIZE];

	if (geteuid() != 0 ||
	    how(conf->user, group != NULL ? group->gr_gid : 0, error,
		sizeof(error)))
		return EX_OK;
	return complain(EX_CONFIG, "%s", error);
}

int
rights_drop(const struct conf *conf)
{
	return become_user(conf, privileges_drop);
}

int
rights_drop_but_log(const struct conf *conf)
{
	const struct group *group = getgrnam(MAIL_JOURNAL_GROUP);

	if (conf_has_journal(conf) && group != NULL)
		privileges_with_group(group->gr_gid);
	return rights_drop(conf);
}

int
rights_lay_off(const struct conf *conf)
{
	return become_user(conf, privileges_lay_off);
}

void
rights_take_up(void)
{
	privileges_take_up();
}

void
rights_lay_off_again(const struct conf *conf)
{
	int code = rights_lay_off(conf);

	if (code != EX_OK)
		exit(code);
}
