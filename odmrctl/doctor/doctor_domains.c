/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: each domain in Postfix's lists and tables, and the accounts
 * that may collect it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "roster.h"

/* Its source may be there, and was not made into a table; or the type is one of
 * a package; or else it has to go. */
static const char *
mend_table(struct doctor *doctor, const char *setting, const char *table)
{
	const char *colon = strchr(table, ':'), *list;
	const char *type = colon == NULL
	    ? ""
	    : doctor_text(doctor, "%.*s", (int)(colon - table), table);

	if (colon != NULL && !postfix_has_table(doctor->postfix, type))
		return doctor_text(doctor, "apt-get install postfix-%s", type);
	if (colon != NULL && colon[1] == '/' && access(colon + 1, R_OK) == 0)
		return doctor_text(doctor, "postmap%s %s",
		    doctor_option_c(doctor), doctor_word(doctor, table));
	list = doctor_list_with(doctor, setting, table);
	return postfix_lists(list, table)
	    ? doctor_cure(doctor, setting, doctor_less(doctor, list, table))
	    : doctor_edit(doctor, doctor->main_cf, "%s: %s", setting, table);
}

void
doctor_map_failed(
    struct doctor *doctor, const struct roster *roster, const char *setting)
{
	const char *table = doctor_text(doctor, "%s", roster->table);

	doctor_find(doctor, LOOKUP_FAILED, doctor->main_cf,
	    mend_table(doctor, setting, table), "%s: %s: %s", setting, table,
	    roster->error);
}

static bool
match(struct doctor *doctor, struct roster *roster, const char *setting)
{
	bool parents = postfix_lists(postfix_setting(doctor->postfix,
					 "parent_domain_matches_subdomains"),
	    setting);

	if (roster_match(
		roster, postfix_setting(doctor->postfix, setting), parents))
		return true;
	doctor_map_failed(doctor, roster, setting);
	return false;
}

/* The setting with our table. */
static const char *
with_table(struct doctor *doctor, const char *setting)
{
	const char *value = postfix_unexpanded(doctor->postfix, setting);

	return doctor_cure(doctor, setting,
	    doctor_text(doctor, "%s%s%s", value, value[0] != '\0' ? ", " : "",
		doctor->conf->domain_table));
}

static void
check_listed(struct doctor *doctor, struct roster *roster, const char *setting,
    enum finding finding)
{
	if (!match(doctor, roster, setting))
		return;
	for (size_t i = 0; i < roster->count; i++)
		if (!roster->entries[i].listed)
			doctor_find(doctor, finding, doctor->main_cf,
			    with_table(doctor, setting), "%s: is not in %s",
			    roster->entries[i].name, setting);
}

/* By a word of the list, or by something that only a person can change. */
static const char *
take_out(struct doctor *doctor, const char *setting, const char *name)
{
	const char *list = doctor_list_with(doctor, setting, name);

	return postfix_lists(list, name)
	    ? doctor_cure(doctor, setting, doctor_less(doctor, list, name))
	    : doctor_edit(
		  doctor, doctor->main_cf, "take %s out of %s", name, setting);
}

static void
check_unlisted(
    struct doctor *doctor, struct roster *roster, const char *setting)
{
	if (!match(doctor, roster, setting))
		return;
	for (size_t i = 0; i < roster->count; i++)
		if (roster->entries[i].listed)
			doctor_find(doctor, LOCAL_DOMAIN, doctor->main_cf,
			    take_out(doctor, setting, roster->entries[i].name),
			    "%s: is in %s as well", roster->entries[i].name,
			    setting);
}

/* The first table that has the domain decides. */
static const char *
ours_first(struct doctor *doctor)
{
	static const char name[] = "transport_maps";
	const char *ours = doctor->conf->domain_table;
	const char *rest =
	    doctor_less(doctor, doctor_list_with(doctor, name, ours), ours);

	return doctor_cure(doctor, name,
	    doctor_text(
		doctor, "%s%s%s", ours, rest[0] != '\0' ? ", " : "", rest));
}

