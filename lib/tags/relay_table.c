/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/domain.h"
#include "lib/spelling.h"
#include "relay_table.h"

enum { VALUE_SIZE = 512 };

/* Entries on their way into a text. */
struct entries {
	FILE *out;
	bool failed; /* out of memory */
	/* Of these alone; NULL: of all. */
	const char *const *domains;
	size_t count;
	FILE *gone; /* the keys of those of them that there are not */
};

typedef enum store_result entries_source(struct store *, struct entries *);

/* ---- entries ------------------------------------------------------------- */

static void
put(struct entries *entries, const char *key, const char *value)
{
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

/* The keys that it would have, one a line. */
static void
put_keys(struct entries *entries, const char *domain)
{
	struct spelling spelling;

	fprintf(entries->gone, "%s\n", domain);
	if (!find_spelling(entries, &spelling, domain))
		return;
	for (int i = COMPOSED; i <= DECOMPOSED; i++)
		if (spelling.keys[i] != NULL)
			fprintf(entries->gone, "%s\n", spelling.keys[i]);
	spelling_free(&spelling);
}

static enum store_result
find_domains(struct store *store, struct entries *entries)
{
	enum store_result result = STORE_OK;

	if (entries->domains == NULL)
		return store_domain_each(store, put_domain, entries);
	for (size_t i = 0; result == STORE_OK && i < entries->count; i++) {
		result = store_domain_get(
		    store, entries->domains[i], put_domain, entries);
		if (result == STORE_NONE) {
			put_keys(entries, entries->domains[i]);
			result = STORE_OK;
		}
	}
	return result;
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
fail(struct table *table, const char *why)
{
	snprintf(table->map.error, POSTMAP_ERROR_SIZE, "%s", why);
	return false;
}

/* Puts them into `*text`, which is to be freed. */
static bool
find(struct table *table, struct entries *entries, char **text)
{
	enum store_result result;
	size_t len;

	*text = NULL;
	entries->out = open_memstream(text, &len);
	if (entries->out == NULL)
		return fail(table, "out of memory");
	result = table->source(table->store, entries);
	if (fclose(entries->out) != 0 || entries->failed)
		return fail(table, "out of memory");
	return result == STORE_OK || fail(table, store_error(table->store));
}

/* ---- does it say what the database says? --------------------------------- */

/* The same for two texts that have the same lines, in any order: the sum of
 * each line's FNV-1a. */
static uint64_t
sum_of_lines(const char *text)
{
	static const uint64_t start = 0xcbf29ce484222325u,
			      prime = 0x100000001b3u;
	uint64_t sum = 0, line = start;

	for (; *text != '\0'; text++) {
		line = (line ^ (unsigned char)*text) * prime;
		if (*text == '\n') {
			sum += line;
			line = start;
		}
	}
	return sum;
}

/* A table that cannot be read does not. */
static bool
compare(struct table *table, const char *wanted)
{
	char *text;
	bool agrees = postmap_dump(&table->map, &text) &&
	    sum_of_lines(text) == sum_of_lines(wanted);

	free(text);
	return agrees;
}

/* ---- what callers want --------------------------------------------------- */

enum deed { CHECK, MEND, WRITE };

/* `*agrees` becomes false where it does not say what the database says. */
static bool
treat(struct table *table, enum deed deed, bool *agrees)
{
	struct entries entries = { .failed = false };
	bool ok, same;
	char *text;

	ok = find(table, &entries, &text);
	same = ok && deed != WRITE && compare(table, text);
	*agrees &= same;
	if (ok && !same && deed != CHECK)
		ok = postmap_write(&table->map, text);
	free(text);
	return ok;
}

static bool
change(struct table *table, const char *put, const char *gone)
{
	return (put[0] == '\0' || postmap_put(&table->map, put)) &&
	    (gone[0] == '\0' || postmap_remove(&table->map, gone));
}

/* The entries of these domains. */
static bool
update(struct table *table, const char *const *domains, size_t count)
{
	struct entries entries = { .domains = domains, .count = count };
	char *put = NULL, *gone = NULL;
	size_t len;
	bool ok;

	entries.gone = open_memstream(&gone, &len);
	if (entries.gone == NULL)
		return fail(table, "out of memory");
	ok = find(table, &entries, &put);
	if (fclose(entries.gone) != 0)
		ok = fail(table, "out of memory");
	ok = ok && change(table, put, gone);
	free(put);
	free(gone);
	return ok;
}

/* Under the table's lock. `domains`: of these alone, where that can be. */
static bool
do_table(struct table table, enum deed deed, const char *const *domains,
    size_t count, bool *agrees, char error[POSTMAP_ERROR_SIZE])
{
	bool ok = postmap_begin(&table.map);

	if (ok) {
		ok = domains != NULL && postmap_is_open_to_change(&table.map)
		    ? update(&table, domains, count)
		    : treat(&table, deed, agrees);
		postmap_end(&table.map);
	}
	if (!ok)
		strlcpy(error, table.map.error, POSTMAP_ERROR_SIZE);
	return ok;
}

static bool
do_both(const struct conf *conf, struct store *store, enum deed deed,
    bool *agree, char error[POSTMAP_ERROR_SIZE])
{
	*agree = true;
	return do_table(
		   domain_table(conf, store), deed, NULL, 0, agree, error) &&
	    do_table(etrn_table(conf, store), deed, NULL, 0, agree, error);
}

bool
relay_table_update(const struct conf *conf, struct store *store,
    const char *const *domains, size_t count, char error[POSTMAP_ERROR_SIZE])
{
	bool agrees = false;

	return do_table(
	    domain_table(conf, store), WRITE, domains, count, &agrees, error);
}

bool
relay_table_update_etrn(const struct conf *conf, struct store *store,
    char error[POSTMAP_ERROR_SIZE])
{
	bool agrees = false;

	return do_table(
	    etrn_table(conf, store), WRITE, NULL, 0, &agrees, error);
}

bool
relay_table_write(const struct conf *conf, struct store *store,
    char error[POSTMAP_ERROR_SIZE])
{
	bool agree;

	return do_both(conf, store, WRITE, &agree, error);
}

bool
relay_table_mend(const struct conf *conf, struct store *store, bool *mended,
    char error[POSTMAP_ERROR_SIZE])
{
	bool agree;
	bool ok = do_both(conf, store, MEND, &agree, error);

	*mended = !agree;
	return ok;
}

bool
relay_table_check(const struct conf *conf, struct store *store, bool *agree,
    char error[POSTMAP_ERROR_SIZE])
{
	return do_both(conf, store, CHECK, agree, error);
}
