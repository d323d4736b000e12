/* SPDX-License-Identifier: ISC */
/*
 * odmrctl setup: master.cf. The services that we need, and what others say by
 * -o instead of main.cf. An empty list there is meant to be empty (an smtpd(8)
 * behind a content filter) and stays so; one with words in it is joined.
 */
#include <stdlib.h>
#include <string.h>

#include "setup.h"

/* postfix-conf/master.cf has the reasons. */
static const struct {
	const char *name;
	const char *command, *argument; /* what makes it ours */
	const char *lines;
} services[] = {
	{ "odmr/unix", "lmtp", "",
	    "odmr      unix  -       -       n       -       1000    lmtp\n"
	    "  -o syslog_name=postfix/odmr\n"
	    "  -o lmtp_send_xforward_command=yes\n"
	    "  -o lmtp_line_length_limit=0\n"
	    "  -o lmtp_data_init_timeout=2h\n"
	    "  -o lmtp_data_xfer_timeout=2h\n"
	    "  -o lmtp_data_done_timeout=2h\n"
	    "  -o lmtp_connection_cache_on_demand=yes\n" },
	{ "etrn-policy/unix", "spawn", "etrn-trigger",
	    "etrn-policy unix -      n       n       -       0       spawn\n"
	    "  user=%u:%g\n"
	    "  argv=%p -c %f --policy\n" },
};

/* With "submission = yes" in odmr.conf. */
static const char submission[] =
    "%s inet n  -       n       -       -       smtpd\n"
    "  -o syslog_name=postfix/odmr-submission\n"
    "  -o smtpd_authorized_xclient_hosts=127.0.0.1\n"
    "  -o smtpd_sasl_auth_enable=yes\n"
    "  -o smtpd_sasl_exceptions_networks=static:all\n"
    "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
    "  -o smtpd_client_restrictions=\n"
    "  -o smtpd_helo_restrictions=\n"
    "  -o smtpd_sender_restrictions=\n"
    "  -o smtpd_recipient_restrictions=\n"
    "  -o smtpd_tls_security_level=none\n";

/* ---- services ------------------------------------------------------------ */

static void
add_service(struct setup *setup, const char *template)
{
	char *lines = wish_text(setup, template);

	if (strstr(setup->master.text, SETUP_MASTER_COMMENT) == NULL)
		cf_append(&setup->master, SETUP_MASTER_COMMENT);
	cf_append(&setup->master, lines);
	setup->changed = true;
	free(lines);
}

static const struct service *
service_of(const struct setup *setup, const char *name)
{
	const char *type = strrchr(name, '/');
	char *first = must(strndup(name, (size_t)(type - name)));
	const struct service *service =
	    postfix_service(&setup->postfix, first, type + 1);

	free(first);
	return service;
}

static void
join_service(struct setup *setup, size_t i)
{
	const struct service *service = service_of(setup, services[i].name);
	const struct cf_entry *entry =
	    cf_find(&setup->master, services[i].name);

	if (service == NULL || entry == NULL)
		add_service(setup, services[i].lines);
	else if (strcmp(service->command, services[i].command) != 0 ||
	    strstr(service->arguments, services[i].argument) == NULL)
		setup_refuse_at(setup, &setup->master, entry->begin,
		    "the name of this service, %.*s, is one that we need, and "
		    "it runs \"%s\": give yours another name",
		    (int)strcspn(services[i].name, "/"), services[i].name,
		    service->command);
}

static void
join_submission(struct setup *setup)
{
	char *name = wish_text(setup, "%s/inet");
	const struct service *service = service_of(setup, name);
	const struct cf_entry *entry = cf_find(&setup->master, name);

	if (service == NULL || entry == NULL)
		add_service(setup, submission);
	else if (strcmp(service->command, "smtpd") != 0 ||
	    postfix_setting_of(&setup->postfix, service,
		"smtpd_authorized_xclient_hosts")[0] == '\0')
		setup_refuse_at(setup, &setup->master, entry->begin,
		    "submission_server of odmr.conf leads to this service, "
		    "which takes no XCLIENT: choose another port there");
	free(name);
}

void
master_join(struct setup *setup)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		join_service(setup, i);
	if (setup->conf->submission)
		join_submission(setup);
}

bool
master_is_ours(const struct setup *setup, const char *name)
{
	char *ours = wish_text(setup, "%s/inet");
	bool is = strcmp(name, ours) == 0;

	free(ours);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		is = is || strcmp(name, services[i].name) == 0;
	return is;
}

/* ---- options ------------------------------------------------------------- */

static char *
trimmed(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\n", text[0]) != NULL) {
		text++;
		len--;
	}
	while (len > 0 && strchr(" \t\n", text[len - 1]) != NULL)
		len--;
	return must(strndup(text, len));
}

