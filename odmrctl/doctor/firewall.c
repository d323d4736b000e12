/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "firewall.h"
#include "odmrctl/odmrctl.h"

enum { NESTING_MAX = 16 };

enum outcome { FALLS, OPEN, CLOSED };

void
firewall_init(struct firewall *firewall)
{
	STAILQ_INIT(&firewall->chains);
}

static void
free_rules(struct chain *chain)
{
	struct rule *rule;

	while ((rule = STAILQ_FIRST(&chain->rules)) != NULL) {
		STAILQ_REMOVE_HEAD(&chain->rules, entry);
		free(rule->target);
		free(rule);
	}
}

void
firewall_free(struct firewall *firewall)
{
	struct chain *chain;

	while ((chain = STAILQ_FIRST(&firewall->chains)) != NULL) {
		STAILQ_REMOVE_HEAD(&firewall->chains, entry);
		free_rules(chain);
		free(chain->name);
		free(chain);
	}
}

struct chain *
firewall_chain(struct firewall *firewall, const char *name, bool make)
{
	struct chain *chain;

	STAILQ_FOREACH(chain, &firewall->chains, entry)
	if (strcmp(chain->name, name) == 0)
		return chain;
	if (!make)
		return NULL;
	chain = must(malloc(sizeof(*chain)));
	*chain = (struct chain) { .name = must(strdup(name)) };
	STAILQ_INIT(&chain->rules);
	STAILQ_INSERT_TAIL(&firewall->chains, chain, entry);
	return chain;
}

void
firewall_add(struct chain *chain, enum match match, enum verdict verdict,
    const char *target)
{
	struct rule *rule = must(malloc(sizeof(*rule)));

	*rule = (struct rule) {
		.match = match,
		.verdict = verdict,
		.target = target != NULL ? must(strdup(target)) : NULL,
	};
	STAILQ_INSERT_TAIL(&chain->rules, rule, entry);
}

static enum outcome go_through(
    struct firewall *, const struct chain *, int depth, bool *unsure);

/* What the rule's verdict comes to for what it matches. */
static enum outcome
apply(
    struct firewall *firewall, const struct rule *rule, int depth, bool *unsure)
{
	const struct chain *target;

	switch (rule->verdict) {
	case ACCEPT:
		return OPEN;
	case DROP:
		return CLOSED;
	case JUMP:
	case GOTO:
		target = firewall_chain(firewall, rule->target, false);
		if (target != NULL && depth < NESTING_MAX)
			return go_through(firewall, target, depth + 1, unsure);
		*unsure = true;
		break;
	case RETURN:
	case NO_VERDICT:
		break;
	}
	return FALLS;
}

/* Some may be let in, or spared what comes next. */
static bool
spares(const struct rule *rule, enum outcome outcome)
{
	return outcome == OPEN || rule->verdict == RETURN ||
	    (rule->verdict == GOTO && outcome == FALLS);
}

static enum outcome
go_through(struct firewall *firewall, const struct chain *chain, int depth,
    bool *unsure)
{
	const struct rule *rule;
	enum outcome outcome;

	STAILQ_FOREACH(rule, &chain->rules, entry)
	{
		if (rule->match == MATCHES_NONE)
			continue;
		outcome = apply(firewall, rule, depth, unsure);
		if (rule->match == MATCHES_SOME) {
			*unsure = *unsure || spares(rule, outcome);
			continue;
		}
		if (outcome != FALLS)
			return outcome;
		if (rule->verdict == RETURN || rule->verdict == GOTO)
			break;
	}
	return FALLS;
}

bool
firewall_closes(struct firewall *firewall, const struct chain *base)
{
	bool unsure = false;
	enum outcome outcome = go_through(firewall, base, 0, &unsure);

	return !unsure &&
	    (outcome == CLOSED || (outcome == FALLS && base->drops));
}
