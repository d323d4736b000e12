/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: can customers connect? What this host's own firewall says of
 * our ports; and, with --from, what another host sees, which rules out all that
 * is between them as well.
 */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "firewall.h"
#include "lib/address.h"
#include "lib/postfix/program.h"

enum { SECONDS = 20, ERROR_SIZE = 256, REACH_SECONDS = 10 };

static unsigned
port_of(const struct address *address)
{
	/* In the same place in both families. */
	return ntohs(((const struct sockaddr_in *)&address->addr)->sin_port);
}

static bool
is_ipv6(const struct address *address)
{
	return address->addr.ss_family == AF_INET6;
}

static const struct in6_addr *
in6_of(const struct sockaddr *addr)
{
	return &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
}

static bool
is_inside(const struct address *address)
{
	const struct sockaddr_in *in = (const void *)&address->addr;

	if (is_ipv6(address))
		return IN6_IS_ADDR_LOOPBACK(
		    in6_of((const struct sockaddr *)&address->addr));
	return ntohl(in->sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

/* Can anybody come by IPv6? */
static bool
has_ipv6(void)
{
	struct ifaddrs *all, *one;
	bool found = false;

	if (getifaddrs(&all) == -1)
		return false;
	for (one = all; one != NULL; one = one->ifa_next)
		found = found ||
		    (one->ifa_addr != NULL &&
			one->ifa_addr->sa_family == AF_INET6 &&
			!IN6_IS_ADDR_LOOPBACK(in6_of(one->ifa_addr)) &&
			!IN6_IS_ADDR_LINKLOCAL(in6_of(one->ifa_addr)));
	freeifaddrs(all);
	return found;
}

/* ---- our own firewall ---------------------------------------------------- */

/* What an administrator's program prints; NULL: there is none, or it fails. */
static char *
output_of(struct doctor *doctor, const char *name, const char *const *options)
{
	static const char *const directories[] = { "/usr/sbin", "/sbin",
		"/usr/local/sbin" };
	const char *argv[5] = { NULL }, *path;
	const struct program program = { .argv = argv, .seconds = SECONDS };
	char error[ERROR_SIZE], *text;

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]);
	     i++) {
		path = doctor_text(doctor, "%s/%s", directories[i], name);
		if (argv[0] == NULL && access(path, X_OK) == 0)
			argv[0] = path;
	}
	for (size_t i = 0; i < 3 && options != NULL && options[i] != NULL; i++)
		argv[i + 1] = options[i];
	if (argv[0] == NULL)
		return NULL;
	if (program_output(&program, &text, error, sizeof(error)))
		return text;
	free(text);
	return NULL;
}

/* ufw and firewalld would forget what is done beside them. */
static const char *
open_port(struct doctor *doctor, struct firewall *firewall,
    const struct chain *base, const struct packet *packet)
{
	if (firewall_chain(firewall, "ufw-user-input", false) != NULL ||
	    firewall_chain(firewall, "ufw6-user-input", false) != NULL)
		return doctor_text(doctor, "ufw allow %u/tcp", packet->port);
	if (strstr(base->name, " firewalld ") != NULL)
		return doctor_text(doctor,
		    "firewall-cmd --permanent --add-port=%u/tcp && "
		    "firewall-cmd --reload",
		    packet->port);
	if (strchr(base->name, ' ') != NULL)
		return doctor_text(doctor,
		    "nft insert rule %s tcp dport %u accept # and in "
		    "/etc/nftables.conf",
		    base->name, packet->port);
	return doctor_text(doctor,
	    "%s -I %s -p tcp --dport %u -j ACCEPT # and in what is loaded at "
	    "boot",
	    packet->ipv6 ? "ip6tables" : "iptables", base->name, packet->port);
}

static void
find_closed(struct doctor *doctor, struct firewall *firewall,
    const struct packet *packet)
{
	const struct chain *chain;

	STAILQ_FOREACH(chain, &firewall->chains, entry)
	if (chain->base && firewall_closes(firewall, chain))
		doctor_find(doctor, PORT_CLOSED,
		    doctor_text(doctor, "%s, chain %s",
			strchr(chain->name, ' ') != NULL ? "nft"
			    : packet->ipv6               ? "ip6tables"
							 : "iptables",
			chain->name),
		    open_port(doctor, firewall, chain, packet),
		    "port %u is closed to %s from outside", packet->port,
		    packet->ipv6 ? "IPv6" : "IPv4");
}

