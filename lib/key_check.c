/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "key_check.h"

enum { MODULUS_MAX = 1 + 8192 / 8, EXPONENT_MAX = 5, HEADER = 4 };

enum tag {
	INTEGER = 0x02,
	BIT_STRING = 0x03,
	OBJECT = 0x06,
	SEQUENCE = 0x30,
	VERSION = 0xa0,
};

/* Bytes that are still to be read. */
struct input {
	const unsigned char *at;
	size_t left;
};

static bool
take(struct input *in, size_t len, struct input *out)
{
	if (len > in->left)
		return false;
	*out = (struct input) { in->at, len };
	in->at += len;
	in->left -= len;
	return true;
}

/* A number in so many bytes. */
static bool
take_number(struct input *in, size_t bytes, size_t *number)
{
	struct input digits;

	if (!take(in, bytes, &digits))
		return false;
	for (*number = 0; digits.left > 0; digits.left--)
		*number = *number << 8 | *digits.at++;
	return true;
}

/* A vector of TLS: its length, and it. */
static bool
take_vector(struct input *in, size_t bytes, struct input *out)
{
	size_t len;

	return take_number(in, bytes, &len) && take(in, len, out);
}

/* ---- DER ----------------------------------------------------------------- */

static bool
take_any(struct input *in, size_t *tag, struct input *value)
{
	size_t len;

	if (!take_number(in, 1, tag) || !take_number(in, 1, &len))
		return false;
	if (len > 0x80 && len <= 0x83 && !take_number(in, len - 0x80, &len))
		return false;
	return take(in, len, value);
}

static bool
take_element(struct input *in, enum tag wanted, struct input *value)
{
	size_t tag;

	return take_any(in, &tag, value) && tag == (size_t)wanted;
}

static bool
is(const struct input *value, const char *bytes, size_t len)
{
	return value->left == len && memcmp(value->at, bytes, len) == 0;
}

#define IS(value, bytes) is(value, bytes, sizeof(bytes) - 1)

/* ---- keys ---------------------------------------------------------------- */

/* RFC 8017 A.1.1 */
static bool
is_usual_rsa(struct input bits)
{
	struct input key, modulus, exponent;

	return take_element(&bits, SEQUENCE, &key) &&
	    take_element(&key, INTEGER, &modulus) &&
	    take_element(&key, INTEGER, &exponent) &&
	    modulus.left <= MODULUS_MAX && exponent.left <= EXPONENT_MAX;
}

/* RFC 5480 2.1.1: a curve by name. 2.2: 4 is a point that is not compressed. */
static bool
is_usual_curve(struct input parameters, struct input point)
{
	struct input name;

	return take_element(&parameters, OBJECT, &name) &&
	    (IS(&name, "\x2a\x86\x48\xce\x3d\x03\x01\x07") ||
		IS(&name, "\x2b\x81\x04\x00\x22") ||
		IS(&name, "\x2b\x81\x04\x00\x23")) &&
	    point.left > 0 && point.at[0] == 4;
}

/* RFC 5280 4.1: SubjectPublicKeyInfo. */
static bool
is_usual_key(struct input info)
{
	struct input algorithm, name, key;
	size_t unused;

	if (!take_element(&info, SEQUENCE, &algorithm) ||
	    !take_element(&algorithm, OBJECT, &name) ||
	    !take_element(&info, BIT_STRING, &key) ||
	    !take_number(&key, 1, &unused) || unused != 0)
		return false;
	if (IS(&name, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") ||
	    IS(&name, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"))
		return is_usual_rsa(key);
	if (IS(&name, "\x2a\x86\x48\xce\x3d\x02\x01"))
		return is_usual_curve(algorithm, key);
	return IS(&name, "\x2b\x65\x70") || IS(&name, "\x2b\x65\x71");
}

/* RFC 5280 4.1: the key comes behind version (which may be missing), serial
 * number, signature, issuer, validity and subject. */
static bool
has_usual_key(struct input bytes)
{
	struct input certificate, body, field;
	size_t tag;

	if (!take_element(&bytes, SEQUENCE, &certificate) ||
	    !take_element(&certificate, SEQUENCE, &body) ||
	    !take_any(&body, &tag, &field))
		return false;
	for (int skip = tag == VERSION ? 5 : 4; skip > 0; skip--)
		if (!take_any(&body, &tag, &field))
			return false;
	return take_element(&body, SEQUENCE, &field) && is_usual_key(field);
}

bool
keys_are_usual(const unsigned char *message, size_t len, bool tls13)
{
	struct input in = { message, len }, header, context, list, one,
		     extensions;

	if (!take(&in, HEADER, &header) ||
	    (tls13 && !take_vector(&in, 1, &context)) ||
	    !take_vector(&in, 3, &list))
		return false;
	while (list.left > 0)
		if (!take_vector(&list, 3, &one) ||
		    (tls13 && !take_vector(&list, 2, &extensions)) ||
		    !has_usual_key(one))
			return false;
	return true;
}
