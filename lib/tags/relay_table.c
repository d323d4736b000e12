/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/domain.h"
#include "lib/spelling.h"
#include "relay_table.h"

enum { VALUE_SIZE = 512 };

/* Entries on their way into a table's source, or only into their sum. */
struct entries {
	FILE *out; /* NULL: none */
	uint64_t sum;
	bool failed; /* out of memory */
};

typedef enum store_result entries_source(struct store *, struct entries *);

/* ---- a sum that tells whether two tables have the same entries ----------- */

/* FNV-1a of each line; they come in any order. */
static uint64_t
hash(uint64_t so_far, const char *text)
{
	for (; *text != '\0'; text++)
		so_far = (so_far ^ (unsigned char)*text) * 0x100000001b3u;
	return so_far;
}

static uint64_t
sum_of(const char *key, const char *value)
{
	uint64_t sum = hash(0xcbf29ce484222325u, key);

	return hash(hash(sum, "\t"), value);
}

/* ---- entries ------------------------------------------------------------- */

static void
put(struct entries *entries, const char *key, const char *value)
{
	entries->sum += sum_of(key, value);
	if (entries->out != NULL)
		fprintf(entries->out, "%s\t%s\n", key, value);
}

static bool
find_spelling(
    struct entries *entries, struct spelling *spelling, const char *name)
{
	if (spelling_find(spelling, name))
		return true;
	entries->failed = true;
	return false;
}

/* Postfix folds what it looks up as it has folded the keys, so that capitals
 * are no key of their own. */
static void
put_domain(const struct domain *domain, void *arg)
{
	struct entries *entries = arg;
	struct spelling spelling;
	char value[VALUE_SIZE];
	char **keys = spelling.keys;

	if (domain->mode == MODE_BACKUP)
		snprintf(value, sizeof(value), "relay:%s",
		    domain->nexthop != NULL ? domain->nexthop : "");
	else
		snprintf(
		    value, sizeof(value), "odmr:unix:odmr/%s", domain->socket);
	put(entries, domain->name, value);
	if (!find_spelling(entries, &spelling, domain->name))
		return;
	if (keys[COMPOSED] != NULL)
		put(entries, keys[COMPOSED], value);
	if (keys[DECOMPOSED] != NULL &&
	    (keys[COMPOSED] == NULL ||
		strcmp(keys[DECOMPOSED], keys[COMPOSED]) != 0))
		put(entries, keys[DECOMPOSED], value);
	spelling_free(&spelling);
}

/* The keys are what etrn_utf8 makes of a command. */
static void
put_command(struct entries *entries, const char *spelled, const char *name)
{
	char key[VALUE_SIZE], value[VALUE_SIZE];

	snprintf(key, sizeof(key), "_utf8.%s", spelled);
	snprintf(value, sizeof(value), "ETRN %s", name);
	put(entries, key, value);
	snprintf(key, sizeof(key), "_utf8._at.%s", spelled);
	snprintf(value, sizeof(value), "ETRN _at.%s", name);
	put(entries, key, value);
}

static void
put_commands(struct entries *entries, const char *name)
{
	const char *keys[SPELLING_KEYS + 1];
	struct spelling spelling;
	int count = 0, at;

	if (!find_spelling(entries, &spelling, name))
		return;
	for (int i = -1; i < SPELLING_KEYS; i++) {
		keys[count] = i == -1 ? spelling.unicode : spelling.keys[i];
		for (at = 0; keys[count] != NULL && at < count &&
		     strcmp(keys[at], keys[count]) != 0;
		     at++)
			continue;
		if (keys[count] != NULL && at == count)
			put_command(entries, keys[count++], name);
	}
	spelling_free(&spelling);
}

static void
put_commands_of(const struct domain *domain, void *entries)
{
	put_commands(entries, domain->name);
}

struct queues {
	struct entries *entries;
	char last[DOMAIN_SIZE];
};

/* They come sorted, a row for each domain of a queue. */
static void
put_queue(const struct queue_name *row, void *arg)
{
	struct queues *queues = arg;

	if (strcmp(queues->last, row->name) == 0)
		return;
	strlcpy(queues->last, row->name, DOMAIN_SIZE);
	put(queues->entries, row->name, "queue");
	put_commands(queues->entries, row->name);
}

static enum store_result
find_domains(struct store *store, struct entries *entries)
{
	return store_domain_each(store, put_domain, entries);
}

static enum store_result
find_etrn_names(struct store *store, struct entries *entries)
{
	struct queues queues = { .entries = entries };

	if (store_domain_each(store, put_commands_of, entries) != STORE_OK)
		return STORE_FAILED;
	return store_queue_name_each(store, NULL, put_queue, &queues);
}

/* ---- a table ------------------------------------------------------------- */

struct table {
	struct postmap map;
	struct store *store;
	entries_source *source;
};

static struct table
domain_table(const struct conf *conf, struct store *store)
{
	return (struct table) {
		.map = { .conf = conf, .table = conf->domain_table },
		.store = store,
		.source = find_domains,
	};
}

static struct table
etrn_table(const struct conf *conf, struct store *store)
{
	return (struct table) {
		.map = {
			.conf = conf,
			.table = conf->etrn_table,
			.ascii = true,
		},
		.store = store,
		.source = find_etrn_names,
	};
}

static bool
find_entries(struct table *table, struct entries *entries)
{
	if (table->source(table->store, entries) != STORE_OK)
		snprintf(table->map.error, POSTMAP_ERROR_SIZE, "%s",
		    store_error(table->store));
	else if (entries->failed)
		snprintf(table->map.error, POSTMAP_ERROR_SIZE, "out of memory");
	else
		return true;
	return false;
}