static void
check_port(struct doctor *doctor, const struct packet *packet)
{
	static const char *const list[] = { "-j", "list", "ruleset", NULL };
	char *nft = output_of(doctor, "nft", list);
	char *iptables = output_of(
	    doctor, packet->ipv6 ? "ip6tables-save" : "iptables-save", NULL);
	struct firewall firewall;

	firewall_init(&firewall);
	if (iptables != NULL)
		firewall_read_iptables(&firewall, iptables, packet);
	if (nft != NULL)
		firewall_read_nft(&firewall, nft, packet, iptables != NULL);
	find_closed(doctor, &firewall, packet);
	firewall_free(&firewall);
	free(iptables);
	free(nft);
}

/* ---- from another host --------------------------------------------------- */

/* To this address, or to our name where odmrd listens on all of them. */
static const char *
host_of(struct doctor *doctor, const struct address *address)
{
	const struct sockaddr_in *in = (const void *)&address->addr;
	const char *text = doctor_text(doctor, "%s", address->text);
	const char *colon = strrchr(text, ':');
	bool any = is_ipv6(address)
	    ? IN6_IS_ADDR_UNSPECIFIED(
		  in6_of((const struct sockaddr *)&address->addr))
	    : in->sin_addr.s_addr == htonl(INADDR_ANY);

	if (any || colon == NULL)
		return doctor->conf->myhostname;
	if (text[0] == '[')
		return doctor_text(
		    doctor, "%.*s", (int)(colon - text - 2), text + 1);
	return doctor_text(doctor, "%.*s", (int)(colon - text), text);
}

/* By bash, which needs no further program there. */
static const char *
connecting(struct doctor *doctor, const char *host, unsigned port)
{
	return doctor_text(doctor,
	    "command -v bash >/dev/null || { echo it has no bash; exit; }; "
	    "timeout %d bash -c 'exec 3<>/dev/tcp/%s/%u' 2>/dev/null && "
	    "echo open || echo closed",
	    REACH_SECONDS, host, port);
}

static void
connect_from(struct doctor *doctor, const struct address *address)
{
	const char *host = host_of(doctor, address);
	const unsigned port = port_of(address);
	const char *const argv[] = { "/usr/bin/env", "ssh", "-o",
		"BatchMode=yes", "--", doctor->from,
		connecting(doctor, host, port), NULL };
	const struct program ssh = { .argv = argv,
		.seconds = SECONDS + REACH_SECONDS };
	char error[ERROR_SIZE], *text;
	bool ran = program_output(&ssh, &text, error, sizeof(error));

	if (ran && strcmp(must(text), "closed\n") == 0)
		doctor_find(doctor, PORT_UNREACHABLE, doctor->from,
		    doctor_text(doctor,
			"tcpdump -ni any tcp port %u # does it come here? Else "
			"ask who runs the network between",
			port),
		    "cannot connect to %s, port %u", host, port);
	else if (!ran || strcmp(text, "open\n") != 0)
		doctor_find(doctor, OUTSIDE_UNCHECKED, doctor->from,
		    doctor_text(doctor, "ssh %s # as root, without a password",
			doctor_word(doctor, doctor->from)),
		    "%s",
		    !ran ? error
			 : doctor_text(
			       doctor, "%.*s", (int)strcspn(text, "\n"), text));
	free(text);
}

/* ---- all addresses ------------------------------------------------------- */

static void
check_list(struct doctor *doctor, const char *list)
{
	char error[ERROR_SIZE];
	struct address address;

	while (address_next(&list, &address, error, sizeof(error)) > 0) {
		const struct packet packet = { port_of(&address),
			is_ipv6(&address) };

		if (is_inside(&address))
			continue;
		if (geteuid() == 0 && (!packet.ipv6 || has_ipv6()))
			check_port(doctor, &packet);
		if (doctor->from != NULL)
			connect_from(doctor, &address);
	}
}

void
check_firewall(struct doctor *doctor)
{
	check_list(doctor, doctor->conf->listen);
	check_list(doctor, doctor->conf->listen_tls);
}
