/* SPDX-License-Identifier: ISC */
/*
 * What odmrctl asks of Postfix for one message. The programs are those beside
 * postqueue; the id, a valid one (queue_id.h), is an argument of its own, and
 * no shell is near it. Each returns EX_OK or complains.
 */
#ifndef QUEUE_FILE_H
#define QUEUE_FILE_H

#include "odmrctl.h"

/* What the queue file says (postcat -e; only root may). `*envelope` is owned.
 * EX_NOINPUT without a word: no such message is in the queue. */
int queue_file_envelope(struct context *, const char *id, char **envelope);
/* Have it tried now (postqueue -i). Postfix does not tell whether it has it. */
int queue_file_release(struct context *, const char *id);
/* Take it out of the queue (postsuper -d; only root may). */
int queue_file_delete(struct context *, const char *id);

#endif
