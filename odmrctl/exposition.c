/* SPDX-License-Identifier: ISC */
#include <inttypes.h>

#include "exposition.h"

void
exposition_metric(
    FILE *out, const char *name, enum metric_type type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	    type == METRIC_COUNTER ? "counter" : "gauge");
}

static void
put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			putc('\\', out);
		putc(*value == '\n' ? 'n' : *value, out);
	}
	putc('"', out);
}

void
exposition_sample(FILE *out, const char *name, int64_t number)
{
	fprintf(out, "%s %" PRId64 "\n", name, number);
}

void
exposition_sample_one(FILE *out, const char *name, const char *label,
    const char *value, int64_t number)
{
	fprintf(out, "%s{", name);
	put_label(out, label, value);
	fprintf(out, "} %" PRId64 "\n", number);
}

void
exposition_sample_two(FILE *out, const char *name, const char *label,
    const char *value, const char *label2, const char *value2, int64_t number)
{
	fprintf(out, "%s{", name);
	put_label(out, label, value);
	putc(',', out);
	put_label(out, label2, value2);
	fprintf(out, "} %" PRId64 "\n", number);
}
