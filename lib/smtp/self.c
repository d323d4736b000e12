/* SPDX-License-Identifier: ISC */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "self.h"

/* NULL: of no family that mail travels by. "::ffff:192.0.2.1" is 192.0.2.1:
 * that is where a connection to it goes. */
static const unsigned char *
bytes_of(const struct sockaddr *address, size_t *len)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *bytes = NULL;

	*len = 0;
	if (address == NULL)
		return NULL;
	if (address->sa_family == AF_INET) {
		*len = sizeof(struct in_addr);
		bytes = (const unsigned char *)address +
		    offsetof(struct sockaddr_in, sin_addr);
	} else if (address->sa_family == AF_INET6) {
		*len = sizeof(struct in6_addr);
		bytes = (const unsigned char *)address +
		    offsetof(struct sockaddr_in6, sin6_addr);
		if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
			*len = sizeof(struct in_addr);
			bytes += sizeof(mapped);
		}
	}
	return bytes;
}

static bool
same(const struct sockaddr *a, const struct sockaddr *b)
{
	size_t a_len, b_len;
	const unsigned char *a_bytes = bytes_of(a, &a_len);
	const unsigned char *b_bytes = bytes_of(b, &b_len);

	return a_bytes != NULL && b_bytes != NULL && a_len == b_len &&
	    memcmp(a_bytes, b_bytes, a_len) == 0;
}

/* "This host": 127/8 and ::1, of which no interface lists all, and the
 * unspecified address, as connect(2) takes it. */
static bool
is_loopback(const struct sockaddr *address)
{
	static const unsigned char zeros[sizeof(struct in6_addr)];
	size_t len;
	const unsigned char *bytes = bytes_of(address, &len);

	if (bytes == NULL)
		return false;
	if (len == sizeof(struct in_addr) && bytes[0] == IN_LOOPBACKNET)
		return true;
	return memcmp(bytes, zeros, len - 1) == 0 &&
	    (bytes[len - 1] == 0 ||
		(len == sizeof(struct in6_addr) && bytes[len - 1] == 1));
}

bool
self_has(const struct sockaddr *address)
{
	struct ifaddrs *all;
	bool found = is_loopback(address);

	if (getifaddrs(&all) == -1)
		return found;
	for (struct ifaddrs *one = all; one != NULL && !found;
	     one = one->ifa_next)
		found = same(one->ifa_addr, address);
	freeifaddrs(all);
	return found;
}

bool
self_is_called(const char *ourselves, const char *word, size_t len)
{
	static const char between[] = ", \t\n";
	size_t one;

	for (;; ourselves += one) {
		ourselves += strspn(ourselves, between);
		one = strcspn(ourselves, between);
		if (one == 0)
			return false;
		if (one == len && strncasecmp(ourselves, word, len) == 0)
			return true;
	}
}
