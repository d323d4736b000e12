/* SPDX-License-Identifier: ISC */
/*
 * The name by which a client's certificate is known: the SHA-256 of its DER
 * form as 64 hex digits in lower case.
 */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>

struct x509_st;

/* Room for a fingerprint and its NUL. */
enum { FINGERPRINT_SIZE = 65 };

/* Reads 64 hex digits, in any case, or 32 pairs of them with colons between. */
bool fingerprint_parse(const char *text, char out[FINGERPRINT_SIZE]);

bool fingerprint_of(const struct x509_st *cert, char out[FINGERPRINT_SIZE]);

/* Of the first certificate in a PEM file; false with one line in `error`. */
bool fingerprint_of_file(const char *path, char out[FINGERPRINT_SIZE],
    char *error, size_t error_size);

#endif
