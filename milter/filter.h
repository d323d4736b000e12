/* SPDX-License-Identifier: ISC */
/*
 * What libmilter calls as a mail system tells of its sessions: it collects the
 * envelope of each message, and at its end has it recorded (record.h). Called
 * from any of libmilter's threads, for one connection from one at a time.
 *
 * Law: every answer lets the mail go on, whatever comes. Only connect, MAIL,
 * RCPT, header fields and the end of a message are wanted, and only the last is
 * waited for. Who is refused here is refused as a connection, and its mail
 * passes untagged, at once.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>

/* Before the socket is opened. False: out of memory. */
bool filter_register(void);

/* Of more connections than these at a time, the latest are closed. */
void filter_limit(unsigned most);
/* How many connections have ended, also of those who said nothing. */
unsigned filter_closed(void);

#endif
