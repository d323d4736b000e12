/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: files and directories, who owns them and who may use them.
 */
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/postfix/mail_journal.h"

static void
check_user(struct doctor *doctor, const char *setting, const char *name)
{
	if (getpwnam(name) == NULL)
		doctor_find(doctor, USER_MISSING, doctor->ctx->conf_path,
		    doctor_text(doctor,
			"adduser --system --group --no-create-home %s", name),
		    "%s = %s: no such user", setting, name);
}

static void
check_conf(struct doctor *doctor)
{
	const char *path = doctor->ctx->conf_path;
	struct stat st;

	if (stat(path, &st) == -1)
		return;
	if ((st.st_mode & S_IWOTH) != 0 ||
	    ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0))
		doctor_find(doctor, CONF_WRITABLE, path,
		    doctor_text(doctor, "chmod go-w %s", path),
		    "mode %04o: others than its owner may write to it",
		    (unsigned)st.st_mode & 07777);
	if (access_as_denied(doctor->conf->user, NULL, path, R_OK))
		doctor_find(doctor, CONF_UNREADABLE, path,
		    doctor_text(doctor, "chmod a+r %s", path),
		    "user %s may not read it", doctor->conf->user);
}

static const char *
group_of(struct doctor *doctor, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	const struct group *gr = pw != NULL ? getgrgid(pw->pw_gid) : NULL;

	return doctor_text(doctor, "%s", gr != NULL ? gr->gr_name : user);
}

static void
check_key(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;
	const char *path = conf->tls_key_file[0] != '\0' ? conf->tls_key_file
							 : conf->tls_cert_file;
	struct stat st;

	if (path[0] == '\0' || stat(path, &st) == -1)
		return; /* the certificate's check tells */
	if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0)
		doctor_find(doctor, KEY_EXPOSED, path,
		    doctor_text(doctor, "chmod g-w,o= %s", path), "mode %04o",
		    (unsigned)st.st_mode & 07777);
	if (access_as_denied(conf->user, NULL, path, R_OK))
		doctor_find(doctor, KEY_UNREADABLE, path,
		    doctor_text(doctor,
			"chgrp %s %s && chmod g+r %s # and its directory: g+x",
			group_of(doctor, conf->user), path, path),
		    "user %s may not read it", conf->user);
}

/* The one that Postfix has, if it is not this one. */
static const char *
use_program(struct doctor *doctor, const char *setting)
{
	const char *name =
	    doctor_text(doctor, "%.*s", (int)strcspn(setting, "_"), setting);
	const char *path = doctor_text(doctor, "%s/%s",
	    doctor->postfix != NULL
		? postfix_setting(doctor->postfix, "command_directory")
		: "/usr/sbin",
	    name);

	return access_as_denied(
		   doctor->conf->user, doctor->conf->flush_group, path, X_OK) ||
		access(path, X_OK) == -1
	    ? doctor_edit(doctor, NULL, "%s", setting)
	    : doctor_set(doctor, setting, path);
}

static void
check_program(struct doctor *doctor, const char *setting, const char *path)
{
	const struct conf *conf = doctor->conf;
	const char *fault = NULL;

	if (access(path, X_OK) == -1)
		fault = strerror(errno);
	else if (access_as_denied(conf->user, conf->flush_group, path, X_OK))
		fault =
		    doctor_text(doctor, "user %s may not run it", conf->user);
	if (fault != NULL)
		doctor_find(doctor, PROGRAM_MISSING, path,
		    use_program(doctor, setting), "%s: %s", setting, fault);
}

static bool
note_line(void *arg, const char *line, size_t len, const char *cursor)
{
	(void)line;
	(void)len;
	(void)cursor;
	*(bool *)arg = true;
	return false;
}

/* Does the journal have what Postfix writes? *why: why not. Read as who runs
 * doctor: odmr-reconcile.service brings the group that user lacks. */
static bool
is_in_journal(struct doctor *doctor, const char **why)
{
	bool found = false;
	const struct mail_journal_reader reader = { .line = note_line,
		.arg = &found };

	*why = "it has nothing that Postfix wrote";
	return mail_journal_read(
		   &reader, doctor->conf->postfix_user, "", why) &&
	    found;
}

/* To where Postfix's log is, as far as that can be known. */
static const char *
use_other_log(struct doctor *doctor)
{
	const char *why;

	return is_in_journal(doctor, &why)
	    ? doctor_set(doctor, "mail_log", "journal")
	    : doctor_edit(doctor, NULL, "mail_log = where Postfix's log is");
}

static void
check_journal(struct doctor *doctor)
{
	const char *why;

	if (is_in_journal(doctor, &why))
		return;
	if (geteuid() == 0)
		doctor_find(doctor, MAIL_LOG_UNREADABLE, "journal",
		    doctor_edit(
			doctor, NULL, "mail_log = the file of Postfix's log"),
		    "%s", why);
	else
		doctor_unseen(doctor, "journal");
}

/* A group that may read the log stays with it when it is rotated. Postfix's own
 * file (maillog_file) is root's alone, each time anew: then the journal is
 * better, where there is one. */