bool
master_next_option(const struct cf *cf, const struct cf_entry *entry,
    size_t *at, struct master_option *option)
{
	const char *text, *equal;
	struct cf_word *word = &option->word;
	size_t len;

	while (cf_next(cf, at, entry->end, word)) {
		/* What follows is a program's own. */
		if (strncmp(cf->text + word->begin, "argv=", 5) == 0)
			return false;
		if (!cf_word_is(cf, word, "-o") ||
		    !cf_next(cf, at, entry->end, word))
			continue;
		text = cf->text + word->begin;
		len = word->end - word->begin;
		if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
			text++;
			len -= 2;
		}
		equal = memchr(text, '=', len);
		if (equal == NULL)
			continue;
		option->name = trimmed(text, (size_t)(equal - text));
		option->value =
		    trimmed(equal + 1, len - (size_t)(equal + 1 - text));
		return true;
	}
	return false;
}

void
master_free_option(struct master_option *option)
{
	free(option->name);
	free(option->value);
}

/* The value it should have; NULL: it is right, or there is an obstacle. */
static char *
better_value(struct setup *setup, const struct wish *wish,
    const struct master_option *option, const char *expanded)
{
	char *word, *value = NULL;

	if (wish->kind == WISH_ETRN) {
		/* One port less for ETRN is the operator's own wish. */
		if (strcmp(option->value, "reject") == 0 ||
		    etrn_join_value(setup, option->value, expanded, &value))
			return value;
	} else if (!value_is_wrong(setup, wish, expanded)) {
		return NULL;
	} else if (wish->kind == WISH_LAST || wish->kind == WISH_FIRST ||
	    wish->kind == WISH_MILTER) {
		word = wish_text(setup, wish->value);
		value = wish->kind == WISH_FIRST
		    ? setup_text("%s, %s", word, option->value)
		    : setup_text("%s, %s", option->value, word);
		free(word);
		return value;
	}
	setup_refuse_at(setup, &setup->master, option->word.begin,
	    "-o %s=%s goes against what main.cf has to say: take it away, or "
	    "give it the value of postfix-conf/main.cf",
	    option->name, option->value);
	return NULL;
}

/* True: the text has changed. */
static bool
join_option(struct setup *setup, const struct service *service,
    const struct master_option *option)
{
	const char *expanded =
	    postfix_setting_of(&setup->postfix, service, option->name);
	char *value, *text;

	if (option->value[0] == '\0')
		return false;
	for (size_t i = 0; i < wish_count; i++) {
		if (strcmp(wishes[i].name, option->name) != 0)
			continue;
		value = better_value(setup, &wishes[i], option, expanded);
		if (value == NULL)
			continue;
		text = setup_text("{ %s = %s }", option->name, value);
		cf_replace(
		    &setup->master, option->word.begin, option->word.end, text);
		free(text);
		free(value);
		return true;
	}
	return false;
}

/* One change a round, for it moves all that follows. */
void
master_join_options(struct setup *setup)
{
	struct master_option option;
	const struct service *service;
	const struct cf_entry *entry;
	bool joined = false;
	size_t at;

	for (size_t i = 0; !joined && i < setup->master.count; i++) {
		entry = &setup->master.entries[i];
		service = service_of(setup, entry->name);
		if (service == NULL || master_is_ours(setup, entry->name))
			continue;
		at = entry->value;
		while (!joined &&
		    master_next_option(&setup->master, entry, &at, &option)) {
			joined = join_option(setup, service, &option);
			master_free_option(&option);
		}
	}
	setup->changed = setup->changed || joined;
}

/* ---- the milter ---------------------------------------------------------- */

static bool
calls_milter(const struct setup *setup, const struct service *service)
{
	const char *list =
	    postfix_setting_of(&setup->postfix, service, "smtpd_milters");
	bool found = false;

	for (size_t i = 0; i < wish_count; i++)
		if (strcmp(wishes[i].name, "smtpd_milters") == 0)
			found = wish_listed(setup, &wishes[i], list) > 0;
	return found &&
	    !postfix_lists(postfix_setting_of(&setup->postfix, service,
			       "receive_override_options"),
		"no_milters");
}

void
master_check_milter(struct setup *setup)
{
	const struct service *without = NULL;
	const struct cf_entry *entry;
	bool called = false;
	char *name;

	for (const struct service *one = setup->postfix.services; one != NULL;
	     one = one->next) {
		name = setup_text("%s/%s", one->name, one->type);
		if (strcmp(one->command, "smtpd") == 0 &&
		    !master_is_ours(setup, name)) {
			called = called || calls_milter(setup, one);
			without = one;
		}
		free(name);
	}
	if (postfix_setting(&setup->postfix, "smtpd_milter_maps")[0] != '\0')
		setup_note(setup,
		    "smtpd_milter_maps gives some clients other milters: name "
		    "ours there, too");
	if (called || without == NULL)
		return;
	name = setup_text("%s/%s", without->name, without->type);
	entry = cf_find(&setup->master, name);
	if (entry != NULL)
		setup_refuse_at(setup, &setup->master, entry->begin,
		    "this smtpd calls no milter, and no other calls ours: take "
		    "away its -o smtpd_milters, or no_milters in "
		    "receive_override_options, or name %s there",
		    setup->conf->milter_socket);
	free(name);
}
