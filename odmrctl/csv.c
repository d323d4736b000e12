/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "csv.h"

static void
begin_field(struct csv *csv)
{
	if (csv->comma)
		putc(',', csv->out);
	csv->comma = true;
}

void
csv_text(struct csv *csv, const char *text)
{
	begin_field(csv);
	putc('"', csv->out);
	if (*text != '\0' && strchr("=+-@", *text) != NULL)
		putc('\'', csv->out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"')
			fputs("\"\"", csv->out);
		else if (c >= 0x20 && c < 0x7f)
			putc(c, csv->out);
		else
			fprintf(csv->out, "\\%03o", c);
	}
	putc('"', csv->out);
}

void
csv_int(struct csv *csv, int64_t value)
{
	begin_field(csv);
	fprintf(csv->out, "%" PRId64, value);
}

void
csv_end(struct csv *csv)
{
	fputs("\r\n", csv->out);
	csv->comma = false;
}