static const char *
open_log(struct doctor *doctor, const char *path)
{
	const char *user = doctor->conf->user, *group = NULL;
	const struct group *gr;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_gid != 0 &&
	    (st.st_mode & S_IRGRP) != 0) {
		gr = getgrgid(st.st_gid);
		group = gr != NULL ? gr->gr_name : NULL;
	}
	if (group != NULL)
		return doctor_text(doctor, "usermod -aG %s %s", group, user);
	if (doctor->postfix != NULL &&
	    strcmp(postfix_setting(doctor->postfix, "maillog_file"), path) ==
		0 &&
	    access("/run/systemd/journal/socket", F_OK) == 0)
		return doctor_text(doctor, "%s && %s",
		    doctor_cure(doctor, "maillog_file", ""),
		    doctor_set(doctor, "mail_log", "journal"));
	return doctor_text(doctor,
	    "setfacl -m u:%s:r %s # package acl; x on its directories; and "
	    "again in logrotate's postrotate",
	    user, path);
}

static void
check_mail_log(struct doctor *doctor)
{
	const char *path = doctor->conf->mail_log;
	const char *user = doctor->conf->user;

	if (path[0] == '\0')
		return;
	if (conf_has_journal(doctor->conf))
		check_journal(doctor);
	else if (doctor_is_unseen(doctor, path))
		return;
	else if (access(path, F_OK) == -1)
		doctor_find(doctor, MAIL_LOG_UNREADABLE, path,
		    use_other_log(doctor), "%s", strerror(errno));
	else if (access_as_denied(user, NULL, path, R_OK))
		doctor_find(doctor, MAIL_LOG_UNREADABLE, path,
		    open_log(doctor, path), "user %s may not read it", user);
}

void
check_files(struct doctor *doctor)
{
	check_user(doctor, "user", doctor->conf->user);
	check_user(doctor, "postfix_user", doctor->conf->postfix_user);
	check_conf(doctor);
	check_key(doctor);
	check_program(doctor, "postqueue_path", doctor->conf->postqueue_path);
	check_program(doctor, "postconf_path", doctor->conf->postconf_path);
	check_mail_log(doctor);
}

/* Each passwd is gone with the next getpwnam(3). */
static bool
belongs_to_user(const struct stat *st, const char *user)
{
	const struct passwd *pw = getpwnam(user);

	return pw == NULL || st->st_uid == pw->pw_uid;
}

static bool
belongs_to_group(const struct stat *st, const char *user)
{
	const struct passwd *pw = getpwnam(user);

	return pw == NULL || st->st_gid == pw->pw_gid;
}

/* What is wrong with the directory; NULL: nothing. */
static const char *
directory_fault(struct doctor *doctor, const struct stat *st)
{
	const struct conf *conf = doctor->conf;

	if (!S_ISDIR(st->st_mode))
		return "is no directory";
	if (!belongs_to_user(st, conf->user))
		return doctor_text(doctor, "belongs to user %u, not to %s",
		    (unsigned)st->st_uid, conf->user);
	if (!belongs_to_group(st, conf->postfix_user))
		return doctor_text(doctor,
		    "belongs to group %u, not to that of %s",
		    (unsigned)st->st_gid, conf->postfix_user);
	if ((st->st_mode & 07777) != 02750)
		return doctor_text(doctor, "mode %04o instead of 2750",
		    (unsigned)st->st_mode & 07777);
	return NULL;
}

/* A symbolic link in queue_directory leads elsewhere from within. */
static bool
leaves_jail(struct doctor *doctor, const char *sockets)
{
	const struct service *odmr =
	    postfix_service(doctor->postfix, "odmr", "unix");
	char *jail =
	    realpath(postfix_setting(doctor->postfix, "queue_directory"), NULL);
	size_t len = jail != NULL ? strlen(jail) : 0;
	bool inside = len == 0 ||
	    (strncmp(sockets, jail, len) == 0 && sockets[len] == '/');

	free(jail);
	return odmr != NULL && odmr->chroot && !inside;
}

/* Postfix has "unix:odmr/NAME", relative to queue_directory. */
static void
check_place(struct doctor *doctor)
{
	const char *queue, *path = doctor->conf->socket_directory;
	char *wanted, *real = realpath(path, NULL);

	if (doctor->postfix == NULL || real == NULL) {
		free(real);
		return;
	}
	queue = postfix_setting(doctor->postfix, "queue_directory");
	wanted = realpath(doctor_text(doctor, "%s/odmr", queue), NULL);
	if (wanted == NULL || strcmp(wanted, real) != 0)
		doctor_find(doctor, SOCKET_PLACE, doctor->ctx->conf_path,
		    doctor_set(doctor, "socket_directory",
			doctor_text(doctor, "%s/odmr", queue)),
		    "socket_directory = %s, Postfix looks in %s/odmr", path,
		    queue);
	else if (leaves_jail(doctor, real))
		doctor_find(doctor, SOCKET_JAIL, path,
		    doctor_text(doctor, "postconf%s -F odmr/unix/chroot=n",
			doctor_option_c(doctor)),
		    "service odmr is chrooted, and %s/odmr leads to %s", queue,
		    doctor_text(doctor, "%s", real));
	free(wanted);
	free(real);
}

void
check_sockets(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;
	const char *path = conf->socket_directory, *fault;
	struct stat st;

	if (stat(path, &st) == -1 && errno == EACCES && geteuid() != 0) {
		doctor_unseen(doctor, path);
		return;
	}
	fault = stat(path, &st) == -1 ? strerror(errno)
				      : directory_fault(doctor, &st);
	if (fault != NULL)
		doctor_find(doctor, SOCKET_DIRECTORY, path,
		    doctor_text(doctor, "install -d -m 2750 -o %s -g %s %s",
			conf->user, group_of(doctor, conf->postfix_user), path),
		    "%s", fault);
	check_place(doctor);
}
