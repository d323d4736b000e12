/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>

#include "store_count.h"

static const char *const state_names[] = {
	[TAG_HELD] = "held",
	[TAG_DELIVERED] = "delivered",
	[TAG_REFUSED] = "refused",
	[TAG_EXPIRED] = "expired",
	[TAG_LEFT] = "left",
};

/* What of a tag is counted. The strings are borrowed from its query. */
struct counted {
	const char *domain;
	enum tag_state state;
	int64_t size;
	int64_t arrived;
	int64_t settled;
	const char *account_received;
	const char *account_settled;
};

/* A pair of columns of domain_count. */
struct figure {
	int64_t messages;
	int64_t bytes;
};

/* The first are enum tag_state; the columns stand in this order. */
enum { RECEIVED = TAG_LEFT + 1, COLLECTED, FIGURES };

enum { DAY = 24 * 3600 };

/* ---- a tag before and after -------------------------------------------- */

static enum store_result
read_counted(struct query *query, struct counted *counted)
{
	const char *state = query_text_at(query, 1);

	counted->domain = query_text_at(query, 0);
	counted->size = query_int_at(query, 2);
	counted->arrived = query_int_at(query, 3);
	counted->settled = query_int_at(query, 4);
	counted->account_received = query_text_at(query, 5);
	counted->account_settled = query_text_at(query, 6);
	counted->state = TAG_HELD;
	if (!query_sound(query))
		return query_row(query); /* reports the fault */
	for (int i = TAG_DELIVERED; i <= TAG_LEFT; i++)
		if (strcmp(state, state_names[i]) == 0)
			counted->state = (enum tag_state)i;
	return STORE_OK;
}

/* The query stays open where the tag is there; else STORE_NONE. */
static enum store_result
look(struct query *query, struct store *store, int64_t id,
    struct counted *counted)
{
	enum store_result result;

	if (!query_open(query, store,
		"SELECT domain, state, size, arrived, "
		"coalesce(settled, arrived), account_received, "
		"coalesce(account_settled, '') FROM tag WHERE id = ?1",
		as_int(id)))
		return STORE_FAILED;
	result = query_row(query);
	if (result == STORE_OK)
		result = read_counted(query, counted);
	if (result != STORE_OK)
		query_close(query);
	return result;
}

/* ---- the domain -------------------------------------------------------- */

/* The totals of what came and went only grow: what is held again has gone. */
static void
compare(struct figure figures[FIGURES], const struct counted *before,
    const struct counted *after)
{
	if (before != NULL && before->state == TAG_HELD) {
		figures[TAG_HELD].messages--;
		figures[TAG_HELD].bytes -= before->size;
	}
	if (after == NULL)
		return;
	if (after->state == TAG_HELD || before == NULL ||
	    before->state == TAG_HELD) {
		figures[after->state].messages++;
		figures[after->state].bytes += after->size;
	}
	if (before == NULL)
		figures[RECEIVED].messages++;
	if (before == NULL || after->size > before->size)
		figures[RECEIVED].bytes +=
		    after->size - (before == NULL ? 0 : before->size);
}

#define FIGURE(which_)                                                         \
	as_int(figures[which_].messages), as_int(figures[which_].bytes)

/* *peak is the most that waited, before the change or after it. */
static enum store_result
add_to_domain(struct store *store, const char *domain,
    const struct figure figures[FIGURES], int64_t when, int64_t *peak)
{
	enum store_result result;
	struct query query;

	if (!query_open(&query, store,
		"INSERT INTO domain_count (domain, collected_at, "
		"held, held_bytes, delivered, delivered_bytes, "
		"refused, refused_bytes, expired, expired_bytes, "
		"removed, removed_bytes, received, received_bytes, "
		"collected, collected_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
		"?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
		"ON CONFLICT (domain) DO UPDATE SET "
		"collected_at = max(collected_at, ?2), held = held + ?3, "
		"held_bytes = held_bytes + ?4, delivered = delivered + ?5, "
		"delivered_bytes = delivered_bytes + ?6, "
		"refused = refused + ?7, refused_bytes = refused_bytes + ?8, "
		"expired = expired + ?9, expired_bytes = expired_bytes + ?10, "
		"removed = removed + ?11, "
		"removed_bytes = removed_bytes + ?12, "
		"received = received + ?13, "
		"received_bytes = received_bytes + ?14, "
		"collected = collected + ?15, "
		"collected_bytes = collected_bytes + ?16 RETURNING held",
		as_text(domain), as_int(when), FIGURE(TAG_HELD),
		FIGURE(TAG_DELIVERED), FIGURE(TAG_REFUSED), FIGURE(TAG_EXPIRED),
		FIGURE(TAG_LEFT), FIGURE(RECEIVED), FIGURE(COLLECTED)))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK) {
		*peak = query_int_at(&query, 0);
		if (figures[TAG_HELD].messages < 0)
			*peak -= figures[TAG_HELD].messages;
	}
	query_close(&query);
	return result;
}

