/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>

#include <idn2.h>

#include "domain.h"

enum { LABEL_MAX = 63 };

static bool
is_ldh(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || c == '-');
}

/* The reason why `len` bytes are no label, or NULL. `more` is a character that
 * labels may have besides. */
static const char *
label_fault(const char *label, size_t len, char more)
{
	if (len == 0)
		return "has an empty label";
	if (len > LABEL_MAX)
		return "has a label of more than 63 octets";
	if (label[0] == '-' || label[len - 1] == '-')
		return "has a label that begins or ends with a hyphen";
	for (size_t i = 0; i < len; i++)
		if (!is_ldh((unsigned char)label[i]) && label[i] != more)
			return "has a character that is no letter, digit or "
			       "hyphen";
	return NULL;
}

static const char *
name_fault(const char *name, size_t len, size_t least, char more)
{
	const char *fault;
	size_t start = 0, labels = 0;
	bool numeric = true;

	if (len == 0)
		return "is empty";
	if (len >= DOMAIN_SIZE)
		return "is longer than 253 octets";
	if (name[len - 1] == '.')
		return "has a trailing dot";
	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '.') {
			if (!isdigit((unsigned char)name[i]))
				numeric = false;
			continue;
		}
		fault = label_fault(name + start, i - start, more);
		if (fault != NULL)
			return fault;
		labels++;
		start = i + 1;
	}
	if (labels < least)
		return "has only one label";
	return numeric ? "is a number" : NULL;
}

static void
lower(const char *name, size_t len, char out[DOMAIN_SIZE])
{
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[len] = '\0';
}

static bool
is_ascii(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] >= 0x80)
			return false;
	return true;
}

static const char *
idn_fault(int rc)
{
	switch (rc) {
	case IDN2_OK:
		return NULL;
	case IDN2_MALLOC:
		return domain_no_memory;
	case IDN2_ENCODING_ERROR:
		return "is neither ASCII nor UTF-8";
	case IDN2_TOO_BIG_DOMAIN:
		return "is longer than 253 octets";
	case IDN2_TOO_BIG_LABEL:
	case IDN2_PUNYCODE_BIG_OUTPUT:
		return "has a label of more than 63 octets";
	default:
		return "is no internationalised name";
	}
}

static int
to_ascii(const char *name, char **ascii)
{
	return idn2_to_ascii_8z(
	    name, ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
}

/* The A-labels of `len` bytes of UTF-8, which may be several times as long. */
static const char *
find_ascii(const char *name, size_t len, char **ascii)
{
	enum { CHARACTER_MAX = 4, PARTS_MAX = 4 };
	char utf8[DOMAIN_SIZE * CHARACTER_MAX * PARTS_MAX];

	if (len >= sizeof(utf8))
		return "is longer than 253 octets";
	if (memchr(name, '\0', len) != NULL)
		return "is no internationalised name";
	memcpy(utf8, name, len);
	utf8[len] = '\0';
	return idn_fault(to_ascii(utf8, ascii));
}

static bool
canonical(const char *name, size_t len, size_t least, char more,
    char out[DOMAIN_SIZE], const char **why)
{
	const char *fault = NULL;
	char *ascii = NULL;

	if (!is_ascii(name, len)) {
		fault = find_ascii(name, len, &ascii);
		name = ascii;
		len = fault == NULL ? strlen(ascii) : 0;
	}
	if (fault == NULL)
		fault = name_fault(name, len, least, more);
	if (fault == NULL)
		lower(name, len, out);
	idn2_free(ascii);
	if (why != NULL)
		*why = fault;
	return fault == NULL;
}

const char domain_no_memory[] = "does not fit into memory";

bool
domain_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why)
{
	return canonical(name, len, 2, '-', out, why); /* as any label */
}

bool
hostname_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why)
{
	return canonical(name, len, 1, '_', out, why);
}

/* flush(8) refuses what is no A-label but looks like one, in any Postfix that
 * knows SMTPUTF8. Symbols, which IDNA 2008 forbids, it takes. */
bool
domain_from_operator(const char *name, char out[DOMAIN_SIZE], const char **why)
{
	char *ascii = NULL;
	int rc;

	if (!domain_canonical(name, strlen(name), out, why))
		return false;
	rc = to_ascii(out, &ascii);
	idn2_free(ascii);
	if (rc == IDN2_OK || rc == IDN2_DISALLOWED)
		return true;
	*why = rc == IDN2_MALLOC
	    ? domain_no_memory
	    : "has hyphens at a label's third and fourth place, as only an "
	      "internationalised name has, and is none";
	return false;
}
