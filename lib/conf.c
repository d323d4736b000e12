/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "setting.h"

static char *
trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r\n");
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

struct reader {
	struct conf *conf;
	const char *path;
	char *error;
	bool seen[SETTING_COUNT_MAX];
	unsigned number; /* of the line last read */
	char *logical;   /* what is there of a logical line, or NULL */
	unsigned began;  /* the line where it began */
};

static bool complain(struct reader *r, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns false, so that a caller can return what this returns. */
static bool
complain(struct reader *r, unsigned line, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(r->error, CONF_ERROR_SIZE, "%.256s:%u: ", r->path, line);
	va_start(ap, fmt);
	vsnprintf(r->error + n, CONF_ERROR_SIZE - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* Takes the logical line that is complete now, if there is one. */
static bool
take(struct reader *r)
{
	const struct setting *setting;
	char fault[SETTING_FAULT_SIZE];
	char *name, *value;
	size_t at = 0;

	if (r->logical == NULL)
		return true;
	value = strchr(r->logical, '=');
	if (value == NULL)
		return complain(
		    r, r->began, "not of the form \"name = value\"");
	*value++ = '\0';
	name = trim(r->logical);
	value = trim(value);
	setting = setting_find(name, &at);
	if (setting == NULL)
		return complain(
		    r, r->began, "\"%.64s\" is no setting of odmr.conf", name);
	if (r->seen[at])
		return complain(r, r->began, "\"%s\" is set twice", name);
	r->seen[at] = true;
	if (!setting_assign(setting, r->conf, value, fault))
		return complain(
		    r, r->began, "%s: \"%.64s\" %s", name, value, fault);
	free(r->logical);
	r->logical = NULL;
	return true;
}

static bool
append(struct reader *r, const char *text)
{
	char *joined = NULL;

	if (r->logical == NULL)
		return complain(r, r->number,
		    "begins with white space but continues no setting");
	if (asprintf(&joined, "%s %s", r->logical, text) < 0)
		return complain(r, r->number, "out of memory");
	free(r->logical);
	r->logical = joined;
	return true;
}

static bool
read_line(struct reader *r, char *line, size_t len)
{
	bool continues = line[0] == ' ' || line[0] == '\t';
	char *text;

	if (strlen(line) != len)
		return complain(r, r->number, "has a NUL byte");
	text = trim(line);
	if (text[0] == '#' || text[0] == '\0')
		return true;
	if (continues)
		return append(r, text);
	if (!take(r))
		return false;
	r->began = r->number;
	r->logical = strdup(text);
	return r->logical != NULL || complain(r, r->number, "out of memory");
}

static bool
read_file(struct reader *r)
{
	FILE *file = fopen(r->path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool ok = file != NULL;

	while (ok && (len = getline(&line, &size, file)) != -1) {
		r->number++;
		ok = read_line(r, line, (size_t)len);
	}
	/* A directory can be opened, but not read. */
	if (file == NULL || (ok && !feof(file))) {
		snprintf(r->error, CONF_ERROR_SIZE, "%.256s: %s", r->path,
		    strerror(errno));
		ok = false;
	}
	ok = ok && take(r);
	free(r->logical);
	free(line);
	if (file != NULL)
		fclose(file);
	return ok;
}

static bool
set_hostname(struct conf *conf)
{
	char name[256];

	if (conf->myhostname[0] != '\0')
		return true;
	if (gethostname(name, sizeof(name)) == -1)
		return false;
	name[sizeof(name) - 1] = '\0';
	free(conf->myhostname);
	conf->myhostname = strdup(name);
	return conf->myhostname != NULL;
}

static bool
set_defaults(struct conf *conf)
{
	char fault[SETTING_FAULT_SIZE];

	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; setting_at(i) != NULL; i++)
		if (!setting_assign(
			setting_at(i), conf, setting_at(i)->value, fault))
			return false;
	return true;
}

bool
conf_load(struct conf *conf, const char *path, char error[CONF_ERROR_SIZE])
{
	struct reader reader = { .conf = conf, .path = path, .error = error };
	bool ok = false;

	if (!set_defaults(conf))
		snprintf(error, CONF_ERROR_SIZE, "out of memory");
	else if (!read_file(&reader))
		; /* the reader has complained */
	else if (!set_hostname(conf))
		snprintf(error, CONF_ERROR_SIZE,
		    "%.256s: myhostname: not set, and the system's name cannot "
		    "be had: %s",
		    path, strerror(errno));
#ifndef HAVE_LIBSYSTEMD
	else if (conf_has_journal(conf))
		snprintf(error, CONF_ERROR_SIZE,
		    "%.256s: mail_log: journal: built without libsystemd",
		    path);
#endif
	else
		ok = true;
	if (!ok)
		conf_free(conf);
	return ok;
}

bool
conf_has_journal(const struct conf *conf)
{
	return strcmp(conf->mail_log, "journal") == 0;
}

void
conf_free(struct conf *conf)
{
	for (size_t i = 0; setting_at(i) != NULL; i++)
		setting_clear(setting_at(i), conf);
}
