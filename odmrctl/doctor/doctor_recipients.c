/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: checks of recipients that refuse or put off all mail of a
 * domain. relay_recipient_maps lists what is valid in any relay domain, so one
 * that has no address of ours makes all of ours unknown. And
 * reject_unverified_recipient probes with a delivery, which nobody takes while
 * the customer is away.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "roster.h"

enum { NESTING_MAX = 8 };

/* ---- relay_recipient_maps ------------------------------------------------ */

static const char recipient_maps[] = "relay_recipient_maps";

/* Of all domains without an address, so that one cure does for all. */
static const char *
accept_all(struct doctor *doctor, const struct roster *roster)
{
	const char *value = postfix_unexpanded(doctor->postfix, recipient_maps);
	const char *names = "";

	for (size_t i = 0; i < roster->count; i++)
		if (roster->entries[i].answer == NULL &&
		    !roster->entries[i].listed)
			names = doctor_text(doctor, "%s%s@%s=OK", names,
			    names[0] != '\0' ? ", " : "",
			    roster->entries[i].name);
	return doctor_text(doctor, "%s # or list its addresses there",
	    doctor_cure(doctor, recipient_maps,
		doctor_text(doctor, "%s, inline:{ %s }", value, names)));
}

static bool
refuses_unlisted(struct doctor *doctor)
{
	const struct postfix *postfix = doctor->postfix;

	return postfix_setting(postfix, recipient_maps)[0] != '\0' &&
	    strcmp(postfix_setting(postfix, "smtpd_reject_unlisted_recipient"),
		"no") != 0;
}

static void
check_listed(struct doctor *doctor, struct roster *roster)
{
	const char *maps = postfix_setting(doctor->postfix, recipient_maps);
	const char *unknown, *cure;
	const struct entry *entry;

	if (!roster_lookup_at(roster, maps)) {
		doctor_map_failed(doctor, roster, recipient_maps);
		return;
	}
	roster_match_addresses(roster, maps, &unknown);
	cure = accept_all(doctor, roster);
	if (unknown != NULL)
		unknown = doctor_text(doctor, "%s", unknown);
	for (size_t i = 0; i < roster->count; i++) {
		entry = &roster->entries[i];
		if (entry->answer != NULL || entry->listed)
			continue;
		if (unknown == NULL)
			doctor_find(doctor, NO_RECIPIENT, doctor->main_cf, cure,
			    "%s: %s has no address of it", entry->name,
			    recipient_maps);
		else
			doctor_find(doctor, RECIPIENTS_UNKNOWN, doctor->main_cf,
			    cure, "%s: %s has no @%s, and %s cannot be listed",
			    entry->name, recipient_maps, entry->name, unknown);
	}
}

/* ---- reject_unverified_recipient ----------------------------------------- */

/* Beside the roster's entries. */
struct probing {
	struct doctor *doctor;
	struct roster *roster;
	bool *probed; /* a probe goes to odmrd */
	bool *exempt; /* let in by what stands before */
};

static bool
is_probed(const struct entry *entry)
{
	return domain_mode_is_carried(entry->mode) && entry->answer != NULL &&
	    strncmp(entry->answer, "odmr:", strlen("odmr:")) == 0;
}

static bool
find_probed(struct probing *probing)
{
	struct roster *roster = probing->roster;
	bool any = false;

	if (!roster_lookup(roster,
		postfix_setting(
		    probing->doctor->postfix, "address_verify_transport_maps")))
		return false; /* it begins with transport_maps, which tells */
	for (size_t i = 0; i < roster->count; i++) {
		probing->probed[i] = is_probed(&roster->entries[i]);
		any = any || probing->probed[i];
	}
	return any;
}

/* What an access(5) table lets in. */
static void
note_exempt(struct probing *probing, const char *table)
{
	struct roster *roster = probing->roster;
	const char *answer;

	if (!roster_lookup(roster, table))
		return;
	for (size_t i = 0; i < roster->count; i++) {
		answer = roster->entries[i].answer;
		if (answer != NULL &&
		    (strncasecmp(answer, "ok", 2) == 0 ||
			strncasecmp(answer, "permit", 6) == 0))
			probing->exempt[i] = true;
	}
}

static const char *
word_of(struct probing *probing, const char **list)
{
	const char *word;
	size_t len = postfix_word(list, &word);

	return len == 0 ? NULL
			: doctor_text(probing->doctor, "%.*s", (int)len, word);
}

/* Does smtpd(8) get to reject_unverified_recipient on its way through the
 * list? `*over`: nothing behind the list is looked at. */
