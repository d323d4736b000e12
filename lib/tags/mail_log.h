/* SPDX-License-Identifier: ISC */
/*
 * Follows Postfix's log (`mail_log`), which alone says what became of mail that
 * Postfix delivers itself, lets expire, or is told to delete: settles the tags.
 * What odmrd carried is settled by odmrd.
 *
 * Reads from where it stopped the last time. How far that was is saved with
 * what was read, in short transactions: whatever ends this, nothing is read
 * twice and nothing is passed over. A log that was rotated is read to its end
 * under its new name, then those that came after it (log_file.h). Where it is
 * not found, the log has a warning.
 *
 * Postfix may have delivered a message before the milter wrote its tag. Lines
 * about relay domains whose tag is not there are kept
 * (store_log_without_tag.c), and count, in their place, when it is.
 */
#ifndef MAIL_LOG_H
#define MAIL_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/store/store.h"

/* Adds to *settled. True at once where no log is set. false: `error` says why
 * in one line; what was read until then stays read. */
bool mail_log_follow(const struct conf *conf, struct store *store,
    struct settled *settled, char *error, size_t size);

#endif
