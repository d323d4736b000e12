/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/network.h"
#include "node.h"

/* What etrn_filter writes for '@' and for an address; the names of no queue. */
#define AT_LABEL "_at."
#define IP_LABEL "_ip."
#define IPV6_TAG "IPv6:"

static bool
begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* Without the brackets and the tag of RFC 5321 4.1.3, if it has both of what it
 * must have. */
static bool
bare_address(const char *text, char out[INET6_ADDRSTRLEN])
{
	bool bracketed = text[0] == '[', tagged;
	size_t len = strlen(text);

	if (bracketed && text[len - 1] != ']')
		return false;
	text += bracketed;
	len -= bracketed ? 2 : 0;
	tagged = bracketed && begins(text, IPV6_TAG);
	text += tagged ? strlen(IPV6_TAG) : 0;
	len -= tagged ? strlen(IPV6_TAG) : 0;
	if (len >= INET6_ADDRSTRLEN || memchr(text, '%', len) != NULL ||
	    (memchr(text, ':', len) != NULL) != tagged)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* A host's name has no colon: underscores stand for them. */
static bool
filtered_address(const char *text, char out[INET6_ADDRSTRLEN])
{
	if (strpbrk(text, ":%") != NULL ||
	    strlcpy(out, text, INET6_ADDRSTRLEN) >= INET6_ADDRSTRLEN)
		return false;
	while ((out = strchr(out, '_')) != NULL)
		*out = ':';
	return true;
}

static bool
take_address(const char *text, char out[DOMAIN_SIZE])
{
	char address[INET6_ADDRSTRLEN];
	struct network network;
	bool looks_so = begins(text, IP_LABEL)
	    ? filtered_address(text + strlen(IP_LABEL), address)
	    : bare_address(text, address);

	if (!looks_so || !network_of_address(address, &network))
		return false;
	inet_ntop(network.family, network.bytes, address, sizeof(address));
	snprintf(out, DOMAIN_SIZE, "[%s%s]",
	    network.family == AF_INET6 ? IPV6_TAG : "", address);
	return true;
}

static bool
take_name(const char *text, char out[DOMAIN_SIZE], const char **why)
{
	if (take_address(text, out))
		return true;
	if (text[0] == '[' || begins(text, IP_LABEL))
		*why = "is no address such as [192.0.2.1] or "
		       "[IPv6:2001:db8::1]";
	else if (begins(text, AT_LABEL))
		*why = "begins with " AT_LABEL ", which stands for @";
	else
		return hostname_canonical(text, strlen(text), out, why);
	return false;
}

bool
node_parse(struct node *node, const char *text, const char **why)
{
	bool below = text[0] == '@' || begins(text, AT_LABEL);
	char *name;

	*node = (struct node) { 0 };
	name = node->text;
	if (below) {
		*name++ = '@';
		text += text[0] == '@' ? 1 : strlen(AT_LABEL);
		return domain_canonical(text, strlen(text), name, why);
	}
	if (text[0] == '#')
		*name++ = *text++;
	return take_name(text, name, why);
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

static void
add_of_queue(const struct queue_name *queue, void *arg)
{
	add(arg, queue->domain);
}

/* Candidates: what the client may is looked up for each. */
static enum store_result
find_names(
    struct node *node, struct store *store, const struct etrn_client *client)
{
	enum store_result result;

	switch (node->text[0]) {
	case '#':
		return store_queue_name_each(
		    store, node->text + 1, add_of_queue, node);
	case '@':
		return client == NULL
		    ? store_domain_each(store, add_domain_if_within, node)
		    : store_etrn_domains(store, client, add_if_within, node);
	default:
		result = store_domain_get(store, node->text, NULL, NULL);
		if (result == STORE_OK)
			add(node, node->text);
		return result == STORE_NONE
		    ? store_queue_name_each(
			  store, node->text, add_of_queue, node)
		    : result;
	}
}

static void
take_mode(const struct domain *domain, void *arg)
{
	((struct node_domain *)arg)->mode = domain->mode;
}

/* STORE_NONE: not the client's. A grant may name a domain that is gone. */
static enum store_result
look_up(struct node_domain *domain, struct store *store,
    const struct etrn_client *client)
{
	enum store_result result = STORE_OK;

	if (client != NULL)
		result = store_etrn_may(store, client, domain->name);
	if (result == STORE_OK)
		result =
		    store_domain_get(store, domain->name, take_mode, domain);
	if (result == STORE_OK)
		result =
		    store_tag_count(store, domain->name, "", &domain->held);
	return result;
}

static enum store_result
look_up_all(
    struct node *node, struct store *store, const struct etrn_client *client)
{
	size_t kept = 0;

	for (size_t i = 0; i < node->count; i++)
		switch (look_up(&node->domains[i], store, client)) {
		case STORE_OK:
			node->domains[kept++] = node->domains[i];
			break;
		case STORE_FAILED:
			return STORE_FAILED;
		default:
			break;
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
		result = look_up_all(node, store, client);
	return node->out_of_memory ? STORE_FAILED : result;
}
