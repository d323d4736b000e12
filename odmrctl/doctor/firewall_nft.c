/* SPDX-License-Identifier: ISC */
/*
 * "nft -j list ruleset", see libnftables-json(5): an array of objects, each of
 * one key (table, chain, set, map, rule), in which a rule is an array of
 * statements. What is not understood may be so or not.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "firewall.h"
#include "odmrctl/odmrctl.h"

enum { NAME_SIZE = 256, NESTING_MAX = 8 };

struct reading {
	struct firewall *firewall;
	const struct packet *packet;
	json_t *objects;
	json_t *of; /* the chain or rule that is looked at */
};

static const char *
text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool
has(json_t *object, const char *key, const char *value)
{
	return strcmp(text_of(object, key), value) == 0;
}

static const char *
only_key(json_t *object)
{
	return json_object_iter_key(json_object_iter(object));
}

/* ---- values of the packet ------------------------------------------------ */

struct value {
	enum { UNKNOWN, ABSENT, NUMBER, WORD, INTERFACE } kind;
	unsigned number;
	const char *word;
};

static struct value
word(const char *text)
{
	return (struct value) { .kind = WORD, .word = text };
}

static struct value
value_of_payload(json_t *payload, const struct packet *packet)
{
	const char *protocol = text_of(payload, "protocol");
	bool ip = strcmp(protocol, "ip") == 0,
	     ip6 = strcmp(protocol, "ip6") == 0;

	if (ip ? packet->ipv6 : ip6 ? !packet->ipv6 : false)
		return (struct value) { .kind = ABSENT };
	if (ip || ip6)
		return has(payload, "field", ip ? "protocol" : "nexthdr")
		    ? word("tcp")
		    : (struct value) { .kind = UNKNOWN };
	if (strcmp(protocol, "tcp") == 0 || strcmp(protocol, "th") == 0)
		return has(payload, "field", "dport")
		    ? (struct value) { .kind = NUMBER, .number = packet->port }
		    : (struct value) { .kind = UNKNOWN };
	if (strcmp(protocol, "ether") == 0 || protocol[0] == '\0')
		return (struct value) { .kind = UNKNOWN };
	return (struct value) { .kind = ABSENT }; /* udp, icmp, ... */
}

static struct value
value_of_meta(json_t *meta, const struct packet *packet)
{
	if (has(meta, "key", "l4proto"))
		return word("tcp");
	if (has(meta, "key", "nfproto"))
		return word(packet->ipv6 ? "ipv6" : "ipv4");
	if (has(meta, "key", "protocol"))
		return word(packet->ipv6 ? "ip6" : "ip");
	if (has(meta, "key", "iif") || has(meta, "key", "iifname"))
		return (struct value) { .kind = INTERFACE };
	return (struct value) { .kind = UNKNOWN };
}

/* Of what stands on the left of a match, or is the key of a verdict map. */
static struct value
value_of(json_t *left, const struct packet *packet)
{
	json_t *payload = json_object_get(left, "payload");
	json_t *meta = json_object_get(left, "meta");

	if (payload != NULL)
		return value_of_payload(payload, packet);
	if (meta != NULL)
		return value_of_meta(meta, packet);
	if (has(json_object_get(left, "ct"), "key", "state"))
		return word("new");
	if (has(json_object_get(left, "fib"), "result", "type"))
		return word("local");
	return (struct value) { .kind = UNKNOWN };
}

/* ---- what it is compared with -------------------------------------------- */

static enum match compare(
    const struct reading *, const struct value *, json_t *right, int depth);

/* Of any element, which for a map is a pair. */
static enum match
compare_all(const struct reading *reading, const struct value *value,
    json_t *list, int depth)
{
	enum match best = MATCHES_NONE, one;
	json_t *element;
	size_t i;

	json_array_foreach(list, i, element)
	{
		one = compare(reading, value, element, depth + 1);
		best = one > best ? one : best;
	}
	return best;
}

