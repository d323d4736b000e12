/* SPDX-License-Identifier: ISC */
/*
 * The configuration of the Postfix at postfix_config_directory, as postconf(1)
 * tells it: values expanded, defaults included. Read once, and only read.
 */
#ifndef POSTFIX_H
#define POSTFIX_H

#include "lib/conf.h"
#include "lib/postfix/lifetime.h"

enum { POSTFIX_ERROR_SIZE = 256 };

struct service {
	const char *name; /* as the first column has it */
	const char *type;
	bool chroot;
	const char *maxproc; /* "-": default_process_limit */
	const char *command; /* "lmtp" */
	const char *arguments;
	struct service *next;
};

struct postfix {
	struct service *services;
	/* What postconf has said: strings, one behind the other. */
	char *settings, *own, *overrides, *master, *tables;
};

/* False, with one line in `error`: there is no such configuration. */
bool postfix_load(
    struct postfix *, const struct conf *, char error[POSTFIX_ERROR_SIZE]);
void postfix_free(struct postfix *);

/* "" for what is not set, and for what this Postfix does not know. */
const char *postfix_setting(const struct postfix *, const char *name);
/* The same as the service has it, whose -o options come first. */
const char *postfix_setting_of(
    const struct postfix *, const struct service *, const char *name);
/* As main.cf has it, $variables and all; where it does not set it, the default,
 * expanded. What a cure adds to. */
const char *postfix_unexpanded(const struct postfix *, const char *name);
/* What the service's own -o says; NULL: nothing. */
const char *postfix_override(
    const struct postfix *, const struct service *, const char *name);
/* NULL: there is none. */
const struct service *postfix_service(
    const struct postfix *, const char *name, const char *type);
bool postfix_has_table(const struct postfix *, const char *kind);

/* The next word of a list, of which it returns the length, and moves `*list`
 * behind it; 0: there is none. What stands in braces is one word. */
size_t postfix_word(const char **list, const char **word);
bool postfix_lists(const char *list, const char *word);

#endif
