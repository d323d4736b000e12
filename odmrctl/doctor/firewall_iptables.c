/* SPDX-License-Identifier: ISC */
/*
 * iptables-save(8): "-A CHAIN" and options, of which each has a value, and some
 * are negated by a "!" before them. Of the table "filter" only.
 */
#include <stdlib.h>
#include <string.h>

#include "firewall.h"
#include "odmrctl/odmrctl.h"

enum { WORDS_MAX = 128 };

static bool
is(const char *word, const char *text)
{
	return strcmp(word, text) == 0;
}

/* A list of ports and ranges has this one. */
static enum match
match_ports(const char *list, unsigned port)
{
	unsigned long first, last;
	char *end;

	for (;; list = end + 1) {
		first = strtoul(list, &end, 10);
		last = *end == ':' ? strtoul(end + 1, &end, 10) : first;
		if (port >= first && port <= last)
			return MATCHES_ALL;
		if (*end != ',')
			return MATCHES_NONE;
	}
}

static enum match
when(bool matches)
{
	return matches ? MATCHES_ALL : MATCHES_NONE;
}

/* What an option comes to for the first packet of a TCP connection to this
 * host that comes from outside. */
static enum match
match_option(const char *option, const char *value, const struct packet *packet)
{
	if (is(option, "-p"))
		return when(is(value, "tcp") || is(value, "all"));
	if (is(option, "--dport") || is(option, "--dports"))
		return match_ports(value, packet->port);
	if (is(option, "--ctstate") || is(option, "--state"))
		return when(strstr(value, "NEW") != NULL);
	if (is(option, "-i"))
		return is(value, "lo") ? MATCHES_NONE : MATCHES_SOME;
	if (is(option, "--dst-type"))
		return when(is(value, "LOCAL"));
	if (is(option, "--icmp-type") || is(option, "--icmpv6-type"))
		return MATCHES_NONE;
	if (is(option, "-m") || is(option, "--comment") ||
	    is(option, "--reject-with"))
		return MATCHES_ALL;
	return MATCHES_SOME;
}

static enum verdict
read_verdict(const char *option, const char *target)
{
	static const struct {
		const char *target;
		enum verdict verdict;
	} known[] = { { "ACCEPT", ACCEPT }, { "DROP", DROP },
		{ "REJECT", DROP }, { "RETURN", RETURN }, { "LOG", NO_VERDICT },
		{ "NFLOG", NO_VERDICT }, { "MARK", NO_VERDICT },
		{ "CONNMARK", NO_VERDICT } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(target, known[i].target))
			return known[i].verdict;
	return is(option, "-g") ? GOTO : JUMP;
}

/* Words, of which one in quotes may have blanks. */
static int
split(char *line, char *words[WORDS_MAX])
{
	int count = 0;
	char *end;

	while (*(line += strspn(line, " ")) != '\0' && count < WORDS_MAX - 1) {
		if (*line == '"') {
			words[count++] = ++line;
			for (end = line; *end != '\0' && *end != '"'; end++)
				if (*end == '\\' && end[1] != '\0')
					end++;
		} else {
			words[count++] = line;
			end = line + strcspn(line, " ");
		}
		line = end + (*end != '\0');
		*end = '\0';
	}
	words[count] = NULL;
	return count;
}

static void
read_rule(struct firewall *firewall, char **words, int count,
    const struct packet *packet)
{
	enum match match = MATCHES_ALL, one;
	enum verdict verdict = NO_VERDICT;
	const char *target = NULL;
	bool negated = false;

	for (int i = 2; i < count; i++) {
		if (is(words[i], "!")) {
			negated = true;
			continue;
		}
		if (is(words[i], "-j") || is(words[i], "-g")) {
			target = words[i + 1] != NULL ? words[i + 1] : "";
			verdict = read_verdict(words[i], target);
			break;
		}
		if (words[i][0] != '-')
			continue;
		one = match_option(
		    words[i], words[i + 1] != NULL ? words[i + 1] : "", packet);
		if (negated)
			one = MATCHES_ALL - one;
		negated = false;
		match = one < match ? one : match;
	}
	firewall_add(firewall_chain(firewall, words[1], true), match, verdict,
	    verdict == JUMP || verdict == GOTO ? target : NULL);
}

void
firewall_read_iptables(
    struct firewall *firewall, const char *text, const struct packet *packet)
{
	char *copy = must(strdup(text)), *rest = copy, *line;
	char *words[WORDS_MAX];
	struct chain *chain;
	bool filter = false;
	int count;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '*')
			filter = is(line, "*filter");
		count = filter ? split(line, words) : 0;
		if (count >= 2 && words[0][0] == ':') {
			chain = firewall_chain(firewall, words[0] + 1, true);
			chain->base = is(chain->name, "INPUT");
			chain->drops = is(words[1], "DROP");
		} else if (count >= 2 && is(words[0], "-A"))
			read_rule(firewall, words, count, packet);
	}
	free(copy);
}