/* The set or map of this name in the same table; NULL: there is none. */
static json_t *
find_elements(const struct reading *reading, const char *name)
{
	json_t *object, *set;
	size_t i;

	json_array_foreach(reading->objects, i, object)
	{
		set = json_object_get(object, "set");
		if (set == NULL)
			set = json_object_get(object, "map");
		if (set != NULL && has(set, "name", name) &&
		    has(set, "family", text_of(reading->of, "family")) &&
		    has(set, "table", text_of(reading->of, "table")))
			return json_object_get(set, "elem");
	}
	return NULL;
}

static enum match
compare_text(const struct reading *reading, const struct value *value,
    const char *text, int depth)
{
	if (text[0] == '@') /* what is empty has no "elem" */
		return compare_all(
		    reading, value, find_elements(reading, text + 1), depth);
	if (value->kind == INTERFACE)
		return strcmp(text, "lo") == 0 ? MATCHES_NONE : MATCHES_SOME;
	if (value->kind != WORD)
		return MATCHES_SOME;
	return strcmp(text, value->word) == 0 ? MATCHES_ALL : MATCHES_NONE;
}

static enum match
compare_range(const struct value *value, json_t *range)
{
	json_t *first = json_array_get(range, 0),
	       *last = json_array_get(range, 1);

	if (value->kind != NUMBER || !json_is_integer(first) ||
	    !json_is_integer(last))
		return MATCHES_SOME;
	return value->number >= json_integer_value(first) &&
		value->number <= json_integer_value(last)
	    ? MATCHES_ALL
	    : MATCHES_NONE;
}

static enum match
compare(const struct reading *reading, const struct value *value, json_t *right,
    int depth)
{
	json_t *inner;

	if (depth > NESTING_MAX || value->kind == UNKNOWN)
		return MATCHES_SOME;
	if (json_is_string(right))
		return compare_text(
		    reading, value, json_string_value(right), depth);
	if (json_is_integer(right) && value->kind == NUMBER)
		return json_integer_value(right) == value->number
		    ? MATCHES_ALL
		    : MATCHES_NONE;
	if (json_is_array(right))
		return compare_all(reading, value, right, depth);
	if ((inner = json_object_get(right, "set")) != NULL)
		return compare_all(reading, value, inner, depth);
	if ((inner = json_object_get(right, "elem")) != NULL)
		return compare(
		    reading, value, json_object_get(inner, "val"), depth + 1);
	if ((inner = json_object_get(right, "range")) != NULL)
		return compare_range(value, inner);
	return MATCHES_SOME;
}

static enum match
read_match(const struct reading *reading, json_t *match)
{
	struct value value =
	    value_of(json_object_get(match, "left"), reading->packet);
	enum match is =
	    compare(reading, &value, json_object_get(match, "right"), 0);

	if (value.kind == ABSENT)
		return MATCHES_NONE;
	if (has(match, "op", "!="))
		return MATCHES_ALL - is;
	return has(match, "op", "==") || has(match, "op", "in") ? is
								: MATCHES_SOME;
}

/* ---- rules --------------------------------------------------------------- */

static const char *
chain_name(json_t *of, const char *name, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s %s %s", text_of(of, "family"),
	    text_of(of, "table"), name);
	return out;
}

/* {"accept": null}, {"jump": {"target": "..."}}: adds it. False: it is none. */
static bool
add_verdict(const struct reading *reading, struct chain *chain,
    enum match match, json_t *statement)
{
	static const struct {
		const char *key;
		enum verdict verdict;
	} known[] = { { "accept", ACCEPT }, { "drop", DROP },
		{ "reject", DROP }, { "return", RETURN }, { "jump", JUMP },
		{ "goto", GOTO }, { "continue", NO_VERDICT } };
	char name[NAME_SIZE];
	json_t *inner;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		inner = json_object_get(statement, known[i].key);
		if (inner == NULL)
			continue;
		firewall_add(chain, match, known[i].verdict,
		    chain_name(reading->of, text_of(inner, "target"), name));
		return true;
	}
	return false;
}

