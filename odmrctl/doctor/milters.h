/* SPDX-License-Identifier: ISC */
/*
 * Our milter among those of smtpd_milters and non_smtpd_milters. Cures leave
 * the others as they are.
 */
#ifndef MILTERS_H
#define MILTERS_H

#include "doctor.h"

/* One of the list: "unix:path" or "{ unix:path, name=value, ... }". */
struct mention {
	const char *address;
	const char *options; /* "" outside of braces */
};

/* False: milter_socket is not in the list. */
bool milters_find_ours(struct doctor *, const char *list, struct mention *);
/* A setting of this milter, or else main.cf's general one. */
const char *milters_option(struct doctor *, const struct mention *,
    const char *name, const char *general);

/* Ours as the list should have it. */
const char *milters_shipped(struct doctor *);
/* The cure that puts that into the list, in the place of ours or at the end:
 * for the service's -o where it has one, else (or NULL) for main.cf. */
const char *milters_cure(
    struct doctor *, const struct service *, const char *setting);

#endif
