/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "refusal.h"

#define AT(what) (1U << (what))

enum {
	ANYWHERE = AT(EXPECT_MAIL) | AT(EXPECT_RCPT) | AT(EXPECT_DATA) |
	    AT(EXPECT_CHUNK) | AT(EXPECT_LAST) | AT(EXPECT_DOT)
};

/* The first that fits counts. `enhanced`: how the enhanced status code (RFC
 * 3463) begins; "": whatever it is. */
static const struct {
	int first, last; /* basic codes */
	const char *enhanced;
	unsigned stages;
	enum refusal refusal;
} rows[] = {
	/* RFC 5321 4.5.3.1.10: too many recipients, whatever else it says. */
	{ 552, 552, "", AT(EXPECT_RCPT), REFUSAL_FOR_NOW },
	/* RFC 5321 4.2.4: not recognised. Whether it was our command, or a line
	 * of a body, nobody knows. */
	{ 500, 500, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 3030 4.2: an argument of BDAT can only be its size and LAST. */
	{ 501, 501, "", AT(EXPECT_CHUNK) | AT(EXPECT_LAST),
	    REFUSAL_OF_SESSION },
	{ 504, 504, "", AT(EXPECT_CHUNK) | AT(EXPECT_LAST),
	    REFUSAL_OF_SESSION },
	/* RFC 5321 4.2.2: syntax of an argument. */
	{ 501, 501, "", ANYWHERE, REFUSAL_FOR_NOW },
	/* RFC 5321 4.2.4: not implemented. */
	{ 502, 502, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 5321 4.1.4: bad sequence of commands. */
	{ 503, 503, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 5321 4.2.4: an argument is not implemented. */
	{ 504, 504, "", ANYWHERE, REFUSAL_FOR_NOW },
	/* RFC 7504 3: the host takes no mail. */
	{ 521, 521, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 3207 4: STARTTLS first; RFC 4954 6: AUTH first. */
	{ 530, 530, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 4954 6: the mechanism is too weak, the login wrong. */
	{ 534, 535, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 4954 (RFC 2554 6): AUTH needs encryption. */
	{ 538, 538, "", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 4954 6: the login is wrong. */
	{ 500, 599, "5.7.8", ANYWHERE, REFUSAL_OF_SESSION },
	/* RFC 5321 4.1.1.11: a parameter of MAIL or RCPT is not known. */
	{ 555, 555, "", ANYWHERE, REFUSAL_FOR_NOW },
	/* RFC 3463 3.6: the protocol. */
	{ 500, 599, "5.5.", ANYWHERE, REFUSAL_FOR_NOW },
	/* RFC 3463 3.8: security, and no more is said; RFC 3207 4 has it for
	 * "STARTTLS first". */
	{ 500, 599, "5.7.0", ANYWHERE, REFUSAL_FOR_NOW },
	/* RFC 3463 3.4: the system is full, takes nothing, is set up badly. */
	{ 500, 599, "5.3.1", ANYWHERE, REFUSAL_FOR_NOW },
	{ 500, 599, "5.3.2", ANYWHERE, REFUSAL_FOR_NOW },
	{ 500, 599, "5.3.5", ANYWHERE, REFUSAL_FOR_NOW },
};

/* Is "5.7.0" that of "5.7.0 text", and not of "5.7.01"? A class and subject,
 * "5.5.", is that of all its details. */
static bool
has_enhanced(const char *text, const char *enhanced)
{
	size_t len = strlen(enhanced);

	if (strncmp(text, enhanced, len) != 0)
		return false;
	return len == 0 || enhanced[len - 1] == '.' ||
	    !isdigit((unsigned char)text[len]);
}

enum refusal
refusal_of(enum expect what, const struct reply *reply)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (reply->code >= rows[i].first &&
		    reply->code <= rows[i].last && rows[i].stages & AT(what) &&
		    has_enhanced(reply->text, rows[i].enhanced))
			return rows[i].refusal;
	return REFUSAL_OF_MESSAGE;
}

/* RFC 5321 4.2.3 has 450, 451, 452 and 455 for mail; 454 is TLS's, and 453
 * ATRN's. */
int
refusal_softened(int code)
{
	return code == 550 || code == 552 || code == 555 ? code - 100 : 451;
}
