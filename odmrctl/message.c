/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "message.h"
#include "table.h"

void
message_json(const struct tag *tag, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "id", tag->queue_id);
	json_set_text(row, "domain", tag->domain);
	json_set_time(row, "arrived", tag->arrived);
	json_set_int(row, "size", tag->size);
	json_set_text(row, "sender", tag->sender);
	json_set_lines(row, "recipients", tag->recipients);
	json_set_text(row, "client", tag->client);
	json_set_int(row, "attempts", tag->attempts);
	json_set_text(row, "last_answer", tag->last_answer);
	json_set_time(row, "doubted", tag->doubted);
	json_set_int(row, "faults", tag->faults);
	json_set_bool(row, "set_apart", tag->apart);
	json_set_text(row, "state", tag->state);
	json_set_time(row, "settled", tag->settled);
	json_set_text(row, "session", tag->session);
	json_set_bool(row, "on_hold", tag->on_hold);
	json_put(arg, NULL, row);
}

/* What each state says to somebody who asks for a message. */
static const char *
state_text(const struct tag *tag)
{
	static const struct {
		const char *state, *text;
	} texts[] = {
		{ "held", "waits in the Postfix queue" },
		{ "delivered", "the customer's server has taken it" },
		{ "refused", "the customer's server has refused it" },
		{ "expired", "was returned to its sender, it waited too long" },
		{ "left", "gone from the queue; the last answer may tell how" },
	};

	if (tag->on_hold)
		return "is on hold in the Postfix queue, see postsuper(1)";
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].state, tag->state) == 0)
			return texts[i].text;
	return "";
}

static void
print_time(FILE *out, const char *name, int64_t when)
{
	char text[TABLE_TIME_SIZE], age[TABLE_CELL_SIZE];

	if (when != 0)
		fprintf(out, "%-12s%s (%s ago)\n", name, table_time(when, text),
		    table_age(when, age));
}

static void
print_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, "%-12s", name);
	table_text(out, text);
	putc('\n', out);
}

static void
print_state(const struct tag *tag, FILE *out)
{
	fprintf(out, "%-12s%s: %s\n", "state", tag->state, state_text(tag));
	print_time(out, "settled", tag->settled);
	fprintf(out, "%-12s%ld\n", "attempts", tag->attempts);
	if (tag->session != NULL)
		print_text(out, "session", tag->session);
	if (tag->last_answer != NULL) {
		fprintf(out, "last answer\n");
		table_paragraph(out, tag->last_answer, "            ");
	}
	print_time(out, "doubted", tag->doubted);
	if (tag->faults > 0)
		fprintf(out, "%-12s%ld sessions broke at it%s\n", "faults",
		    tag->faults, tag->apart ? ", set apart" : "");
}

void
message_print(const struct tag *tag, void *arg)
{
	FILE *out = arg;

	print_text(out, "message", tag->queue_id);
	print_text(out, "domain", tag->domain);
	print_state(tag, out);
	print_time(out, "arrived", tag->arrived);
	print_text(out, "client", tag->client);
	fprintf(out, "%-12s%" PRId64 "\n", "size", tag->size);
	fprintf(out, "%-12s<", "sender");
	table_text(out, tag->sender);
	fprintf(out, ">\n%-12s%ld, without a final answer %ld\n", "recipients",
	    tag->recipient_count, tag->open);
	table_lines(out, tag->recipients, "            ");
}
