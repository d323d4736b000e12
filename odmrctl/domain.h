/* SPDX-License-Identifier: ISC */
/*
 * What becomes of domains, for the commands that add or remove some: the rules
 * of domain add and domain remove. The functions return EX_OK, or complain.
 */
#ifndef ODMRCTL_DOMAIN_H
#define ODMRCTL_DOMAIN_H

#include "lib/endpoint.h"
#include "odmrctl.h"

struct domain_settings {
	enum domain_mode mode;
	char nexthop[ENDPOINT_TEXT_SIZE]; /* "": by MX */
};

/* Lays the options over what is there. */
int take_domain_settings(const struct arguments *, struct domain_settings *);
/* For the store: NULL where there is none. */
const char *nexthop_or_null(const struct domain_settings *);
/* Of a domain that is there: a visitor, `arg` is a struct domain_settings. */
void copy_domain_settings(const struct domain *, void *arg);

/* The domains are new: Postfix's tables get them. It is said where Postfix's
 * folding makes another one of a name. */
int tell_postfix_new(struct context *, const char *const *names, size_t count);

struct domain_removal {
	const char *name;
	int64_t held; /* messages that wait */
	bool etrn;    /* it has names that only ETRN knows */
};

/* Before it goes: what will be left of `removal->name`, and does the second
 * table have it? */
int look_at_removal(struct context *, struct domain_removal *);
/* What becomes of its mail, for a domain that is to go. */
void tell_removal(FILE *out, const struct domain_removal *);
/* They are gone from the database: so they are from Postfix's tables. */
int tell_postfix_gone(
    struct context *, const struct domain_removal *removals, size_t count);

#endif
