/* SPDX-License-Identifier: ISC */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "self.h"

/* NULL: of no family that mail travels by. */
static const void *
bytes_of(const struct sockaddr *address, size_t *len)
{
	*len = 0;
	if (address == NULL)
		return NULL;
	if (address->sa_family == AF_INET) {
		*len = sizeof(struct in_addr);
		return (const char *)address +
		    offsetof(struct sockaddr_in, sin_addr);
	}
	if (address->sa_family == AF_INET6) {
		*len = sizeof(struct in6_addr);
		return (const char *)address +
		    offsetof(struct sockaddr_in6, sin6_addr);
	}
	return NULL;
}

static bool
same(const struct sockaddr *a, const struct sockaddr *b)
{
	size_t a_len, b_len;
	const void *a_bytes = bytes_of(a, &a_len);
	const void *b_bytes = bytes_of(b, &b_len);

	return a_bytes != NULL && b_bytes != NULL && a_len == b_len &&
	    memcmp(a_bytes, b_bytes, a_len) == 0;
}

/* "This host", as the unspecified address is taken by connect(2). */
static bool
is_unspecified(const struct sockaddr *address)
{
	static const unsigned char zeros[sizeof(struct in6_addr)];
	size_t len;
	const void *bytes = bytes_of(address, &len);

	return bytes != NULL && memcmp(bytes, zeros, len) == 0;
}

bool
self_has(const struct sockaddr *address)
{
	struct ifaddrs *all;
	bool found = is_unspecified(address);

	if (getifaddrs(&all) == -1)
		return found;
	for (struct ifaddrs *one = all; one != NULL && !found;
	     one = one->ifa_next)
		found = same(one->ifa_addr, address);
	freeifaddrs(all);
	return found;
}
