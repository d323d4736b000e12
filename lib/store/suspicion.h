/* SPDX-License-Identifier: ISC */
/*
 * Whose fault is it that a session ended badly? What was on the wire then is
 * remembered with its tag; in the next sessions the more suspect goes the
 * later. An enum's order is the order in which they go.
 */
#ifndef SUSPICION_H
#define SUSPICION_H

enum suspicion {
	SUSPECT_NOT,
	SUSPECT_NEAR,    /* was in flight when a session ended badly */
	SUSPECT_DOUBTED, /* was refused, and that was not believed */
	SUSPECT_LIKELY,  /* a session ended at it */
	SUSPECT_APART,   /* again and again: is not tried for a time */
};

/* What the end of a transaction says of it. */
enum fault {
	FAULT_NONE,    /* the customer has answered */
	FAULT_UNKNOWN, /* it was not on the wire */
	FAULT_NEAR,    /* the session ended badly while it was in flight */
	FAULT_REFUSED, /* it was refused, for now, and that may end sessions */
	FAULT_LIKELY,  /* the session ended badly, and its reply was due */
};

#endif
