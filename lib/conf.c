/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"

enum kind { TEXT, TIME, SIZE };

struct setting {
	const char *name;
	size_t offset;
	enum kind kind;
	const char *value; /* the default */
};

#define NAMED(name) #name, offsetof(struct conf, name)

static const struct setting settings[] = {
	{ NAMED(myhostname), TEXT, "" },
	{ NAMED(relay_database), TEXT, "/var/lib/odmr/relay.db" },
	{ NAMED(state_database), TEXT, "/var/lib/odmr/state.db" },
	{ NAMED(log), TEXT, "syslog" },
	{ NAMED(user), TEXT, "odmr" },
	{ NAMED(postfix_config_directory), TEXT, "/etc/postfix" },
	{ NAMED(postfix_user), TEXT, "postfix" },
	{ NAMED(postqueue_path), TEXT, "/usr/sbin/postqueue" },
	{ NAMED(milter_socket), TEXT, "unix:/var/spool/postfix/odmr/milter" },
	{ NAMED(milter_pid_file), TEXT, "/run/odmr/odmr-milter.pid" },
	{ NAMED(listen), TEXT, "*:366, [::]:366" },
	{ NAMED(listen_tls), TEXT, "" },
	{ NAMED(pid_file), TEXT, "/run/odmr/odmrd.pid" },
	{ NAMED(socket_directory), TEXT, "/var/spool/postfix/odmr" },
	{ NAMED(flush_group), TEXT, "postdrop" },
	{ NAMED(tls_cert_file), TEXT, "" },
	{ NAMED(tls_key_file), TEXT, "" },
	{ NAMED(line_length_limit), SIZE, "16k" },
	{ NAMED(auth_time_limit), TIME, "2m" },
	{ NAMED(command_time_limit), TIME, "5m" },
	{ NAMED(customer_timeout), TIME, "5m" },
	{ NAMED(data_done_timeout), TIME, "10m" },
	{ NAMED(drain_wait), TIME, "5s" },
	{ NAMED(stop_timeout), TIME, "30s" },
	{ NAMED(message_buffer), SIZE, "256k" },
	{ NAMED(flush_timeout), TIME, "30s" },
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* A number with one of the units in `units`, each worth its factor. */
static bool
scaled(const char *text, const char *units, const long *factors, long *out)
{
	const char *unit;
	long factor = 1;
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (end == text || errno != 0 || *out < 0)
		return false;
	if (*end != '\0') {
		unit = strchr(units, tolower((unsigned char)*end));
		if (unit == NULL || end[1] != '\0')
			return false;
		factor = factors[unit - units];
	}
	if (*out > LONG_MAX / factor)
		return false;
	*out *= factor;
	return true;
}

/* Returns NULL, or what is wrong with the value. */
static const char *
assign(struct conf *conf, const struct setting *setting, const char *value)
{
	static const long times[] = { 1, 60, 3600, 86400 };
	static const long sizes[] = { 1024, 1024 * 1024 };
	void *field = (char *)conf + setting->offset;
	char *copy;

	switch (setting->kind) {
	case TEXT:
		copy = strdup(value);
		if (copy == NULL)
			return "out of memory";
		free(*(char **)field);
		*(char **)field = copy;
		return NULL;
	case TIME:
		return scaled(value, "smhd", times, field)
		    ? NULL
		    : "is no time such as 30s or 5m";
	case SIZE:
		return scaled(value, "km", sizes, field)
		    ? NULL
		    : "is no size such as 512, 64k or 1m";
	}
	return "is of no known kind";
}

static const struct setting *
find(const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

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
	bool seen[SETTINGS];
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
	const char *fault;
	char *name, *value;

	if (r->logical == NULL)
		return true;
	value = strchr(r->logical, '=');
	if (value == NULL)
		return complain(
		    r, r->began, "not of the form \"name = value\"");
	*value++ = '\0';
	name = trim(r->logical);
	value = trim(value);
	setting = find(name);
	if (setting == NULL)
		return complain(
		    r, r->began, "\"%.64s\" is no setting of odmr.conf", name);
	if (r->seen[setting - settings])
		return complain(r, r->began, "\"%s\" is set twice", name);
	r->seen[setting - settings] = true;
	fault = assign(r->conf, setting, value);
	if (fault != NULL)
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

/* What a name alone does not tell: values that must be one of a few. */
static bool
check(struct conf *conf, const char *path, char error[CONF_ERROR_SIZE])
{
	if (strcmp(conf->log, "syslog") != 0 &&
	    strcmp(conf->log, "stderr") != 0) {
		snprintf(error, CONF_ERROR_SIZE,
		    "%.256s: log: \"%.64s\" is neither syslog nor stderr", path,
		    conf->log);
		return false;
	}
	if (conf->line_length_limit < 512 || conf->message_buffer < 4096) {
		snprintf(error, CONF_ERROR_SIZE, "%.256s: %s is too small",
		    path,
		    conf->message_buffer < 4096
			? "message_buffer (4k at least)"
			: "line_length_limit (512 at least)");
		return false;
	}
	return true;
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
	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < SETTINGS; i++)
		if (assign(conf, &settings[i], settings[i].value) != NULL)
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
	else
		ok = check(conf, path, error);
	if (!ok)
		conf_free(conf);
	return ok;
}

void
conf_free(struct conf *conf)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		char **field = (char **)((char *)conf + settings[i].offset);

		if (settings[i].kind != TEXT)
			continue;
		free(*field);
		*field = NULL;
	}
}

void
conf_describe(void (*each)(const char *name, const char *value))
{
	for (size_t i = 0; i < SETTINGS; i++)
		each(settings[i].name, settings[i].value);
}
