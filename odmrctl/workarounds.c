/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "table.h"
#include "workarounds.h"

static void
json_one(const struct workaround *workaround, void *arg)
{
	json_t *row = json_object();

	json_set_text(row, "what", workaround->what);
	json_set_text(row, "why", workaround->why);
	json_set_time(row, "since", workaround->since);
	json_set_time(row, "until", workaround->until);
	json_add(arg, row);
}

enum store_result
workarounds_json(
    struct store *store, int64_t account, const char *domain, json_t *array)
{
	return store_workaround_each(
	    store, account, domain, time(NULL), json_one, array);
}

static void
print_one(const struct workaround *workaround, void *arg)
{
	char until[TABLE_TIME_SIZE];

	fprintf(arg, "workaround %s until %s: ", workaround->what,
	    table_time(workaround->until, until));
	table_text(arg, workaround->why);
	putc('\n', arg);
}

enum store_result
workarounds_print(
    struct store *store, int64_t account, const char *domain, FILE *out)
{
	return store_workaround_each(
	    store, account, domain, time(NULL), print_one, out);
}