/* {"vmap": {"key": ..., "data": {"set": [[KEY, VERDICT], ...]}}} */
static void
add_map(const struct reading *reading, struct chain *chain, enum match match,
    json_t *map)
{
	struct value value =
	    value_of(json_object_get(map, "key"), reading->packet);
	json_t *data = json_object_get(map, "data"), *pairs, *pair;
	const char *name = json_string_value(data);
	enum match one;
	size_t i;

	if (value.kind == ABSENT)
		return;
	pairs = name != NULL && name[0] == '@'
	    ? find_elements(reading, name + 1)
	    : json_object_get(data, "set");
	json_array_foreach(pairs, i, pair)
	{
		one = compare(reading, &value, json_array_get(pair, 0), 0);
		one = one < match ? one : match;
		if (!add_verdict(reading, chain, one, json_array_get(pair, 1)))
			firewall_add(chain, MATCHES_SOME, ACCEPT, NULL);
	}
}

/* What does not choose between packets. */
static bool
is_neutral(const char *statement)
{
	static const char *const known[] = { "counter", "log", "comment",
		"mangle", "notrack", "meta" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (statement != NULL && strcmp(statement, known[i]) == 0)
			return true;
	return false;
}

static void
read_rule(const struct reading *reading, struct chain *chain)
{
	enum match match = MATCHES_ALL, one;
	json_t *statement, *inner;
	size_t i;

	json_array_foreach(json_object_get(reading->of, "expr"), i, statement)
	{
		if ((inner = json_object_get(statement, "match")) != NULL) {
			one = read_match(reading, inner);
			match = one < match ? one : match;
		} else if ((inner = json_object_get(statement, "vmap")) != NULL)
			add_map(reading, chain, match, inner);
		else if (json_object_get(statement, "queue") != NULL)
			firewall_add(chain, MATCHES_SOME, ACCEPT, NULL);
		else if (!add_verdict(reading, chain, match, statement) &&
		    !is_neutral(only_key(statement)) && match == MATCHES_ALL)
			match = MATCHES_SOME;
	}
}

/* ---- the ruleset --------------------------------------------------------- */

static bool
is_for(json_t *of, const struct packet *packet)
{
	return has(of, "family", "inet") ||
	    has(of, "family", packet->ipv6 ? "ip6" : "ip");
}

static bool
is_of_iptables(json_t *of)
{
	return has(of, "table", "filter") && !has(of, "family", "inet");
}

static void
read_object(struct reading *reading, json_t *object, bool iptables)
{
	json_t *chain = json_object_get(object, "chain");
	json_t *rule = json_object_get(object, "rule");
	char name[NAME_SIZE];
	struct chain *made;

	reading->of = chain != NULL ? chain : rule;
	if (reading->of == NULL || !is_for(reading->of, reading->packet) ||
	    (iptables && is_of_iptables(reading->of)))
		return;
	made = firewall_chain(reading->firewall,
	    chain_name(reading->of,
		text_of(reading->of, chain != NULL ? "name" : "chain"), name),
	    true);
	if (rule != NULL) {
		read_rule(reading, made);
		return;
	}
	made->base =
	    has(chain, "hook", "input") && has(chain, "type", "filter");
	made->drops = has(chain, "policy", "drop");
}

bool
firewall_read_nft(struct firewall *firewall, const char *text,
    const struct packet *packet, bool iptables)
{
	json_t *all = json_loads(text, 0, NULL), *object;
	struct reading reading = { .firewall = firewall,
		.packet = packet,
		.objects = json_object_get(all, "nftables") };
	size_t i;

	json_array_foreach(reading.objects, i, object)
	{
		read_object(&reading, object, iptables);
	}
	json_decref(all);
	return reading.objects != NULL;
}