static void
check_transport(struct doctor *doctor, const struct entry *entry)
{
	const char *wanted =
	    doctor_text(doctor, "odmr:unix:odmr/%s", entry->socket);

	if (entry->answer == NULL)
		doctor_find(doctor, NO_TRANSPORT, doctor->main_cf,
		    with_table(doctor, "transport_maps"),
		    "%s: transport_maps has nothing for it", entry->name);
	else if (domain_mode_is_carried(entry->mode) &&
	    strcmp(entry->answer, wanted) != 0)
		doctor_find(doctor, WRONG_TRANSPORT, doctor->main_cf,
		    ours_first(doctor),
		    "%s: transport_maps has \"%s\" for it, not \"%s\"",
		    entry->name, entry->answer, wanted);
}

static void
check_transports(struct doctor *doctor, struct roster *roster)
{
	if (!roster_lookup(
		roster, postfix_setting(doctor->postfix, "transport_maps"))) {
		doctor_map_failed(doctor, roster, "transport_maps");
		return;
	}
	for (size_t i = 0; i < roster->count; i++)
		check_transport(doctor, &roster->entries[i]);
}

void
check_domains(struct doctor *doctor)
{
	static const char *const others[] = { "mydestination",
		"virtual_mailbox_domains", "virtual_alias_domains" };
	struct roster roster = { 0 };

	if (doctor->store == NULL || doctor->postfix == NULL ||
	    !doctor->tables_agree)
		return;
	if (roster_load(&roster, doctor) == STORE_OK) {
		roster_add_spellings(&roster);
		check_listed(doctor, &roster, "relay_domains", NOT_RELAYED);
		check_listed(
		    doctor, &roster, "fast_flush_domains", NOT_FLUSHED);
		check_transports(doctor, &roster);
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			check_unlisted(doctor, &roster, others[i]);
	}
	roster_free(&roster);
}

/* ---- accounts ------------------------------------------------------------ */

struct accounts {
	struct doctor *doctor;
	struct roster roster;
	bool active; /* the account that is looked at */
	bool granted;
};

static void
on_grant(const char *domain, void *arg)
{
	struct accounts *accounts = arg;
	struct entry *entry = roster_find(&accounts->roster, domain);

	accounts->granted = true;
	if (entry != NULL && accounts->active)
		entry->listed = true;
}

static void
on_account(const struct account *account, void *arg)
{
	struct accounts *accounts = arg;
	struct doctor *doctor = accounts->doctor;

	accounts->active = !account->disabled;
	accounts->granted = false;
	if (store_grants(doctor->store, account->id, on_grant, accounts) ==
		STORE_OK &&
	    !accounts->granted && accounts->active)
		doctor_find(doctor, NO_DOMAIN, doctor->conf->database,
		    doctor_odmrctl(doctor, "account grant %s DOMAIN",
			doctor_word(doctor, account->login)),
		    "account %s: has no domain", account->login);
}

void
check_accounts(struct doctor *doctor)
{
	struct accounts accounts = { .doctor = doctor };
	const struct entry *entry;

	if (doctor->store == NULL)
		return;
	if (roster_load(&accounts.roster, doctor) == STORE_OK &&
	    store_account_each(doctor->store, on_account, &accounts) ==
		STORE_OK)
		for (size_t i = 0; i < accounts.roster.count; i++) {
			entry = &accounts.roster.entries[i];
			if (entry->mode == MODE_ODMR && !entry->listed)
				doctor_find(doctor, NO_ACCOUNT,
				    doctor->conf->database,
				    doctor_odmrctl(doctor,
					"account grant LOGIN %s", entry->name),
				    "domain %s: no account that may log in "
				    "has it",
				    entry->name);
		}
	roster_free(&accounts.roster);
}
