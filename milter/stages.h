/* SPDX-License-Identifier: ISC */
/*
 * What libmilter calls at each stage of an SMTP session: it collects the
 * envelope, and records it at the end of the message.
 *
 * Law: every stage lets the mail go on, whatever happens. Of the mail system
 * only connect, MAIL, RCPT and the end of the message are wanted; only the last
 * is waited for.
 */
#ifndef STAGES_H
#define STAGES_H

#include <stdbool.h>

/* Tells libmilter about the stages; false when it has no memory. */
bool stages_register(void);

#endif