static bool
meets_probe(struct probing *probing, const char *list, int depth, bool *over)
{
	const struct postfix *postfix = probing->doctor->postfix;
	const char *word, *before = "";

	while (!*over && (word = word_of(probing, &list)) != NULL) {
		if (strcmp(word, "reject_unverified_recipient") == 0 &&
		    strcmp(before, "warn_if_reject") != 0)
			return true;
		before = word;
		if (strcmp(word, "permit") == 0 ||
		    strcmp(word, "reject") == 0 || strcmp(word, "defer") == 0)
			*over = true;
		else if (strcmp(word, "check_recipient_access") == 0 &&
		    (word = word_of(probing, &list)) != NULL)
			note_exempt(probing, word);
		else if (depth < NESTING_MAX &&
		    postfix_lists(
			postfix_setting(postfix, "smtpd_restriction_classes"),
			before) &&
		    meets_probe(probing, postfix_setting(postfix, before),
			depth + 1, over))
			return true;
	}
	return false;
}

/* Probes of ours end well at once, and are not delivered; all others go as
 * before. */
static const char *
let_in(struct doctor *doctor)
{
	static const char name[] = "address_verify_transport_maps";
	const char *value = postfix_unexpanded(doctor->postfix, name);
	const char *same = postfix_setting(doctor->postfix, "transport_maps");
	const char *cure = doctor_cure(doctor, name,
	    doctor_text(doctor,
		"pipemap:{ %s, regexp:{{ /^odmr:/ discard: }} }, %s",
		doctor->conf->domain_table,
		strcmp(value, same) == 0 ? "$transport_maps" : value));

	if (postfix_service(doctor->postfix, "discard", "unix") != NULL)
		return cure;
	return doctor_text(doctor,
	    "postconf%s -M 'discard/unix=discard unix - - y - - discard' && %s",
	    doctor_option_c(doctor), cure);
}

static void
complain_probed(
    struct probing *probing, const struct service *smtpd, const char *setting)
{
	const struct roster *roster = probing->roster;
	struct doctor *doctor = probing->doctor;
	const char *first = NULL;
	size_t count = 0;
	bool own = postfix_override(doctor->postfix, smtpd, setting) != NULL;

	for (size_t i = 0; i < roster->count; i++)
		if (probing->probed[i] && !probing->exempt[i]) {
			if (first == NULL)
				first = roster->entries[i].name;
			count++;
		}
	if (count > 0)
		doctor_find(doctor, RECIPIENT_PROBED,
		    own ? doctor->master_cf : doctor->main_cf, let_in(doctor),
		    "%s%s%s%s: reject_unverified_recipient, for %s%s",
		    own ? "service " : "", own ? smtpd->name : "",
		    own ? ": " : "", setting, first,
		    count == 1
			? ""
			: doctor_text(doctor, " and %zu more", count - 1));
}

static void
check_restrictions(struct probing *probing, const struct service *smtpd)
{
	static const char *const lists[] = { "smtpd_client_restrictions",
		"smtpd_helo_restrictions", "smtpd_sender_restrictions",
		"smtpd_relay_restrictions", "smtpd_recipient_restrictions",
		"smtpd_data_restrictions", "smtpd_end_of_data_restrictions" };
	const struct postfix *postfix = probing->doctor->postfix;
	bool over;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		memset(probing->exempt, 0, probing->roster->count);
		over = false;
		if (meets_probe(probing,
			postfix_setting_of(postfix, smtpd, lists[i]), 0, &over))
			complain_probed(probing, smtpd, lists[i]);
	}
}

/* A probe that comes to no end may count as a yes. */
static void
check_probes(struct doctor *doctor, struct roster *roster)
{
	struct probing probing = { .doctor = doctor, .roster = roster };
	const struct service *one = doctor->postfix->services;

	probing.probed = must(calloc(roster->count, sizeof(bool)));
	probing.exempt = must(calloc(roster->count, sizeof(bool)));
	if (find_probed(&probing))
		for (; one != NULL; one = one->next)
			if (strcmp(one->command, "smtpd") == 0 &&
			    strcmp(postfix_setting_of(doctor->postfix, one,
				       "unverified_recipient_tempfail_action"),
				"permit") != 0)
				check_restrictions(&probing, one);
	free(probing.probed);
	free(probing.exempt);
}

void
check_recipients(struct doctor *doctor)
{
	struct roster roster = { 0 };

	if (doctor->store == NULL || doctor->postfix == NULL ||
	    !doctor->tables_agree)
		return;
	if (roster_load(&roster, doctor) == STORE_OK && roster.count > 0) {
		roster_add_spellings(&roster);
		if (refuses_unlisted(doctor))
			check_listed(doctor, &roster);
		check_probes(doctor, &roster);
	}
	roster_free(&roster);
}
