/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "network.h"

enum { MAPPED_BITS = 96 };

static int
width(const struct network *network)
{
	return network->family == AF_INET ? 32 : 128;
}

/* Bits are numbered from the left. */
static void
clear_bit(struct network *network, int bit)
{
	network->bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
}

static bool
is_set(const struct network *network, int bit)
{
	return (network->bytes[bit / 8] & (0x80 >> bit % 8)) != 0;
}

static void
unmap(struct network *network)
{
	static const unsigned char prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (network->family != AF_INET6 || network->bits < MAPPED_BITS ||
	    memcmp(network->bytes, prefix, sizeof(prefix)) != 0)
		return;
	network->family = AF_INET;
	network->bits -= MAPPED_BITS;
	memmove(network->bytes, network->bytes + sizeof(prefix), 4);
	memset(network->bytes + 4, 0, sizeof(network->bytes) - 4);
}

static bool
read_address(const char *text, size_t len, struct network *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	memset(out, 0, sizeof(*out));
	out->family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	out->bits = width(out);
	return inet_pton(out->family, copy, out->bytes) == 1;
}

/* One to three digits and nothing else: no sign, no leading zero. */
static bool
read_bits(const char *text, int most, int *bits)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 3 || text[len] != '\0' ||
	    (len > 1 && text[0] == '0'))
		return false;
	*bits = 0;
	for (; *text != '\0'; text++)
		*bits = *bits * 10 + (*text - '0');
	return *bits <= most;
}

bool
network_parse(const char *text, struct network *out, const char **why)
{
	size_t len = strcspn(text, "/");

	*why = "is no IPv4 or IPv6 address";
	if (!read_address(text, len, out))
		return false;
	*why = "has no number of bits behind the slash that fits the address";
	if (text[len] == '/' &&
	    !read_bits(text + len + 1, width(out), &out->bits))
		return false;
	/* Whoever wrote it meant another address or another prefix. */
	*why = "has bits set behind its prefix";
	for (int bit = out->bits; bit < width(out); bit++)
		if (is_set(out, bit))
			return false;
	unmap(out);
	return true;
}

bool
network_of_address(const char *text, struct network *out)
{
	if (!read_address(text, strcspn(text, "%"), out))
		return false;
	unmap(out);
	return true;
}

bool
network_widen(struct network *network)
{
	if (network->bits == 0)
		return false;
	clear_bit(network, --network->bits);
	return true;
}

char *
network_text(const struct network *network, char out[NETWORK_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(network->family, network->bytes, address, sizeof(address));
	snprintf(out, NETWORK_TEXT_SIZE, "%s/%d", address, network->bits);
	return out;
}
