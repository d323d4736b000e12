/* SPDX-License-Identifier: ISC */
/*
 * The log lines about tags that will not be written: at most one a minute from
 * the whole milter, with counts, however many messages are concerned. Called
 * from any thread.
 */
#ifndef COMPLAINT_H
#define COMPLAINT_H

#include <stddef.h>

/* The message `queue_id` (or NULL) passes and will never get a tag from us. */
void complaint_missed(const char *queue_id, const char *why);
/* So many messages at once. */
void complaint_lost(size_t count, const char *why);
/* Logs what was counted and not yet said. */
void complaint_end(void);

#endif