static bool
write_entries(FILE *out, struct postmap *map, void *arg)
{
	struct entries entries = { .out = out };

	(void)map;
	return find_entries(arg, &entries);
}

/* ---- what stands in it --------------------------------------------------- */

struct dump {
	uint64_t sum, line;
};

/* The sum of its lines, which come in pieces. */
static bool
read_dump(void *arg, const char *bytes, size_t len)
{
	struct dump *dump = arg;
	char one[2] = "";

	for (size_t i = 0; i < len; i++) {
		one[0] = bytes[i];
		if (bytes[i] != '\n') {
			dump->line = hash(dump->line, one);
			continue;
		}
		dump->sum += dump->line;
		dump->line = hash(0xcbf29ce484222325u, "");
	}
	return true;
}

/* A table that cannot be read does not agree. */
static bool
compare(struct table *table, bool *agrees)
{
	struct dump dump = { .line = hash(0xcbf29ce484222325u, "") };
	struct entries entries = { 0 };

	*agrees = postmap_dump(&table->map, read_dump, &dump);
	if (!find_entries(table, &entries))
		return false;
	*agrees = *agrees && dump.sum == entries.sum;
	return true;
}

/* ---- what callers want --------------------------------------------------- */

typedef bool table_change(struct table *, void *arg);

/* Under the table's lock. */
static bool
with_lock(struct table *table, table_change *change, void *arg, char *error)
{
	bool ok = postmap_begin(&table->map);

	if (ok) {
		ok = change(table, arg);
		postmap_end(&table->map);
	}
	if (!ok)
		strlcpy(error, table->map.error, POSTMAP_ERROR_SIZE);
	return ok;
}

static bool
write_table(struct table *table, void *arg)
{
	(void)arg;
	return postmap_write(&table->map, write_entries, table);
}

static bool
mend_table(struct table *table, void *arg)
{
	bool *mended = arg, agrees;

	if (!compare(table, &agrees))
		return false;
	*mended |= !agrees;
	return agrees || write_table(table, NULL);
}

static bool
check_table(struct table *table, void *arg)
{
	bool *agree = arg, agrees;

	if (!compare(table, &agrees))
		return false;
	*agree &= agrees;
	return true;
}

static bool
with_both(const struct conf *conf, struct store *store, table_change *change,
    void *arg, char *error)
{
	struct table domains = domain_table(conf, store);
	struct table names = etrn_table(conf, store);

	return with_lock(&domains, change, arg, error) &&
	    with_lock(&names, change, arg, error);
}

bool
relay_table_write(const struct conf *conf, struct store *store,
    char error[POSTMAP_ERROR_SIZE])
{
	return with_both(conf, store, write_table, NULL, error);
}

bool
relay_table_mend(const struct conf *conf, struct store *store, bool *mended,
    char error[POSTMAP_ERROR_SIZE])
{
	*mended = false;
	return with_both(conf, store, mend_table, mended, error);
}

bool
relay_table_check(const struct conf *conf, struct store *store, bool *agree,
    char error[POSTMAP_ERROR_SIZE])
{
	*agree = true;
	return with_both(conf, store, check_table, agree, error);
}

bool
relay_table_update_etrn(const struct conf *conf, struct store *store,
    char error[POSTMAP_ERROR_SIZE])
{
	struct table names = etrn_table(conf, store);

	return with_lock(&names, write_table, NULL, error);
}

/* ---- one domain ---------------------------------------------------------- */

/* The keys that it would have, one a line. */
static void
put_keys(struct entries *entries, const char *name)
{
	struct spelling spelling;

	fprintf(entries->out, "%s\n", name);
	if (!find_spelling(entries, &spelling, name))
		return;
	for (int i = COMPOSED; i <= DECOMPOSED; i++)
		if (spelling.keys[i] != NULL)
			fprintf(entries->out, "%s\n", spelling.keys[i]);
	spelling_free(&spelling);
}

/* Its entries in `text`; *there becomes false if it is no domain, and then they
 * are the keys alone. */
static bool
find_entry(struct table *table, const char *name, char **text, bool *there)
{
	struct entries entries = { 0 };
	enum store_result result;
	size_t len;

	entries.out = open_memstream(text, &len);
	if (entries.out == NULL)
		return false;
	result = store_domain_get(table->store, name, put_domain, &entries);
	*there = result == STORE_OK;
	if (result == STORE_NONE)
		put_keys(&entries, name);
	return fclose(entries.out) == 0 && !entries.failed &&
	    result != STORE_FAILED;
}

static bool
update_table(struct table *table, void *arg)
{
	const char *name = arg;
	char *text = NULL;
	bool there, ok;

	if (!postmap_is_open_to_change(&table->map))
		return write_table(table, NULL);
	ok = find_entry(table, name, &text, &there);
	if (!ok)
		snprintf(table->map.error, POSTMAP_ERROR_SIZE, "%s: %s", name,
		    store_error(table->store));
	else if (there)
		ok = postmap_put(&table->map, text);
	else
		ok = postmap_remove(&table->map, text);
	free(text);
	return ok;
}

bool
relay_table_update(const struct conf *conf, struct store *store,
    const char *domain, char error[POSTMAP_ERROR_SIZE])
{
	struct table domains = domain_table(conf, store);

	return with_lock(
	    &domains, update_table, (void *)(uintptr_t)domain, error);
}