/* ---- the days ---------------------------------------------------------- */

/* Of one day and account. */
struct entry {
	int64_t when;
	const char *account;
	int64_t messages;
	int64_t bytes;
	int64_t gone[TAG_LEFT + 1]; /* by state */
	int64_t delivered_bytes;
	int64_t peak;
};

#define SUMS                                                                   \
	"messages = messages + ?4, bytes = bytes + ?5, "                       \
	"delivered = delivered + ?6, "                                         \
	"delivered_bytes = delivered_bytes + ?7, refused = refused + ?8, "     \
	"expired = expired + ?9, removed = removed + ?10, "                    \
	"peak = max(peak, ?11) "

/* `adds`: it is not taken back or corrected, which needs something to take
 * from. */
static enum store_result
add_to_day(struct store *store, const char *domain, const struct entry *entry,
    bool adds)
{
	static const char add[] =
	    "INSERT INTO usage (day, domain, account, messages, bytes, "
	    "delivered, delivered_bytes, refused, expired, removed, peak) "
	    "VALUES (date(?1, 'unixepoch'), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
	    "?10, ?11) ON CONFLICT (day, domain, account) DO UPDATE SET " SUMS;
	static const char take[] =
	    "UPDATE usage SET " SUMS "WHERE day = date(?1, 'unixepoch') "
	    "AND domain = ?2 AND account = ?3";

	return store_run(store, adds ? add : take, as_int(entry->when),
	    as_text(domain), as_text(entry->account), as_int(entry->messages),
	    as_int(entry->bytes), as_int(entry->gone[TAG_DELIVERED]),
	    as_int(entry->delivered_bytes), as_int(entry->gone[TAG_REFUSED]),
	    as_int(entry->gone[TAG_EXPIRED]), as_int(entry->gone[TAG_LEFT]),
	    as_int(entry->peak));
}

static bool
is_today(int64_t when)
{
	return when / DAY == time(NULL) / DAY;
}

/* On the day when it came. Only what never was mail of the domain is deleted
 * while it is held. A message that came today brings the peak along. */
static enum store_result
count_arrival(struct store *store, const struct counted *before,
    const struct counted *after, int64_t *peak)
{
	const struct counted *tag = after != NULL ? after : before;
	struct entry entry = { .when = tag->arrived,
		.account = tag->account_received,
		.messages = (after != NULL) - (before != NULL),
		.bytes = (after != NULL ? after->size : 0) -
		    (before != NULL ? before->size : 0) };

	if ((after == NULL && before->state != TAG_HELD) ||
	    (entry.messages == 0 && entry.bytes == 0))
		return STORE_OK;
	if (before == NULL && is_today(tag->arrived)) {
		entry.peak = *peak;
		*peak = 0;
	}
	return add_to_day(store, tag->domain, &entry, before == NULL);
}

/* On the day when it was settled, or less where it was so before. */
static enum store_result
count_end(struct store *store, const struct counted *tag, int sign)
{
	struct entry entry = { .when = tag->settled,
		.account = tag->account_settled };

	if (tag->state == TAG_HELD)
		return STORE_OK;
	entry.gone[tag->state] = sign;
	if (tag->state == TAG_DELIVERED)
		entry.delivered_bytes = sign * tag->size;
	return add_to_day(store, tag->domain, &entry, sign > 0);
}

/* The peak of a day is what was seen on it, whenever the messages came. Sets
 * *peak to 0 if it is none. */
