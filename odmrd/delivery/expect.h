/* SPDX-License-Identifier: ISC */
/* What of ours a reply of the customer's server is due to. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stddef.h>

struct transaction;

enum expect {
	EXPECT_GREETING,
	EXPECT_EHLO,
	EXPECT_HELO,
	EXPECT_STARTTLS,
	EXPECT_RSET,
	EXPECT_MAIL,
	EXPECT_RCPT,
	EXPECT_DATA,
	EXPECT_CHUNK, /* a BDAT that is not the last */
	EXPECT_LAST,  /* BDAT LAST */
	EXPECT_DOT,
	EXPECT_NOOP,
	EXPECT_QUIT,
};

struct expected {
	enum expect what;
	struct transaction *tx; /* NULL for the session's own */
	size_t rcpt;
};

#endif
