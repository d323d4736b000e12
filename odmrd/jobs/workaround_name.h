/* SPDX-License-Identifier: ISC */
/*
 * What a customer's server cannot do although it offers it, or needs although
 * it does not say so, and what the database and the operator call it.
 */
#ifndef WORKAROUND_NAME_H
#define WORKAROUND_NAME_H

enum workaround_bit {
	AVOID_TLS = 1 << 0, /* STARTTLS is offered and does not work */
	NEED_TLS = 1 << 1,  /* nothing is taken without it */
	AVOID_CHUNKING = 1 << 2,
	AVOID_PIPELINING = 1 << 3,
	AVOID_EHLO = 1 << 4,
	AVOID_NOOP = 1 << 5,  /* it is counted, or closes */
	AVOID_RSET = 1 << 6,  /* likewise, but where a message was refused */
	AVOID_CROWD = 1 << 7, /* the session before broke */
};

/* 0: no workaround has that name. */
unsigned workaround_of(const char *name);
const char *workaround_name(enum workaround_bit bit);

#endif