static enum store_result
compare_peak(struct store *store, const char *domain, int64_t *peak)
{
	enum store_result result;
	struct query query;

	if (*peak == 0)
		return STORE_OK;
	if (!query_open(&query, store,
		"SELECT max(peak) FROM usage "
		"WHERE day = date('now') AND domain = ?1",
		as_text(domain)))
		return STORE_FAILED;
	result = query_row(&query);
	if (result == STORE_OK && query_int_at(&query, 0) >= *peak)
		*peak = 0;
	query_close(&query);
	return result;
}

static enum store_result
note_peak(struct store *store, const char *domain, int64_t peak)
{
	if (peak == 0)
		return STORE_OK;
	return store_run(store,
	    "INSERT INTO usage (day, domain, account, peak) "
	    "VALUES (date('now'), ?1, " OWNER "?1" OWNER_END ", ?2) "
	    "ON CONFLICT (day, domain, account) DO UPDATE SET peak = ?2",
	    as_text(domain), as_int(peak));
}

/* ---- both -------------------------------------------------------------- */

static enum store_result
count_days(struct store *store, const char *domain,
    const struct counted *before, const struct counted *after, int64_t peak)
{
	bool moved =
	    before != NULL && after != NULL && before->state != after->state;

	if (compare_peak(store, domain, &peak) != STORE_OK ||
	    count_arrival(store, before, after, &peak) != STORE_OK ||
	    (moved && count_end(store, before, -1) != STORE_OK) ||
	    ((moved || before == NULL) &&
		count_end(store, after, 1) != STORE_OK))
		return STORE_FAILED;
	return note_peak(store, domain, peak);
}

/* `before` NULL: it is new; `after` NULL: it is deleted. */
static enum store_result
count_tag(struct store *store, const char *domain, const struct counted *before,
    const struct counted *after, const struct settlement *taken)
{
	static const struct figure nothing[FIGURES];
	struct figure figures[FIGURES] = { 0 };
	int64_t peak = 0;

	compare(figures, before, after);
	if (taken != NULL)
		figures[COLLECTED] = (struct figure) { 1, taken->bytes };
	if (memcmp(figures, nothing, sizeof(figures)) != 0 &&
	    add_to_domain(store, domain, figures,
		taken != NULL ? taken->when : 0, &peak) != STORE_OK)
		return STORE_FAILED;
	return count_days(store, domain, before, after, peak);
}

enum store_result
count_taken(struct store *store, const struct settlement *taken)
{
	struct figure figures[FIGURES] = { 0 };
	int64_t peak;

	figures[COLLECTED] = (struct figure) { 1, taken->bytes };
	return add_to_domain(store, taken->domain, figures, taken->when, &peak);
}

enum store_result
count_new(struct store *store, int64_t id, const struct settlement *taken)
{
	enum store_result result;
	struct counted is;
	struct query query;

	if (look(&query, store, id, &is) != STORE_OK)
		return STORE_FAILED;
	result = count_tag(store, is.domain, NULL, &is, taken);
	query_close(&query);
	return result;
}

static enum store_result
count_since(struct store *store, int64_t id, const struct counted *was,
    const struct settlement *taken)
{
	struct counted is;
	struct query query;
	enum store_result result = look(&query, store, id, &is);

	if (result == STORE_NONE)
		return count_tag(store, was->domain, was, NULL, taken);
	if (result == STORE_OK) {
		result = count_tag(store, was->domain, was, &is, taken);
		query_close(&query);
	}
	return result;
}

enum store_result
count_change(struct store *store, int64_t id, const struct settlement *taken,
    const char *sql, const struct value *values, size_t count)
{
	struct counted was;
	struct query before;
	enum store_result result = look(&before, store, id, &was);

	if (result != STORE_OK)
		return result;
	result = statement_change(store, sql, values, count);
	if (result == STORE_OK)
		result = count_since(store, id, &was, taken);
	query_close(&before);
	return result;
}

enum store_result
tag_end(struct store *store, int64_t id, enum tag_state state, int64_t when)
{
	return change_tag(store, id, NULL,
	    "UPDATE tag SET state = ?2, settled = ?3, "
	    "account_settled = " COLLECTOR "tag.session" COLLECTOR_END
	    "WHERE id = ?1 AND state = 'held'",
	    as_text(state_names[state]), as_int(when));
}
