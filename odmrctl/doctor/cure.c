/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: the cures, as a shell takes them.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* Of a name that an operator has chosen. */
const char *
doctor_word(struct doctor *doctor, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "@%+=:,./_-";
	const char *word = "", *rest = name, *quote;

	if (name[0] != '\0' && name[strspn(name, plain)] == '\0')
		return name;
	for (; (quote = strchr(rest, '\'')) != NULL; rest = quote + 1)
		word = doctor_text(
		    doctor, "%s%.*s'\\''", word, (int)(quote - rest), rest);
	return doctor_text(doctor, "'%s%s'", word, rest);
}

const char *
doctor_odmrctl(struct doctor *doctor, const char *fmt, ...)
{
	const char *path = doctor->ctx->conf_path, *command;
	va_list ap;

	va_start(ap, fmt);
	command = doctor_keep(doctor, fmt, ap);
	va_end(ap);
	if (strcmp(path, CONF_DEFAULT_PATH) == 0)
		return doctor_text(doctor, "odmrctl %s", command);
	return doctor_text(
	    doctor, "odmrctl -c %s %s", doctor_word(doctor, path), command);
}

const char *
doctor_edit(struct doctor *doctor, const char *path, const char *fmt, ...)
{
	const char *what;
	va_list ap;

	va_start(ap, fmt);
	what = doctor_keep(doctor, fmt, ap);
	va_end(ap);
	return doctor_text(doctor, "$EDITOR %s # %s",
	    path != NULL ? path : doctor->ctx->conf_path, what);
}

const char *
doctor_set(struct doctor *doctor, const char *name, const char *value)
{
	const char *path = doctor_word(doctor, doctor->ctx->conf_path);

	return doctor_text(doctor, "sed -i %s %s && echo %s >>%s",
	    doctor_word(doctor, doctor_text(doctor, "/^ *%s *=/d", name)), path,
	    doctor_word(doctor, doctor_text(doctor, "%s = %s", name, value)),
	    path);
}

const char *
doctor_option_c(struct doctor *doctor)
{
	const char *directory = doctor->conf->postfix_config_directory;

	if (strcmp(directory, "/etc/postfix") == 0)
		return "";
	return doctor_text(doctor, " -c %s", directory);
}

const char *
doctor_cure(struct doctor *doctor, const char *name, const char *value)
{
	return doctor_text(doctor, "postconf%s -e %s", doctor_option_c(doctor),
	    doctor_word(doctor, doctor_text(doctor, "%s = %s", name, value)));
}

/* The blanks that Postfix does not need. */
static const char *
without_blanks(struct doctor *doctor, const char *value)
{
	char *copy = must(strdup(value)), *end = copy;
	const char *kept;

	for (const char *c = value; *c != '\0'; c++)
		if (*c != ' ' ||
		    (end != copy && strchr(" ,{", end[-1]) == NULL &&
			strchr(" ,}", c[1]) == NULL))
			*end++ = *c;
	*end = '\0';
	kept = doctor_text(doctor, "%s", copy);
	free(copy);
	return kept;
}

/* postconf -P takes no value with a blank. */
const char *
doctor_cure_of(struct doctor *doctor, const struct service *service,
    const char *name, const char *value)
{
	const char *packed = without_blanks(doctor, value);

	if (strchr(packed, ' ') != NULL)
		return doctor_edit(doctor, doctor->master_cf,
		    "%s: -o { %s = %s }", service->name, name, value);
	return doctor_text(doctor, "postconf%s -P %s", doctor_option_c(doctor),
	    doctor_word(doctor,
		doctor_text(doctor, "%s/%s/%s=%s", service->name, service->type,
		    name, packed)));
}

const char *
doctor_list_with(struct doctor *doctor, const char *setting, const char *word)
{
	const char *own = postfix_unexpanded(doctor->postfix, setting);

	return postfix_lists(own, word)
	    ? own
	    : postfix_setting(doctor->postfix, setting);
}

const char *
doctor_less(struct doctor *doctor, const char *list, const char *word)
{
	const char *made = "", *found;
	size_t len;

	while ((len = postfix_word(&list, &found)) > 0)
		if (len != strlen(word) || memcmp(found, word, len) != 0)
			made = doctor_text(doctor, "%s%s%.*s", made,
			    made[0] != '\0' ? ", " : "", (int)len, found);
	return made;
}

/* ---- services of master.cf ------------------------------------------------
 */

/* In the place of one of that name. As postfix-conf/master.cf has them. */
static const char *
service(struct doctor *doctor, const char *name, const char *line)
{
	return doctor_text(doctor, "postconf%s -M %s", doctor_option_c(doctor),
	    doctor_word(doctor,
		doctor_text(doctor, "%s/unix=%s unix %s", name, name, line)));
}

const char *
doctor_cure_odmr(struct doctor *doctor)
{
	return service(doctor, "odmr",
	    "- - n - 1000 lmtp -o syslog_name=postfix/odmr "
	    "-o lmtp_send_xforward_command=yes -o lmtp_line_length_limit=0 "
	    "-o lmtp_data_init_timeout=2h -o lmtp_data_xfer_timeout=2h "
	    "-o lmtp_data_done_timeout=2h "
	    "-o lmtp_connection_cache_on_demand=yes");
}

/* etrn-trigger lies where odmrctl does. */
const char *
doctor_cure_policy(struct doctor *doctor, const char *name)
{
	char path[PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
	const char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;

	return service(doctor, name,
	    doctor_text(doctor,
		"- n n - 0 spawn user=%s:%s argv=%.*s/etrn-trigger -c %s "
		"--policy",
		doctor->conf->user, doctor->conf->flush_group,
		slash != NULL ? (int)(slash - path) : 0, path,
		doctor->ctx->conf_path));
}
