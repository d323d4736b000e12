/* SPDX-License-Identifier: ISC */
/*
 * What Postfix knows of our domains: two tables, written from the database,
 * which is right where they disagree.
 *
 * conf->domain_table, for relay_domains, transport_maps and fast_flush_domains:
 * the domains, also as mail may write them in UTF-8, each with its transport.
 *
 * conf->etrn_table, for fast_flush_domains and smtpd_command_filter: what only
 * ETRN may name. The names of queues; and commands with a name in UTF-8, each
 * with the command in A-labels (see postfix-conf/etrn_filter).
 */
#ifndef RELAY_TABLE_H
#define RELAY_TABLE_H

#include "lib/conf.h"
#include "lib/postfix/postmap.h"
#include "lib/store/store.h"

/* After these domains were added, changed or removed. These give false with one
 * line in `error`; to repeat them, or relay_table_write(), does the rest. */
bool relay_table_update(const struct conf *, struct store *,
    const char *const *domains, size_t count, char error[POSTMAP_ERROR_SIZE]);
/* After a name of a queue or a domain in UTF-8 came or went: the second one as
 * a whole. */
bool relay_table_update_etrn(
    const struct conf *, struct store *, char error[POSTMAP_ERROR_SIZE]);
/* Both as a whole. */
bool relay_table_write(
    const struct conf *, struct store *, char error[POSTMAP_ERROR_SIZE]);
/* Those of both that do not say what the database says, as a whole. */
bool relay_table_mend(const struct conf *, struct store *, bool *mended,
    char error[POSTMAP_ERROR_SIZE]);

/* Do both say what the database says? A fault is no answer. */
bool relay_table_check(const struct conf *, struct store *, bool *agree,
    char error[POSTMAP_ERROR_SIZE]);

#endif
