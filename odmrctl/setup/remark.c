/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: what is to be told, each thing once.
 */
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "setup.h"

static void
keep(struct remarks *remarks, char *text)
{
	struct remark *remark;

	STAILQ_FOREACH(remark, remarks, entry)
	if (strcmp(remark->text, text) == 0) {
		free(text);
		return;
	}
	remark = must(malloc(sizeof(*remark)));
	remark->text = text;
	STAILQ_INSERT_TAIL(remarks, remark, entry);
}

void
setup_free_remarks(struct remarks *remarks)
{
	struct remark *remark;

	while ((remark = STAILQ_FIRST(remarks)) != NULL) {
		STAILQ_REMOVE_HEAD(remarks, entry);
		free(remark->text);
		free(remark);
	}
}

static char *__attribute__((format(printf, 1, 0)))
text_of(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) == -1)
		err(EX_OSERR, "out of memory");
	return text;
}

char *
setup_text(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = text_of(fmt, ap);
	va_end(ap);
	return text;
}

void
setup_refuse_at(
    struct setup *setup, const struct cf *cf, size_t at, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = text_of(fmt, ap);
	va_end(ap);
	keep(&setup->obstacles,
	    setup_text("%s:%u: %s", cf->path, cf_line(cf, at), text));
	free(text);
}

void
setup_refuse(struct setup *setup, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(&setup->obstacles, text_of(fmt, ap));
	va_end(ap);
}

void
setup_note(struct setup *setup, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(&setup->notes, text_of(fmt, ap));
	va_end(ap);
}
