/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

enum { QUEUE_NAME_MAX = 63 };

static bool
is_queue_name(const char *name)
{
	size_t len = 0;

	for (; name[len] != '\0'; len++)
		if (!isascii(name[len]) ||
		    (!isalnum((unsigned char)name[len]) &&
			strchr("-_.", name[len]) == NULL))
			return false;
	return len > 0 && len <= QUEUE_NAME_MAX;
}

bool
node_parse(struct node *node, const char *text, const char **why)
{
	bool below = text[0] == '@';

	*node = (struct node) { 0 };
	if (text[0] == '#') {
		*why = "is no name of a queue";
		if (!is_queue_name(text + 1))
			return false;
		strcpy(node->text, text);
		return true;
	}
	if (below)
		node->text[0] = *text++;
	return domain_canonical(text, strlen(text), node->text + below, why);
}

void
node_free(struct node *node)
{
	free(node->domains);
	*node = (struct node) { 0 };
}

static void
add(struct node *node, const char *name)
{
	struct node_domain *domains = reallocarray(
	    node->domains, node->count + 1, sizeof(node->domains[0]));

	if (domains == NULL) {
		node->out_of_memory = true;
		return;
	}
	node->domains = domains;
	domains[node->count] = (struct node_domain) { 0 };
	strcpy(domains[node->count++].name, name);
}

static void
add_if_within(const char *name, void *arg)
{
	struct node *node = arg;
	const char *top = node->text + 1;
	size_t len = strlen(name), top_len = strlen(top);

	if (len < top_len || strcmp(name + len - top_len, top) != 0)
		return;
	if (len == top_len || name[len - top_len - 1] == '.')
		add(node, name);
}

static void
add_domain_if_within(const struct domain *domain, void *arg)
{
	add_if_within(domain->name, arg);
}

static enum store_result
find_names(
    struct node *node, struct store *store, const struct etrn_client *client)
{
	enum store_result result;

	switch (node->text[0]) {
	case '#':
		return STORE_NONE;
	case '@':
		return client == NULL
		    ? store_domain_each(store, add_domain_if_within, node)
		    : store_etrn_domains(store, client, add_if_within, node);
	default:
		result = client == NULL
		    ? store_domain_get(store, node->text, NULL, NULL)
		    : store_etrn_may(store, client, node->text);
		if (result == STORE_OK)
			add(node, node->text);
		return result;
	}
}

static void
take_mode(const struct domain *domain, void *arg)
{
	((struct node_domain *)arg)->mode = domain->mode;
}

/* A grant may name a domain that is gone. */
static enum store_result
look_up(struct node *node, struct store *store)
{
	enum store_result result;
	size_t kept = 0;

	for (size_t i = 0; i < node->count; i++) {
		struct node_domain *domain = &node->domains[i];

		result =
		    store_domain_get(store, domain->name, take_mode, domain);
		if (result == STORE_OK)
			result = store_tag_count(
			    store, domain->name, NULL, &domain->held);
		if (result == STORE_FAILED)
			return STORE_FAILED;
		if (result == STORE_OK)
			node->domains[kept++] = *domain;
	}
	node->count = kept;
	return kept > 0 ? STORE_OK : STORE_NONE;
}

enum store_result
node_find(
    struct node *node, struct store *store, const struct etrn_client *client)
{
	enum store_result result = find_names(node, store, client);

	if (result == STORE_OK)
		result = look_up(node, store);
	return node->out_of_memory ? STORE_FAILED : result;
}
