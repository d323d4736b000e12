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

bool
domain_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why)
{
	const char *fault = name_fault(name, len, 2, '-'); /* as any label */

	if (why != NULL)
		*why = fault;
	if (fault == NULL)
		lower(name, len, out);
	return fault == NULL;
}

bool
hostname_canonical(
    const char *name, size_t len, char out[DOMAIN_SIZE], const char **why)
{
	const char *fault = name_fault(name, len, 1, '_');

	if (why != NULL)
		*why = fault;
	if (fault == NULL)
		lower(name, len, out);
	return fault == NULL;
}

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

bool
domain_from_operator(const char *name, char out[DOMAIN_SIZE], const char **why)
{
	char *ascii = NULL;
	bool ok;
	int rc;

	if (is_ascii(name))
		return domain_canonical(name, strlen(name), out, why);
	rc = idn2_to_ascii_8z(
	    name, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (rc != IDN2_OK) {
		if (why != NULL)
			*why = "is no internationalised name";
		return false;
	}
	ok = domain_canonical(ascii, strlen(ascii), out, why);
	idn2_free(ascii);
	return ok;
}
