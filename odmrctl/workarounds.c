/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "table.h"
#include "workarounds.h"

static void
json_one(const struct workaround *workaround, void *arg)
{
	struct json *json = arg;

	json_open(json, NULL, '{');
	json_text(json, "what", workaround->what);
	json_text(json, "why", workaround->why);
	json_time(json, "since", workaround->since);
	json_time(json, "until", workaround->until);
	json_close(json, '}');
}

enum store_result
workarounds_json(
    struct store *store, int64_t account, const char *domain, struct json *json)
{
	enum store_result result;

	json_open(json, "workarounds", '[');
	result = store_workaround_each(
	    store, account, domain, time(NULL), json_one, json);
	json_close(json, ']');
	return result;
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
