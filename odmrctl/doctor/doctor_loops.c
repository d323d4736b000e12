/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: mail that would come back to this host. Names are looked up,
 * but all of that may not take longer than a few seconds.
 */
#include <netinet/in.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/endpoint.h"
#include "doctor.h"
#include "lib/smtp/mx.h"
#include "roster.h"
#include "lib/smtp/self.h"

enum { SECONDS = 10, PORTS_MAX = 64, SMTP_PORT = 25 };

struct search {
	struct doctor *doctor;
	int64_t until_ms;
	size_t left_out;
	unsigned ports[PORTS_MAX]; /* where this host takes mail or ATRN */
	size_t port_count;
};

static void
add_port(struct search *search, unsigned port)
{
	if (port != 0 && search->port_count < PORTS_MAX)
		search->ports[search->port_count++] = port;
}

static unsigned
port_number(const char *text)
{
	const struct servent *named;

	if (text[0] >= '0' && text[0] <= '9')
		return (unsigned)strtoul(text, NULL, 10);
	named = getservbyname(text, "tcp");
	return named != NULL ? ntohs((in_port_t)named->s_port) : 0;
}

static void
add_listeners(struct search *search, const char *list)
{
	char error[256];
	struct address address;

	while (address_next(&list, &address, error, sizeof(error)) > 0)
		add_port(search,
		    ntohs(((struct sockaddr_in *)&address.addr)->sin_port));
}

static void
find_ports(struct search *search)
{
	const struct service *one = search->doctor->postfix->services;
	const char *colon;

	for (; one != NULL; one = one->next) {
		if (strcmp(one->type, "inet") != 0)
			continue;
		colon = strrchr(one->name, ':');
		add_port(
		    search, port_number(colon != NULL ? colon + 1 : one->name));
	}
	add_listeners(search, search->doctor->conf->listen);
	add_listeners(search, search->doctor->conf->listen_tls);
}

static bool
has_port(const struct search *search, unsigned port)
{
	for (size_t i = 0; i < search->port_count; i++)
		if (search->ports[i] == port)
			return true;
	return false;
}

static bool
is_late(const struct search *search)
{
	return clock_ms() > search->until_ms;
}

/* An address of this host that a translator of addresses has. */
static bool
is_proxied(const struct search *search, const struct addrinfo *address)
{
	char text[NI_MAXHOST];

	return getnameinfo(address->ai_addr, address->ai_addrlen, text,
		   sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 &&
	    postfix_lists(
		postfix_setting(search->doctor->postfix, "proxy_interfaces"),
		text);
}

/* Does any address of the name belong to this host? */
static bool
is_here(const struct search *search, const char *host)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	bool here = false;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	for (struct addrinfo *one = found; one != NULL && !here;
	     one = one->ai_next)
		here = self_has(one->ai_addr) || is_proxied(search, one);
	freeaddrinfo(found);
	return here;
}

/* At port 25 Postfix leaves out itself and all that are no better, so mail
 * comes back where one of the best is this host. At other ports it does not
 * look out for itself, and may try each. */
static bool
has_host_here(const struct search *search, const struct mx *mx, unsigned port)
{
	const unsigned best = mx->hosts[0].preference;

	for (size_t i = 0; i < mx->count && !is_late(search); i++)
		if ((port != SMTP_PORT || mx->hosts[i].preference == best) &&
		    is_here(search, mx->hosts[i].name))
			return true;
	return false;
}

/* Without any MX, the name itself counts. */
static bool
is_mx_here(const struct search *search, const char *domain, unsigned port)
{
	struct mx mx;

	switch (mx_lookup(domain, &mx)) {
	case MX_FOUND:
		return has_host_here(search, &mx, port);
	case MX_NONE:
		return is_here(search, domain);
	case MX_NULL:
	case MX_FAILED:
		break;
	}
	return false;
}

/* "host", "[host]", each with ":port", as in transport(5). */
static bool
leads_here(const struct search *search, const char *hop)
{
	struct endpoint to;
	unsigned port = SMTP_PORT;

	if (endpoint_split(&to, hop) != NULL)
		return false;
	if (to.port[0] != '\0')
		port = port_number(to.port);
	if (!has_port(search, port))
		return false;
	return to.brackets ? is_here(search, to.host)
			   : is_mx_here(search, to.host, port);
}

static void
check_entry(struct search *search, const struct entry *entry)
{
	struct doctor *doctor = search->doctor;
	const char *hop = entry->nexthop;

	if (entry->mode == MODE_ODMR)
		return;
	if (is_late(search) ||
	    !leads_here(search, hop != NULL ? hop : entry->name)) {
		search->left_out += is_late(search);
		return;
	}
	doctor_find(doctor, LOOP, doctor->conf->database,
	    doctor_odmrctl(
		doctor, "domain set %s --nexthop '[HOST]'", entry->name),
	    hop != NULL ? "domain %s: its next hop %s is this host"
			: "domain %s: its best MX is this host, and it has no "
			  "next hop",
	    entry->name, hop);
}

static void
check_relayhost(struct search *search)
{
	struct doctor *doctor = search->doctor;
	const char *hop = postfix_setting(doctor->postfix, "relayhost");

	if (hop[0] != '\0' && leads_here(search, hop))
		doctor_find(doctor, RELAYHOST_LOOP, doctor->main_cf,
		    doctor_cure(doctor, "relayhost", ""),
		    "relayhost = %s: is this host", hop);
}

static void
check_all(struct search *search, const struct roster *roster)
{
	struct doctor *doctor = search->doctor;

	for (size_t i = 0; i < roster->count; i++)
		check_entry(search, &roster->entries[i]);
	if (search->left_out > 0)
		doctor_find(doctor, DNS_SLOW, "/etc/resolv.conf",
		    doctor_odmrctl(
			doctor, "doctor # once more, when the DNS is faster"),
		    "%zu domains left out after %d seconds", search->left_out,
		    SECONDS);
}

void
check_loops(struct doctor *doctor)
{
	struct search search = { .doctor = doctor };
	struct roster roster = { 0 };

	if (doctor->postfix == NULL)
		return;
	resolver_setup();
	search.until_ms = clock_ms() + SECONDS * 1000;
	find_ports(&search);
	check_relayhost(&search);
	if (doctor->store != NULL && roster_load(&roster, doctor) == STORE_OK)
		check_all(&search, &roster);
	roster_free(&roster);
}
